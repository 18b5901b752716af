//! Tables replaced under full traffic: no packet is lost or doubled, none is counted twice or not at all, and none passes that
//! no generation of the table lets pass.

use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lab::suite::Test;
use libxt::backend::{Backend, Counters};
use libxt::table::Table;

use super::load::{LENGTH, Load};
use super::site::{FLOWS, Site, of_flow, on_both, packets, same};

pub(crate) const TESTS: &[Test] = &[
    ("the_counts_of_all_generations_of_a_table_are_the_packets_that_passed", generations),
    ("tables_restored_in_a_loop_lose_and_double_no_packet_and_never_open_a_gap", restored),
    ("connections_opened_right_behind_a_table_are_translated_once", translated),
];

/// A filter that lets the flows pass and counts them, behind some other rules; the number of rules ahead.
fn filter(ahead: &str) -> String {
    let flows = (0..FLOWS).fold(String::new(), |mut text, flow| {
        let _ = writeln!(text, "[{flow}00:{flow}000] -A FORWARD {} -j ACCEPT", of_flow(flow));
        text
    });
    format!("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n{ahead}{flows}COMMIT\n")
}

/// Rules ahead. Those of the second and the third ask for packets at other hooks than the first.
const AHEAD: [&str; 3] = [
    "",
    "-A FORWARD -m physdev --physdev-in none -j DROP\n",
    "-A FORWARD -s 192.0.2.1 -j NFLOG\n-A FORWARD -s 192.0.2.2 -j DROP\n",
];

fn refused(error: libxt::table::Refused) -> io::Error {
    io::Error::other(format!("{error:?}"))
}

fn generations() -> io::Result<()> {
    on_both(|site| {
        // Each generation as bytes, and which of its entries is the first flow's.
        let mut blobs = Vec::new();
        for ahead in AHEAD {
            site.restore(&filter(ahead), &[])?;
            let read = |backend: &mut dyn Backend| {
                let table = Table::open(backend, "filter").map_err(refused)?;
                table.to_blob().ok_or_else(|| io::Error::other("no blob"))
            };
            // Behind the policy of INPUT.
            blobs.push((site.with_backend(read)?, 1 + ahead.lines().count()));
        }
        let entries = |first: usize| first + usize::from(FLOWS) + 3;
        site.restore(&filter(AHEAD[AHEAD.len() - 1]), &[])?;
        let mut sums = [Counters::default(); FLOWS as usize];
        let load = Load::start(site, FLOWS)?;
        let replaced = site.with_backend(|backend| {
            let mut standing = blobs[AHEAD.len() - 1].1;
            let mut count = 0;
            while count < 60 || load.is_short_of(packets()) {
                let (blob, first) = &mut blobs[count % AHEAD.len()];
                let mut old = vec![Counters::default(); entries(standing)];
                backend.replace(blob, &mut old)?;
                add(&mut sums, &old, standing);
                standing = *first;
                count += 1;
            }
            Ok((standing, count))
        });
        let flows = load.finish()?;
        let (standing, count) = replaced?;
        site.with_backend(|backend| {
            let mut old = vec![Counters::default(); entries(standing)];
            backend.replace(&mut blobs[0].0, &mut old)?;
            add(&mut sums, &old, standing);
            Ok(())
        })?;
        for (number, (flow, sum)) in flows.iter().zip(sums).enumerate() {
            let what = format!("flow {number} in {count} generations");
            same(&what, (sum.packets, sum.bytes), (flow.sent, flow.sent * LENGTH))?;
        }
        Ok(())
    })
}

fn add(sums: &mut [Counters], old: &[Counters], first: usize) {
    for (sum, old) in sums.iter_mut().zip(old.iter().skip(first)) {
        sum.packets += old.packets;
        sum.bytes += old.bytes;
    }
}

