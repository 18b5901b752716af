//! The IPv4 header (RFC 791).

use libxt::family::Af;

use super::checksum::checksum;
use super::{Fragment, Headers, set_u16, u16_at};
use crate::conntrack::Address;

/// Bytes of a header without options.
pub const HEADER: usize = 20;
/// Byte offset of the TOS field.
pub const TOS: usize = 1;
/// Byte offset of the total length.
pub const LENGTH: usize = 2;
/// Byte offset of the identification.
pub const ID: usize = 4;
/// Byte offset of flags and fragment offset.
pub const FRAGMENT: usize = 6;
/// Byte offset of the TTL.
pub const TTL: usize = 8;
/// Byte offset of the protocol.
pub const PROTOCOL: usize = 9;
/// Byte offset of the header checksum.
pub const CHECKSUM: usize = 10;
/// Byte offset of the source address.
pub const SOURCE: usize = 12;
/// Byte offset of the destination address.
pub const DESTINATION: usize = 16;
/// «Don't fragment», in the 16 bits at [`FRAGMENT`].
pub const DF: u16 = 0x4000;
/// «More fragments», in the 16 bits at [`FRAGMENT`].
pub const MF: u16 = 0x2000;

/// The outline, if version, header length and total length agree with each other and with the bytes.
pub fn outline(bytes: &[u8]) -> Option<Headers> {
    let header = bytes.first_chunk::<HEADER>()?;
    if header[0] >> 4 != 4 {
        return None;
    }
    let transport = usize::from(header[0] & 15) * 4;
    let total = usize::from(u16_at(bytes, LENGTH)?);
    // A super-packet past 64 KiB carries 0 in its length field (BIG TCP).
    let end = if total == 0 && bytes.len() > 0xffff { bytes.len() } else { total };
    if transport < HEADER || end < transport || bytes.len() < transport {
        return None;
    }
    let place = u16_at(bytes, FRAGMENT)?;
    let offset = (place & 0x1fff) * 8;
    let more = place & MF != 0;
    let fragment = (offset != 0 || more).then(|| Fragment { id: u16_at(bytes, ID).unwrap_or(0).into(), offset, more });
    Some(Headers {
        af: Af::V4,
        source: address(bytes, SOURCE)?,
        destination: address(bytes, DESTINATION)?,
        protocol: header[PROTOCOL],
        transport,
        end: end.min(bytes.len()),
        tos: header[TOS],
        ttl: header[TTL],
        fragment,
        cut: false,
    })
}

/// The address at byte `at`.
pub fn address(bytes: &[u8], at: usize) -> Option<Address> {
    let mut address = [0; 16];
    address[..4].copy_from_slice(bytes.get(at..at + 4)?);
    Some(Address(address))
}

/// The options' bytes, between the fixed header and the transport header.
pub fn options<'a>(headers: &Headers, bytes: &'a [u8]) -> &'a [u8] {
    bytes.get(HEADER..headers.transport).unwrap_or_default()
}

/// Writes the checksum of a header, whose bytes these are.
pub fn sum_header(header: &mut [u8]) {
    set_u16(header, CHECKSUM, 0);
    let sum = checksum(header);
    set_u16(header, CHECKSUM, sum);
}

/// Makes a header with `payload` bytes behind it that of a fragment: the 16 bits at [`FRAGMENT`], length and checksum.
pub fn set_fragment(packet: &mut [u8], place: u16, payload: usize) {
    let header = packet.first().map_or(0, |first| usize::from(first & 15) * 4);
    if let Some(header) = packet.get_mut(..header) {
        let len = header.len() + payload;
        set_u16(header, LENGTH, len.min(0xffff) as u16);
        set_u16(header, FRAGMENT, place);
        sum_header(header);
    }
}

/// Overwrites options that only a datagram's first fragment carries (RFC 791: without the copied flag) with «no operation».
/// As ip_options_fragment().
pub fn clear_first_only_options(options: &mut [u8]) {
    const END: u8 = 0;
    const NOP: u8 = 1;
    const COPIED: u8 = 0x80;
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        let len = match kind {
            END => return,
            NOP => 1,
            _ => options.get(at + 1).map_or(0, |&len| usize::from(len)),
        };
        if len == 0 || kind != NOP && len < 2 {
            return;
        }
        let Some(option) = options.get_mut(at..at + len) else { return };
        if kind & COPIED == 0 {
            option.fill(NOP);
        }
        at += len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp_packet() -> Vec<u8> {
        // 10.0.0.1:1000 > 10.0.0.2:53, UDP of 4 bytes, taken with tcpdump on lo.
        vec![
            0x45, 0x10, 0, 32, 0x12, 0x34, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 3, 0xe8, 0, 53, 0, 12, 0,
            0, 1, 2, 3, 4,
        ]
    }

    #[test]
    fn the_outline_ends_where_the_length_field_says() {
        let mut bytes = udp_packet();
        bytes.extend([0; 14]);
        let headers = outline(&bytes).unwrap();
        assert_eq!((headers.transport, headers.end, headers.protocol), (20, 32, 17));
        assert_eq!((headers.tos, headers.ttl, headers.fragment), (0x10, 64, None));
        assert_eq!(headers.segment(&bytes).len(), 12);
    }

    #[test]
    fn later_fragments_carry_only_options_that_are_copied() {
        // «No operation», record route (7), loose source route (131), end.
        let mut options = [1, 7, 7, 4, 9, 9, 9, 9, 131, 7, 4, 1, 2, 3, 4, 0];
        clear_first_only_options(&mut options);
        assert_eq!(options, [1, 1, 1, 1, 1, 1, 1, 1, 131, 7, 4, 1, 2, 3, 4, 0]);
        // One that reaches past the header stays, and so does what follows.
        let mut options = [7, 200, 4, 0];
        clear_first_only_options(&mut options);
        assert_eq!(options, [7, 200, 4, 0]);
    }

    #[test]
    fn a_header_longer_than_the_packet_is_refused() {
        let mut bytes = udp_packet();
        bytes[0] = 0x4f;
        assert_eq!(outline(&bytes), None);
        bytes[0] = 0x44;
        assert_eq!(outline(&bytes), None);
        bytes[0] = 0x65;
        assert_eq!(outline(&bytes), None);
        assert_eq!(outline(&bytes[..19]), None);
        assert_eq!(outline(&[]), None);
    }

    #[test]
    fn offset_and_more_fragments_make_a_fragment() {
        let mut bytes = udp_packet();
        bytes[FRAGMENT] = 0x20;
        assert_eq!(outline(&bytes).unwrap().fragment, Some(Fragment { id: 0x1234, offset: 0, more: true }));
        bytes[FRAGMENT] = 0;
        bytes[FRAGMENT + 1] = 2;
        assert_eq!(outline(&bytes).unwrap().fragment, Some(Fragment { id: 0x1234, offset: 16, more: false }));
    }
}
