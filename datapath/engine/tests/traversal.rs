//! Packets walk chains as ipt_do_table() walks them: jumps, returns, policies, counters, hotdrop.

mod support;

use engine::{Hook, Verdict};
use libxt::family::Af;
use support::{Router, SECOND, addresses, echo, ip, tcp, udp};

const V4: Af = Af::V4;

fn syn(port: u16) -> Vec<u8> {
    ip("10.0.0.2", "192.0.2.80", 6, &tcp((40_000, port), (1, 0), 2, b""))
}

#[test]
fn an_engine_without_rules_takes_no_packet() {
    let mut router = Router::default();
    for hook in Hook::ALL {
        assert!(!router.engine.passes(V4).taken(hook));
    }
    assert!(router.forward(2, 3, &syn(80)).is_some());
    assert_eq!(router.engine.table_names(V4), Vec::<&str>::new());
}

#[test]
fn the_policy_decides_what_no_rule_does_and_counts_it() {
    let mut router = Router::default();
    router.load(V4, &["-P FORWARD DROP", "-A FORWARD -p tcp --dport 80 -j ACCEPT"]);
    assert!(router.forward(2, 3, &syn(80)).is_some());
    assert!(router.forward(2, 3, &syn(81)).is_none());
    // INPUT's policy, the rule, FORWARD's policy, OUTPUT's policy, the end.
    assert_eq!(router.counters(V4, "filter"), [(0, 0), (1, 40), (1, 40), (0, 0), (0, 0)]);
}

#[test]
fn a_chain_returns_behind_its_jump_and_a_goto_does_not() {
    let mut router = Router::default();
    router.load(
        V4,
        &[
            "-N jumped",
            "-N gone",
            "-A jumped -p tcp --dport 1 -j RETURN",
            "-A jumped -j MARK --set-mark 1",
            "-A gone -j MARK --or-mark 2",
            "-A FORWARD -p tcp --dport 80 -g gone",
            "-A FORWARD -j jumped",
            "-A FORWARD -p tcp --dport 1 -j DROP",
            "-A FORWARD -p tcp --dport 2 -j ACCEPT",
            "-P FORWARD DROP",
        ],
    );
    let mut mark_of = |port: u16| {
        let seen = router.at(Hook::Postrouting, (2, 3), &syn(port), 0);
        (seen.verdict, seen.mark)
    };
    assert_eq!(mark_of(80), (Verdict::Drop, 2));
    assert_eq!(mark_of(1), (Verdict::Drop, 0));
    assert_eq!(mark_of(2), (Verdict::Accept, 1));
    assert_eq!(mark_of(3), (Verdict::Drop, 1));
}

#[test]
fn a_segment_too_short_for_its_header_is_dropped_even_by_a_counting_rule() {
    let mut router = Router::default();
    router
        .load(V4, &["-A FORWARD -p tcp --dport 1", "-A FORWARD -p udp --dport 1", "-A FORWARD -p icmp --icmp-type 8"]);
    for (protocol, short) in [(6, 19), (17, 7), (1, 7)] {
        let packet = ip("10.0.0.2", "192.0.2.80", protocol, &vec![0; short]);
        assert_eq!(router.at(Hook::Postrouting, (2, 3), &packet, 0).verdict, Verdict::Drop);
    }
    assert!(router.counters(V4, "filter").iter().all(|counters| *counters == (0, 0)));
}

#[test]
fn interfaces_addresses_and_inversions_are_compared() {
    let mut router = Router::default();
    router.load(
        V4,
        &[
            "-A FORWARD -i eth0 -o eth1 -s 10.0.0.0/24 ! -d 192.0.2.0/28 -j DROP",
            "-A FORWARD -i et+ ! -p tcp -j DROP",
            "-A FORWARD ! -o eth1 -j DROP",
        ],
    );
    assert!(router.forward(2, 3, &syn(80)).is_none());
    assert!(router.forward(2, 3, &ip("10.0.0.2", "192.0.2.5", 6, &tcp((1, 2), (0, 0), 2, b""))).is_some());
    assert!(router.forward(2, 3, &ip("10.0.0.2", "192.0.2.5", 17, &udp((1, 2), b""))).is_none());
    assert!(router.forward(3, 2, &ip("192.0.2.5", "10.0.0.2", 6, &tcp((1, 2), (0, 0), 2, b""))).is_none());
}

