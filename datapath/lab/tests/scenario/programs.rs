//! What other programs say of packets that rules queue for them, and what becomes of the packets then.

use std::{
    io,
    time::{Duration, Instant},
};

use lab::{frame::Ip, held::Held, suite::Test, twin::Crossing};
use nfnl::queue::{ACCEPT, Changes, DROP};

use super::{Stage, arrives, claim, claim_after, client, fail, vanishes, view};

/// The first queue of the program.
const QUEUE: u16 = 4730;
/// `NF_REPEAT`.
const REPEAT: u32 = 4;
/// A protocol of which nobody knows anything (RFC 3692).
const PLAIN: u8 = 253;

/// Has the program judge a packet; what left.
fn judged(
    s: &mut Stage,
    held: &mut Held,
    packet: Vec<u8>,
    verdict: u32,
    mark: Option<u32>,
    change: Option<fn(&mut Vec<u8>)>,
) -> io::Result<Vec<Crossing>> {
    vanishes(&s.lan(packet)?)?;
    let mut bytes = held.take()?;
    let payload = change.map(|change| {
        change(&mut bytes);
        bytes.as_slice()
    });
    held.answer(verdict, Changes { mark, priority: None }, payload)?;
    // What follows is seen behind it.
    let mut left = s.lan(client().packet(PLAIN, b"behind"))?;
    left.retain(|crossing| view(crossing).protocol != PLAIN);
    Ok(left)
}

/// Other data of the same length, and no checksum.
fn rewrite(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len().saturating_sub(4));
    bytes.extend(b"DATA");
    if let Some(sum) = bytes.get_mut(26..28) {
        sum.fill(0);
    }
}

fn data(crossing: &Crossing) -> &[u8] {
    view(crossing).payload.get(8..).unwrap_or_default()
}

/// A packet that the program rewrites arrives so. Just behind a table that has packets taken elsewhere it may be taken for one
/// that has met no rule, and come to the program once more.
fn rewritten(s: &mut Stage, held: &mut Held) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    for port in 4.. {
        let left = judged(s, held, client().udp(port, 53, b"data"), ACCEPT, None, Some(rewrite))?;
        match left.as_slice() {
            [one] if data(one) == b"DATA" => return Ok(()),
            [] if Instant::now() < deadline => {
                held.take()?;
                held.release()?;
                s.lan(client().packet(PLAIN, b"behind"))?;
            }
            _ => return fail(format!("{:?} left", left.iter().map(data).collect::<Vec<_>>())),
        }
    }
    Ok(())
}

pub(crate) const TESTS: &[Test] = &[
    ("what_a_program_says_of_a_packet_is_done_and_later_tables_see_it", || {
        claim(
            &[
                // The last table of the hook: what comes after it would see the packet before the program does.
                &format!("-t security -A FORWARD -p udp --dport 53 -j NFQUEUE --queue-num {QUEUE}"),
                "-t security -A FORWARD -p udp --dport 53 -m comment --comment never",
                "-t mangle -A POSTROUTING -p udp -m mark --mark 7 -m comment --comment marked",
                "-t mangle -A POSTROUTING -p udp -m string --string DATA --algo bm -m comment --comment changed",
                "-t mangle -A POSTROUTING -p udp -m comment --comment later",
                "-t nat -A POSTROUTING -p udp -o wan0 -j MASQUERADE",
            ],
            |s| {
                let mut held = s.within(|| Held::open(QUEUE))?;
                vanishes(&judged(s, &mut held, client().udp(1, 53, b"data"), DROP, None, None)?)?;
                s.counted("later", 0)?;
                let left = judged(s, &mut held, client().udp(2, 53, b"data"), ACCEPT, None, None)?;
                if view(arrives(&left)?).source != std::net::IpAddr::from([10, 2, 0, 1]) {
                    return fail(format!("{:?}", view(arrives(&left)?)));
                }
                s.counted("marked", 0)?;
                arrives(&judged(s, &mut held, client().udp(3, 53, b"data"), ACCEPT, Some(7), None)?)?;
                s.counted("marked", 1)?;
                s.counted("later", 2)?;
                rewritten(s, &mut held)?;
                if s.count("--comment changed")? == 0 {
                    return fail("POSTROUTING has not seen what the program wrote");
                }
                s.counted("never", 0)
            },
        )
    }),
    ("a_packet_that_a_program_marks_and_repeats_goes_on", || {
        claim(
            &[
                &format!("-t security -A FORWARD -p udp -m mark ! --mark 9 -j NFQUEUE --queue-num {QUEUE}"),
                "-t mangle -A POSTROUTING -p udp -m mark --mark 9 -m comment --comment later",
            ],
            |s| {
                let mut held = s.within(|| Held::open(QUEUE))?;
                arrives(&judged(s, &mut held, client().udp(1, 53, b"data"), REPEAT, Some(9), None)?)?;
                s.counted("later", 1)
            },
        )
    }),
    ("an_ipv6_packet_queued_where_it_arrives_is_judged_by_what_the_program_left", || {
        claim_after(
            &[],
            &[
                &format!("-t mangle -A PREROUTING -p udp -j NFQUEUE --queue-num {QUEUE} --queue-bypass"),
                "-A FORWARD -p udp -m mark --mark 7 -m comment --comment forward",
                "-A FORWARD -p udp -m mark --mark 8 -j DROP",
            ],
            true,
            |s| {
                let ip = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
                let mut held = s.within(|| Held::open(QUEUE))?;
                for (mark, passes) in [(7, true), (8, false)] {
                    vanishes(&s.lan(ip.udp(1, 53, b"data"))?)?;
                    held.take()?;
                    held.answer(ACCEPT, Changes { mark: Some(mark), priority: None }, None)?;
                    let mut left = s.lan(ip.packet(PLAIN, b"behind"))?;
                    left.retain(|crossing| view(crossing).protocol != PLAIN);
                    if passes { arrives(&left).map(drop)? } else { vanishes(&left)? }
                }
                s.counted("forward", 1)?;
                // Nobody listens any more.
                drop(held);
                arrives(&s.lan(ip.udp(1, 53, b"data"))?).map(drop)
            },
        )
    }),
    ("packets_are_balanced_over_the_queues_of_a_program", || {
        for options in ["", " --queue-cpu-fanout"] {
            let last = QUEUE + 3;
            let rule = format!("-t security -A FORWARD -p udp -j NFQUEUE --queue-balance {QUEUE}:{last}{options}");
            claim(&[&rule, "-t mangle -A POSTROUTING -p udp -m comment --comment later"], |s| {
                let mut held = s.within(|| Held::open_all(QUEUE..=last))?;
                for host in 2..8 {
                    let packet = Ip::between([10, 1, 0, host], [10, 2, 0, 2]).udp(1, 53, b"data");
                    arrives(&judged(s, &mut held, packet, ACCEPT, None, None)?)?;
                }
                s.counted("later", 6)
            })?;
        }
        Ok(())
    }),
];
