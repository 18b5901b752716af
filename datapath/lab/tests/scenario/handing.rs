//! Rules whose work is the kernel's own: timers that packets wind up, records, sockets that are given packets for others.

use std::{
    fs,
    io::{self, Read},
    net::{IpAddr, SocketAddr},
    thread,
    time::{Duration, Instant, SystemTime},
};

use lab::{
    frame::{Ip, Tcp},
    suite::Test,
    twin::Crossing,
};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{Stage, arrives, claim, claim_after, client, fail, play, play_after, server, vanishes, view};

/// Far more than any of it takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn client6() -> Ip {
    Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2])
}

/// A name that no timer of another namespace has: sysfs has them all in one folder.
fn label(of: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    format!("{of}{now:x}")
}

/// Seconds that a timer has left.
fn left(label: &str) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/sys/class/xt_idletimer/timers/{label}"))?;
    text.trim().parse().map_err(|_| io::Error::other(format!("{label} says {text:?}")))
}

/// A timer that a packet winds up has more time left than one that none does; both began together, so this holds however
/// slow the machine is.
fn winds(stage: &mut Stage, wound: &str, idle: &str, packet: Vec<u8>) -> io::Result<Vec<Crossing>> {
    let deadline = Instant::now() + PATIENCE;
    let begun = left(idle)?;
    while left(idle)? + 3 > begun {
        if Instant::now() > deadline {
            return fail("the timer stands still");
        }
        thread::sleep(Duration::from_millis(100));
    }
    let seen = stage.lan(packet)?;
    let (wound, idle) = (left(wound)?, left(idle)?);
    if wound > idle + 1 { Ok(seen) } else { fail(format!("{wound} s left, and {idle} s without a packet")) }
}

/// What a timer of 1000 s has left that was not begun anew in the last seconds.
const FULL: u64 = 994;

/// Waits until a timer of 1000 s has run for some seconds.
fn runs(label: &str) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while left(label)? > FULL {
        if Instant::now() > deadline {
            return fail("the timer stands still");
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Changes the timer's table until it has its whole time again, which once is enough for unless the machine stood still.
fn begins_anew(stage: &mut Stage, label: &str) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        stage.must_with(&["iptables", "-A", "FORWARD", "-p", "esp"], "")?;
        let anew = left(label)?;
        if anew > FULL {
            return Ok(());
        }
        if Instant::now() > deadline {
            return fail(format!("{anew} s left after a change of its table"));
        }
    }
}

/// A transparent socket of the router's, at its own or at anybody's address.
pub(super) fn transparent(stage: &mut Stage, address: &str, kind: Type) -> io::Result<Socket> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    stage.oracle.bench().router.within(|| {
        let socket = Socket::new(Domain::for_address(address), kind, None)?;
        match address {
            SocketAddr::V4(_) => socket.set_ip_transparent_v4(true)?,
            SocketAddr::V6(_) => socket.set_ip_transparent_v6(true)?,
        }
        socket.bind(&SockAddr::from(address))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        if kind == Type::STREAM {
            socket.listen(4)?;
        }
        Ok(socket)
    })?
}

/// The datagram that comes next is this one.
pub(super) fn receives(mut socket: &Socket, wanted: &[u8]) -> io::Result<()> {
    let mut room = [0; 100];
    let length = socket.read(&mut room)?;
    let data = room.get(..length).unwrap_or_default();
    if data == wanted { Ok(()) } else { fail(format!("{data:?} came")) }
}

/// Packets with mark 1 are for the machine itself.
const LOCAL: &[&str] = &["ip rule add fwmark 1/1 lookup 100", "ip route add local default dev lo table 100"];
const LOCAL6: &[&str] = &["ip -6 rule add fwmark 1/1 lookup 100", "ip -6 route add local default dev lo table 100"];