#[test]
fn a_limit_refills_with_the_clock() {
    let mut router = Router::default();
    router.load(V4, &["-A FORWARD -m limit --limit 1/s --limit-burst 2 -j ACCEPT", "-P FORWARD DROP"]);
    let passed = |router: &mut Router| (0..5).filter(|_| router.forward(2, 3, &syn(80)).is_some()).count();
    assert_eq!(passed(&mut router), 2);
    router.wait(SECOND);
    assert_eq!(passed(&mut router), 1);
    router.wait(60 * SECOND);
    assert_eq!(passed(&mut router), 2);
}

#[test]
fn a_state_rule_starts_tracking_and_lets_replies_back() {
    let mut router = Router::default();
    assert!(!router.engine.tracks(V4));
    router.load(
        V4,
        &[
            "-P FORWARD DROP",
            "-A FORWARD -m state --state ESTABLISHED,RELATED -j ACCEPT",
            "-A FORWARD -i eth0 -j ACCEPT",
        ],
    );
    assert!(router.engine.tracks(V4));
    assert!(!router.engine.tracks(Af::V6));
    let reply = ip("192.0.2.80", "10.0.0.2", 6, &tcp((80, 40_000), (9, 2), 0x12, b""));
    assert!(router.forward(3, 2, &reply).is_none());
    assert!(router.forward(2, 3, &syn(80)).is_some());
    assert!(router.forward(3, 2, &reply).is_some());
}

#[test]
fn a_filter_only_box_takes_packets_in_one_place_each() {
    let mut router = Router::default();
    router.load(V4, &["-A FORWARD -m state --state INVALID -j DROP", "-A INPUT -j ACCEPT"]);
    let passes = router.engine.passes(V4);
    let taken: Vec<Hook> = Hook::ALL.into_iter().filter(|hook| passes.taken(*hook)).collect();
    assert_eq!(taken, [Hook::Input, Hook::Postrouting]);
    router.load(V4, &["-t nat -A POSTROUTING -o eth1 -j MASQUERADE"]);
    let passes = router.engine.passes(V4);
    assert!(!passes.taken(Hook::Forward));
    assert!([Hook::Prerouting, Hook::Input, Hook::Output, Hook::Postrouting].iter().all(|hook| passes.taken(*hook)));
}

#[test]
fn what_the_router_says_to_its_neighbours_is_its_own() {
    let mut router = Router::default();
    router.load(Af::V6, &["-P FORWARD DROP", "-A OUTPUT -p icmpv6"]);
    // As the kernel hands them over: with the device they leave by in both places.
    let mut query = ip("fe80::1", "ff02::1:ff00:2", 58, &[135, 0, 0, 0, 0, 0, 0, 0]);
    query[7] = 255;
    let mut report = ip("fe80::1", "ff02::16", 58, &[143, 0, 0, 0, 0, 0, 0, 0]);
    report[7] = 1;
    for packet in [&query, &report] {
        assert_eq!(router.at(Hook::Postrouting, (2, 2), packet, 0).verdict, Verdict::Accept);
    }
    assert!(router.counters(Af::V6, "filter").iter().any(|(packets, _)| *packets == 2));
    // What came that way has lost a hop.
    query[7] = 254;
    assert_eq!(router.at(Hook::Postrouting, (2, 2), &query, 0).verdict, Verdict::Drop);
}