fn restored() -> io::Result<()> {
    on_both(|site| {
        let mangle = "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n";
        let nat =
            "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n";
        let shapes = [
            filter(AHEAD[0]),
            format!("{mangle}-A PREROUTING -p udp -j MARK --set-mark 1\nCOMMIT\n{}", filter(AHEAD[1])),
            format!("{mangle}COMMIT\n{nat}-A POSTROUTING -s 192.0.2.1 -j MASQUERADE\nCOMMIT\n{}", filter(AHEAD[2])),
            format!("{nat}COMMIT\n{}", filter(AHEAD[0])),
        ];
        site.restore(&shapes[0], &[])?;
        let load = Load::start(site, FLOWS)?;
        let stop = AtomicBool::new(false);
        let (passed, rounds) = std::thread::scope(|scope| {
            let strangers = scope.spawn(|| strangers(site, &stop));
            let work = || -> io::Result<usize> {
                let mut round = 0;
                while round < 24 || load.is_short_of(packets()) {
                    let options: &[&str] = if round % 2 == 0 { &[] } else { &["-c"] };
                    site.restore(&shapes[round % shapes.len()], options)?;
                    round += 1;
                }
                Ok(round)
            };
            let rounds = work();
            stop.store(true, Ordering::Relaxed);
            let passed = strangers.join().map_err(|_| io::Error::other("the strangers panicked"));
            (passed, rounds)
        });
        load.finish()?;
        same("packets that no table lets pass", passed??, 0)?;
        rounds.map(drop)
    })
}

/// Connections of programs: what they send owes its checksum until somebody writes it back.
fn translated() -> io::Result<()> {
    on_both(|site| {
        let nat = |rules: &str| {
            format!("*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n{rules}COMMIT\n")
        };
        let rules =
            "-A PREROUTING -d 192.0.2.9 -p tcp -j DNAT --to-destination 10.2.0.2\n-A POSTROUTING -j MASQUERADE\n";
        let listener = site.chain.server.within(|| TcpListener::bind("10.2.0.2:7000"))??;
        let mut opened = 0;
        for ahead in AHEAD.iter().cycle().take(12) {
            // Where there is nothing but a state to be told, it is told late; translation begins early.
            let state = "-A FORWARD -p tcp -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT\n";
            site.restore(&(filter(&format!("{ahead}{state}")) + &nat("")), &[])?;
            site.restore(&nat(rules), &[])?;
            let client = site.chain.client.within(|| TcpStream::connect("192.0.2.9:7000"))??;
            opened += 1;
            let (server, peer) = listener.accept()?;
            same("who asks", peer.ip().to_string(), "10.2.0.1".to_owned())?;
            for (mut from, mut to) in [(&client, &server), (&server, &client)] {
                to.set_read_timeout(Some(Duration::from_secs(20)))?;
                from.write_all(b"text")?;
                to.read_exact(&mut [0; 4])?;
            }
            let entries = site.run("conntrack -L -p tcp")?;
            let right = |entry: &&str| entry.contains("dst=192.0.2.9") && entry.contains("src=10.2.0.2 dst=10.2.0.1");
            same(&entries, (entries.lines().filter(right).count(), entries.lines().count()), (opened, opened))?;
        }
        Ok(())
    })
}

/// Sends datagrams that every generation drops, and says how many arrived.
fn strangers(site: &Site, stop: &AtomicBool) -> io::Result<u64> {
    let receiver = site.chain.server.within(|| UdpSocket::bind("10.2.0.2:9000"))??;
    receiver.set_read_timeout(Some(Duration::from_millis(1)))?;
    let sender = site.chain.client.within(|| UdpSocket::bind("10.1.0.2:4000"))??;
    let (mut passed, mut room) = (0, [0; 100]);
    while !stop.load(Ordering::Relaxed) {
        sender.send_to(b"stranger", "10.2.0.2:9000")?;
        passed += u64::from(receiver.recv(&mut room).is_ok());
    }
    receiver.set_read_timeout(Some(Duration::from_millis(300)))?;
    while receiver.recv(&mut room).is_ok() {
        passed += 1;
    }
    Ok(passed)
}
