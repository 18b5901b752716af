//! The stage on which a scenario is played.

pub(crate) mod accounting;
pub(crate) mod amanda;
pub(crate) mod answers;
pub(crate) mod asked;
pub(crate) mod clash;
pub(crate) mod clients;
pub(crate) mod dialogue;
pub(crate) mod found;
pub(crate) mod fragments;
pub(crate) mod full;
pub(crate) mod h323;
pub(crate) mod handing;
pub(crate) mod hardening;
pub(crate) mod headers;
pub(crate) mod helpers;
pub(crate) mod irc;
pub(crate) mod judged;
pub(crate) mod leaving;
pub(crate) mod links;
pub(crate) mod many;
pub(crate) mod mapped;
pub(crate) mod nat;
pub(crate) mod origins;
pub(crate) mod other;
pub(crate) mod outside;
pub(crate) mod pptp;
pub(crate) mod programs;
pub(crate) mod protocols;
pub(crate) mod rerouted;
pub(crate) mod rules;
pub(crate) mod sane;
pub(crate) mod sip;
pub(crate) mod snmp;
pub(crate) mod sockets;
pub(crate) mod state;
pub(crate) mod synproxy;
pub(crate) mod systems;
pub(crate) mod tcp;
pub(crate) mod tracking;
pub(crate) mod waiting;