#[test]
fn masquerade_hides_the_client_and_the_reply_finds_it() {
    let mut router = Router::default();
    router.load(V4, &["-t nat -A POSTROUTING -o eth1 -j MASQUERADE"]);
    let left = router.forward(2, 3, &syn(80)).unwrap();
    assert_eq!(addresses(&left), ("192.0.2.1".parse().unwrap(), "192.0.2.80".parse().unwrap()));
    let reply = ip("192.0.2.80", "192.0.2.1", 6, &tcp((80, 40_000), (9, 2), 0x12, b""));
    let back = router.forward(3, 2, &reply).unwrap();
    assert_eq!(addresses(&back), ("192.0.2.80".parse().unwrap(), "10.0.0.2".parse().unwrap()));
}

#[test]
fn a_packet_keeps_its_connection_where_it_looks_like_one_of_another() {
    let mut router = Router::default();
    router.load(V4, &["-t nat -A POSTROUTING -o eth0 -j MASQUERADE", "-t nat -A POSTROUTING -o eth1 -j MASQUERADE"]);
    let (host, server) = ("10.0.0.2", "192.0.2.80");
    // The server comes in under the router's name, and the host speaks to it by its own: two connections.
    assert!(router.forward(3, 2, &ip(server, host, 17, &udp((40_000, 53), b"?"))).is_some());
    let own = router.forward(2, 3, &ip(host, server, 17, &udp((53, 40_000), b"a"))).unwrap();
    assert_eq!(addresses(&own).0.to_string(), "192.0.2.1");
    let answer = ip(host, "10.0.0.1", 17, &udp((53, 40_000), b"b"));
    let left = router.forward(2, 3, &answer).unwrap();
    assert_eq!((addresses(&left).0.to_string(), addresses(&left).1.to_string()), (host.to_owned(), server.to_owned()));
    let own = router.forward(2, 3, &ip(host, server, 17, &udp((53, 40_000), b"a"))).unwrap();
    assert_eq!(addresses(&own).0.to_string(), "192.0.2.1");
}

#[test]
fn a_packet_of_a_host_that_is_led_to_itself_goes_on_in_its_direction() {
    let mut router = Router::default();
    router.load(V4, &["-t nat -A PREROUTING -p udp -j DNAT --to-destination 10.0.0.2:53"]);
    let packet = ip("10.0.0.2", "192.0.2.80", 17, &udp((53, 113), b"x"));
    for _ in 0..2 {
        let left = router.forward(2, 2, &packet).unwrap();
        assert_eq!(
            (addresses(&left).0.to_string(), addresses(&left).1.to_string()),
            ("10.0.0.2".into(), "10.0.0.2".into())
        );
        assert_eq!(left[20..24], [0, 53, 0, 53]);
    }
    // The answer is the same packet, and comes from whom was asked.
    let back = router.forward(2, 2, &ip("10.0.0.2", "10.0.0.2", 17, &udp((53, 53), b"x"))).unwrap();
    assert_eq!(addresses(&back).0.to_string(), "192.0.2.80");
}

#[test]
fn an_answer_whose_echo_id_both_translations_changed_comes_from_whom_was_asked() {
    let mut router = Router::default();
    router.load(
        V4,
        &[
            "-t nat -A PREROUTING -j DNAT --to-destination 192.0.2.9 --random",
            "-t nat -A POSTROUTING -o eth1 -j MASQUERADE --random",
        ],
    );
    let asked = router.forward(2, 3, &ip("10.0.0.2", "192.0.2.80", 1, &echo(8, 77))).unwrap();
    assert_eq!(addresses(&asked).1.to_string(), "192.0.2.9");
    let id = u16::from_be_bytes([asked[24], asked[25]]);
    let back = router.forward(3, 2, &ip("192.0.2.9", "192.0.2.1", 1, &echo(0, id))).unwrap();
    assert_eq!(
        (addresses(&back).0.to_string(), addresses(&back).1.to_string()),
        ("192.0.2.80".into(), "10.0.0.2".into())
    );
    assert_eq!(back[24..26], 77u16.to_be_bytes());
}

