//! Matches that read rarer headers, the clock, or what a program asks for; and targets that compute.

use std::io;

use lab::{
    frame::{Ip, extend6},
    router::{Judge, built},
    suite::{self, Test},
    twin::{Rules, Script, Subject},
};

use super::{arrives, claim, client, fail, icmp_answer, play, play6, server, vanishes};

fn client6() -> Ip {
    Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2])
}

/// Ports 9 and 80, then chunks by type, flags and bytes of their own.
fn sctp(chunks: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0, 9, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0];
    for (kind, flags, data) in chunks {
        bytes.extend([*kind, *flags, 0, 4 + data.len() as u8]);
        bytes.extend(*data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// Ports 9 and 80, a type, and options behind its own four bytes of REQUEST.
fn dccp(kind: u8, words: u8, options: &[u8]) -> Vec<u8> {
    [&[0, 9, 0, 80, words, 0, 0, 0, kind << 1, 0, 0, 1, 0, 0, 0, 42][..], options].concat()
}

/// A header whose first byte is filled in later.
fn options(rest: &[u8]) -> Vec<u8> {
    [&[0, (rest.len() / 8) as u8][..], rest].concat()
}

/// Type, segments left, last entry or what stands there, tag, and addresses by their last byte.
fn routing(kind: u8, left: u8, word: [u8; 4], hosts: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, hosts.len() as u8 * 2, kind, left];
    bytes.extend(word);
    for host in hosts {
        bytes.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, *host]);
    }
    bytes
}

