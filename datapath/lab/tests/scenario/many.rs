//! Packets for many: multicast and broadcast, from others and from the router itself.

use std::io;

use lab::{
    frame::{Ip, ethernet},
    link::Mac,
    suite::Test,
    topology::CLIENT,
};

use super::{Stage, claim_after, client, play, play6, vanishes};

const ALL: Mac = [0xff; 6];

/// Puts a frame for many on the clients' link and waits until it is done with.
fn to_many(s: &mut Stage, station: Mac, packet: &[u8]) -> io::Result<()> {
    let frame = ethernet(station, CLIENT, packet);
    s.oracle.bench().lan.send(&frame)?;
    // What comes behind it is through when it is.
    s.lan(if packet[0] >> 4 == 6 { client6() } else { client() }.packet(253, b"behind")).map(drop)
}

fn client6() -> Ip {
    Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2])
}

fn counts(s: &mut Stage, wanted: &[(&str, u64)]) -> io::Result<()> {
    wanted.iter().try_for_each(|(name, count)| s.counted(&format!("--comment {name}"), *count))
}

pub(crate) const TESTS: &[Test] = &[
    ("broadcasts_are_delivered_and_never_answered", || {
        let rules = [
            "-t raw -A PREROUTING -p udp -m pkttype --pkt-type broadcast -m comment --comment frame",
            "-t mangle -A PREROUTING -p udp -m addrtype --dst-type BROADCAST -m comment --comment address",
            "-A INPUT -p udp -m addrtype --dst-type BROADCAST -m state --state NEW -m comment --comment new",
            "-A INPUT -p udp -m pkttype --pkt-type host -m comment --comment host",
            "-A INPUT -p udp --dport 7 -j REJECT",
            "-A FORWARD -p udp -m comment --comment forward",
            "-A OUTPUT -p icmp -m comment --comment error",
        ];
        claim_after(&[], &rules, false, |s| {
            for (port, to) in (100..).zip([[10, 1, 0, 255], [255, 255, 255, 255]]) {
                to_many(s, ALL, &Ip::between([10, 1, 0, 2], to).udp(port, 7, b"to all"))?;
            }
            counts(s, &[("frame", 2), ("address", 2), ("new", 2), ("host", 0), ("forward", 0), ("error", 0)])
        })
    }),
    ("multicasts_are_delivered_to_members_alone", || {
        let rules = [
            "-t raw -A PREROUTING -p udp -m pkttype --pkt-type multicast -m comment --comment frame",
            "-t mangle -A PREROUTING -p udp -m addrtype --dst-type MULTICAST -m comment --comment address",
            "-A INPUT -p udp -m state --state NEW -m comment --comment input",
            "-A INPUT -p udp -d 224.0.0.1 -j REJECT",
            "-A FORWARD -p udp -m comment --comment forward",
            "-A OUTPUT -p icmp -m comment --comment error",
        ];
        claim_after(&[], &rules, false, |s| {
            // Of the group of all hosts every host is a member.
            to_many(s, [1, 0, 0x5e, 0, 0, 1], &Ip::between([10, 1, 0, 2], [224, 0, 0, 1]).udp(1, 7, b"to all"))?;
            to_many(s, [1, 0, 0x5e, 0, 0, 99], &Ip::between([10, 1, 0, 2], [224, 0, 0, 99]).udp(2, 7, b"to others"))?;
            counts(s, &[("frame", 2), ("address", 2), ("input", 1), ("forward", 0), ("error", 0)])
        })
    }),
    ("multicasts_of_ipv6_are_delivered_to_members_alone", || {
        let rules = [
            "-t raw -A PREROUTING -p udp -m pkttype --pkt-type multicast -m comment --comment frame",
            "-t mangle -A PREROUTING -p udp -m addrtype --dst-type MULTICAST -m comment --comment address",
            "-A INPUT -p udp -m state --state NEW -m comment --comment input",
            "-A INPUT -p udp -j REJECT",
            "-A FORWARD -p udp -m comment --comment forward",
            "-A OUTPUT -p icmpv6 --icmpv6-type 1 -m comment --comment error",
        ];
        claim_after(&[], &rules, true, |s| {
            for group in [1, 0x99] {
                let to = [0xff02, 0, 0, 0, 0, 0, 0, group];
                let packet = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], to).udp(group, 7, b"to all");
                to_many(s, [0x33, 0x33, 0, 0, 0, group as u8], &packet)?;
            }
            counts(s, &[("frame", 2), ("address", 2), ("input", 1), ("forward", 0), ("error", 0)])
        })
    }),
    ("what_the_router_sends_to_many_comes_back_to_it", || {
        let rules = [
            "-A OUTPUT -p udp -m comment --comment output",
            "-t mangle -A POSTROUTING -p udp -m comment --comment post",
            "-t nat -A POSTROUTING -p udp -m comment --comment first",
            "-t mangle -A PREROUTING -p udp -m comment --comment pre",
            "-t mangle -A PREROUTING -p udp -m pkttype --pkt-type host -m comment --comment host",
            "-A INPUT -p udp -m comment --comment input",
            "-A INPUT -p udp -m state --state NEW -m comment --comment new",
            "-t nat -A POSTROUTING -p tcp -j MASQUERADE",
        ];
        claim_after(&["ip route add 224.0.0.0/4 dev lan0"], &rules, false, |s| {
            // To the group of all hosts, to one that the router is no member of, and to all of a network.
            // A member hears it as well: then it leaves twice, and the second time its connection stands.
            let sent: [([u8; 4], [u64; 7]); 3] = [
                ([224, 0, 0, 1], [1, 2, 1, 1, 0, 1, 1]),
                ([224, 0, 0, 99], [2, 3, 2, 1, 0, 1, 1]),
                ([10, 1, 0, 255], [3, 5, 3, 2, 0, 2, 2]),
            ];
            for (port, (to, wanted)) in (100..).zip(sent) {
                s.own(Ip::between([10, 1, 0, 1], to).udp(port, 7, b"to all"))?;
                for (name, count) in ["output", "post", "first", "pre", "host", "input", "new"].iter().zip(wanted) {
                    s.counted(&format!("--comment {name}"), count)?;
                }
            }
            Ok(())
        })
    }),
    ("the_routers_copy_of_what_it_sends_to_many_keeps_its_connection_and_has_no_socket", || {
        let rules = [
            "-t raw -A PREROUTING -p 99 -m rpfilter -m comment --comment back",
            "-t raw -A PREROUTING -p 99 -m conntrack --ctstate NEW -m comment --comment known",
            "-t mangle -A POSTROUTING -p 99 -m owner --socket-exists -m comment --comment sent",
            "-t mangle -A POSTROUTING -p 99 -m owner ! --socket-exists -m comment --comment copied",
            "-t nat -A POSTROUTING -p 99 -m owner ! --socket-exists -m comment --comment first",
            "-A INPUT -p 99 -m comment --comment input",
        ];
        play(&rules, |s| {
            vanishes(&s.own(Ip::between([10, 2, 0, 1], [224, 0, 0, 1]).packet(99, b"to many"))?)?;
            s.one_entry(&["unknown  99", "dst=224.0.0.1"])?;
            let names = ["back", "known", "sent", "copied", "first", "input"];
            names.iter().try_for_each(|name| s.counted(&format!("--comment {name}"), 1))
        })
    }),
    ("eui64_drops_the_copy_that_the_sender_gets_of_what_goes_to_a_group", || {
        let rules = ["-t raw -A PREROUTING -p 99", "-t mangle -A PREROUTING -m eui64", "-A INPUT -p 99"];
        play6(&rules, |s| {
            let group = Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 1], [0xff05, 0, 0, 0, 0, 0, 0, 2]);
            vanishes(&s.own(group.packet(99, b"many"))?)?;
            s.counted("PREROUTING -p 99", 1)?;
            s.counted("INPUT -p 99", 0)
        })
    }),
];
