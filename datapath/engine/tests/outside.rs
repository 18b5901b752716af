//! Rules that ask what only the outside knows: fingerprints of systems, sockets, the kernel's own matches.

mod support;

use std::net::IpAddr;

use engine::fingerprints::Fingerprints;
use engine::host::{SocketFound, SocketPair};
use libxt::family::Af;
use support::{Router, ip, udp};

fn syn(options: &[u8]) -> Vec<u8> {
    let mut segment = support::tcp((1000, 80), (1, 0), 2, &[]);
    segment[12] = (5 + options.len() as u8 / 4) << 4;
    segment.extend(options);
    let mut packet = ip("198.51.100.1", "10.0.0.1", 6, &segment);
    packet[6] = 0x40;
    support::sum_header(&mut packet);
    packet
}

#[test]
fn a_rule_that_logs_tells_of_every_system_that_fits_and_takes_them_all() {
    let mut router = Router::default();
    let known = b"*:64:1:40:.:One:1:a:x\n*:70:1:40:.:Two:::x\n*:64:1:40:.:Three:3::x\n";
    router.engine.set_fingerprints(Fingerprints::read(known));
    router.load(
        Af::V4,
        &[
            "-A INPUT -p tcp -m osf --genre Two",
            "-A INPUT -p tcp -m osf --genre Other --log 0",
            "-A INPUT -p tcp -m osf --genre Other --log 1 --ttl 1",
        ],
    );
    router.deliver(3, &syn(&[]));
    let said = router.logged();
    let heads: Vec<&str> = said.iter().filter_map(|line| line.split('\n').next()).collect();
    assert_eq!(
        heads,
        [
            "One [1:a] : 198.51.100.1:1000 -> 10.0.0.1:80 hops=0",
            "Three [3:] : 198.51.100.1:1000 -> 10.0.0.1:80 hops=0",
            "One [1:a] : 198.51.100.1:1000 -> 10.0.0.1:80 hops=0",
        ]
    );
    assert!(said.iter().all(|line| line.contains("\nIN=eth1 OUT= ") && line.contains(" SEQ=1 ACK=0 ")));
    let counts: Vec<u64> = router.counters(Af::V4, "filter").iter().map(|(packets, _)| *packets).collect();
    assert_eq!(counts[..3], [0, 1, 1]);
    router.deliver(3, &syn(&[1, 1, 1, 1]));
    let said = router.logged();
    assert!(said[0].starts_with("Remote OS is not known: 198.51.100.1:1000 -> 10.0.0.1:80\nIN="), "{said:?}");
    assert_eq!(said.len(), 2);
}

#[test]
fn what_goes_before_a_packets_own_words_in_the_log_is_cut() {
    let mut router = Router::default();
    let long = "n".repeat(31);
    router.engine.set_fingerprints(Fingerprints::read(format!("*:64:1:40:.:{long}:{long}:{long}:x").as_bytes()));
    router.load(Af::V4, &["-A INPUT -p tcp -m osf --genre Other --log 2"]);
    router.deliver(3, &syn(&[]));
    let said = router.logged();
    assert_eq!(said[0].find("IN=eth1"), Some(127));
}

/// A datagram to port 53 of the router finds this socket; what each rule has counted, and the mark at the end.
fn with_socket(found: SocketFound) -> (Vec<u64>, u32) {
    let mut router = Router::default();
    let (local, remote) = ((IpAddr::from([10, 0, 0, 1]), 53), (IpAddr::from([198, 51, 100, 1]), 1000));
    router.host.sockets.push((SocketPair { protocol: 17, local, remote, device: 3 }, found));
    router.load(
        Af::V4,
        &[
            "-t mangle -A PREROUTING -m socket",
            "-t mangle -A PREROUTING -m socket --nowildcard",
            "-t mangle -A PREROUTING -m socket --transparent --nowildcard",
            "-t mangle -A PREROUTING -m socket --restore-skmark",
        ],
    );
    let packet = ip("198.51.100.1", "10.0.0.1", 17, &udp((1000, 53), b""));
    let seen = router.at(engine::Hook::Prerouting, (3, 0), &packet, 5);
    router.at(engine::Hook::Prerouting, (2, 0), &packet, 5);
    let counts = router.counters(Af::V4, "mangle");
    (counts.iter().take(4).map(|(packets, _)| *packets).collect(), seen.mark)
}

#[test]
fn a_socket_counts_by_its_address_and_options_and_lends_its_mark() {
    let socket = SocketFound { full: true, wildcard: false, transparent: false, mark: 7 };
    assert_eq!(with_socket(socket), (vec![1, 1, 0, 1], 7));
    assert_eq!(with_socket(SocketFound { wildcard: true, ..socket }), (vec![0, 1, 0, 0], 5));
    assert_eq!(with_socket(SocketFound { transparent: true, ..socket }), (vec![1, 1, 1, 1], 7));
    // What is left of a connection has neither an address that counts nor a mark.
    assert_eq!(with_socket(SocketFound { full: false, wildcard: true, ..socket }), (vec![1, 1, 0, 1], 5));
}

#[test]
fn sockets_are_looked_for_where_packets_arrive() {
    let mut router = Router::default();
    assert!(router.try_load(Af::V4, "-A INPUT -m socket").is_ok());
    assert!(router.try_load(Af::V4, "-A FORWARD -m socket").is_err());
}

#[test]
fn what_the_kernel_judges_comes_with_the_packet() {
    let mut router = Router::default();
    router.load(
        Af::V4,
        &[
            "-A OUTPUT -m cgroup --cgroup 5",
            "-A OUTPUT -m cgroup ! --cgroup 5",
            "-A OUTPUT -m cgroup --cgroup 5 -p udp",
            "-t raw -A OUTPUT -m cpu --cpu 1",
        ],
    );
    let asked: Vec<_> = router.engine.questions(Af::V4).map(|(bit, asked)| (bit, asked.name, asked.hooks)).collect();
    assert_eq!(asked, [(0, "cgroup", 8), (1, "cgroup", 8), (2, "cpu", 8)]);
    let packet = ip("10.0.0.1", "192.0.2.9", 17, &udp((1000, 53), b""));
    for answers in [0b001, 0b110, 0b001] {
        router.answers = answers;
        router.at(engine::Hook::Output, (0, 3), &packet, 0);
    }
    let filter: Vec<u64> = router.counters(Af::V4, "filter").iter().map(|(packets, _)| *packets).collect();
    assert_eq!(filter[2..5], [2, 1, 2]);
    assert_eq!(router.counters(Af::V4, "raw")[1].0, 1);
    router.load(Af::V4, &["-F OUTPUT"]);
    assert_eq!(router.engine.questions(Af::V4).map(|(bit, _)| bit).collect::<Vec<_>>(), [2]);
}

#[test]
fn the_kernels_judgement_is_asked_only_where_it_is_right() {
    let mut router = Router::default();
    assert_eq!(router.try_load(Af::V4, "-t mangle -A PREROUTING -m cgroup --cgroup 0"), Err(22));
    assert_eq!(router.try_load(Af::V4, "-A OUTPUT -m cgroup --cgroup 0 --path /"), Err(22));
    for class in 0..4 {
        router.load(Af::V4, &[&format!("-A OUTPUT -m cgroup --cgroup {class}")]);
    }
    assert_eq!(router.try_load(Af::V4, "-A OUTPUT -m cgroup --cgroup 4"), Err(28));
}