pub(crate) const TESTS: &[Test] = &[
    ("sctp_tells_ports_and_any_all_or_only_some_chunks", || {
        play(
            &[
                "-A FORWARD -p sctp -m sctp --sport 9 --dport 80:90",
                "-A FORWARD -p sctp -m sctp ! --dport 80",
                "-A FORWARD -p sctp -m sctp --chunk-types any INIT,SACK",
                "-A FORWARD -p sctp -m sctp --chunk-types all DATA,SACK",
                "-A FORWARD -p sctp -m sctp --chunk-types only DATA",
                "-A FORWARD -p sctp -m sctp ! --chunk-types only DATA",
                "-A FORWARD -p sctp -m sctp --chunk-types any DATA:Be",
                "-A FORWARD -p sctp -m sctp --chunk-types all ALL",
            ],
            |s| {
                let data: (u8, u8, &[u8]) = (0, 2, b"12345678abcde");
                arrives(&s.lan(client().packet(132, &sctp(&[data])))?)?;
                arrives(&s.lan(client().packet(132, &sctp(&[data, (3, 0, b"")])))?)?;
                arrives(&s.lan(client().packet(132, &sctp(&[(1, 0, b"1234")])))?)?;
                for (text, count) in [
                    ("--sport 9", 3),
                    ("! --dport 80", 0),
                    ("any INIT,SACK", 2),
                    ("all DATA,SACK", 1),
                    ("sctp --chunk-types only", 1),
                    ("! --chunk-types only", 2),
                    ("DATA:Be", 2),
                    ("all ALL", 0),
                ] {
                    s.counted(text, count)?;
                }
                // No chunk, one without a length, a header that is cut.
                vanishes(&s.lan(client().packet(132, &sctp(&[])))?)?;
                vanishes(&s.lan(client().packet(132, &[0, 9, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0]))?)?;
                vanishes(&s.lan(client().packet(132, &[0; 11]))?)
            },
        )
    }),
    ("dccp_tells_ports_types_and_options", || {
        play(
            &[
                "-A FORWARD -p dccp -m dccp --sport 1:9 ! --dport 81",
                "-A FORWARD -p dccp -m dccp --dccp-types REQUEST,INVALID",
                "-A FORWARD -p dccp -m dccp ! --dccp-types REQUEST",
                "-A FORWARD -p dccp -m dccp --dport 80 --dccp-option 44",
                "-A FORWARD -p dccp -m dccp --dport 80 ! --dccp-option 44",
            ],
            |s| {
                arrives(&s.lan(client().packet(33, &dccp(0, 6, &[1, 32, 3, 7, 44, 4, 0, 0])))?)?;
                arrives(&s.lan(client().packet(33, &dccp(0, 4, &[])))?)?;
                arrives(&s.lan(client().packet(33, &dccp(12, 7, &[0; 12])))?)?;
                s.counted("--sport 1:9", 3)?;
                s.counted("REQUEST,INVALID", 3)?;
                s.counted("! --dccp-types", 1)?;
                s.counted("80 --dccp-option", 1)?;
                s.counted("! --dccp-option", 2)?;
                // Too few words, more than the packet has, a header that is cut.
                vanishes(&s.lan(client().packet(33, &dccp(0, 3, &[])))?)?;
                vanishes(&s.lan(client().packet(33, &dccp(0, 9, &[])))?)?;
                vanishes(&s.lan(client().packet(33, &[0; 11]))?)
            },
        )
    }),
    ("ipcomp_tells_the_parameter_index_and_never_the_reserved_field", || {
        play(
            &["-A FORWARD -p 108 -m ipcomp --ipcompspi 2:7", "-A FORWARD -p 108 -m ipcomp ! --ipcompspi 2:7 --compres"],
            |s| {
                arrives(&s.lan(client().packet(108, &[6, 0xff, 0, 7, 1, 2]))?)?;
                arrives(&s.lan(client().packet(108, &[6, 0xff, 0, 8, 1, 2]))?)?;
                s.counted("ipcomp --ipcompspi", 1)?;
                s.counted("! --ipcompspi", 1)?;
                vanishes(&s.lan(client().packet(108, &[6, 0, 0]))?)
            },
        )
    }),
    ("time_compares_dates_hours_and_days", || {
        play(
            &[
                "-A FORWARD -m time --datestart 2020-01-01 --datestop 2037-12-31",
                "-A FORWARD -m time --datestart 2036-01-01",
                "-A FORWARD -m time --timestart 00:00 --timestop 12:00",
                "-A FORWARD -m time --timestart 12:00 --timestop 00:00 --kerneltz",
                "-A FORWARD -m time --timestart 18:00 --timestop 06:00 --contiguous --weekdays Mon,Tue,Wed",
                "-A FORWARD -m time --weekdays Mon,Wed,Fri,Sun",
                "-A FORWARD -m time ! --weekdays Mon,Wed,Fri,Sun",
                "-A FORWARD -m time --monthdays 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31",
                "-A FORWARD -m time ! --monthdays 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31",
            ],
            |s| {
                arrives(&s.lan(client().udp(1, 53, b""))?)?;
                s.counted("2037-12-31", 1)?;
                s.counted("2036-01-01", 0)
            },
        )
    }),
    ("bpf_runs_programs_over_the_packet", || {
        play(
            &[
                // Protocol UDP; destination port 53 behind a header of any length; the mark; a read past the end.
                "-A FORWARD -m bpf --bytecode \"4,48 0 0 9,21 0 1 17,6 0 0 1,6 0 0 0\"",
                "-A FORWARD -m bpf --bytecode \"5,177 0 0 0,72 0 0 2,21 0 1 53,6 0 0 1,6 0 0 0\"",
                "-A FORWARD -m bpf --bytecode \"2,32 0 0 4294963220,22 0 0 0\"",
                "-A FORWARD -m bpf --bytecode \"2,32 0 0 26,6 0 0 1\"",
                "-A FORWARD -m bpf --bytecode \"4,40 0 0 4293918720,21 0 1 17664,6 0 0 1,6 0 0 0\"",
                "-A FORWARD -m bpf --bytecode \"4,40 0 0 4292870156,21 0 1 2048,6 0 0 1,6 0 0 0\"",
                "-A FORWARD -m bpf --bytecode \"2,128 0 0 0,22 0 0 0\"",
            ],
            |s| {
                arrives(&s.lan(client().udp(1, 53, b""))?)?;
                arrives(&s.lan(client().icmp(8, 0, 0, b""))?)?;
                for (text, count) in [
                    ("21 0 1 17,", 1),
                    ("21 0 1 53", 1),
                    ("4294963220", 0),
                    ("32 0 0 26", 0),
                    ("4293918720", 2),
                    ("4292870156", 2),
                    ("128 0 0 0", 2),
                ] {
                    s.counted(text, count)?;
                }
                Ok(())
            },
        )
    }),
    ("cluster_gives_every_connection_to_one_node", || {
        play(
            &[
                "-A FORWARD -m cluster --cluster-total-nodes 3 --cluster-local-node 1 --cluster-hash-seed 0xdeadbeef",
                "-A FORWARD -m cluster --cluster-total-nodes 3 --cluster-local-node 2 --cluster-hash-seed 0xdeadbeef",
                "-A FORWARD -m cluster --cluster-total-nodes 3 --cluster-local-node 3 --cluster-hash-seed 0xdeadbeef",
                "-A FORWARD -m cluster --cluster-total-nodes 3 ! --cluster-local-nodemask 3 --cluster-hash-seed 7",
            ],
            |s| {
                for host in 2..12 {
                    arrives(&s.lan(Ip::between([10, 1, 0, host], [10, 2, 0, 2]).udp(1, 53, b""))?)?;
                }
                let all = [1, 2, 4].map(|mask| s.count(&format!("mask 0x0000000{mask} --cluster-total-nodes 3")));
                let mut sum = 0;
                for count in all {
                    sum += count?;
                }
                assert_eq!(sum, 10);
                Ok(())
            },
        )
    }),
    ("cluster_hashes_the_first_word_of_an_ipv6_address", || {
        play6(
            &[
                "-A FORWARD -m cluster --cluster-total-nodes 5 --cluster-local-nodemask 0x15 --cluster-hash-seed 1",
                "-A FORWARD -m cluster --cluster-total-nodes 5 ! --cluster-local-nodemask 0x15 --cluster-hash-seed 1",
            ],
            |s| {
                for host in 2..12 {
                    let ip = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, host], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
                    arrives(&s.lan(ip.udp(1, 53, b""))?)?;
                }
                let (ours, theirs) = (s.count("cluster --cluster-local")?, s.count("! --cluster-local")?);
                assert_eq!((ours.max(theirs), ours.min(theirs)), (10, 0));
                Ok(())
            },
        )
    }),
    ("ipv6header_means_these_headers_or_with_soft_at_least_these", || {
        play6(
            &[
                "-A FORWARD -m ipv6header --header hop,dst,prot",
                "-A FORWARD -m ipv6header ! --header prot",
                "-A FORWARD -m ipv6header --header dst --soft",
                "-A FORWARD -m ipv6header ! --header dst,route --soft",
                "-A FORWARD -m ipv6header --header auth,prot",
                "-A FORWARD -m ipv6header --header none",
                "-A FORWARD -m ipv6header --header esp",
            ],
            |s| {
                let plain = client6().udp(1, 53, b"");
                let pad = || options(&[1, 4, 0, 0, 0, 0]);
                let ah = vec![0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                for packet in [
                    plain.clone(),
                    extend6(&plain, &[(0, pad()), (60, pad())]),
                    extend6(&plain, &[(60, pad())]),
                    extend6(&plain, &[(51, ah)]),
                    client6().packet(59, b"1234"),
                    client6().packet(50, b"12345678"),
                    client6().packet(60, &[17, 9, 1, 4, 0, 0, 0, 0]),
                ] {
                    arrives(&s.lan(packet)?)?;
                }
                s.counted("hop-by-hop,ipv6-opts,protocol", 1)?;
                s.counted("! --header protocol", 6)?;
                s.counted("ipv6-opts --soft", 3)
            },
        )
    }),
    ("hbh_and_dst_compare_length_and_options_in_their_order", || {
        play6(
            &[
                "-A FORWARD -m hbh --hbh-len 8",
                "-A FORWARD -m hbh ! --hbh-len 8",
                "-A FORWARD -m hbh --hbh-opts 5:2,1",
                "-A FORWARD -m dst --dst-opts 30:1,0,1:1",
                "-A FORWARD -m dst ! --dst-len 16 --dst-opts 30",
                "-A FORWARD -m dst --dst-opts 30:2",
            ],
            |s| {
                let plain = client6().udp(1, 53, b"");
                arrives(&s.lan(extend6(&plain, &[(0, options(&[5, 2, 0, 0, 1, 0]))]))?)?;
                arrives(&s.lan(extend6(&plain, &[(0, options(&[5, 2, 0, 0, 30, 8, 0, 0, 0, 0, 0, 0, 0, 0]))]))?)?;
                arrives(&s.lan(extend6(&plain, &[(60, options(&[30, 1, 9, 0, 1, 1]))]))?)?;
                arrives(&s.lan(plain.clone())?)?;
                s.counted("--hbh-len 8", 1)?;
                s.counted("! --hbh-len", 1)?;
                s.counted("--hbh-opts", 1)?;
                s.counted("30:1,0,1:1", 1)?;
                s.counted("! --dst-len", 1)?;
                s.counted("30:2", 0)?;
                vanishes(&s.lan(client6().packet(60, &[17]))?)
            },
        )
    }),
    ("rt_and_srh_read_the_routing_header", || {
        play6(
            &[
                "-A FORWARD -m rt --rt-type 0 --rt-segsleft 1:2 --rt-len 40",
                "-A FORWARD -m rt --rt-type 0 --rt-0-res --rt-0-addrs fd00::2,fd00::3",
                "-A FORWARD -m rt --rt-type 0 --rt-0-addrs fd00::3 --rt-0-not-strict",
                "-A FORWARD -m rt ! --rt-type 0 ! --rt-segsleft 0",
                "-A FORWARD -m srh --srh-segs-left-eq 1 --srh-last-entry-gt 1 ! --srh-next-hdr 6",
                "-A FORWARD -m srh --srh-tag 256",
                "-A FORWARD -m srh --srh-psid fd00::4",
                "-A FORWARD -m srh --srh-nsid fd00::2/127",
                "-A FORWARD -m srh ! --srh-lsid fd00::2",
                "-A FORWARD -m srh ! --srh-hdr-len-lt 6",
            ],
            |s| {
                let plain = client6().udp(1, 53, b"");
                for header in [
                    routing(0, 1, [0; 4], &[2, 3]),
                    routing(0, 2, [1, 0, 0, 0], &[2, 3]),
                    routing(4, 1, [2, 0, 0, 1], &[2, 3, 4]),
                    routing(4, 0, [2, 0, 1, 0], &[2, 3, 4]),
                    routing(4, 2, [1, 0, 1, 0], &[2, 3]),
                ] {
                    arrives(&s.lan(extend6(&plain, &[(43, header)]))?)?;
                }
                s.counted("--rt-len 40", 2)?;
                s.counted("--rt-0-res", 1)?;
                s.counted("--rt-0-not-strict", 2)?;
                s.counted("! --rt-segsleft", 2)?;
                s.counted("--srh-last-entry-gt", 1)?;
                s.counted("--srh-tag", 1)?;
                s.counted("--srh-psid", 1)?;
                s.counted("--srh-nsid", 1)?;
                s.counted("! --srh-lsid", 0)?;
                s.counted("! --srh-hdr-len-lt", 2)?;
                // Cut: dropped by rt, of no concern to srh.
                vanishes(&s.lan(client6().packet(43, &[17, 0, 0]))?)
            },
        )
    }),
    ("frag_reads_the_fragment_header_while_nothing_is_tracked", || {
        play6(
            &[
                "-A FORWARD -m frag --fragid 0:65535 --fragfirst --fragmore",
                "-A FORWARD -m frag ! --fragid 0:65535",
                "-A FORWARD -m frag --fraglast",
                "-A FORWARD -m frag --fragres",
            ],
            |s| {
                for place in [[17, 0, 0, 1, 0, 0, 0, 7], [17, 0, 0, 16, 0, 0, 0, 7], [17, 1, 0, 7, 0, 0, 0, 8]] {
                    arrives(&s.lan(client6().packet(44, &[&place[..], &[0, 1, 0, 53, 0, 8, 0, 0]].concat()))?)?;
                }
                s.counted("--fragfirst", 2)?;
                s.counted("! --fragid", 0)?;
                s.counted("--fraglast", 1)?;
                s.counted("--fragres", 2)
            },
        )
    }),
    ("eui64_compares_the_address_with_the_senders", || {
        play6(&["-A FORWARD -m eui64", "-t mangle -A PREROUTING -m eui64 -p udp"], |s| {
            // The lab's client has 02:00:00:00:01:02.
            let own = Ip::between([0xfd01, 0, 0, 0, 0, 0xff, 0xfe00, 0x0102], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
            arrives(&s.lan(own.udp(1, 53, b""))?)?;
            arrives(&s.lan(client6().udp(1, 53, b""))?)?;
            s.counted("FORWARD -m eui64", 1)?;
            s.counted("-p udp -m eui64", 1)
        })
    }),
    ("mh_tells_the_type_and_takes_no_header_behind_it", || {
        play6(&["-A FORWARD -p 135 -m mh --mh-type 1:5", "-A FORWARD -p 135 -m mh ! --mh-type bu"], |s| {
            arrives(&s.lan(client6().packet(135, &[59, 0, 5, 0, 0, 0, 0, 0]))?)?;
            arrives(&s.lan(client6().packet(135, &[59, 0, 6, 0, 0, 0, 0, 0]))?)?;
            s.counted("--mh-type 1:5", 1)?;
            s.counted("! --mh-type", 1)?;
            vanishes(&s.lan(client6().packet(135, &[17, 0, 5, 0, 0, 0, 0, 0]))?)?;
            vanishes(&s.lan(client6().packet(135, &[59, 0, 5, 0, 0]))?)
        })
    }),
    ("hmark_gives_both_ways_of_a_flow_one_mark", || {
        play(
            &[
                "-t mangle -A FORWARD -j HMARK --hmark-tuple src,dst,sport,dport --hmark-rnd 0xcafe --hmark-mod 5 --hmark-offset 1",
                "-A FORWARD -m mark --mark 1",
                "-A FORWARD -m mark --mark 2",
                "-A FORWARD -m mark --mark 3",
                "-A FORWARD -m mark --mark 4",
                "-A FORWARD -m mark --mark 5",
                "-A FORWARD -m mark --mark 0",
                "-t mangle -A POSTROUTING -j HMARK --hmark-tuple ct,src,dst,sport,dport --hmark-rnd 1 --hmark-mod 1000 --hmark-proto-mask 0xff",
                "-t mangle -A POSTROUTING -j CONNMARK --save-mark",
            ],
            |s| {
                for port in 1..9 {
                    let packet = client().udp(port, 53, b"x");
                    arrives(&s.lan(packet.clone())?)?;
                    arrives(&s.wan(server().udp(53, port, b"y"))?)?;
                    arrives(&s.wan(server().icmp(3, 3, 0, &packet))?)?;
                }
                let mut sum = 0;
                for mark in 1..=5 {
                    let count = s.count(&format!("--mark 0x{mark}"))?;
                    assert_eq!(count % 3, 0, "mark {mark}");
                    sum += count;
                }
                assert_eq!(sum, 24);
                s.counted("--mark 0x0", 0)
            },
        )
    }),
    ("hmark_folds_ipv6_addresses_and_takes_spis_for_ports", || {
        play6(
            &[
                "-t mangle -A PREROUTING -j HMARK --hmark-tuple src,dst,spi --hmark-rnd 1 --hmark-mod 1000",
                "-t mangle -A POSTROUTING -j CONNMARK --save-mark",
            ],
            |s| {
                arrives(&s.lan(client6().udp(1, 53, b""))?)?;
                arrives(&s.lan(client6().packet(50, &[0, 0, 0, 7, 0, 0, 0, 1]))?)?;
                let ah = vec![0, 4, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                arrives(&s.lan(extend6(&client6().udp(2, 53, b""), &[(51, ah)]))?)?;
                arrives(&s.lan(client6().icmp(128, 0, 7, b""))?).map(drop)
            },
        )
    }),
    ("prefixes_are_translated_both_ways_and_in_what_errors_quote", || {
        play6(
            &[
                "-t mangle -A POSTROUTING -s fd01::/64 -o wan0 -j SNPT --src-pfx fd01::/64 --dst-pfx fd88:1::/64",
                "-t mangle -A PREROUTING -d fd88:1::/64 -i wan0 -j DNPT --src-pfx fd88:1::/64 --dst-pfx fd01::/64",
                "-A FORWARD -m conntrack --ctstate NEW",
                "-A FORWARD -m conntrack --ctstate INVALID",
            ],
            |s| {
                let outside = [0xfd88, 1, 0, 0, 0xff77, 0, 0, 2];
                let left = s.lan(client6().udp(1, 53, b"there"))?;
                let there = arrives(&left)?.packet.clone();
                assert_eq!(
                    there,
                    Ip { ttl: 63, ..Ip::between(outside, [0xfd02, 0, 0, 0, 0, 0, 0, 2]) }.udp(1, 53, b"there")
                );
                let back = Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 2], outside);
                arrives(&s.wan(back.udp(53, 1, b"back"))?)?;
                arrives(&s.wan(back.icmp(1, 4, 0, &there))?)?;
                arrives(&s.wan(back.icmp(128, 0, 7, b"ping"))?)?;
                arrives(&s.lan(client6().icmp(129, 0, 7, b"ping"))?)?;
                // No word of this address takes the adjustment: its sender is told so.
                let full =
                    Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 2], [0xfd88, 1, 0, 0, 0xffff, 0xffff, 0xffff, 0xffff]);
                icmp_answer(&s.wan(full.udp(1, 53, b""))?, 4, 0).map(drop)
            },
        )
    }),
    ("a_prefix_longer_than_64_bits_or_with_bits_behind_it_is_refused", || {
        refused6("-t mangle -A POSTROUTING -j SNPT --src-pfx fd01::/96 --dst-pfx fd88::/64")?;
        refused6("-t mangle -A POSTROUTING -j SNPT --src-pfx fd01::1/64 --dst-pfx fd88::/64")
    }),
    ("classify_gives_packets_a_priority", || {
        claim(
            &[
                "-t mangle -A FORWARD -p udp --dport 53 -j CLASSIFY --set-class 1:2",
                "-t mangle -A POSTROUTING -p udp --dport 54 -j CLASSIFY --set-class 3:4",
            ],
            |s| {
                let seen = "table ip seen { chain last { type filter hook postrouting priority 1000; \
                            meta priority 1:2 counter\n meta priority 3:4 counter\n}\n}\n";
                s.must_with(&["nft", "-f", "-"], seen)?;
                for port in [53, 54, 55] {
                    arrives(&s.lan(client().udp(1, port, b"x"))?)?;
                    // Written back as well.
                    arrives(&s.lan(client().udp(2, port, &[7; 300]))?)?;
                }
                let text = s.must_with(&["nft", "list", "table", "ip", "seen"], "")?;
                let counted = text.matches("counter packets 2 ").count();
                if counted == 2 { Ok(()) } else { fail(text) }
            },
        )
    }),
    ("checksum_goes_on_and_counts", || {
        play(&["-t mangle -A POSTROUTING -p udp -j CHECKSUM --checksum-fill"], |s| {
            arrives(&s.lan(client().udp(1, 53, b"x"))?)?;
            s.counted("-j CHECKSUM", 1)
        })
    }),
    ("physdev_tells_by_which_port_a_bridge_was_crossed", || {
        let rules = [
            "-A FORWARD -p udp -m physdev --physdev-in lan0",
            "-A FORWARD -p udp -m physdev --physdev-in wan0",
            "-A FORWARD -p udp -m physdev --physdev-out wan+ --physdev-is-bridged",
            "-A FORWARD -p udp -m physdev ! --physdev-is-bridged",
            "-A FORWARD -p udp -i br0 -o br0",
            "-t mangle -A POSTROUTING -p udp -m physdev ! --physdev-in wan0 --physdev-out wan0 --physdev-is-bridged",
            "-t mangle -A PREROUTING -p udp -m physdev --physdev-is-in ! --physdev-is-out",
        ];
        claim(&rules, |s| {
            arrives(&s.lan(client().udp(1, 53, b"routed"))?)?;
            let bridge = "ip link add br0 type bridge forward_delay 0\nip link set br0 up\n\
                          for port in lan0 wan0; do ip link set $port address 02:00:00:00:07:0${#port} master br0; done\n\
                          sysctl -qw net.bridge.bridge-nf-call-iptables=1\n";
            s.must_with(&["sh", "-e"], bridge)?;
            std::thread::sleep(std::time::Duration::from_millis(300));
            assert!(s.across(&client().udp(2, 53, b"bridged"))?);
            for (text, count) in [
                ("FORWARD -p udp -m physdev --physdev-in lan0", 1),
                ("FORWARD -p udp -m physdev --physdev-in wan0", 0),
                ("--physdev-out wan+", 1),
                ("FORWARD -p udp -m physdev ! --physdev-is-bridged", 1),
                ("-i br0 -o br0", 1),
                ("POSTROUTING -p udp", 1),
                ("PREROUTING -p udp", 1),
            ] {
                s.counted(text, count)?;
            }
            Ok(())
        })
    }),
    ("policy_is_none_where_nothing_is_encrypted", || {
        play(
            &[
                "-A FORWARD -m policy --dir in --pol none",
                "-A FORWARD -m policy --dir out --pol none",
                "-A FORWARD -m policy --dir in --pol ipsec",
                "-t mangle -A POSTROUTING -m policy --dir out --pol ipsec --proto esp",
            ],
            |s| {
                arrives(&s.lan(client().udp(1, 53, b""))?)?;
                s.counted("in --pol none", 1)?;
                s.counted("in --pol ipsec", 0)
            },
        )
    }),
];

/// Neither judge takes a rule.
fn refused6(rule: &str) -> io::Result<()> {
    let script = Script { six: true, rules: Rules::from_commands(&[rule]), ..Script::default() };
    for judge in [Some(Judge::Kernel), suite::subject()].into_iter().flatten() {
        if Subject::new(judge, &built())?.load(&script).is_ok() {
            return fail(format!("{} takes {rule}", judge.name()));
        }
    }
    Ok(())
}