#[test]
fn what_was_noted_of_a_packet_that_died_is_not_said_of_one_that_is_made_to_look_like_it() {
    let mut router = Router::default();
    router.load(
        V4,
        &[
            "-t nat -A POSTROUTING -o eth1 -j MASQUERADE",
            "-t raw -A PREROUTING -d 10.0.0.2 -j CT --notrack",
            "-P FORWARD DROP",
            "-A FORWARD -i eth0 -j ACCEPT",
            "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
        ],
    );
    assert!(router.forward(2, 3, &ip("10.0.0.2", "192.0.2.53", 17, &udp((4000, 53), b"?"))).is_some());
    let direct = ip("192.0.2.53", "10.0.0.2", 17, &udp((53, 4000), b"!"));
    // Its hops end behind PREROUTING.
    router.at(Hook::Prerouting, (3, 0), &direct, 0);
    assert!(router.forward(3, 2, &ip("192.0.2.53", "192.0.2.1", 17, &udp((53, 4000), b"!"))).is_some());
}

#[test]
fn a_nat_table_without_a_nat_target_sees_nothing() {
    let mut router = Router::default();
    router.load(V4, &["-t nat -A POSTROUTING -j MARK --set-mark 1"]);
    router.forward(2, 3, &syn(80)).unwrap();
    assert!(router.counters(V4, "nat").iter().all(|counters| *counters == (0, 0)));
    router.load(V4, &["-t nat -A POSTROUTING -o nowhere -j MASQUERADE"]);
    router.forward(2, 3, &syn(81)).unwrap();
    assert!(router.counters(V4, "nat").contains(&(1, 40)));
}

#[test]
fn only_the_first_packet_of_a_connection_meets_nat() {
    let mut router = Router::default();
    router.load(V4, &["-t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.0.2.99:8080"]);
    let left = router.forward(2, 3, &syn(80)).unwrap();
    assert_eq!(addresses(&left).1.to_string(), "192.0.2.99");
    assert_eq!(left[22..24], 8080u16.to_be_bytes());
    let reply = ip("192.0.2.99", "10.0.0.2", 6, &tcp((8080, 40_000), (9, 2), 0x12, b""));
    let back = router.forward(3, 2, &reply).unwrap();
    assert_eq!(addresses(&back).0.to_string(), "192.0.2.80");
    let ack = ip("10.0.0.2", "192.0.2.80", 6, &tcp((40_000, 80), (2, 10), 0x10, b""));
    assert_eq!(addresses(&router.forward(2, 3, &ack).unwrap()).1.to_string(), "192.0.2.99");
    assert_eq!(router.counters(V4, "nat")[0], (1, 40));
}

#[test]
fn notrack_packets_are_untracked_at_every_later_hook() {
    let mut router = Router::default();
    router.load(
        V4,
        &[
            "-t raw -A PREROUTING -p udp --dport 53 -j CT --notrack",
            "-P FORWARD DROP",
            "-A FORWARD -m conntrack --ctstate UNTRACKED -j ACCEPT",
        ],
    );
    assert!(router.forward(2, 3, &ip("10.0.0.2", "192.0.2.53", 17, &udp((4000, 53), b"?"))).is_some());
    assert!(router.forward(2, 3, &ip("10.0.0.2", "192.0.2.53", 17, &udp((4000, 54), b"?"))).is_none());
}

#[test]
fn an_invalid_packet_is_invalid_at_every_later_hook() {
    let mut router = Router::default();
    router.load(
        V4,
        &[
            "-t nat -A POSTROUTING -o eth1 -j MASQUERADE",
            "-P FORWARD DROP",
            "-A FORWARD -m conntrack --ctstate INVALID -j ACCEPT",
        ],
    );
    let stray = ip("10.0.0.2", "192.0.2.80", 6, &tcp((40_000, 80), (1, 1), 0x04, b""));
    let left = router.forward(2, 3, &stray).unwrap();
    assert_eq!(addresses(&left).0.to_string(), "10.0.0.2", "INVALID packets pass untranslated");
}

