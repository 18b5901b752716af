//! The targets of nat in each revision that they have.

mod support;

use engine::conntrack::{Direction, Tuple};
use engine::ruleset::refused::errno;
use libxt::backend::Get;
use libxt::ext::{Kind, find};
use libxt::family::Af;
use support::{Router, addresses, ip, table_bytes, udp};

/// A rule, the revisions of its target, and what a datagram from port 5000 to port 5003 is behind it: source and destination.
type Case = (Af, &'static str, &'static [u8], [(&'static str, u16); 2]);

const HOST: (&str, u16) = ("10.0.0.2", 5000);
const SERVER: (&str, u16) = ("192.0.2.80", 5003);
const HOST6: (&str, u16) = ("fd00::2", 5000);
const SERVER6: (&str, u16) = ("2001:db8::80", 5003);

const CASES: &[Case] = &[
    (Af::V4, "-A POSTROUTING -p udp -j SNAT --to-source 192.0.2.7:700", &[0, 1, 2], [("192.0.2.7", 700), SERVER]),
    (Af::V4, "-A POSTROUTING -p udp -j SNAT --to-source :800-800", &[0, 1, 2], [("10.0.0.2", 800), SERVER]),
    (Af::V4, "-A PREROUTING -p udp -j DNAT --to-destination 192.0.2.9:90", &[0, 1, 2], [HOST, ("192.0.2.9", 90)]),
    (Af::V4, "-A PREROUTING -p udp -j DNAT --to-destination 192.0.2.9:90-99/5000", &[2], [HOST, ("192.0.2.9", 93)]),
    (Af::V4, "-A POSTROUTING -p udp -j MASQUERADE --to-ports 900", &[0], [("192.0.2.1", 900), SERVER]),
    (Af::V4, "-A POSTROUTING -j NETMAP --to 198.51.100.0/24", &[0], [("198.51.100.2", 5000), SERVER]),
    (Af::V4, "-A PREROUTING -j NETMAP --to 192.0.2.16/28", &[0], [HOST, ("192.0.2.16", 5003)]),
    (Af::V6, "-A POSTROUTING -p udp -j SNAT --to-source [2001:db8::7]:700", &[1, 2], [("2001:db8::7", 700), SERVER6]),
    (Af::V6, "-A PREROUTING -p udp -j DNAT --to-destination [2001:db8::9]:90", &[1, 2], [HOST6, ("2001:db8::9", 90)]),
    (
        Af::V6,
        "-A PREROUTING -p udp -j DNAT --to-destination [2001:db8::9]:90-99/5000",
        &[2],
        [HOST6, ("2001:db8::9", 93)],
    ),
    (Af::V6, "-A POSTROUTING -p udp -j MASQUERADE --to-ports 900", &[0], [("2001:db8::1", 900), SERVER6]),
    (Af::V6, "-A POSTROUTING -j NETMAP --to 2001:db8:1::/64", &[0], [("2001:db8:1::2", 5000), SERVER6]),
];

/// Addresses and ports of a datagram.
fn ends(af: Af, bytes: &[u8]) -> [(String, u16); 2] {
    let (source, destination) = addresses(bytes);
    let start = if af == Af::V4 { 20 } else { 40 };
    let port = |at: usize| u16::from_be_bytes([bytes[start + at], bytes[start + at + 1]]);
    [(source.to_string(), port(0)), (destination.to_string(), port(2))]
}

fn datagram([(source, from), (destination, to)]: [(&str, u16); 2]) -> Vec<u8> {
    ip(source, destination, 17, &udp((from, to), b"x"))
}

fn owned([source, destination]: [(&str, u16); 2]) -> [(String, u16); 2] {
    [(source.0.to_owned(), source.1), (destination.0.to_owned(), destination.1)]
}

#[test]
fn every_revision_of_a_target_translates_there_and_back() {
    for &(af, rule, revisions, behind) in CASES {
        let plain = if af == Af::V4 { [HOST, SERVER] } else { [HOST6, SERVER6] };
        for &revision in revisions {
            let mut router = Router::default();
            router.revision = Some(revision);
            router.load(af, &[&format!("-t nat {rule}")]);
            let name = rule.split(' ').skip_while(|word| *word != "-j").nth(1).unwrap();
            let head: Vec<u8> = name.bytes().chain(vec![0; 29 - name.len()]).chain([revision]).collect();
            assert!(table_bytes(&mut router.engine, af, "nat").windows(30).any(|bytes| bytes == head), "{rule}");
            let left = router.forward(2, 3, &datagram(plain)).unwrap();
            assert_eq!(ends(af, &left), owned(behind), "{rule}, revision {revision}");
            let back = router.forward(3, 2, &datagram([behind[1], behind[0]])).unwrap();
            assert_eq!(ends(af, &back), owned([plain[1], plain[0]]), "{rule}, revision {revision}");
            let tracker = router.engine.tracker();
            let found = tracker.from_place(0).and_then(|id| tracker.snapshot(id, router.now)).unwrap();
            let Tuple { source, .. } = found.tuples[Direction::Reply as usize];
            assert_eq!(source.ip(af).to_string(), behind[1].0);
        }
    }
}

#[test]
fn the_revisions_that_are_known_are_all_tried_here() {
    let mut router = Router::default();
    for name in ["SNAT", "DNAT", "MASQUERADE", "NETMAP"] {
        for af in [Af::V4, Af::V6] {
            let tried: std::collections::BTreeSet<u8> = CASES
                .iter()
                .filter(|(family, rule, ..)| *family == af && rule.contains(&format!("-j {name} ")))
                .flat_map(|(_, _, revisions, _)| revisions.iter().copied())
                .collect();
            let known = find(Kind::Target, name, af).unwrap();
            let known = (known.new)().revisions().iter().filter(|one| one.families.contain(af)).map(|one| one.number);
            assert_eq!(tried, known.collect(), "{name}");
            for revision in 0..4 {
                let mut asked = vec![0; 30];
                asked[..name.len()].copy_from_slice(name.as_bytes());
                asked[29] = revision;
                let answer = router.engine.get(af, Get::RevisionTarget, &mut asked).map_err(|refused| refused.errno);
                let wanted = if tried.contains(&revision) { Ok(()) } else { Err(errno::EPROTONOSUPPORT) };
                assert_eq!(answer, wanted, "{name} {revision}");
            }
        }
    }
}
