//! The transport checksum that the kernel still owes a packet, computed before the packet is written back or where a rule
//! wants it.
//!
//! The kernel hands over local and aggregated packets with `CHECKSUM_PARTIAL` and takes what is written back as
//! `CHECKSUM_NONE`: with the field as it came the packet would be dropped by whoever receives it. Super-packets that go on to a
//! device are another matter, see [`is_cut_anew`].

use libxt::family::Af;

use super::checksum::Sum;
use super::{sctp, set_u16, u16_at};
use crate::conntrack::tuple::protocol::{ICMPV6, SCTP, TCP, UDP, UDPLITE};

/// Computes the checksum of a packet whose field holds only the pseudo-header's sum. A protocol without a checksum in a
/// known place, and a packet too short for one, stay as they are.
pub fn complete(af: Af, packet: &mut [u8]) {
    let _ = try_complete(af, packet);
}

/// Whether the kernel sums up the pieces of such a super-packet itself when it cuts it for a device: of UDP from the
/// pseudo-header's sum, which the field must hold although the packet has `CHECKSUM_NONE` (__udp_gso_segment()), of TCP
/// whatever it holds (tcp4_gso_segment()).
pub fn is_cut_anew(af: Af, packet: &[u8]) -> bool {
    outline(af, packet).is_some_and(|(protocol, ..)| matches!(protocol, TCP | UDP))
}

/// As [`complete`], of a super-packet for this machine. What holds many datagrams the kernel cuts for a socket only if it has
/// nothing to verify (udp4_csum_init()), so it is given none; with IPv6 there is no such way, and it is lost.
pub fn complete_for_socket(af: Af, packet: &mut [u8]) {
    match outline(af, packet) {
        Some((UDP, start, ..)) if af == Af::V4 => set_u16(packet, start + 6, 0),
        _ => complete(af, packet),
    }
}

fn outline(af: Af, packet: &[u8]) -> Option<(u8, usize, usize, Sum)> {
    match af {
        Af::V4 => outline_v4(packet),
        Af::V6 => outline_v6(packet),
    }
}

fn try_complete(af: Af, packet: &mut [u8]) -> Option<()> {
    let (protocol, start, end, pseudo) = outline(af, packet)?;
    let segment = packet.get_mut(start..end)?;
    let field = match protocol {
        TCP => 16,
        UDP | UDPLITE => 6,
        ICMPV6 => 2,
        SCTP => {
            let sum = sctp::checksum(segment)?.to_le_bytes();
            segment.get_mut(8..12)?.copy_from_slice(&sum);
            return Some(());
        }
        _ => return None,
    };
    segment.get_mut(field..field + 2)?.fill(0);
    let length = segment.len() as u32;
    let total = pseudo.word(u16::from(protocol)).word((length >> 16) as u16).word(length as u16).bytes(segment);
    let sum = match total.finish() {
        0 if protocol == UDP => 0xffff,
        sum => sum,
    };
    set_u16(segment, field, sum);
    Some(())
}

/// Protocol, start and end of the segment, and the sum of both addresses.
fn outline_v4(packet: &[u8]) -> Option<(u8, usize, usize, Sum)> {
    let first = *packet.first()?;
    let start = usize::from(first & 15) * 4;
    let total = usize::from(u16_at(packet, 2)?);
    let fragment = u16_at(packet, 6)?;
    if first >> 4 != 4 || start < 20 || fragment & 0x3fff != 0 {
        return None;
    }
    Some((*packet.get(9)?, start, total.min(packet.len()), Sum::default().bytes(packet.get(12..20)?)))
}

