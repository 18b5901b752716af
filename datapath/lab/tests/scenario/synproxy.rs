//! SYNPROXY: connections whose opening the router answers for the server. The numbers and times that it chooses are told by
//! name, so that the conversations of two routers can be compared word by word.

use std::{
    cell::RefCell,
    io::{self, Write},
    time::{Duration, Instant},
};

use lab::{
    frame::{Ip, Tcp},
    suite::Test,
    twin::{Crossing, Side},
};
use socket2::Type;

use super::handing::{receives, transparent};
use super::{Stage, arrives, claim_after, claim_alike, client, fail, server, vanishes, view};

/// Where the client and the server begin, in numbers and times.
const CLIENT: u32 = 1000;
const SERVER: u32 = 5000;
const CLIENT_TIME: u32 = 3_000_000;
const SERVER_TIME: u32 = 70_000_000;

/// Segments of this kind are not tracked, as those of nobody's connection would not be with `nf_conntrack_tcp_loose=0`, which a
/// datapath would hear of too late for a test.
const STRANGE: u8 = 0x10;

const RULES: [&str; 7] = [
    "-t raw -A PREROUTING -i lan0 -p tcp --syn -m tos --tos 0/0xff -j CT --notrack",
    "-t raw -A PREROUTING -i lan0 -p tcp -m tos --tos 0x10/0xff -j CT --notrack",
    "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
    "-A OUTPUT -p tcp -m conntrack --ctstate NEW -m comment --comment new",
    "-A OUTPUT -p tcp -m conntrack --ctstate ESTABLISHED -m comment --comment established",
    "-A OUTPUT -p tcp -m conntrack --ctstate INVALID -m comment --comment invalid",
    "-A OUTPUT -p tcp -m conntrack --ctstate RELATED,UNTRACKED -m comment --comment other",
];
const PROXY: &str = "-A FORWARD -i lan0 -p tcp -m conntrack --ctstate UNTRACKED -j SYNPROXY";
const ALL: &str = "--sack-perm --timestamp --wscale 7 --mss 1460 --ecn";

/// A conversation, and what was heard.
struct Talk<'s> {
    stage: &'s mut Stage,
    from_client: Ip,
    from_server: Ip,
    /// The router's number and time in its answer to the client.
    cookie: u32,
    clock: u32,
    /// The TOS of SYNs; with another than 0 they are tracked.
    tos: u8,
    heard: Vec<String>,
}