use std::{
    io,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use lab::{
    frame::{Ip, Tcp, View, describe, ethernet},
    router::{Judge, built},
    suite,
    topology::{CLIENT, SERVER},
    twin::{Crossing, Record, Rules, Script, Side, Subject},
};

/// The oracle with a script that grows as packets are sent.
pub(crate) struct Stage {
    oracle: Subject,
    script: Script,
    left: Vec<Vec<Crossing>>,
}

/// Plays a scenario on the kernel, where its claims are checked, and then on the datapath, which must do the same.
pub(crate) fn play(commands: &[&str], talk: impl Fn(&mut Stage) -> io::Result<()>) -> io::Result<()> {
    both(commands, false, Compared::All, talk)
}

/// As [`play`], after an administrator did something: a command in each line, words between blanks.
pub(crate) fn play_after(
    before: &[&'static str],
    commands: &[&str],
    six: bool,
    talk: impl Fn(&mut Stage) -> io::Result<()>,
) -> io::Result<()> {
    compared(before, commands, six, Compared::All, talk)
}

/// As [`play`], with IPv6.
pub(crate) fn play6(commands: &[&str], talk: impl Fn(&mut Stage) -> io::Result<()>) -> io::Result<()> {
    both(commands, true, Compared::All, talk)
}

/// As [`play`] where the router chooses freely: the claims are checked on both, the bytes are not compared.
pub(crate) fn claim(commands: &[&str], talk: impl Fn(&mut Stage) -> io::Result<()>) -> io::Result<()> {
    both(commands, false, Compared::Claims, talk)
}

/// As [`claim`], after an administrator did something.
pub(crate) fn claim_after(
    before: &[&'static str],
    commands: &[&str],
    six: bool,
    talk: impl Fn(&mut Stage) -> io::Result<()>,
) -> io::Result<()> {
    compared(before, commands, six, Compared::Claims, talk)
}

/// As [`play`] where the kernel cannot be asked: the claims are checked on the datapath alone.
pub(crate) fn alone(commands: &[&str], talk: impl Fn(&mut Stage) -> io::Result<()>) -> io::Result<()> {
    let judge = suite::subject().unwrap_or(Judge::Datapath);
    stage(judge, &[], commands, false, &talk).map(drop)
}

/// As [`claim_after`], and counters, entries and events are compared: only the bytes are free.
pub(crate) fn claim_alike(
    before: &[&'static str],
    commands: &[&str],
    six: bool,
    talk: impl Fn(&mut Stage) -> io::Result<()>,
) -> io::Result<()> {
    compared(before, commands, six, Compared::State, talk)
}

/// What of two routers must be the same, beyond the claims of a scenario.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compared {
    /// Packets, too: the script of the first is played on the second.
    All,
    /// All but the packets.
    State,
    /// Nothing.
    Claims,
}

fn both(commands: &[&str], six: bool, what: Compared, talk: impl Fn(&mut Stage) -> io::Result<()>) -> io::Result<()> {
    compared(&[], commands, six, what, talk)
}

fn compared(
    before: &[&'static str],
    commands: &[&str],
    six: bool,
    what: Compared,
    talk: impl Fn(&mut Stage) -> io::Result<()>,
) -> io::Result<()> {
    let staged = |judge| -> io::Result<(Script, Record)> {
        let (script, mut record) = stage(judge, before, commands, six, &talk)?;
        if what != Compared::All {
            record.left.clear();
        }
        Ok((script, record))
    };
    suite::compare(
        || staged(Judge::Kernel),
        |judge, (script, _)| {
            if what != Compared::All {
                return staged(judge);
            }
            let mut other = Subject::new(judge, &built())?;
            other.show_drawn();
            Ok((Script::default(), other.play(script)?))
        },
        |(_, wanted), (_, got)| if what == Compared::Claims { Vec::new() } else { wanted.differences(got) },
    )
}

fn stage(
    judge: Judge,
    before: &[&'static str],
    commands: &[&str],
    six: bool,
    talk: &impl Fn(&mut Stage) -> io::Result<()>,
) -> io::Result<(Script, Record)> {
    let rules = Rules::from_commands(commands);
    let mut stage = Stage {
        oracle: Subject::new(judge, &built())?,
        script: Script { six, rules, before: before.to_vec(), ..Script::default() },
        left: Vec::new(),
    };
    stage.oracle.show_drawn();
    stage.oracle.load(&stage.script)?;
    talk(&mut stage).map_err(|e| io::Error::other(format!("on {}: {e}", judge.name())))?;
    let Stage { mut oracle, script, left } = stage;
    let record = oracle.finish(&script, left)?;
    Ok((script, record))
}

impl Stage {
    /// Sends a packet from the clients' side and returns what left, both sides.
    pub(crate) fn lan(&mut self, packet: Vec<u8>) -> io::Result<Vec<Crossing>> {
        self.send(vec![Crossing { side: Side::Lan, packet }])
    }

    /// Sends a packet from the servers' side and returns what left.
    pub(crate) fn wan(&mut self, packet: Vec<u8>) -> io::Result<Vec<Crossing>> {
        self.send(vec![Crossing { side: Side::Wan, packet }])
    }

    /// Sends a packet from a socket of the router's own and returns what left.
    pub(crate) fn own(&mut self, packet: Vec<u8>) -> io::Result<Vec<Crossing>> {
        self.send(vec![Crossing { side: Side::Own, packet }])
    }

    /// Has the router's administrator do something before the next round, here and when the script is repeated: words between
    /// blanks, one command a round.
    pub(crate) fn act(&mut self, command: &str) -> io::Result<()> {
        let number = self.script.rounds.len();
        self.script.acts.insert(number, command.to_owned());
        let acts = self.script.acts.clone();
        self.oracle.interlude(&Script { acts, ..Script::default() }, number)
    }

    /// Sends a packet from the clients' side in a frame for the server itself, as over a bridge; whether it gets there.
    pub(crate) fn across(&mut self, packet: &[u8]) -> io::Result<bool> {
        let bench = self.oracle.bench();
        bench.lan.send(&ethernet(SERVER, CLIENT, packet))?;
        let deadline = Instant::now() + Duration::from_secs(2);
        while let Some(frame) = bench.wan.receive(deadline)? {
            if frame.bytes.ends_with(packet) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The datapath dies at once, and another one takes over; not to be repeated.
    pub(crate) fn crash(&mut self) -> io::Result<()> {
        self.oracle.crash()
    }

    /// Sends packets in one round and returns what left.
    pub(crate) fn send(&mut self, packets: Vec<Crossing>) -> io::Result<Vec<Crossing>> {
        let left = self.oracle.round(&packets)?;
        self.script.rounds.push(packets);
        self.left.push(left.clone());
        Ok(left)
    }

    /// Lets time pass, here and when the script is repeated.
    pub(crate) fn pause(&mut self, time: Duration) {
        self.script.pauses.insert(self.script.rounds.len(), time);
        std::thread::sleep(time);
    }

    /// Takes all rules out of tables, those that count the lab's marks among them.
    pub(crate) fn clear(&mut self, tables: &[&str]) -> io::Result<()> {
        let command = if self.script.six { "ip6tables" } else { "iptables" };
        for table in tables {
            self.oracle.bench().router.must(&[command, "-t", table, "-F"])?;
        }
        Ok(())
    }

    /// Runs a command in the router, with some input, and returns what it says.
    pub(crate) fn must_with(&mut self, words: &[&str], input: &str) -> io::Result<String> {
        self.oracle.bench().router.must_with(words, input)
    }

    /// Runs a command in the router; whether it succeeds.
    pub(crate) fn succeeds(&mut self, words: &[&str]) -> io::Result<bool> {
        Ok(self.oracle.bench().router.run(words)?.status.success())
    }

    /// Does something in the router's namespace, such as opening a socket.
    pub(crate) fn within<T: Send>(&mut self, what: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        self.oracle.bench().router.within(what)?
    }

    /// `conntrack -L`, without the marks of the lab.
    pub(crate) fn entries(&mut self) -> io::Result<Vec<String>> {
        let text = self.oracle.bench().router.must(&["conntrack", "-L"])?;
        Ok(text
            .lines()
            .filter(|l| !l.contains("src=10.1.0.8") && !l.contains("src=fd01::8") && !l.contains("203.0.113.254"))
            .map(str::to_owned)
            .collect())
    }

    /// `conntrack -L expect`.
    pub(crate) fn expectations(&mut self) -> io::Result<Vec<String>> {
        let text = self.oracle.bench().router.must(&["conntrack", "-L", "expect"])?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// There is exactly one expectation, and it holds all of these.
    pub(crate) fn expects(&mut self, wanted: &[&str]) -> io::Result<()> {
        let expected = self.expectations()?;
        let [one] = expected.as_slice() else { return fail(format!("not one expectation: {expected:#?}")) };
        match wanted.iter().find(|w| !one.contains(**w)) {
            None => Ok(()),
            Some(missing) => fail(format!("no {missing:?} in {one}")),
        }
    }

    /// Has the expectations noted, to be compared.
    pub(crate) fn list(&mut self) -> io::Result<()> {
        self.command(&["conntrack", "-L", "expect"])
    }

    /// A command of an administrator's, here and when the script is repeated.
    pub(crate) fn command(&mut self, words: &[&str]) -> io::Result<()> {
        self.script.acts.insert(self.script.rounds.len(), words.join(" "));
        let number = self.script.rounds.len();
        let script = std::mem::take(&mut self.script);
        let done = self.oracle.interlude(&script, number);
        self.script = script;
        done
    }

    /// There is exactly one entry, and it holds all of these.
    pub(crate) fn one_entry(&mut self, wanted: &[&str]) -> io::Result<()> {
        let entries = self.entries()?;
        let [entry] = entries.as_slice() else { return fail(format!("not one entry: {entries:#?}")) };
        match wanted.iter().find(|w| !entry.contains(**w)) {
            None => Ok(()),
            Some(missing) => fail(format!("no {missing:?} in {entry}")),
        }
    }

    /// Seconds until the only entry ends.
    pub(crate) fn seconds_left(&mut self) -> io::Result<u32> {
        let entries = self.entries()?;
        match (entries.as_slice(), entries.concat().split_whitespace().nth(2).and_then(|word| word.parse().ok())) {
            ([_], Some(seconds)) => Ok(seconds),
            _ => fail(format!("not one entry with a time: {entries:#?}")),
        }
    }

    /// The only entry ends in so many seconds. The range wants room below: a timer of 30 s has 30 left for as long as the
    /// kernel's clock has not ticked, and 29 or fewer later.
    pub(crate) fn lives(&mut self, seconds: RangeInclusive<u32>) -> io::Result<()> {
        let left = self.seconds_left()?;
        if seconds.contains(&left) { Ok(()) } else { fail(format!("{left} s, not {seconds:?}")) }
    }

    /// There is no entry.
    pub(crate) fn no_entry(&mut self) -> io::Result<()> {
        let entries = self.entries()?;
        if entries.is_empty() { Ok(()) } else { fail(format!("entries: {entries:#?}")) }
    }

    /// Packets counted by the first rule whose saved line holds a text.
    pub(crate) fn count(&mut self, text: &str) -> io::Result<u64> {
        let save = if self.script.six { "ip6tables-save" } else { "iptables-save" };
        let saved = self.oracle.bench().router.must(&[save, "-c"])?;
        let line = saved.lines().find(|l| l.starts_with('[') && l.contains(text));
        let count = line.and_then(|l| l.get(1..)?.split(':').next()?.parse().ok());
        count.ok_or_else(|| io::Error::other(format!("no rule with {text:?} in\n{saved}")))
    }

    /// A rule has counted so many packets.
    pub(crate) fn counted(&mut self, text: &str, wanted: u64) -> io::Result<()> {
        let count = self.count(text)?;
        if count == wanted { Ok(()) } else { fail(format!("{text:?} counted {count}, not {wanted}")) }
    }

    /// An exchange of SYN, SYN-ACK and ACK with initial numbers 1000 and 5000.
    pub(crate) fn handshake(&mut self) -> io::Result<()> {
        arrives(&self.lan(client().tcp(&Tcp::segment(1234, 80, Tcp::SYN, 1000, 0), b""))?)?;
        arrives(&self.wan(server().tcp(&Tcp::segment(80, 1234, Tcp::SYN | Tcp::ACK, 5000, 1001), b""))?)?;
        arrives(&self.lan(client().tcp(&Tcp::segment(1234, 80, Tcp::ACK, 1001, 5001), b""))?)?;
        Ok(())
    }
}

/// From the client to the server.
pub(crate) fn client() -> Ip {
    Ip::between([10, 1, 0, 2], [10, 2, 0, 2])
}

/// From the server to the client.
pub(crate) fn server() -> Ip {
    Ip::between([10, 2, 0, 2], [10, 1, 0, 2])
}

/// From the server to the router's outer address.
pub(crate) fn server_to_router() -> Ip {
    Ip::between([10, 2, 0, 2], [10, 2, 0, 1])
}

/// Exactly one packet left.
pub(crate) fn arrives(left: &[Crossing]) -> io::Result<&Crossing> {
    match left {
        [one] => Ok(one),
        _ => fail(format!("not one packet left: {:?}", left.iter().map(|c| describe(&c.packet)).collect::<Vec<_>>())),
    }
}

/// Nothing left.
pub(crate) fn vanishes(left: &[Crossing]) -> io::Result<()> {
    match left {
        [] => Ok(()),
        _ => fail(format!("this left: {:?}", left.iter().map(|c| describe(&c.packet)).collect::<Vec<_>>())),
    }
}

/// Exactly one packet left, an ICMP message of this type and code.
pub(crate) fn icmp_answer(left: &[Crossing], kind: u8, code: u8) -> io::Result<&Crossing> {
    let one = arrives(left)?;
    match View::of(&one.packet).and_then(|v| v.icmp()) {
        Some(icmp) if icmp == (kind, code) => Ok(one),
        _ => fail(format!("this left: {}", describe(&one.packet))),
    }
}

/// The view of what left.
pub(crate) fn view(crossing: &Crossing) -> View<'_> {
    View::of(&crossing.packet).unwrap_or_else(|| panic!("no IP packet left"))
}

pub(crate) fn fail<T>(why: impl Into<String>) -> io::Result<T> {
    Err(io::Error::other(why.into()))
}