fn outline_v6(packet: &[u8]) -> Option<(u8, usize, usize, Sum)> {
    if packet.first()? >> 4 != 6 {
        return None;
    }
    let length = usize::from(u16_at(packet, 4)?);
    // A length of 0 is a jumbogram or a super-packet: it ends where its bytes end.
    let end = if length == 0 { packet.len() } else { (40 + length).min(packet.len()) };
    let mut protocol = *packet.get(6)?;
    let mut at = 40;
    // Headers are at least 8 bytes long, so the walk ends.
    while matches!(protocol, HOP_BY_HOP | ROUTING | DESTINATION | AUTHENTICATION) {
        let length = usize::from(*packet.get(at + 1)?);
        let next = *packet.get(at)?;
        at += if protocol == AUTHENTICATION { (length + 2) * 4 } else { (length + 1) * 8 };
        protocol = next;
    }
    if at > end {
        return None;
    }
    Some((protocol, at, end, Sum::default().bytes(packet.get(8..40)?)))
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    /// A UDP datagram 10.0.0.1:1000 > 10.0.0.2:53 "abc", written by hand.
    fn udp() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend_from_slice(&[0x03, 0xe8, 0, 53, 0, 11, 0, 0, b'a', b'b', b'c']);
        packet
    }

    /// A receiver adds all words, the checksum's too, and must get all ones.
    fn verifies(pseudo: &[u8], segment: &[u8], protocol: u8) -> bool {
        let sum = Sum::default().bytes(pseudo).word(u16::from(protocol)).word(segment.len() as u16);
        crate::wire::checksum::verify(sum, segment)
    }

    #[test]
    fn a_completed_datagram_verifies_whatever_was_in_the_field() {
        for junk in [[0, 0], [0x12, 0x34], [0xff, 0xff]] {
            let mut packet = udp();
            packet[26..28].copy_from_slice(&junk);
            complete(Af::V4, &mut packet);
            assert!(verifies(&packet[12..20], &packet[20..], UDP));
        }
    }

    #[test]
    fn of_super_packets_for_a_socket_datagrams_of_ipv4_alone_go_without() {
        let mut packet = udp();
        complete_for_socket(Af::V4, &mut packet);
        assert_eq!(packet[26..28], [0, 0]);
        let mut packet = vec![0x60, 0, 0, 0, 0, 8, UDP, 64];
        packet.extend([0xfd; 32]);
        packet.extend([0, 9, 0, 9, 0, 8, 0, 0]);
        complete_for_socket(Af::V6, &mut packet);
        assert!(is_cut_anew(Af::V6, &packet) && verifies(&packet[8..40], &packet[40..], UDP));
    }

    #[test]
    fn a_completed_sctp_packet_adds_up() {
        let mut packet = vec![0x45, 0, 0, 36, 0, 0, 0, 0, 64, SCTP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([0, 9, 0, 9, 0, 0, 0, 1, 0x55, 0x55, 0x55, 0x55, 11, 0, 0, 4]);
        complete(Af::V4, &mut packet);
        assert!(sctp::adds_up(&packet[20..]));
    }

    #[test]
    fn the_checksum_is_the_one_worked_out_by_hand() {
        let mut packet = udp();
        complete(Af::V4, &mut packet);
        let words = [0x0a00u32, 1, 0x0a00, 2, 0x11, 0x0b, 0x3e8, 0x35, 0x0b, 0x6162, 0x6300];
        let total: u32 = words.iter().sum();
        let expected = !(((total >> 16) + (total & 0xffff)) as u16);
        assert_eq!(packet[26..28], expected.to_be_bytes());
    }

    #[test]
    fn extension_headers_are_walked_to_the_segment() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 28, 60, 64];
        packet.extend_from_slice(&[0xfd; 32]);
        packet.extend_from_slice(&[6, 0, 1, 4, 0, 0, 0, 0]);
        packet.extend_from_slice(&[7; 20]);
        complete(Af::V6, &mut packet);
        assert!(verifies(&packet[8..40], &packet[48..], TCP));
    }

    #[test]
    fn fragments_and_cut_packets_stay_as_they_are() {
        for length in 0..31 {
            let mut packet = udp();
            packet.truncate(length);
            complete(Af::V4, &mut packet);
            complete(Af::V6, &mut packet);
        }
        let mut fragment = udp();
        fragment[6] = 0x20;
        let before = fragment.clone();
        complete(Af::V4, &mut fragment);
        assert_eq!(fragment, before);
    }
}