#[test]
fn reject_answers_a_syn_with_a_reset_that_is_related() {
    let mut router = Router::default();
    router.load(
        V4,
        &[
            "-A INPUT -p tcp --dport 23 -j REJECT --reject-with tcp-reset",
            "-P OUTPUT DROP",
            "-A OUTPUT -m conntrack --ctstate RELATED -j ACCEPT",
        ],
    );
    let telnet = ip("10.0.0.2", "10.0.0.1", 6, &tcp((40_000, 23), (7, 0), 2, b""));
    assert!(router.deliver(2, &telnet).is_none());
    let sent = router.sent();
    let expected = ip("10.0.0.1", "10.0.0.2", 6, &{
        let mut reset = tcp((23, 40_000), (0, 8), 0x14, b"");
        reset[14..16].fill(0);
        reset
    });
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0][12..], expected[12..]);
    assert_eq!(sent[0][4..9], [0, 0, 0x40, 0, 64]);
    assert!(router.emit(2, &sent[0]).is_some());
}

#[test]
fn an_answer_to_the_reset_that_ended_a_translated_connection_is_translated() {
    let mut router = Router::default();
    router.load(
        V4,
        &[
            "-t nat -A POSTROUTING -o eth1 -j SNAT --to-source 192.0.2.1",
            "-A FORWARD -m conntrack --ctdir REPLY -j REJECT --reject-with icmp-admin-prohibited",
        ],
    );
    let data = ip("10.0.0.2", "192.0.2.80", 6, &tcp((40_000, 80), (1001, 5001), 0x18, b"x"));
    assert_eq!(addresses(&router.forward(2, 3, &data).unwrap()).0.to_string(), "192.0.2.1");
    let reset = ip("192.0.2.80", "192.0.2.1", 6, &tcp((80, 40_000), (5002, 0), 0x04, b""));
    assert!(router.forward(3, 2, &reset).is_none());
    let sent = router.sent();
    let left = router.emit(3, &sent[0]).unwrap();
    assert_eq!(left[40..], reset[12..]);
    assert_eq!((left[20], left[21]), (3, 13));
}

#[test]
fn an_error_about_a_dying_packet_carries_its_connection_where_nobody_can_say_otherwise() {
    let mut router = Router::default();
    router.load(
        V4,
        &[
            "-t raw -A PREROUTING -p udp --dport 54 -j NOTRACK",
            "-t raw -A OUTPUT -m connmark --mark 0",
            "-t raw -A OUTPUT -j NOTRACK",
            "-A OUTPUT -m conntrack --ctstate RELATED",
            "-A OUTPUT -m conntrack --ctstate UNTRACKED",
        ],
    );
    for (port, (kind, code), related) in [(53, (11, 0), true), (54, (11, 0), false), (53, (3, 3), false)] {
        let asked = ip("10.0.0.2", "192.0.2.53", 17, &udp((4000, port), b"?"));
        router.at(Hook::Prerouting, (2, 0), &asked, 0);
        let counted = |router: &mut Router| [router.counters(V4, "raw")[2].0, router.counters(V4, "filter")[2].0];
        let before = counted(&mut router);
        let mut error = vec![kind, code, 0, 0, 0, 0, 0, 0];
        error.extend(&asked);
        let sum = engine::wire::checksum::checksum(&error);
        error[2..4].copy_from_slice(&sum.to_be_bytes());
        router.emit(2, &ip("10.0.0.1", "10.0.0.2", 1, &error)).unwrap();
        let after = counted(&mut router);
        assert_eq!([after[0] - before[0], after[1] - before[1]], [u64::from(related); 2], "port {port} {kind}/{code}");
    }
}

