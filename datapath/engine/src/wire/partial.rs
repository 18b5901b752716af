//! The transport checksum that the kernel still owes a packet, computed before the packet is written back or where a rule
//! wants it.
//!
//! The kernel hands over local and aggregated packets with `CHECKSUM_PARTIAL` and takes what is written back as
//! `CHECKSUM_NONE`: with the field as it came the packet would be dropped by whoever receives it.

use libxt::family::Af;

use super::checksum::Sum;

/// Computes the checksum of a packet whose field holds only the pseudo-header's sum. A protocol without a checksum in a
/// known place, and a packet too short for one, stay as they are.
pub fn complete(af: Af, packet: &mut [u8]) {
    let _ = try_complete(af, packet);
}

fn try_complete(af: Af, packet: &mut [u8]) -> Option<()> {
    let (protocol, start, end, pseudo) = match af {
        Af::V4 => outline_v4(packet)?,
        Af::V6 => outline_v6(packet)?,
    };
    let segment = packet.get_mut(start..end)?;
    let field = match protocol {
        TCP => 16,
        UDP | UDPLITE => 6,
        ICMPV6 => 2,
        SCTP => {
            segment.get_mut(8..12)?.fill(0);
            let sum = crc32c(segment).to_le_bytes();
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
    segment.get_mut(field..field + 2)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

/// Protocol, start and end of the segment, and the sum of both addresses.
fn outline_v4(packet: &[u8]) -> Option<(u8, usize, usize, Sum)> {
    let first = *packet.first()?;
    let start = usize::from(first & 15) * 4;
    let total = usize::from(u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?));
    let fragment = u16::from_be_bytes(packet.get(6..8)?.try_into().ok()?);
    if first >> 4 != 4 || start < 20 || fragment & 0x3fff != 0 {
        return None;
    }
    Some((*packet.get(9)?, start, total.min(packet.len()), Sum::default().bytes(packet.get(12..20)?)))
}

fn outline_v6(packet: &[u8]) -> Option<(u8, usize, usize, Sum)> {
    if packet.first()? >> 4 != 6 {
        return None;
    }
    let length = usize::from(u16::from_be_bytes(packet.get(4..6)?.try_into().ok()?));
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

/// CRC-32C (RFC 9260, appendix A), bit by bit: SCTP packets with a checksum owed are rare.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const UDPLITE: u8 = 136;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
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
    fn crc32c_of_the_check_string_is_the_published_value() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
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
