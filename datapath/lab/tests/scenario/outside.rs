//! Rules that ask something outside of the datapath: sets of ipset, routes.

use std::{
    io,
    net::{IpAddr, UdpSocket},
};

use lab::{
    frame::{Ip, Tcp},
    suite::Test,
};

use super::{Stage, arrives, claim_after, client, fail, play_after, server};

/// Rules with these comments have counted so many packets.
pub(crate) fn counted(stage: &mut Stage, wanted: &[(&str, u64)]) -> io::Result<()> {
    wanted.iter().try_for_each(|(name, count)| {
        stage
            .counted(&format!("--comment {name} "), *count)
            .or_else(|_| stage.counted(&format!("--comment {name}"), *count))
    })
}

pub(crate) const TESTS: &[Test] = &[
    ("every_type_of_set_is_asked_for_what_its_elements_are_made_of", || {
        play_after(
            &[
                "ipset create hosts hash:ip",
                "ipset add hosts 10.1.0.2",
                "ipset create nets hash:net",
                "ipset add nets 10.1.0.0/24",
                "ipset add nets 10.1.0.3 nomatch",
                "ipset create ipport hash:ip,port",
                "ipset add ipport 10.2.0.2,udp:53",
                "ipset add ipport 10.2.0.2,icmp:echo-request",
                "ipset create ports bitmap:port range 0-1023",
                "ipset add ports 53",
                "ipset create triple hash:ip,port,ip",
                "ipset add triple 10.1.0.2,tcp:80,10.2.0.2",
                "ipset create ifaces hash:net,iface",
                "ipset add ifaces 10.1.0.0/24,lan0",
                "ipset create map bitmap:ip range 10.1.0.0/24",
                "ipset add map 10.1.0.3",
                "ipset create macs bitmap:ip,mac range 10.1.0.0/24",
                "ipset add macs 10.1.0.2,02:00:00:00:01:02",
                "ipset create netport hash:net,port",
                "ipset add netport 10.2.0.0/24,tcp:80-81",
                "ipset create six hash:ip family inet6",
            ],
            &[
                "-A FORWARD -m set --match-set hosts src -m comment --comment hosts1",
                "-A FORWARD -m set ! --match-set hosts src -m comment --comment hosts2",
                "-A FORWARD -m set --match-set hosts dst -m comment --comment hosts3",
                "-A FORWARD -m set --match-set nets src -m comment --comment nets1",
                "-A FORWARD -m set --match-set nets src --return-nomatch -m comment --comment nets2",
                "-A FORWARD -m set --match-set ipport dst,dst -m comment --comment ipport1",
                "-A FORWARD -m set --match-set ipport src,src -m comment --comment ipport2",
                "-A FORWARD -m set --match-set ipport dst -m comment --comment ipport3",
                "-A FORWARD -m set --match-set ports dst -m comment --comment ports1",
                "-A FORWARD -m set --match-set ports src,dst -m comment --comment ports2",
                "-A FORWARD -m set --match-set triple src,dst,dst -m comment --comment triple",
                "-A FORWARD -m set --match-set ifaces src,src -m comment --comment ifaces1",
                "-A FORWARD -m set --match-set ifaces src,dst -m comment --comment ifaces2",
                "-A FORWARD -m set --match-set map src -m comment --comment map",
                "-A FORWARD -m set --match-set macs src,src -m comment --comment macs",
                "-A FORWARD -m set --match-set netport dst,dst -m comment --comment netport",
            ],
            false,
            |s| {
                let other = Ip::between([10, 1, 0, 3], [10, 2, 0, 3]);
                arrives(&s.lan(client().udp(1, 53, b""))?)?;
                arrives(&s.lan(other.udp(1, 53, b""))?)?;
                arrives(&s.wan(server().udp(53, 1, b""))?)?;
                arrives(&s.lan(client().icmp(8, 0, 1 << 16, b""))?)?;
                arrives(&s.lan(client().tcp(&Tcp::segment(1, 80, Tcp::SYN, 1, 0), b""))?)?;
                arrives(&s.lan(client().packet(47, &[0; 8]))?)?;
                s.act("ipset del hosts 10.1.0.2")?;
                arrives(&s.lan(client().udp(2, 53, b""))?)?;
                counted(s, &[("hosts1", 4), ("hosts2", 3), ("hosts3", 1), ("nets1", 5), ("nets2", 1)])
            },
        )
    }),
    ("ipv6_addresses_are_looked_up_in_sets_of_theirs", || {
        play_after(
            &["ipset create six hash:ip,port family inet6", "ipset add six fd01::2,udp:1", "ipset create four hash:ip"],
            &[
                "-A FORWARD -m set --match-set six src,src -m comment --comment src",
                "-A FORWARD -m set --match-set six dst,dst -m comment --comment dst",
            ],
            true,
            |s| {
                let ip = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
                arrives(&s.lan(ip.udp(1, 53, b""))?)?;
                arrives(&s.lan(ip.udp(2, 53, b""))?)?;
                counted(s, &[("src", 1), ("dst", 0)])
            },
        )
    }),
    ("counters_of_a_sets_entries_grow_unless_a_rule_says_no", || {
        play_after(
            &[
                "ipset create c hash:ip counters initval 7",
                "ipset add c 10.1.0.2",
                "ipset create d hash:ip counters initval 7",
                "ipset add d 10.1.0.2",
            ],
            &["-A FORWARD -m set --match-set c src", "-A FORWARD -m set --match-set d src ! --update-counters"],
            false,
            |s| {
                arrives(&s.lan(client().udp(1, 53, b"data"))?)?;
                arrives(&s.lan(client().udp(2, 53, b"data"))?)?;
                s.act("ipset list -o save c")?;
                arrives(&s.lan(client().udp(3, 53, b"data"))?)?;
                s.act("ipset list -o save d")?;
                arrives(&s.lan(client().udp(4, 53, b"data"))?).map(drop)
            },
        )
    }),
    ("a_rule_fills_and_empties_sets", || {
        play_after(
            &[
                "ipset create seen hash:ip,port initval 7",
                "ipset create timed hash:ip timeout 100 initval 7",
                "ipset create plain hash:ip initval 7",
                "ipset add plain 10.1.0.3",
            ],
            &[
                "-t mangle -A PREROUTING -i lan0 -p udp -j SET --add-set seen src,dst",
                "-t mangle -A PREROUTING -i lan0 -p udp -j SET --add-set timed dst --timeout 50 --exist",
                "-t mangle -A PREROUTING -i lan0 -p tcp -j SET --add-set plain src --timeout 7 --del-set seen src,dst",
                "-A FORWARD -s 10.1.0.3 -j SET --del-set plain src",
                "-A FORWARD -m set --match-set plain src -m comment --comment plain",
            ],
            false,
            |s| {
                let other = Ip::between([10, 1, 0, 3], [10, 2, 0, 3]);
                arrives(&s.lan(client().udp(1, 53, b""))?)?;
                arrives(&s.lan(client().udp(1, 80, b""))?)?;
                arrives(&s.lan(other.udp(1, 53, b""))?)?;
                arrives(&s.lan(client().tcp(&Tcp::segment(1, 80, Tcp::SYN, 1, 0), b""))?)?;
                s.act("ipset list -o save seen")?;
                arrives(&s.lan(client().icmp(8, 0, 1 << 16, b""))?)?;
                s.act("ipset list -o save timed")?;
                arrives(&s.lan(client().icmp(8, 0, 1 << 16, b""))?)?;
                s.act("ipset list -o save plain")?;
                arrives(&s.lan(client().icmp(8, 0, 1 << 16, b""))?)?;
                counted(s, &[("plain", 4)])
            },
        )
    }),
    ("a_set_of_sets_is_asked_set_by_set", || {
        play_after(
            &[
                "ipset create one hash:ip initval 7",
                "ipset create two hash:ip,port",
                "ipset create three hash:net",
                "ipset create six hash:ip family inet6",
                "ipset create all list:set",
                "ipset add all six",
                "ipset add all one",
                "ipset add all two",
                "ipset add all three",
                "ipset add one 10.1.0.2",
                "ipset add two 10.1.0.3,udp:1",
                "ipset add three 10.1.0.4/31",
                "ipset create seen hash:ip initval 7",
                "ipset create more hash:ip initval 7",
                "ipset create some list:set",
                "ipset add some seen",
                "ipset add some more",
                "ipset add seen 10.1.0.2",
            ],
            &[
                "-A FORWARD -m set --match-set all src -m comment --comment one",
                "-A FORWARD -m set --match-set all src,src -m comment --comment two",
                "-A FORWARD -m set ! --match-set all src -m comment --comment none",
                "-t mangle -A PREROUTING -p udp -j SET --add-set some src",
                "-t mangle -A PREROUTING -p tcp -j SET --del-set some src",
            ],
            false,
            |s| {
                let from = |last| Ip::between([10, 1, 0, last], [10, 2, 0, 2]);
                for last in 2..7 {
                    arrives(&s.lan(from(last).udp(1, 53, b""))?)?;
                }
                counted(s, &[("one", 3), ("two", 4), ("none", 2)])?;
                s.act("ipset del all one")?;
                arrives(&s.lan(client().udp(1, 53, b""))?)?;
                s.act("ipset list -o save seen")?;
                arrives(&s.lan(from(3).tcp(&Tcp::segment(1, 80, Tcp::SYN, 1, 0), b""))?)?;
                s.act("ipset list -o save more")?;
                arrives(&s.lan(from(3).tcp(&Tcp::segment(1, 80, Tcp::SYN, 1, 0), b""))?)?;
                s.act("ipset list -o save seen")?;
                arrives(&s.lan(client().icmp(8, 0, 1 << 16, b""))?)?;
                counted(s, &[("one", 3), ("none", 6)])
            },
        )
    }),
    ("a_packet_must_come_from_where_its_answer_would_go", || {
        play_after(
            &["ip route add 10.9.0.0/24 via 10.2.0.9", "ip route add blackhole 10.8.0.0/24"],
            &[
                "-t raw -A PREROUTING -m rpfilter -m comment --comment strict",
                "-t raw -A PREROUTING -m rpfilter --loose -m comment --comment loose",
                "-t mangle -A PREROUTING -m rpfilter --invert -m comment --comment invert",
                "-t mangle -A PREROUTING -m rpfilter --accept-local -m comment --comment local",
                "-t mangle -A PREROUTING -m rpfilter --accept-local --loose -m comment --comment any",
            ],
            false,
            |s| {
                for source in [
                    [10, 1, 0, 2],
                    [10, 1, 0, 255],
                    [10, 1, 0, 1],
                    [10, 2, 0, 2],
                    [10, 2, 0, 1],
                    [10, 9, 0, 7],
                    [10, 8, 0, 7],
                    [198, 51, 100, 1],
                    [127, 0, 0, 1],
                    [224, 0, 0, 1],
                    [0, 0, 0, 0],
                ] {
                    s.lan(Ip::between(source, [10, 2, 0, 2]).udp(1, 53, b""))?;
                }
                s.lan(Ip::between([0, 0, 0, 0], [255, 255, 255, 255]).udp(68, 67, b""))?;
                s.lan(Ip::between([0, 0, 0, 0], [224, 0, 0, 5]).udp(68, 67, b""))?;
                s.wan(Ip::between([10, 9, 0, 7], [10, 1, 0, 2]).udp(1, 53, b""))?;
                s.wan(Ip::between([198, 51, 100, 1], [10, 1, 0, 2]).udp(1, 53, b""))?;
                s.own(Ip::between([127, 0, 0, 1], [127, 0, 0, 1]).udp(1, 53, b""))?;
                Ok(())
            },
        )
    }),
    ("an_ipv6_packet_must_come_from_where_its_answer_would_go", || {
        play_after(
            &["ip -6 route add fd09::/64 via fd02::9", "ip -6 route add unreachable fd08::/64"],
            &[
                "-t raw -A PREROUTING -p udp -m rpfilter -m comment --comment strict",
                "-t raw -A PREROUTING -p udp -m rpfilter --loose -m comment --comment loose",
                "-t mangle -A PREROUTING -p udp -m rpfilter --invert -m comment --comment invert",
                "-t mangle -A PREROUTING -p udp -m rpfilter --accept-local -m comment --comment local",
            ],
            true,
            |s| {
                let to = [0xfd02, 0, 0, 0, 0, 0, 0, 2];
                for source in [
                    [0xfd01, 0, 0, 0, 0, 0, 0, 2],
                    [0xfd01, 0, 0, 0, 0, 0, 0, 1],
                    [0xfd02, 0, 0, 0, 0, 0, 0, 2],
                    [0xfd09, 0, 0, 0, 0, 0, 0, 7],
                    [0xfd08, 0, 0, 0, 0, 0, 0, 7],
                    [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1],
                    [0xfe80, 0, 0, 0, 0, 0, 0, 0x77],
                    [0; 8],
                ] {
                    s.lan(Ip::between(source, to).udp(1, 53, b""))?;
                }
                s.wan(Ip::between([0xfd09, 0, 0, 0, 0, 0, 0, 7], [0xfd01, 0, 0, 0, 0, 0, 0, 2]).udp(1, 53, b""))
                    .map(drop)
            },
        )
    }),
    ("rules_of_policy_routing_say_where_an_answer_would_go", || {
        // As wg-quick has it, and by source, mark, device and TOS.
        play_after(
            &[
                "ip route add default via 10.1.0.9 table 51820",
                "ip route add 198.18.0.0/15 via 10.1.0.9 table 52",
                "ip route add throw 198.18.9.0/24 table 52",
                "ip route add 192.0.2.0/24 via 10.1.0.9 table 53",
                "ip route add unreachable 192.0.2.128/25 table 53",
                "ip rule add not fwmark 0xca6c lookup 51820 priority 100",
                "ip rule add lookup main suppress_prefixlength 0 priority 99",
                "ip rule add lookup 52 priority 90",
                "ip rule add to 198.19.0.0/16 goto 200 priority 80",
                "ip rule add from 10.2.0.3 lookup main priority 81",
                "ip rule add fwmark 0x10/0xf0 lookup main priority 82",
                "ip rule add iif lan0 lookup main priority 83",
                "ip rule add tos 0x10 lookup main priority 84",
                "ip rule add to 203.0.113.0/24 prohibit priority 85",
                "ip rule add lookup 53 priority 86",
                "ip rule add nop priority 87",
                "ip rule add ipproto udp dport 53 lookup main priority 88",
            ],
            &[
                "-t raw -A PREROUTING -p udp -m rpfilter -m comment --comment strict",
                "-t raw -A PREROUTING -p udp -m rpfilter --validmark -m comment --comment markless",
                "-t raw -A PREROUTING -p udp --dport 2 -j MARK --set-mark 0xca6c",
                "-t raw -A PREROUTING -p udp --dport 3 -j MARK --set-mark 0x1f",
                "-t mangle -A PREROUTING -p udp -m rpfilter --validmark -m comment --comment valid",
                "-t mangle -A PREROUTING -p udp -m rpfilter --loose --validmark -m comment --comment loose",
                "-t mangle -A PREROUTING -p udp -m rpfilter --invert -m comment --comment invert",
            ],
            false,
            |s| {
                for source in [
                    [10, 1, 0, 2],
                    [10, 2, 0, 2],
                    [198, 18, 0, 1],
                    [198, 18, 9, 1],
                    [198, 19, 0, 1],
                    [203, 0, 113, 1],
                    [192, 0, 2, 1],
                    [192, 0, 2, 129],
                    [8, 8, 8, 8],
                ] {
                    for port in 1..=3 {
                        s.lan(Ip::between(source, [10, 2, 0, 2]).udp(1, port, b""))?;
                        s.wan(Ip::between(source, [10, 1, 0, 2]).udp(1, port, b""))?;
                    }
                    s.lan(Ip::between(source, [10, 2, 0, 3]).udp(1, 1, b""))?;
                    s.wan(Ip { tos: 0x10, ..Ip::between(source, [10, 1, 0, 2]) }.udp(1, 1, b""))?;
                }
                counted(s, &[("strict", 30)])
            },
        )
    }),
    ("ipv6_rules_of_policy_routing_say_where_an_answer_would_go", || {
        play_after(
            &[
                "ip -6 route add default via fd01::9 table 51820",
                "ip -6 route add 2001:db8:1::/48 via fd01::9 table 52",
                "ip -6 rule add not fwmark 0xca6c lookup 51820 priority 100",
                "ip -6 rule add lookup main suppress_prefixlength 0 priority 99",
                "ip -6 rule add lookup 52 priority 90",
                "ip -6 rule add from fd02::3 lookup main priority 81",
                "ip -6 rule add to 2001:db8:2::/48 unreachable priority 82",
            ],
            &[
                "-t raw -A PREROUTING -p udp -m rpfilter -m comment --comment strict",
                "-t raw -A PREROUTING -p udp --dport 2 -j MARK --set-mark 0xca6c",
                "-t mangle -A PREROUTING -p udp -m rpfilter --validmark -m comment --comment valid",
                "-t mangle -A PREROUTING -p udp -m rpfilter --loose --validmark -m comment --comment loose",
                "-t mangle -A PREROUTING -p udp -m rpfilter --invert -m comment --comment invert",
            ],
            true,
            |s| {
                for source in [
                    [0xfd01, 0, 0, 0, 0, 0, 0, 2],
                    [0xfd02, 0, 0, 0, 0, 0, 0, 2],
                    [0x2001, 0xdb8, 1, 0, 0, 0, 0, 1],
                    [0x2001, 0xdb8, 2, 0, 0, 0, 0, 1],
                    [0x2001, 0xdb8, 3, 0, 0, 0, 0, 1],
                ] {
                    for port in 1..=2 {
                        s.lan(Ip::between(source, [0xfd02, 0, 0, 0, 0, 0, 0, 2]).udp(1, port, b""))?;
                        s.wan(Ip::between(source, [0xfd01, 0, 0, 0, 0, 0, 0, 2]).udp(1, port, b""))?;
                    }
                    s.lan(Ip::between(source, [0xfd02, 0, 0, 0, 0, 0, 0, 3]).udp(1, 1, b""))?;
                }
                Ok(())
            },
        )
    }),
    ("segments_are_clamped_and_realms_compared_by_the_route_that_policy_chooses", || {
        play_after(
            &[
                "ip route add default via 10.2.0.9 realm 5 mtu 1300 table 77",
                "ip rule add fwmark 7 lookup 77 priority 100",
                "ip route add 10.1.0.0/24 dev lan0 mtu 1250 table 78",
                "ip rule add to 10.1.0.7 lookup 78 priority 101",
            ],
            &[
                "-t mangle -A PREROUTING -p tcp --dport 81 -j MARK --set-mark 7",
                "-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
                "-A FORWARD -m realm --realm 5 -m comment --comment five",
                "-t nat -A POSTROUTING -o wan0 -j MASQUERADE",
            ],
            false,
            |s| {
                for source in [[10, 1, 0, 2], [10, 1, 0, 7]] {
                    for port in [80, 81] {
                        let syn = Tcp {
                            options: vec![2, 4, 5, 0xb4],
                            ..Tcp::segment(1000 + u16::from(source[3]), port, Tcp::SYN, 1, 0)
                        };
                        s.lan(Ip::between(source, [10, 2, 0, 2]).tcp(&syn, b""))?;
                    }
                }
                counted(s, &[("five", 2)])
            },
        )
    }),
    ("segments_are_clamped_by_what_was_learned_of_the_path", || {
        let clamp = "-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu";
        for six in [false, true] {
            claim_after(&[], &[clamp], six, |s| {
                let (near, far): (IpAddr, IpAddr) = match six {
                    false => ([10, 2, 0, 1].into(), [10, 2, 0, 2].into()),
                    true => ([0xfd02u16, 0, 0, 0, 0, 0, 0, 1].into(), [0xfd02u16, 0, 0, 0, 0, 0, 0, 2].into()),
                };
                let syn = |s: &mut Stage| {
                    let syn = Tcp { options: vec![2, 4, 5, 0xb4], ..Tcp::segment(1234, 80, Tcp::SYN, 1, 0) };
                    let from: IpAddr = if six { [0xfd01u16, 0, 0, 0, 0, 0, 0, 2].into() } else { [10, 1, 0, 2].into() };
                    let left = s.lan(Ip::between(from, far).tcp(&syn, b""))?;
                    let one = arrives(&left)?;
                    let mss = one.packet.last_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes));
                    Ok::<_, io::Error>(mss)
                };
                let before = syn(s)?;
                // Somebody on the way to the server says so to a socket of the router's own.
                let _asks = s.within(|| {
                    let socket = UdpSocket::bind((near, 777))?;
                    socket.connect((far, 7))?;
                    socket.send(b"x")?;
                    Ok(socket)
                })?;
                let quote = Ip::between(near, far).udp(777, 7, b"x");
                let (kind, code) = if six { (2, 0) } else { (3, 4) };
                s.wan(Ip::between(far, near).icmp(kind, code, 1300, &quote))?;
                let after = syn(s)?;
                let headers = if six { 60 } else { 40 };
                match (before, after) == (1500 - headers, 1300 - headers) {
                    true => Ok(()),
                    false => fail(format!("{before}, then {after}")),
                }
            })?;
        }
        Ok(())
    }),
    ("rpfilter_stands_where_packets_arrive_in_raw_and_mangle", || {
        super::rules::refused("-A INPUT -m rpfilter")?;
        super::rules::refused("-t mangle -A INPUT -m rpfilter")?;
        super::rules::refused("-t nat -A PREROUTING -m rpfilter")
    }),
    ("realms_of_the_ways_there_and_back_are_compared", || {
        play_after(
            &["ip route add 10.9.0.0/24 via 10.2.0.9 realms 7/8", "ip route add 10.7.0.0/24 via 10.1.0.9 realm 9"],
            &[
                "-A FORWARD -m realm --realm 8/0xffff -m comment --comment to8",
                "-A FORWARD -m realm --realm 0x70000/0xffff0000 -m comment --comment from7",
                "-A FORWARD -m realm --realm 0x90000/0xffff0000 -m comment --comment from9",
                "-A FORWARD -m realm --realm 9 -m comment --comment exactly9",
                "-A FORWARD -m realm ! --realm 0 -m comment --comment some",
                "-A INPUT -m realm --realm 0x90000/0xffff0000 -m comment --comment in9",
                "-t mangle -A POSTROUTING -m realm --realm 0x70008 -m comment --comment post",
                "-A OUTPUT -m realm --realm 8/0xff -m comment --comment out8",
            ],
            false,
            |s| {
                for (from, to) in [
                    ([10, 1, 0, 2], [10, 9, 0, 7]),
                    ([10, 1, 0, 2], [10, 2, 0, 2]),
                    ([10, 7, 0, 1], [10, 9, 0, 7]),
                    ([10, 7, 0, 1], [10, 2, 0, 2]),
                    ([10, 7, 0, 1], [10, 1, 0, 1]),
                ] {
                    s.lan(Ip::between(from, to).udp(1, 53, b""))?;
                }
                s.wan(Ip::between([10, 9, 0, 7], [10, 7, 0, 1]).udp(1, 53, b""))?;
                s.own(Ip::between([10, 2, 0, 1], [10, 9, 0, 7]).udp(1, 53, b"")).map(drop)
            },
        )
    }),
    ("a_copy_goes_to_another_host_and_belongs_to_no_connection", || {
        play_after(
            &[],
            &[
                "-t mangle -A PREROUTING -i lan0 -p udp --dport 53 -j TEE --gateway 10.2.0.7",
                "-t mangle -A FORWARD -p udp --dport 54 -j TEE --gateway 10.1.0.7",
                "-t mangle -A POSTROUTING -p udp --dport 55 -j TEE --gateway 10.2.0.7 --oif wan0",
                "-A FORWARD -p udp --dport 54 -j DROP",
                "-A OUTPUT -m conntrack --ctstate UNTRACKED -m comment --comment untracked",
                "-A OUTPUT -m conntrack --ctstate NEW,ESTABLISHED -m comment --comment tracked",
                "-t nat -A POSTROUTING -o wan0 -p tcp -j MASQUERADE",
            ],
            false,
            |s| {
                for port in [53, 54, 55] {
                    for _ in 0..2 {
                        s.lan(client().udp(1, port, b"data"))?;
                    }
                    s.wan(server().udp(port, 1, b"data"))?;
                }
                Ok(())
            },
        )
    }),
    ("an_ipv6_copy_goes_to_another_host", || {
        play_after(
            &[],
            &[
                "-t mangle -A PREROUTING -i lan0 -p udp -j TEE --gateway fd02::7",
                "-A OUTPUT -p udp -m comment --comment out",
            ],
            true,
            |s| {
                let ip = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
                s.lan(ip.udp(1, 53, b"data")).map(drop)
            },
        )
    }),
    ("a_packet_for_a_program_that_is_not_there_is_dropped_unless_it_may_pass", || {
        play_after(
            &[],
            &[
                // The last table of the hook: what comes after it would see the packet before the program does.
                "-t security -A FORWARD -p udp --dport 53 -j NFQUEUE --queue-num 4711",
                "-A FORWARD -p udp --dport 54 -j NFQUEUE --queue-num 4711 --queue-bypass",
                "-A FORWARD -p udp --dport 55 -j NFQUEUE --queue-balance 4711:4714 --queue-bypass --queue-cpu-fanout",
                "-A FORWARD -p udp --dport 54:55 -m comment --comment never",
                "-t security -A FORWARD -p udp --dport 54 -m comment --comment later",
                "-t mangle -A PREROUTING -p tcp -j NFQUEUE --queue-num 4711 --queue-bypass",
                "-t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.2.0.2:80",
            ],
            false,
            |s| {
                for port in [53, 54, 55] {
                    s.lan(client().udp(1, port, b"data"))?;
                }
                s.lan(client().tcp(&Tcp::segment(1, 8080, Tcp::SYN, 1, 0), b""))?;
                counted(s, &[("never", 0), ("later", 1)])
            },
        )
    }),
    ("packets_are_logged_to_groups_that_nobody_reads", || {
        play_after(
            &[],
            &[
                "-A FORWARD -p udp -j NFLOG --nflog-group 5 --nflog-prefix first",
                "-A FORWARD -p udp --dport 53 -j NFLOG --nflog-size 40",
                "-A FORWARD -p udp --dport 54 -j DROP",
                "-A FORWARD -p udp -m comment --comment after",
                "-t mangle -A FORWARD -p udp -j NFLOG --nflog-threshold 2",
            ],
            false,
            |s| {
                arrives(&s.lan(client().udp(1, 53, b"data"))?)?;
                s.lan(client().udp(1, 54, b"data"))?;
                counted(s, &[("after", 1)])
            },
        )
    }),
];