impl Talk<'_> {
    /// The client sends this; all that leaves is heard.
    fn client(&mut self, tos: u8, tcp: Tcp, data: &[u8]) -> io::Result<Vec<Crossing>> {
        let packet = Ip { tos, ..self.from_client.clone() }.tcp(&tcp, data);
        let left = self.stage.lan(packet)?;
        self.hear(&left);
        Ok(left)
    }

    /// The server sends this.
    fn server(&mut self, flags: u8, seq: u32, ack: u32, options: &[u8], data: &[u8]) -> io::Result<Vec<Crossing>> {
        let tcp = Tcp { options: options.to_vec(), ..Tcp::segment(80, 1234, flags, seq, ack) };
        let left = self.stage.wan(self.from_server.tcp(&tcp, data))?;
        self.hear(&left);
        Ok(left)
    }

    /// The client's SYN, which the router answers.
    fn syn(&mut self, flags: u8, options: &[u8]) -> io::Result<()> {
        let tcp = Tcp { options: options.to_vec(), ..Tcp::segment(1234, 80, Tcp::SYN | flags, CLIENT, 0) };
        self.heard.push("SYN".to_owned());
        let packet = Ip { tos: self.tos, ..self.from_client.clone() }.tcp(&tcp, b"");
        let left = self.stage.lan(packet)?;
        let answer = arrives(&left)?;
        let Some(tcp) = view(answer).tcp().filter(|_| answer.side == Side::Lan) else { return fail("no answer") };
        self.cookie = tcp.seq;
        self.clock = times(&tcp.options).map_or(0, |(value, _)| value);
        self.heard.push(format!("remembered {:#x}", self.clock & 0x3f));
        self.hear(&left);
        Ok(())
    }

    /// The client's ACK to that, upon which the router asks the server.
    fn ack(&mut self) -> io::Result<()> {
        let tcp = self.data(CLIENT + 1, self.cookie.wrapping_add(1), Tcp::ACK);
        self.heard.push("ACK".to_owned());
        let left = self.client(STRANGE, tcp, b"")?;
        let asked = arrives(&left)?;
        if asked.side == Side::Wan { Ok(()) } else { fail("the server is not asked") }
    }

    /// The server's answer, upon which both sides get an ACK.
    fn answer(&mut self) -> io::Result<()> {
        let options = if self.clock == 0 { MSS.to_vec() } else { offer(SERVER_TIME, CLIENT_TIME, 9) };
        self.heard.push("SYN-ACK".to_owned());
        let left = self.server(Tcp::SYN | Tcp::ACK, SERVER, CLIENT + 1, &options, b"")?;
        if left.len() == 2 { Ok(()) } else { fail(format!("{} packets left", left.len())) }
    }

    fn open(&mut self, flags: u8, options: &[u8]) -> io::Result<()> {
        self.syn(flags, options)?;
        self.ack()?;
        self.answer()
    }

    /// A segment of the client's, with a timestamp if it was answered with one.
    fn data(&self, seq: u32, ack: u32, flags: u8) -> Tcp {
        let options = if self.clock == 0 { Vec::new() } else { stamp(CLIENT_TIME + 1, self.clock) };
        Tcp { window: 63, options, ..Tcp::segment(1234, 80, flags, seq, ack) }
    }

    /// Data both ways, some of it lost, and both ends.
    fn converse(&mut self) -> io::Result<()> {
        let cookie = self.cookie;
        let mut stamped = if self.clock == 0 { Vec::new() } else { stamp(SERVER_TIME + 5, CLIENT_TIME + 1) };
        let next = cookie.wrapping_add(1);
        arrives(&self.client(0, self.data(CLIENT + 1, next, Tcp::ACK | Tcp::PSH), b"question")?)?;
        arrives(&self.server(Tcp::ACK | Tcp::PSH, SERVER + 1, CLIENT + 9, &stamped, b"answer")?)?;
        let mut blocks = self.data(CLIENT + 9, next, Tcp::ACK);
        blocks.options.extend([1, 1, 5, 10]);
        blocks.options.extend(cookie.wrapping_add(4).to_be_bytes());
        blocks.options.extend(cookie.wrapping_add(7).to_be_bytes());
        arrives(&self.client(0, blocks, b"")?)?;
        // A timestamp that stands elsewhere, and none.
        let lead = stamped.len().min(2);
        stamped.rotate_left(lead);
        arrives(&self.server(Tcp::ACK | Tcp::FIN, SERVER + 7, CLIENT + 9, &stamped, b"")?)?;
        arrives(&self.client(0, self.data(CLIENT + 9, cookie.wrapping_add(8), Tcp::ACK | Tcp::FIN), b"")?)?;
        arrives(&self.server(Tcp::ACK, SERVER + 8, CLIENT + 10, &[], b"")?).map(drop)
    }

    /// Goes on until something leaves that is wanted: it may take the machine itself some turns.
    fn until(&mut self, mut left: Vec<Crossing>, wanted: impl Fn(&Tcp, &[u8]) -> bool) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !left.iter().any(|seen| view(seen).tcp().is_some_and(|tcp| wanted(&tcp, &seen.packet))) {
            if Instant::now() > deadline {
                return fail("it never came");
            }
            left = self.stage.lan(client().udp(9, 9, b"next"))?;
            self.hear(&left);
        }
        Ok(())
    }

    fn hear(&mut self, left: &[Crossing]) {
        let mut lines: Vec<String> = left.iter().map(|crossing| self.tell(crossing)).collect();
        lines.sort();
        self.heard.extend(lines);
    }

    /// A segment in words.
    fn tell(&self, crossing: &Crossing) -> String {
        let seen = view(crossing);
        let Some(tcp) = seen.tcp() else { return lab::frame::describe(&crossing.packet) };
        let number = |number: u32| name(number, &[("C", self.cookie)]);
        let known =
            [("T", self.clock), ("2S-T", SERVER_TIME.wrapping_mul(2).wrapping_sub(self.clock)), ("S", SERVER_TIME)];
        let header = if crossing.packet.first().is_some_and(|byte| byte >> 4 == 4) { 20 } else { 40 };
        let fixed: Vec<u8> = match header {
            20 => [&crossing.packet[..2], &crossing.packet[4..10]].concat(),
            _ => [&crossing.packet[..4], &crossing.packet[6..8]].concat(),
        };
        let mut options = tcp.options.clone();
        let mut told = String::new();
        if let (Some((value, echo)), Some(at)) = (times(&options), stamped_at(&options)) {
            told = format!(" times {} {}", name(value, &known), name(echo, &known));
            options[at + 2..at + 10].fill(0);
        }
        let mut blocks = Vec::new();
        if let Some(at) = options.windows(2).position(|pair| pair == [5, 10]) {
            for edge in options[at + 2..].chunks_exact_mut(4) {
                let edge_number = u32::from_be_bytes([edge[0], edge[1], edge[2], edge[3]]);
                blocks.push(number(edge_number));
                edge.fill(0);
            }
        }
        let again = Ip { source: seen.source, destination: seen.destination, ..client() };
        let data = seen.payload.get(20 + tcp.options.len()..).unwrap_or_default();
        let same = again.tcp(&tcp, data);
        let sound = same.get(same.len() - seen.payload.len()..) == Some(seen.payload);
        format!(
            "{:?} {} > {} header {fixed:x?} flags {:#x} seq {} ack {} window {} options {options:x?}{told} {blocks:?} \
             data {data:?}{}",
            crossing.side,
            seen.source,
            seen.destination,
            tcp.flags,
            number(tcp.seq),
            number(tcp.ack),
            tcp.window,
            if sound { "" } else { " BAD SUM" }
        )
    }
}