#[test]
fn a_packet_that_died_before_it_was_taken_is_tracked_from_its_quote() {
    let mut router = Router::default();
    router.load(V4, &["-P OUTPUT DROP", "-A OUTPUT -m conntrack --ctstate RELATED -j ACCEPT"]);
    assert!(!router.engine.passes(V4).taken(Hook::Prerouting));
    let mut emit = |kind, code, quote: &[u8]| {
        let mut error = vec![kind, code, 0, 0, 0, 0, 0, 0];
        error.extend(quote);
        let sum = engine::wire::checksum::checksum(&error);
        error[2..4].copy_from_slice(&sum.to_be_bytes());
        router.emit(2, &ip("10.0.0.1", "10.0.0.2", 1, &error)).is_some()
    };
    assert!(emit(11, 0, &syn(80)));
    let long = ip("10.0.0.2", "192.0.2.53", 17, &udp((4000, 53), &[7; 1000]));
    assert!(emit(3, 4, &long[..548]));
    let stray = ip("10.0.0.2", "192.0.2.80", 6, &tcp((40_001, 80), (1, 1), 0x12, b""));
    assert!(!emit(11, 0, &stray), "a SYN-ACK from nowhere is INVALID");
    let mut broken = ip("10.0.0.2", "192.0.2.53", 17, &udp((4001, 53), b"data"));
    broken[30] ^= 1;
    assert!(!emit(11, 0, &broken));
    assert!(router.engine.tracker().is_empty(), "no entry was confirmed");
}

#[test]
fn reject_quotes_the_packet_and_answers_no_error() {
    let mut router = Router::default();
    router.load(V4, &["-A INPUT -j REJECT"]);
    let asked = ip("10.0.0.2", "10.0.0.1", 17, &udp((4000, 9), &[7; 600]));
    assert!(router.deliver(2, &asked).is_none());
    let sent = router.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].len(), 576);
    assert_eq!((sent[0][1], sent[0][8], sent[0][9], sent[0][20], sent[0][21]), (0xc0, 64, 1, 3, 3));
    assert_eq!(sent[0][28..], asked[..548]);
    assert_eq!(addresses(&sent[0]), ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()));
    let mut error = vec![3, 1, 0, 0, 0, 0, 0, 0];
    error.extend(&asked[..28]);
    assert!(router.deliver(2, &ip("10.0.0.2", "10.0.0.1", 1, &error)).is_none());
    assert!(router.sent().is_empty());
    let mut broken = asked.clone();
    broken[30] ^= 1;
    assert!(router.deliver(2, &broken).is_none());
    assert!(router.sent().is_empty(), "a packet with a wrong checksum is not answered");
}

#[test]
fn reject_answers_no_icmp_message_that_the_kernel_calls_an_error_or_sends_itself() {
    let mut router = Router::default();
    router.load(V4, &["-A INPUT -j REJECT", "-A OUTPUT -j REJECT"]);
    for (kind, answered) in [(8, 1), (13, 1), (17, 1), (9, 0), (10, 0), (1, 0), (6, 0), (40, 0)] {
        assert!(router.deliver(2, &ip("10.0.0.2", "10.0.0.1", 1, &echo(kind, 5))).is_none());
        assert_eq!(router.sent().len(), answered, "type {kind}");
    }
    assert!(router.emit(2, &ip("10.0.0.1", "10.0.0.2", 1, &echo(0, 5))).is_none());
    assert!(router.sent().is_empty(), "the kernel's echo reply");
}

#[test]
fn a_connection_that_a_reset_refuses_is_closed() {
    let mut router = Router::default();
    router.load(
        V4,
        &["-A FORWARD -p tcp --sport 80 -m conntrack --ctstate NEW,ESTABLISHED -j REJECT --reject-with tcp-reset"],
    );
    router.forward(2, 3, &syn(80)).unwrap();
    let answer = ip("192.0.2.80", "10.0.0.2", 6, &tcp((80, 40_000), (9, 2), 0x12, b""));
    assert!(router.forward(3, 2, &answer).is_none());
    assert_eq!(router.sent().len(), 1);
    router.wait(11 * SECOND);
    assert!(router.engine.tracker().is_empty());
}

