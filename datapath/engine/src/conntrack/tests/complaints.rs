//! What `nf_conntrack_log_invalid` logs. The lines were recorded from Linux 6.18, which got the same packets.

use super::*;

const C: (&str, u16) = (CLIENT, 2000);
const S: (&str, u16) = (SERVER, 80);

fn logging(number: u8) -> Box {
    Box::with(Settings { max: 1000, buckets: 128, log_invalid: number, ..Settings::default() })
}

impl Box {
    /// The reason in the line that a packet makes; nothing if it makes none.
    fn reason(&mut self, bytes: Vec<u8>) -> String {
        let line = self.line(bytes);
        line.split_once(" IN=").map_or(line.clone(), |(reason, _)| reason.to_owned())
    }

    fn line(&mut self, bytes: Vec<u8>) -> String {
        self.out.clear();
        self.forward(bytes);
        assert!(self.out.logs.len() <= 1);
        let Some(log) = self.out.logs.first() else { return String::new() };
        assert_eq!(log.level, 5);
        String::from_utf8(self.out.bytes[log.text.clone()].to_vec()).unwrap()
    }

    fn there(&mut self, flags: u8, seq: u32, ack: u32, data: usize) -> String {
        self.reason(tcp(C, S, &Segment { window: 1000, ..seg(flags, seq, ack, data) }))
    }

    fn back(&mut self, flags: u8, seq: u32, ack: u32, data: usize) -> String {
        self.reason(tcp(S, C, &Segment { window: 1000, ..seg(flags, seq, ack, data) }))
    }
}

#[test]
fn a_line_is_the_kernels_to_the_last_blank() {
    let mut net = logging(255);
    let line = net.line(tcp(C, S, &Segment { window: 1000, ..seg(SYN | FIN, 0, 0, 0) }));
    assert_eq!(
        line,
        "nf_ct_proto_6: invalid tcp flag combination IN=eth0 OUT= MAC= SRC=10.0.0.2 DST=192.0.2.80 LEN=40 TOS=0x00 PREC=0x00 \
         TTL=64 ID=0 DF PROTO=TCP SPT=2000 DPT=80 SEQ=0 ACK=0 WINDOW=1000 RES=0x00 SYN FIN URGP=0 "
    );
}

#[test]
fn only_the_protocol_that_was_asked_for_is_logged() {
    let wrong = tcp(C, S, &seg(0, 0, 0, 0));
    for (number, logged) in [(0, false), (17, false), (6, true), (255, true)] {
        assert_eq!(logging(number).line(wrong.clone()).is_empty(), !logged, "{number}");
    }
}

#[test]
fn a_segment_out_of_the_window_is_told_with_the_bound() {
    let mut net = logging(6);
    for (flags, seq, ack) in [(SYN, 100, 0), (ACK, 101, 501)] {
        assert_eq!(net.there(flags, seq, ack, 0), "");
        if flags == SYN {
            assert_eq!(net.back(SYN | ACK, 500, 101, 0), "");
        }
    }
    assert_eq!(net.back(ACK, 501, 101, 10) + &net.there(ACK, 101, 511, 10) + &net.back(ACK, 511, 111, 0), "");
    let tcp = "nf_ct_proto_6: ";
    for (flags, seq, ack, data, words) in [
        (ACK, 5111, 511, 1, "SEQ is over upper bound 1112 (over the window of the receiver)"),
        (ACK, 4_294_897_407, 511, 1, "SEQ is under lower bound 4294966406 (already ACKed data retransmitted)"),
        (ACK, 111, 9999, 0, "ACK is over upper bound 512 (ACKed data not seen yet)"),
        (ACK, 111, 4_294_867_807, 0, "ignored ACK under lower bound 4294901806 (possible overly delayed)"),
        (ACK, 1113, 511, 1, "4 bytes more than expected"),
        (RST, 50, 511, 0, "invalid rst"),
        (RST | ACK, 90_111, 511, 0, "SEQ is over upper bound 1112 (over the window of the receiver)"),
        (SYN, 111, 0, 0, "packet (index 0) in dir 0 ignored, state ESTABLISHED"),
    ] {
        assert_eq!(net.there(flags, seq, ack, data), format!("{tcp}{words}"));
    }
    assert_eq!(net.back(ACK, 511, 111, 0), "");
    assert_eq!(net.back(SYN | ACK, 511, 111, 0), format!("{tcp}packet (index 1) in dir 1 ignored, state ESTABLISHED"));
}