/// A number by the name of one that is close to it.
fn name(number: u32, known: &[(&str, u32)]) -> String {
    for (name, near) in known {
        let far = number.wrapping_sub(*near).cast_signed();
        if far.unsigned_abs() < 100 {
            return format!("{name}{far:+}");
        }
    }
    number.to_string()
}

fn stamped_at(options: &[u8]) -> Option<usize> {
    options.windows(2).position(|pair| pair == [8, 10]).filter(|at| at + 10 <= options.len())
}

/// The timestamp and the one that it echoes.
fn times(options: &[u8]) -> Option<(u32, u32)> {
    let at = stamped_at(options)?;
    let word = |at: usize| Some(u32::from_be_bytes(options.get(at..at + 4)?.try_into().ok()?));
    Some((word(at + 2)?, word(at + 6)?))
}

fn stamp(value: u32, echo: u32) -> Vec<u8> {
    [&[1, 1, 8, 10][..], &value.to_be_bytes(), &echo.to_be_bytes()].concat()
}

/// What a SYN offers that has everything.
fn offer(value: u32, echo: u32, scale: u8) -> Vec<u8> {
    [&MSS[..], &[4, 2, 8, 10], &value.to_be_bytes(), &echo.to_be_bytes(), &[1, 3, 3, scale]].concat()
}

const MSS: [u8; 4] = [2, 4, 5, 0xb4];