pub(crate) const TESTS: &[Test] = &[
    ("packets_wind_a_timer_up", || {
        let (wound, idle) = (label("w"), label("i"));
        claim(
            &[
                &format!("-A FORWARD -p udp -j IDLETIMER --timeout 1000 --label {wound}"),
                &format!("-A FORWARD -p tcp -j IDLETIMER --timeout 1000 --label {idle}"),
                "-A FORWARD -p udp -m comment --comment after",
            ],
            |s| {
                arrives(&winds(s, &wound, &idle, client().udp(1, 53, b"data"))?)?;
                s.counted("after", 1)
            },
        )
    }),
    ("ipv6_packets_wind_a_timer_up", || {
        let (wound, idle) = (label("w"), label("i"));
        claim_after(
            &[],
            &[
                &format!("-t mangle -A PREROUTING -p udp -j IDLETIMER --timeout 1000 --label {wound} --alarm"),
                &format!("-t mangle -A PREROUTING -p tcp -j IDLETIMER --timeout 1000 --label {idle} --alarm"),
            ],
            true,
            |s| arrives(&winds(s, &wound, &idle, client6().udp(1, 53, b"data"))?).map(drop),
        )
    }),
    ("a_timer_is_wound_up_by_what_is_dropped_behind", || {
        let (wound, idle) = (label("w"), label("i"));
        claim(
            &[
                &format!("-A FORWARD -p udp -j IDLETIMER --timeout 1000 --label {wound}"),
                "-A FORWARD -p udp --dport 9 -j DROP",
                &format!("-A FORWARD -p tcp -j IDLETIMER --timeout 1000 --label {idle}"),
            ],
            |s| vanishes(&winds(s, &wound, &idle, client().udp(1, 9, b"data"))?),
        )
    }),
    ("a_timer_begins_anew_with_its_table_and_outlives_it", || {
        let label = label("t");
        let rule = format!("-A FORWARD -p udp -j IDLETIMER --timeout 1000 --label {label}");
        claim(&[&rule], |s| {
            runs(&label)?;
            // Another table is none of its business.
            s.must_with(&["iptables", "-t", "mangle", "-A", "FORWARD", "-p", "esp"], "")?;
            let before = left(&label)?;
            if before > FULL {
                return fail(format!("{before} s left after a change of another table"));
            }
            begins_anew(s, &label)?;
            // The same name with another time, in one replace.
            let longer = rule.replace("1000", "2000").replace("-A FORWARD", "-R FORWARD 2");
            s.must_with(&[&["iptables"][..], &longer.split(' ').collect::<Vec<_>>()].concat(), "")?;
            let longer = left(&label)?;
            if longer <= 1000 {
                return fail(format!("{longer} s left of a longer time"));
            }
            s.must_with(&["iptables", "-D", "FORWARD", "2"], "")?;
            let deadline = Instant::now() + PATIENCE;
            while left(&label).is_ok() {
                if Instant::now() > deadline {
                    return fail("it is there without a rule");
                }
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        })
    }),
    ("a_timer_has_a_time_and_a_name_that_sysfs_can_have", || {
        for options in ["--timeout 2147483 --label x", "--timeout 9 --label a/b", "--timeout 9 --label power"] {
            super::rules::refused(&format!("-A FORWARD -j IDLETIMER {options}"))?;
        }
        Ok(())
    }),
    ("a_record_of_a_packet_does_not_change_its_way", || {
        play(
            &[
                "-A FORWARD -p udp -j AUDIT --type accept",
                "-A FORWARD -p udp --dport 53 -j AUDIT --type reject",
                "-A FORWARD -p udp --dport 53 -j AUDIT --type drop",
                "-A FORWARD -p udp --dport 53 -j DROP",
                "-t nat -A POSTROUTING -o wan0 -j MASQUERADE",
                "-t mangle -A PREROUTING -j AUDIT --type accept",
            ],
            |s| {
                vanishes(&s.lan(client().udp(1, 53, b"data"))?)?;
                arrives(&s.lan(client().udp(1, 54, b"data"))?)?;
                s.counted("-A FORWARD -p udp -j AUDIT", 2)
            },
        )
    }),
    ("security_marks_are_copied_in_two_tables_and_have_packets_tracked", || {
        super::rules::refused("-A FORWARD -j CONNSECMARK --save")?;
        play(
            &[
                "-t mangle -A FORWARD -j CONNSECMARK --save",
                "-t security -A FORWARD -j CONNSECMARK --restore",
                "-A FORWARD -p udp -m comment --comment after",
            ],
            |s| {
                arrives(&s.lan(client().udp(1, 53, b"data"))?)?;
                s.one_entry(&["udp", "dport=53"])?;
                s.counted("after", 1)
            },
        )
    }),
    ("a_datagram_for_another_host_is_given_to_a_socket", || {
        claim_after(
            LOCAL,
            &[
                "-t mangle -A PREROUTING -i lan0 -p udp --dport 53 -j TPROXY --on-port 5300 --tproxy-mark 0x5/0x7",
                "-t mangle -A PREROUTING -i lan0 -p udp --dport 54 -j TPROXY --on-port 0 --on-ip 127.0.0.1 --tproxy-mark 1",
                "-t mangle -A PREROUTING -i lan0 -p udp --dport 56 -j TPROXY --on-port 0 --tproxy-mark 1",
                "-t mangle -A PREROUTING -i lan0 -p udp --dport 53 -m comment --comment never",
                "-A INPUT -i lan0 -d 10.2.0.2 -m mark --mark 5 -m conntrack --ctstate NEW -m comment --comment input",
            ],
            false,
            |s| {
                let device = transparent(s, "10.1.0.1:5300", Type::DGRAM)?;
                let loopback = transparent(s, "127.0.0.1:54", Type::DGRAM)?;
                let same = transparent(s, "10.1.0.1:56", Type::DGRAM)?;
                vanishes(&s.lan(client().udp(1, 53, b"one"))?)?;
                receives(&device, b"one")?;
                vanishes(&s.lan(client().udp(1, 54, b"two"))?)?;
                receives(&loopback, b"two")?;
                vanishes(&s.lan(client().udp(1, 56, b"own"))?)?;
                receives(&same, b"own")?;
                arrives(&s.lan(client().udp(1, 55, b"three"))?)?;
                s.counted("never", 0)?;
                s.counted("--comment input", 1)
            },
        )
    }),
    ("an_ipv6_datagram_for_another_host_is_given_to_a_socket", || {
        claim_after(
            LOCAL6,
            &[
                "-t mangle -A PREROUTING -i lan0 -p udp --dport 53 -j TPROXY --on-port 5300 --tproxy-mark 1",
                "-t mangle -A PREROUTING -i lan0 -p udp --dport 54 -j TPROXY --on-port 5400 --on-ip ::1 --tproxy-mark 1",
                "-t mangle -A PREROUTING -i lan0 -p udp --dport 56 -j TPROXY --on-port 0 --tproxy-mark 1",
                "-A INPUT -i lan0 -d fd02::2 -m mark --mark 1 -m comment --comment input",
            ],
            true,
            |s| {
                let device = transparent(s, "[fd01::1]:5300", Type::DGRAM)?;
                let loopback = transparent(s, "[::1]:5400", Type::DGRAM)?;
                let same = transparent(s, "[fd01::1]:56", Type::DGRAM)?;
                vanishes(&s.lan(client6().udp(1, 53, b"one"))?)?;
                receives(&device, b"one")?;
                vanishes(&s.lan(client6().udp(1, 54, b"two"))?)?;
                receives(&loopback, b"two")?;
                vanishes(&s.lan(client6().udp(1, 56, b"own"))?)?;
                receives(&same, b"own")?;
                s.counted("--comment input", 3)
            },
        )
    }),
    ("a_connection_to_another_host_is_taken_by_a_socket_which_answers_as_that_host", || {
        claim_after(
            LOCAL,
            &[
                "-t mangle -A PREROUTING -i lan0 -p tcp --dport 80 -j TPROXY --on-port 8000 --tproxy-mark 1",
                "-A INPUT -i lan0 -d 10.2.0.2 -m conntrack --ctstate ESTABLISHED -m comment --comment established",
            ],
            false,
            |s| {
                let listener = transparent(s, "0.0.0.0:8000", Type::STREAM)?;
                let left = s.lan(client().tcp(&Tcp::segment(1234, 80, Tcp::SYN, 1000, 0), b""))?;
                // A machine that takes long answers more than once.
                let Some(answer) = left.first().map(view) else { return fail("no answer") };
                let answered = answer.tcp().filter(|tcp| tcp.flags == Tcp::SYN | Tcp::ACK && tcp.ack == 1001);
                let Some(tcp) = answered.filter(|_| answer.source == IpAddr::from([10, 2, 0, 2])) else {
                    return fail(format!("{answer:?}"));
                };
                let next = tcp.seq.wrapping_add(1);
                s.lan(client().tcp(&Tcp::segment(1234, 80, Tcp::ACK, 1001, next), b""))?;
                let (taken, from) = listener.accept()?;
                taken.set_read_timeout(Some(PATIENCE))?;
                s.lan(client().tcp(&Tcp::segment(1234, 80, Tcp::ACK | Tcp::PSH, 1001, next), b"data"))?;
                receives(&taken, b"data")?;
                s.counted("established", 2)?;
                if from.as_socket() == Some(SocketAddr::from(([10, 1, 0, 2], 1234))) {
                    Ok(())
                } else {
                    fail(format!("from {from:?}"))
                }
            },
        )
    }),
    ("a_packet_that_no_transparent_socket_takes_is_dropped", || {
        play_after(
            LOCAL,
            &[
                "-t mangle -A PREROUTING -i lan0 -p udp -j TPROXY --on-port 5300 --tproxy-mark 1",
                "-t mangle -A PREROUTING -i lan0 -p tcp -j TPROXY --on-port 5300",
                "-A FORWARD -m comment --comment forward",
                "-A INPUT -m comment --comment input",
            ],
            false,
            |s| {
                vanishes(&s.lan(client().udp(1, 53, b"one"))?)?;
                vanishes(&s.lan(client().tcp(&Tcp::segment(1, 80, Tcp::SYN, 1, 0), b""))?)?;
                vanishes(&s.lan(client().packet(6, &[0; 7]))?)?;
                arrives(&s.wan(server().udp(53, 1, b"two"))?).map(drop)
            },
        )
    }),
    ("sockets_are_given_tcp_and_udp_in_prerouting_of_mangle", || {
        super::rules::refused("-t mangle -A PREROUTING -j TPROXY --on-port 1")?;
        super::rules::refused("-t mangle -A INPUT -p tcp -j TPROXY --on-port 1")?;
        super::rules::refused("-A FORWARD -p tcp -j TPROXY --on-port 1")
    }),
];