#[test]
fn a_segment_that_means_nothing_is_told_with_the_state() {
    let mut net = logging(6);
    assert_eq!(net.there(FIN | ACK, 5, 5, 0), "nf_ct_proto_6: invalid new");
    assert_eq!(net.there(SYN, 100, 0, 0), "");
    for (forward, flags, seq, ack, words) in [
        (false, SYN | ACK, 500, 999, "ACK is over upper bound 102 (ACKed data not seen yet)"),
        (false, ACK, 500, 7, "packet (index 3) in dir 1 ignored, state SYN_SENT"),
        (false, FIN | ACK, 500, 101, "packet (index 2) in dir 1 invalid, state SYN_SENT"),
        (false, RST | ACK, 0, 999, "ACK is over upper bound 102 (ACKed data not seen yet)"),
        (true, ACK, 101, 1, "packet (index 3) in dir 0 invalid, state SYN_SENT"),
        (true, SYN | ACK, 101, 1, "packet (index 1) in dir 0 invalid, state SYN_SENT"),
    ] {
        let said = if forward { net.there(flags, seq, ack, 0) } else { net.back(flags, seq, ack, 0) };
        assert_eq!(said, format!("nf_ct_proto_6: {words}"));
    }
}

#[test]
fn a_challenge_to_a_syn_of_the_past_is_told() {
    let mut net = logging(6);
    net.there(SYN, 100, 0, 0);
    net.back(SYN | ACK, 500, 101, 0);
    net.there(FIN | ACK, 101, 501, 0);
    net.back(FIN | ACK, 501, 102, 0);
    assert_eq!(net.there(SYN, 9000, 0, 0), "nf_ct_proto_6: packet (index 0) in dir 0 ignored, state LAST_ACK");
    assert_eq!(net.back(ACK, 502, 102, 0), "nf_ct_proto_6: challenge-ack ignored");
}

#[test]
fn datagrams_that_are_cut_or_do_not_add_up_are_told() {
    let of = |number: u8, transport: &[u8], sum_at| ip(CLIENT, SERVER, number, transport, sum_at);
    for (number, transport, sum_at, words) in [
        (17, &[0, 1, 0, 2][..], None, "short packet"),
        (17, &[0, 1, 0, 2, 0, 5, 0, 0, 1, 2, 3], Some(6), "truncated/malformed packet"),
        (17, &[0, 1, 0, 2, 0, 50, 0, 0, 1, 2, 3], Some(6), "truncated/malformed packet"),
        (17, &[0, 1, 0, 2, 0, 11, 0x12, 0x34, 1, 2, 3], None, "bad checksum"),
        (136, &[0, 1, 0, 2], None, "short packet"),
        (136, &[0, 1, 0, 2, 0, 5, 0, 0, 1, 2, 3], Some(6), "invalid checksum coverage"),
        (136, &[0, 1, 0, 2, 0, 8, 0, 0], None, "checksum missing"),
        (136, &[0, 1, 0, 2, 0, 8, 0x12, 0x34, 1, 2, 3], None, "bad checksum"),
        (1, &[8, 0, 0], None, "short packet"),
        (1, &[19, 0, 0, 0, 0, 0, 0, 1], Some(2), "invalid icmp type"),
        (1, &[8, 0, 0x12, 0x34, 0, 0, 0, 1], None, "bad hw icmp checksum"),
        (132, &[0, 1, 0, 2], None, "nf_ct_sctp: short packet "),
    ] {
        assert_eq!(logging(255).reason(of(number, transport, sum_at)), format!("nf_ct_proto_{number}: {words}"));
    }
    // What has no connection makes no line.
    for (number, transport, sum_at) in [(1, &[0, 0, 0, 0, 0, 0, 0, 1][..], Some(2)), (6, &[0, 1, 0, 2], None)] {
        assert_eq!(logging(255).reason(of(number, transport, sum_at)), "");
    }
}

#[test]
fn an_error_that_goes_elsewhere_is_told() {
    let mut net = logging(1);
    let sent = udp((CLIENT, 100), (SERVER, 7), b"");
    assert_eq!(net.line(sent.clone()), "");
    let said = net.reason(error("10.0.0.9", SERVER, 3, 1, &sent));
    assert_eq!(said, "nf_ct_proto_1: outer daddr 192.0.2.80 != inner 10.0.0.2");
    assert_eq!(net.reason(error(SERVER, CLIENT, 3, 1, &sent)), "");
}

#[test]
fn chunks_out_of_place_and_wrong_tags_are_told() {
    let mut net = logging(132);
    let value: [u8; 16] = [0, 0, 0x11, 0x11, 0, 0, 3, 0xe8, 0, 1, 0, 1, 0, 0, 0, 1];
    let packet = |tag: u32, chunks: &[(u8, u8, &[u8])]| sctp::packet((CLIENT, 5), (SERVER, 6), tag, chunks);
    assert_eq!(
        net.reason(packet(0, &[(1, 0, &value), (0, 0, b"abcd")])),
        "nf_ct_proto_132: do_basic_checks failed. chunk num 1, type 0, len 2048 flag 1\n"
    );
    assert_eq!(net.reason(packet(0, &[(1, 0, &value)])), "");
    assert_eq!(
        net.reason(packet(0x55, &[(0, 0, b"abcdabcdabcd")])),
        "nf_ct_proto_132: verification tag check failed 55000000 vs 0 for dir 0"
    );
}