/// A conversation with the kernel's proxy, then the same with the datapath's: all that is heard must be the same, and counters,
/// entries and events.
fn talks(
    before: &[&'static str],
    more: &[&str],
    six: bool,
    talk: impl Fn(&mut Talk<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let all = RefCell::new(Vec::<Vec<String>>::new());
    let rules: Vec<&str> = RULES.iter().chain(more).copied().collect();
    claim_alike(before, &rules, six, |stage| {
        let (from_client, from_server) = match six {
            true => (
                Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]),
                Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 2], [0xfd01, 0, 0, 0, 0, 0, 0, 2]),
            ),
            false => (client(), server()),
        };
        let mut said = Talk { stage, from_client, from_server, cookie: 0, clock: 0, tos: 0, heard: Vec::new() };
        let done = talk(&mut said);
        let heard = said.heard;
        done.map_err(|error| io::Error::other(format!("{error}\n{}", heard.join("\n"))))?;
        all.borrow_mut().push(heard);
        Ok(())
    })?;
    match all.into_inner().as_slice() {
        [wanted, got] if wanted != got => {
            let lines = wanted.iter().zip(got).filter(|(wanted, got)| wanted != got);
            let lines: Vec<String> =
                lines.map(|(wanted, got)| format!("the oracle {wanted}\nthe other  {got}")).collect();
            fail(format!("{} and {} lines\n{}", wanted.len(), got.len(), lines.join("\n")))
        }
        _ => Ok(()),
    }
}

/// The rule with these options.
fn proxy(options: &str) -> String {
    format!("{PROXY} {options}")
}