#[test]
fn a_connection_that_is_not_confirmed_has_no_time_left() {
    let mut router = Router::default();
    router.load(V4, &["-A FORWARD -m conntrack --ctexpire 60:500 -j DROP"]);
    assert!(router.forward(2, 3, &syn(80)).is_some());
    assert!(router.forward(2, 3, &syn(80)).is_none());
}

#[test]
fn log_writes_the_kernels_line() {
    let mut router = Router::default();
    router.load(V4, &["-A FORWARD -j LOG --log-prefix x: --log-level info"]);
    router.at(Hook::Postrouting, (2, 3), &syn(80), 0x10);
    assert_eq!(
        router.logged(),
        ["x:IN=eth0 OUT=eth1 MAC= SRC=10.0.0.2 DST=192.0.2.80 LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=4660 PROTO=TCP \
          SPT=40000 DPT=80 WINDOW=29200 RES=0x00 SYN URGP=0 MARK=0x10 "]
    );
}

#[test]
fn trace_names_rules_returns_and_policies() {
    let mut router = Router::default();
    router.load(
        V4,
        &["-t raw -A PREROUTING -p icmp -j TRACE", "-N user", "-A user -p tcp", "-A FORWARD -p icmp -j user"],
    );
    router.forward(2, 3, &ip("10.0.0.2", "192.0.2.80", 1, &echo(8, 5))).unwrap();
    let lines: Vec<String> = router.logged().iter().map(|line| line.split(" IN=").next().unwrap().to_owned()).collect();
    assert_eq!(
        lines,
        [
            "TRACE: raw:PREROUTING:policy:2",
            "TRACE: filter:FORWARD:rule:1",
            "TRACE: filter:user:return:2",
            "TRACE: filter:FORWARD:policy:2",
        ]
    );
}

#[test]
fn replies_of_a_connection_that_loopback_carries_are_tracked_once() {
    let mut router = Router::default();
    router
        .load(V4, &["-A INPUT -m conntrack --ctstate NEW -j ACCEPT", "-A OUTPUT -m conntrack --ctstate NEW -j ACCEPT"]);
    let ping = ip("127.0.0.1", "127.0.0.1", 1, &echo(8, 9));
    let sent = router.emit(1, &ping).unwrap();
    router.deliver(1, &sent).unwrap();
    let counters = router.counters(V4, "filter");
    assert_eq!((counters[0].0, counters[3].0), (1, 1), "{counters:?}");
}

#[test]
fn an_ipv6_rule_with_a_protocol_drops_what_has_no_end() {
    let mut router = Router::default();
    router.load(Af::V6, &["-A FORWARD -p tcp --dport 80", "-A FORWARD -j ACCEPT"]);
    let mut cut = ip("fd00::2", "2001:db8::80", 0, &[6, 200, 0, 0, 0, 0, 0, 0]);
    assert_eq!(router.at(Hook::Postrouting, (2, 3), &cut, 0).verdict, Verdict::Drop);
    cut[6] = 59;
    assert_eq!(router.at(Hook::Postrouting, (2, 3), &cut, 0).verdict, Verdict::Accept);
}

#[test]
fn until_tracking_looks_at_a_packet_its_template_is_a_new_connection_without_a_mark() {
    let mut router = Router::default();
    router.load(
        V4,
        &[
            "-t raw -A PREROUTING -m conntrack --ctstate NEW",
            "-t raw -A PREROUTING -j CT --zone 0",
            "-t raw -A PREROUTING -m conntrack --ctstate NEW",
            "-t raw -A PREROUTING -m conntrack --ctstate INVALID",
            "-t raw -A PREROUTING -m connmark --mark 0",
        ],
    );
    assert!(router.forward(2, 3, &syn(80)).is_some());
    let counts: Vec<u64> = router.counters(V4, "raw").iter().take(5).map(|(packets, _)| *packets).collect();
    assert_eq!(counts, [0, 1, 1, 0, 1]);
}
