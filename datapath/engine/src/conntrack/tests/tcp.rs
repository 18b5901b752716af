//! TCP: states, windows, timeouts.

use super::*;
use crate::effects::Subject;

const C: (&str, u16) = (CLIENT, 40000);
const S: (&str, u16) = (SERVER, 80);

const SYN_SENT: u8 = 1;
const SYN_RECV: u8 = 2;
const ESTABLISHED: u8 = 3;
const FIN_WAIT: u8 = 4;
const TIME_WAIT: u8 = 7;
const CLOSE: u8 = 8;
const SYN_SENT2: u8 = 9;

fn there(net: &mut Box, segment: Segment<'_>) -> &'static str {
    net.state(tcp(C, S, &segment))
}

fn back(net: &mut Box, segment: Segment<'_>) -> &'static str {
    net.state(tcp(S, C, &segment))
}

/// SYN 1000, SYN+ACK 5000, ACK; the next bytes are 1001 and 5001.
fn established(net: &mut Box) {
    assert_eq!(there(net, seg(SYN, 1000, 0, 0)), "NEW");
    assert_eq!(back(net, seg(SYN | ACK, 5000, 1001, 0)), "ESTABLISHED");
    assert_eq!(there(net, seg(ACK, 1001, 5001, 0)), "ESTABLISHED");
    assert_eq!(net.tcp_state(), ESTABLISHED);
}

#[test]
fn a_handshake_moves_through_the_states() {
    let mut net = Box::new();
    there(&mut net, seg(SYN, 1000, 0, 0));
    assert_eq!((net.tcp_state(), net.timeout()), (SYN_SENT, 120));
    back(&mut net, seg(SYN | ACK, 5000, 1001, 0));
    assert_eq!((net.tcp_state(), net.timeout()), (SYN_RECV, 60));
    there(&mut net, seg(ACK, 1001, 5001, 0));
    assert_eq!((net.tcp_state(), net.timeout()), (ESTABLISHED, 432_000));
    assert_ne!(net.only().status & status::ASSURED, 0);
    assert_eq!(net.events(), [EventKind::New, EventKind::Update, EventKind::Update]);
    there(&mut net, seg(ACK, 1001, 5001, 10));
    back(&mut net, seg(ACK, 5001, 1011, 0));
    assert_eq!(net.events(), []);
    assert_eq!(net.timeout(), 432_000);
}

#[test]
fn news_of_packets_that_are_on_their_way_together_are_told_one_by_one() {
    let mut net = Box::new();
    there(&mut net, seg(SYN, 1000, 0, 0));
    back(&mut net, seg(SYN | ACK, 5000, 1001, 0));
    net.events();
    // The FIN is at its first hook before the ACK is at its last one.
    let both = [net.arrive(tcp(C, S, &seg(ACK, 1001, 5001, 0))), net.arrive(tcp(C, S, &seg(FIN | ACK, 1001, 5001, 0)))];
    for mut passed in both {
        net.hook(Hook::Postrouting, &device(2), &mut passed.bytes);
    }
    let told: Vec<_> = net
        .out
        .events
        .drain(..)
        .map(|event| match event.subject {
            Subject::Connection { entry, .. } => match entry.protocol {
                ProtocolState::Tcp { state, .. } => (state, entry.timeout),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [(ESTABLISHED, Some(432_000)), (FIN_WAIT, Some(120))]);
    assert_eq!(net.tcp_state(), FIN_WAIT);
}

#[test]
fn news_of_a_packet_that_never_came_are_told_with_the_next_ones() {
    for dropped in [true, false] {
        let mut net = Box::new();
        there(&mut net, seg(SYN, 1000, 0, 0));
        net.events();
        let answer = net.arrive(tcp(S, C, &seg(SYN | ACK, 5000, 1001, 0)));
        if dropped {
            net.tracker.die(answer.tracked);
        } else {
            // All that was on its way has been judged since.
            net.tracker.end_batch(true);
            net.tracker.end_batch(true);
        }
        there(&mut net, seg(ACK, 1001, 5001, 0));
        assert_eq!(net.events().len(), 1);
    }
}

#[test]
fn closing_from_both_sides_ends_in_time_wait() {
    let mut net = Box::new();
    established(&mut net);
    there(&mut net, seg(FIN | ACK, 1001, 5001, 0));
    assert_eq!((net.tcp_state(), net.timeout()), (FIN_WAIT, 120));
    back(&mut net, seg(ACK, 5001, 1002, 0));
    assert_eq!(net.timeout(), 60);
    back(&mut net, seg(FIN | ACK, 5001, 1002, 0));
    assert_eq!(net.timeout(), 30);
    there(&mut net, seg(ACK, 1002, 5002, 0));
    assert_eq!((net.tcp_state(), net.timeout()), (TIME_WAIT, 120));
    net.wait(121_000);
    assert!(net.tracker.is_empty());
}

#[test]
fn a_reset_that_answers_a_trusted_syn_closes_whatever_the_window() {
    let mut net = Box::new();
    established(&mut net);
    there(&mut net, seg(SYN, 1001, 5001, 1));
    assert_eq!(back(&mut net, seg(RST | ACK, 5001, 1003, 0)), "ESTABLISHED");
    assert_eq!((net.tcp_state(), net.timeout()), (CLOSE, 10));
}

#[test]
fn unacknowledged_data_shortens_the_timeout_until_it_is_acknowledged() {
    let mut net = Box::new();
    established(&mut net);
    there(&mut net, seg(ACK, 1001, 5001, 100));
    assert_eq!(net.timeout(), 300);
    back(&mut net, seg(ACK, 5001, 1101, 0));
    assert_eq!(net.timeout(), 432_000);
}

#[test]
fn the_third_retransmission_shortens_the_timeout() {
    let settings = Settings::default();
    let tcp = settings::TcpSettings { timeout_max_retrans: 77, ..settings.tcp.clone() };
    let mut net = Box::with(Settings { tcp, ..settings });
    established(&mut net);
    there(&mut net, seg(ACK, 1001, 5001, 100));
    for left in [300, 300, 77] {
        there(&mut net, seg(ACK, 1001, 5001, 100));
        assert_eq!(net.timeout(), left);
    }
}

#[test]
fn repeated_syns_and_syn_acks_do_not_refresh() {
    let mut net = Box::new();
    there(&mut net, seg(SYN, 1000, 0, 0));
    net.wait(5000);
    assert_eq!(there(&mut net, seg(SYN, 1000, 0, 0)), "NEW");
    assert_eq!(net.timeout(), 115);
    back(&mut net, seg(SYN | ACK, 5000, 1001, 0));
    net.wait(5000);
    assert_eq!(back(&mut net, seg(SYN | ACK, 5000, 1001, 0)), "ESTABLISHED");
    assert_eq!(net.timeout(), 55);
}

#[test]
fn syn_syn_ack_syn_syn_ack_still_reaches_established() {
    let mut net = Box::new();
    there(&mut net, seg(SYN, 1000, 0, 0));
    back(&mut net, seg(SYN | ACK, 5000, 1001, 0));
    there(&mut net, seg(SYN, 1000, 0, 0));
    back(&mut net, seg(SYN | ACK, 5000, 1001, 0));
    there(&mut net, seg(ACK, 1001, 5001, 0));
    assert_eq!(net.tcp_state(), ESTABLISHED);
}

#[test]
fn only_an_exact_reset_closes() {
    let mut net = Box::new();
    established(&mut net);
    there(&mut net, seg(ACK, 1001, 5001, 100));
    back(&mut net, seg(ACK, 5001, 1101, 0));
    assert_eq!(there(&mut net, seg(RST, 900, 0, 0)), "INVALID");
    assert_eq!(there(&mut net, seg(RST, 1_001_101, 0, 0)), "INVALID");
    assert_eq!(net.timeout(), 432_000);
    assert_eq!(there(&mut net, seg(RST, 1150, 0, 0)), "ESTABLISHED");
    assert_eq!((net.tcp_state(), net.timeout()), (ESTABLISHED, 10));
    assert_eq!(there(&mut net, seg(RST, 1101, 0, 0)), "ESTABLISHED");
    assert_eq!((net.tcp_state(), net.timeout()), (CLOSE, 10));
}

#[test]
fn old_resets_pass_when_told_so() {
    let settings = Settings::default();
    let tcp = settings::TcpSettings { ignore_invalid_rst: true, ..settings.tcp.clone() };
    let mut net = Box::with(Settings { tcp, ..settings });
    established(&mut net);
    there(&mut net, seg(ACK, 1001, 5001, 100));
    back(&mut net, seg(ACK, 5001, 1101, 0));
    assert_eq!(there(&mut net, seg(RST, 900, 0, 0)), "ESTABLISHED");
    assert_eq!(net.tcp_state(), ESTABLISHED);
}

#[test]
fn a_reset_answering_a_syn_removes_the_entry_and_passes() {
    let mut net = Box::translating(Some(range(ROUTER, None)), None);
    there(&mut net, seg(SYN, 1000, 0, 0));
    net.events();
    let passed = net.forward(tcp(S, (ROUTER, 40000), &seg(RST | ACK, 0, 1001, 0)));
    assert_eq!((name(passed.tracked), passed.verdict), ("ESTABLISHED", Verdict::Accept));
    // Although its entry is gone, the reset is still translated back.
    assert_eq!(outline(&passed.bytes), "192.0.2.80:80 > 10.0.0.2:40000");
    assert!(net.tracker.is_empty());
    assert_eq!(net.events(), [EventKind::Destroy]);
}

#[test]
fn what_is_outside_the_window_is_invalid_and_what_is_old_passes() {
    let mut net = Box::new();
    established(&mut net);
    there(&mut net, seg(ACK, 1001, 5001, 1000));
    back(&mut net, seg(ACK, 5001, 2001, 0));
    assert_eq!(there(&mut net, seg(ACK, 1001, 5001, 1000)), "ESTABLISHED");
    assert_eq!(there(&mut net, seg(ACK, 2001, 9000, 0)), "INVALID");
    // The server's window is 8192 bytes from 2001 on; what goes past it by less than a window passes and changes nothing.
    assert_eq!(there(&mut net, seg(FIN | ACK, 2001 + 20_000, 5001, 0)), "INVALID");
    assert_eq!(there(&mut net, seg(FIN | ACK, 2001 + 8192 + 1, 5001, 0)), "ESTABLISHED");
    assert_eq!(net.tcp_state(), ESTABLISHED);
}

#[test]
fn liberal_windows_forgive_data_and_no_reset() {
    let settings = Settings::default();
    let tcp = settings::TcpSettings { be_liberal: true, ..settings.tcp.clone() };
    let mut net = Box::with(Settings { tcp, ..settings });
    established(&mut net);
    assert_eq!(there(&mut net, seg(ACK, 1001 + 20_000, 5001, 1)), "ESTABLISHED");
    assert_eq!(there(&mut net, seg(RST, 900, 0, 0)), "INVALID");
}

#[test]
fn scaled_windows_are_scaled_for_both_sides_only() {
    for (answer, far) in [(&[1, 3, 3, 7][..], "ESTABLISHED"), (&[1, 1, 1, 1][..], "INVALID")] {
        let mut net = Box::new();
        let offer = Segment { options: &[1, 3, 3, 7], ..seg(SYN, 1000, 0, 0) };
        there(&mut net, offer);
        back(&mut net, Segment { options: answer, ..seg(SYN | ACK, 5000, 1001, 0) });
        there(&mut net, seg(ACK, 1001, 5001, 0));
        back(&mut net, seg(ACK, 5001, 1001, 0));
        assert_eq!(there(&mut net, seg(ACK, 1001 + 100_000, 5001, 10)), far);
    }
}

#[test]
fn a_selective_acknowledgement_of_unsent_data_is_invalid() {
    let mut net = Box::new();
    there(&mut net, Segment { options: &[4, 2, 1, 1], ..seg(SYN, 1000, 0, 0) });
    back(&mut net, Segment { options: &[4, 2, 1, 1], ..seg(SYN | ACK, 5000, 1001, 0) });
    there(&mut net, seg(ACK, 1001, 5001, 100));
    let mut block = vec![1, 1, 5, 10];
    block.extend(1051_u32.to_be_bytes());
    block.extend(1101_u32.to_be_bytes());
    assert_eq!(back(&mut net, Segment { options: &block, ..seg(ACK, 5001, 1001, 0) }), "ESTABLISHED");
    block[8..12].copy_from_slice(&3000_u32.to_be_bytes());
    assert_eq!(back(&mut net, Segment { options: &block, ..seg(ACK, 5001, 1001, 0) }), "INVALID");
}

#[test]
fn a_syn_ack_with_a_wrong_acknowledgement_is_invalid() {
    let mut net = Box::new();
    there(&mut net, seg(SYN, 1000, 0, 0));
    assert_eq!(back(&mut net, seg(SYN | ACK, 5000, 7777, 0)), "INVALID");
    assert_eq!(net.tcp_state(), SYN_SENT);
}

#[test]
fn a_challenge_to_a_fresh_syn_passes_and_its_reset_lets_the_next_syn_begin_anew() {
    let mut net = Box::new();
    there(&mut net, seg(SYN, 1000, 0, 0));
    assert_eq!(back(&mut net, seg(ACK, 7000, 4444, 0)), "ESTABLISHED");
    assert_eq!(net.tcp_state(), SYN_SENT);
    assert_eq!(there(&mut net, seg(RST, 4444, 0, 0)), "ESTABLISHED");
    assert_eq!((net.tcp_state(), net.timeout()), (CLOSE, 10));
    assert_eq!(there(&mut net, seg(SYN, 1000, 0, 0)), "NEW");
    back(&mut net, seg(SYN | ACK, 5000, 1001, 0));
    assert_eq!(net.tcp_state(), SYN_RECV);
}

#[test]
fn a_syn_into_a_live_connection_passes_and_can_take_it_over() {
    let mut net = Box::new();
    established(&mut net);
    assert_eq!(there(&mut net, seg(SYN, 900_000, 0, 0)), "ESTABLISHED");
    assert_eq!(net.tcp_state(), ESTABLISHED);
    assert_eq!(back(&mut net, seg(SYN | ACK, 70_000, 900_001, 0)), "ESTABLISHED");
    assert_eq!(net.tcp_state(), SYN_RECV);
    there(&mut net, seg(ACK, 900_001, 70_001, 0));
    assert_eq!(net.tcp_state(), ESTABLISHED);
}

#[test]
fn a_syn_reopens_a_closed_connection_as_a_new_one() {
    let mut net = Box::new();
    established(&mut net);
    there(&mut net, seg(FIN | ACK, 1001, 5001, 0));
    back(&mut net, seg(FIN | ACK, 5001, 1002, 0));
    there(&mut net, seg(ACK, 1002, 5002, 0));
    assert_eq!(net.tcp_state(), TIME_WAIT);
    net.events();
    let before = net.only().id;
    assert_eq!(there(&mut net, seg(SYN, 90_000, 0, 0)), "NEW");
    assert_eq!(net.events(), [EventKind::Destroy, EventKind::New]);
    assert_ne!(net.only().id, before);
    assert_eq!(net.tcp_state(), SYN_SENT);
}

#[test]
fn two_syns_open_at_once() {
    let mut net = Box::new();
    there(&mut net, seg(SYN, 1000, 0, 0));
    assert_eq!(back(&mut net, seg(SYN, 5000, 0, 0)), "ESTABLISHED");
    assert_eq!(net.tcp_state(), SYN_SENT2);
    there(&mut net, seg(SYN | ACK, 1000, 5001, 0));
    assert_eq!(net.tcp_state(), SYN_RECV);
    back(&mut net, seg(ACK, 5001, 1001, 0));
    assert_eq!(net.tcp_state(), ESTABLISHED);
}

#[test]
fn after_a_syn_passed_on_trust_a_reset_may_be_older_than_what_was_acknowledged() {
    let mut net = Box::new();
    there(&mut net, seg(SYN, 1000, 0, 0));
    back(&mut net, seg(SYN | ACK, 5000, 1001, 0));
    assert_eq!(there(&mut net, seg(SYN, 1001, 5001, 40)), "ESTABLISHED");
    assert_eq!(there(&mut net, seg(RST, 1000, 5001, 0)), "ESTABLISHED");
    assert_eq!(net.tcp_state(), CLOSE);
}

#[test]
fn a_connection_picked_up_in_its_middle_stays_unjudged_on_the_side_that_answers_a_new_syn() {
    for (picked_up, verdict, state) in [(true, "ESTABLISHED", CLOSE), (false, "INVALID", SYN_RECV)] {
        let mut net = Box::new();
        if picked_up {
            there(&mut net, seg(ACK, 1000, 0, 0));
            back(&mut net, seg(ACK, 5001, 1000, 0));
        } else {
            established(&mut net);
        }
        assert_eq!(there(&mut net, seg(SYN, 900_000, 0, 0)), "ESTABLISHED");
        back(&mut net, seg(SYN | ACK, 7_000_000, 900_001, 0));
        assert_eq!(net.tcp_state(), SYN_RECV);
        assert_eq!(there(&mut net, seg(ACK, 990_000, 7_000_001, 0)), "INVALID");
        assert_eq!(back(&mut net, seg(RST, 70_000_000, 0, 0)), verdict);
        assert_eq!(net.tcp_state(), state);
    }
}

#[test]
fn a_reset_answers_a_syn_passed_on_trust_only_from_the_other_side() {
    let mut net = Box::new();
    established(&mut net);
    there(&mut net, seg(SYN, 900_000, 0, 0));
    assert_eq!(there(&mut net, seg(RST | ACK, 70_000_000, 900_001, 0)), "INVALID");
    assert_eq!(net.tcp_state(), ESTABLISHED);
    let mut net = Box::new();
    established(&mut net);
    there(&mut net, seg(SYN, 900_000, 0, 0));
    assert_eq!(back(&mut net, seg(RST | ACK, 70_000_000, 900_001, 0)), "ESTABLISHED");
    assert_eq!(net.tcp_state(), CLOSE);
    let mut net = Box::new();
    there(&mut net, seg(SYN, 1000, 0, 0));
    back(&mut net, seg(SYN, 5000, 0, 0));
    back(&mut net, seg(RST, 5002, 0, 0));
    assert_eq!(net.tcp_state(), SYN_SENT2);
    back(&mut net, seg(RST, 5001, 0, 0));
    assert_eq!(net.tcp_state(), CLOSE);
}

#[test]
fn first_packets_are_syns_and_plain_acks() {
    const URG: u8 = 32;
    const PSH: u8 = 8;
    const ECE: u8 = 64;
    const CWR: u8 = 128;
    for flags in [SYN, SYN | PSH, SYN | URG, SYN | ECE | CWR, ACK, ACK | PSH, ACK | URG, ACK | PSH | URG, ACK | ECE] {
        assert_eq!(there(&mut Box::new(), seg(flags, 1, 1, 0)), "NEW", "flags {flags:#x}");
    }
    for flags in [FIN | ACK, RST, RST | ACK, SYN | ACK, 0, SYN | FIN, FIN, FIN | PSH | URG, SYN | RST] {
        assert_eq!(there(&mut Box::new(), seg(flags, 1, 1, 0)), "INVALID", "flags {flags:#x}");
    }
}

#[test]
fn a_connection_picked_up_in_the_middle_is_assured_once_both_spoke() {
    let mut net = Box::new();
    assert_eq!(there(&mut net, seg(ACK, 1000, 2000, 10)), "NEW");
    assert_eq!((net.tcp_state(), net.timeout()), (ESTABLISHED, 300));
    assert_eq!(net.only().status & status::ASSURED, 0);
    assert_eq!(back(&mut net, seg(ACK, 2000, 1010, 10)), "ESTABLISHED");
    assert_eq!(there(&mut net, seg(ACK, 1010, 2010, 0)), "ESTABLISHED");
    assert_ne!(net.only().status & status::ASSURED, 0);
}

#[test]
fn without_loose_nothing_is_picked_up() {
    let settings = Settings::default();
    let tcp = settings::TcpSettings { loose: false, ..settings.tcp.clone() };
    let mut net = Box::with(Settings { tcp, ..settings });
    assert_eq!(there(&mut net, seg(ACK, 1000, 2000, 10)), "INVALID");
    assert!(net.tracker.is_empty());
}

#[test]
fn a_dropped_packet_has_already_moved_the_state() {
    let mut net = Box::new();
    established(&mut net);
    net.arrive(tcp(C, S, &seg(RST, 1001, 0, 0)));
    assert_eq!(net.tcp_state(), CLOSE);
}

#[test]
fn the_routers_own_reset_for_a_packet_that_died_is_related() {
    let mut net = Box::translating(None, Some(range("10.1.1.1", Some((8080, 8080)))));
    let first = net.arrive(tcp(C, S, &seg(SYN, 1000, 0, 0)));
    assert_eq!(outline(&first.bytes), "10.0.0.2:40000 > 10.1.1.1:8080");
    net.answered = first.tracked;
    let reset = net.send(tcp(("10.1.1.1", 8080), C, &seg(RST | ACK, 0, 1001, 0)));
    assert_eq!(name(reset.tracked), "RELATED");
    assert_eq!(outline(&reset.bytes), "192.0.2.80:80 > 10.0.0.2:40000");
    assert!(net.tracker.is_empty());
    assert!(net.events().is_empty());
}

#[test]
fn short_headers_and_bad_offsets_are_invalid() {
    for (len, offset) in [(39, 0x50), (30, 0x50), (40, 0x40), (40, 0x60), (40, 0xf0)] {
        let mut packet = tcp(C, S, &seg(SYN, 1, 0, 0));
        packet[32] = offset;
        packet.truncate(len);
        packet[3] = len as u8;
        let sum = crate::wire::checksum::checksum(&[&packet[..10], &[0, 0], &packet[12..20]].concat());
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut net = Box::with(Settings { checksum: false, ..Settings::default() });
        assert_eq!(net.state(packet), "INVALID", "{len} bytes, offset {offset:#x}");
    }
}

/// As 100,000 random sequences found it in the kernel.
#[test]
fn an_impossible_fin_behind_a_reset_keeps_the_next_syn_from_beginning_anew() {
    for (impossible, state) in [(false, "NEW"), (true, "ESTABLISHED")] {
        let mut net = Box::new();
        established(&mut net);
        there(&mut net, seg(RST | ACK, 1001, 5001, 0));
        assert_eq!(net.tcp_state(), CLOSE);
        if impossible {
            assert_eq!(there(&mut net, seg(FIN | ACK, 900_000, 5002, 3)), "INVALID");
        }
        assert_eq!(there(&mut net, seg(SYN, 77, 0, 0)), state);
    }
}