pub(crate) const TESTS: &[Test] = &[
    ("a_client_is_answered_for_its_server_which_hears_of_it_when_it_has_proved_good", || {
        talks(&[], &[&proxy(ALL)], false, |t| {
            t.open(0, &offer(CLIENT_TIME, 0, 10))?;
            t.converse()?;
            t.stage.one_entry(&["TIME_WAIT", "[ASSURED]"])?;
            // The answer to the client; the question to the server; the ACKs to both.
            t.stage.counted("invalid", 1)?;
            t.stage.counted("new", 1)?;
            t.stage.counted("established", 2)
        })
    }),
    ("an_ipv6_client_is_answered_for_its_server", || {
        talks(&[], &[&proxy("--sack-perm --timestamp --wscale 3 --mss 1440")], true, |t| {
            t.open(0, &offer(CLIENT_TIME, 0, 14))?;
            t.converse()
        })
    }),
    ("what_no_timestamp_remembers_is_not_offered", || {
        talks(&[], &[&proxy("--sack-perm --wscale 7 --mss 1300")], false, |t| {
            t.open(0, &offer(CLIENT_TIME, 0, 10))?;
            t.converse()
        })?;
        for options in [&[][..], &MSS[..], &[2, 4, 2, 0x18], &[4, 2, 1, 3, 3, 3, 0, 0], &stamp(CLIENT_TIME, 0)[..]] {
            talks(&[], &[&proxy(ALL)], false, |t| t.open(0, options))?;
        }
        Ok(())
    }),
    ("congestion_notification_is_remembered_like_the_rest", || {
        for (flags, options) in
            [(0xc0, offer(CLIENT_TIME, 0, 0)), (0x40, offer(CLIENT_TIME, 0, 15)), (0xc0, MSS.to_vec())]
        {
            talks(&[], &[&proxy(ALL)], false, |t| t.open(flags, &options))?;
        }
        Ok(())
    }),
    ("an_ack_that_brings_no_cookie_is_dropped", || {
        talks(&[], &[&proxy(ALL)], false, |t| {
            t.syn(0, &offer(CLIENT_TIME, 0, 10))?;
            let next = t.cookie.wrapping_add(1);
            for (seq, ack) in [(CLIENT + 1, 2000), (CLIENT, 1), (CLIENT, next), (CLIENT + 5, next)] {
                vanishes(&t.client(STRANGE, t.data(seq, ack, Tcp::ACK), b"")?)?;
            }
            t.stage.no_entry()?;
            // One off is the cookie of another size.
            arrives(&t.client(STRANGE, t.data(CLIENT + 2, next, Tcp::ACK), b"")?)?;
            arrives(&t.client(STRANGE, t.data(CLIENT + 1, t.cookie, Tcp::ACK), b"")?).map(drop)
        })
    }),
    ("resets_and_the_like_go_on_to_the_next_rule", || {
        let rules = [&proxy(ALL)[..], "-A FORWARD -i lan0 -p tcp -m comment --comment next"];
        talks(&[], &rules, false, |t| {
            for flags in [Tcp::RST, Tcp::RST | Tcp::ACK, Tcp::FIN | Tcp::ACK, Tcp::SYN | Tcp::ACK, 0] {
                t.client(STRANGE, Tcp::segment(1234, 80, flags, 7, 9), b"")?;
            }
            t.stage.counted("next", 5)?;
            let mut broken = client().tcp(&Tcp::segment(1234, 80, Tcp::SYN, 7, 0), b"");
            broken[36] ^= 1;
            vanishes(&t.stage.lan(broken)?)?;
            t.stage.counted("next", 5)
        })
    }),
    ("the_refusal_of_a_server_is_one_that_the_client_understands", || {
        talks(&[], &[&proxy(ALL)], false, |t| {
            t.syn(0, &offer(CLIENT_TIME, 0, 10))?;
            t.ack()?;
            arrives(&t.server(Tcp::RST | Tcp::ACK, 0, CLIENT + 1, &[], b"")?)?;
            t.stage.no_entry()
        })
    }),
    ("a_client_that_asks_again_has_the_server_asked_again", || {
        for size in [[2, 4, 5, 0xb4], [2, 4, 5, 0xa0]] {
            talks(&[], &[&proxy(ALL)], false, |t| {
                let mut options = offer(CLIENT_TIME, 0, 10);
                options[..4].copy_from_slice(&size);
                t.syn(0, &options)?;
                t.ack()?;
                let next = t.cookie.wrapping_add(1);
                t.client(0, t.data(CLIENT, next, Tcp::ACK), b"")?;
                t.client(0, t.data(CLIENT + 1, next, Tcp::ACK), b"")?;
                t.answer()?;
                t.converse()
            })?;
        }
        Ok(())
    }),
    ("a_server_that_answers_again_is_heard", || {
        talks(&[], &[&proxy(ALL)], false, |t| {
            t.open(0, &offer(CLIENT_TIME, 0, 10))?;
            t.server(Tcp::SYN | Tcp::ACK, SERVER, CLIENT + 1, &offer(SERVER_TIME, CLIENT_TIME, 9), b"")?;
            t.converse()
        })
    }),
    ("the_answer_to_a_client_whose_connection_was_reset_is_taken_for_that_ones", || {
        talks(&[], &[&proxy(ALL)], false, |t| {
            t.open(0, &offer(CLIENT_TIME, 0, 10))?;
            arrives(&t.server(Tcp::RST | Tcp::ACK, SERVER + 1, CLIENT + 1, &[], b"")?)?;
            t.stage.one_entry(&["CLOSE"])?;
            t.syn(0, &offer(CLIENT_TIME, 0, 10))?;
            // So it brings no cookie of the router's back.
            let tcp = t.data(CLIENT + 1, t.cookie.wrapping_add(1), Tcp::ACK);
            vanishes(&t.client(STRANGE, tcp, b"")?)
        })
    }),
    ("a_tracked_syn_reopens_a_connection_that_the_server_reset", || {
        talks(&[], &[&proxy(ALL)], false, |t| {
            t.open(0, &offer(CLIENT_TIME, 0, 10))?;
            arrives(&t.server(Tcp::RST | Tcp::ACK, SERVER + 1, CLIENT + 1, &[], b"")?)?;
            let options = offer(CLIENT_TIME, 0, 10);
            let syn = Tcp { options, ..Tcp::segment(1234, 80, Tcp::SYN, CLIENT + 700, 0) };
            // What follows is moved by what the former cookie was, and fits or not.
            arrives(&t.client(0x20, syn, b"")?).map(drop)
        })
    }),
    ("a_tracked_opening_is_answered_as_well", || {
        let rule = "-A FORWARD -i lan0 -p tcp --dport 80 -m conntrack --ctstate NEW,UNTRACKED -j SYNPROXY --mss 1460";
        talks(&[], &[rule], false, |t| {
            t.tos = 0x20;
            t.open(0, &MSS)?;
            t.converse()
        })
    }),
    ("what_a_proxy_opens_is_translated", || {
        let rules = [&proxy(ALL)[..], "-t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.9"];
        talks(&[], &rules, false, |t| {
            t.syn(0, &offer(CLIENT_TIME, 0, 10))?;
            t.ack()?;
            t.from_server = Ip::between([10, 2, 0, 2], [10, 2, 0, 9]);
            t.answer()?;
            t.converse()
        })
    }),
    ("a_machine_is_proxy_for_its_own_server", || {
        let rule = "-A INPUT -i lan0 -p tcp -m conntrack --ctstate UNTRACKED -j SYNPROXY --mss 1460";
        let rules: Vec<&str> = RULES.iter().chain(&[rule]).copied().collect();
        claim_after(&[], &rules, false, |stage| {
            let listener = transparent(stage, "10.1.0.1:80", Type::STREAM)?;
            let from_client = Ip::between([10, 1, 0, 2], [10, 1, 0, 1]);
            let mut talk =
                Talk { stage, from_server: server(), from_client, cookie: 0, clock: 0, tos: 0, heard: Vec::new() };
            talk.syn(0, &MSS)?;
            let next = talk.cookie.wrapping_add(1);
            let left = talk.client(STRANGE, talk.data(CLIENT + 1, next, Tcp::ACK), b"")?;
            talk.until(left, |tcp, _| (tcp.flags, tcp.seq, tcp.ack) == (Tcp::ACK, next, CLIENT + 1) && tcp.window > 0)?;
            talk.client(0, talk.data(CLIENT + 1, next, Tcp::ACK | Tcp::PSH), b"question")?;
            let (mut taken, _) = listener.accept()?;
            taken.set_read_timeout(Some(Duration::from_secs(20)))?;
            receives(&taken, b"question")?;
            taken.write_all(b"answer")?;
            let left = talk.client(0, talk.data(CLIENT + 9, next, Tcp::ACK), b"")?;
            talk.until(left, |tcp, packet| tcp.seq == next && packet.ends_with(b"answer"))
        })
    }),
    ("segments_that_nobody_tracks_are_tried_where_tracking_begins_with_a_syn", || {
        let rule = "-A FORWARD -i lan0 -p tcp -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --mss 1460";
        let before = ["sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0"];
        claim_after(&before, &[RULES[0], rule], false, |stage| {
            // A datapath hears of the setting, and not at once.
            let deadline = Instant::now() + Duration::from_secs(20);
            for port in 20_000.. {
                if stage.lan(client().tcp(&Tcp::segment(port, 80, Tcp::ACK, 1, 1), b""))?.is_empty() {
                    break;
                }
                if Instant::now() > deadline {
                    return fail("strangers still pass");
                }
            }
            let (from_client, from_server) = (client(), server());
            let mut talk = Talk { stage, from_client, from_server, cookie: 0, clock: 0, tos: 0, heard: Vec::new() };
            talk.syn(0, &MSS)?;
            let tcp = talk.data(CLIENT + 1, talk.cookie.wrapping_add(1), Tcp::ACK);
            arrives(&talk.client(0, tcp, b"")?)?;
            talk.answer()?;
            talk.converse()
        })
    }),
];
