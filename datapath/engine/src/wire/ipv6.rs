//! The IPv6 header and its extension headers (RFC 8200).

use libxt::family::Af;

use super::{Fragment, Headers, set_u16, u16_at, u32_at};
use crate::conntrack::Address;

/// Bytes of the fixed header.
pub const HEADER: usize = 40;
/// Byte offset of the payload length.
pub const LENGTH: usize = 4;
/// Byte offset of the next header's number.
pub const NEXT: usize = 6;
/// Byte offset of the hop limit.
pub const HOP_LIMIT: usize = 7;
/// Byte offset of the source address.
pub const SOURCE: usize = 8;
/// Byte offset of the destination address.
pub const DESTINATION: usize = 24;
/// Bytes of a fragment header.
pub const FRAGMENT_HEADER: usize = 8;

/// Bytes of a routing header before what its type says.
const ROUTING_HEADER: usize = 4;

/// Hop-by-hop options.
pub const HOP_BY_HOP: u8 = 0;
/// Routing header.
pub const ROUTING: u8 = 43;
/// Fragment header.
pub const FRAGMENT: u8 = 44;
/// Authentication header.
pub const AUTHENTICATION: u8 = 51;
/// «No next header».
pub const NONE: u8 = 59;
/// Destination options.
pub const DESTINATION_OPTIONS: u8 = 60;

/// Whether the number names an extension header that is stepped over, as `ipv6_ext_hdr()` but for «no next header».
pub const fn is_extension(number: u8) -> bool {
    matches!(number, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS)
}

/// Bytes of an extension header of this number whose length field says so much.
pub const fn extension_len(number: u8, length: u8) -> usize {
    match number {
        FRAGMENT => FRAGMENT_HEADER,
        AUTHENTICATION => (length as usize + 2) * 4,
        _ => (length as usize + 1) * 8,
    }
}

/// One header of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub number: u8,
    /// Where it starts, in bytes from the network header.
    pub at: usize,
    /// Where the number that names it stands.
    pub named_at: usize,
}

/// The chain's end, as `ipv6_find_hdr()` with target −1 finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The first header that is not stepped over.
    pub last: Link,
    /// The first fragment header met, and where it starts.
    pub fragment: Option<(Fragment, Link)>,
    /// The bytes ended before the chain did.
    pub cut: bool,
}

/// The outline; extension headers may be cut, the fixed header may not.
pub fn outline(bytes: &[u8]) -> Option<Headers> {
    let header = bytes.first_chunk::<HEADER>()?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let payload = usize::from(u16_at(bytes, LENGTH)?);
    // A jumbogram or a super-packet past 64 KiB carries 0 in its length field.
    let end = if payload == 0 { bytes.len() } else { HEADER + payload };
    let chain = walk(bytes);
    Some(Headers {
        af: Af::V6,
        source: address(bytes, SOURCE)?,
        destination: address(bytes, DESTINATION)?,
        protocol: chain.last.number,
        transport: chain.last.at.min(bytes.len()),
        end: end.min(bytes.len()),
        tos: header[0] << 4 | header[1] >> 4,
        ttl: header[HOP_LIMIT],
        fragment: chain.fragment.map(|(fragment, _)| fragment),
        cut: chain.cut,
    })
}

/// Steps over the extension headers.
pub fn walk(bytes: &[u8]) -> Chain {
    let mut link = Link { number: bytes.get(NEXT).copied().unwrap_or(NONE), at: HEADER, named_at: NEXT };
    let mut fragment = None;
    while is_extension(link.number) {
        let Some(&[next, length]) = bytes.get(link.at..).and_then(|rest| rest.first_chunk()) else {
            return Chain { last: link, fragment, cut: true };
        };
        match link.number {
            FRAGMENT => {
                let Some(place) = read_fragment(bytes, link.at) else {
                    return Chain { last: link, fragment, cut: true };
                };
                if fragment.is_none() && (place.offset != 0 || place.more) {
                    fragment = Some((place, link));
                }
                if place.offset != 0 {
                    // What follows is the middle of something: the chain ends with the number named here.
                    let last = Link { number: next, at: link.at + FRAGMENT_HEADER, named_at: link.at };
                    return Chain { last, fragment, cut: is_extension(next) };
                }
            }
            ROUTING if bytes.len() < link.at + ROUTING_HEADER => {
                return Chain { last: link, fragment, cut: true };
            }
            _ => {}
        }
        link = Link { number: next, at: link.at + extension_len(link.number, length), named_at: link.at };
    }
    Chain { last: link, fragment, cut: false }
}

/// The first extension header of a number, as `ipv6_find_hdr()` with that target; an error if the chain is cut before.
pub fn find(bytes: &[u8], number: u8) -> Result<Option<Link>, Cut> {
    let mut link = Link { number: bytes.get(NEXT).copied().unwrap_or(NONE), at: HEADER, named_at: NEXT };
    while link.number != number {
        if !is_extension(link.number) {
            return Ok(None);
        }
        let &[next, length] = bytes.get(link.at..).and_then(|rest| rest.first_chunk()).ok_or(Cut)?;
        match link.number {
            FRAGMENT if u16_at(bytes, link.at + 2).ok_or(Cut)? & !7 != 0 => return Ok(None),
            ROUTING if bytes.len() < link.at + ROUTING_HEADER => return Err(Cut),
            _ => {}
        }
        link = Link { number: next, at: link.at + extension_len(link.number, length), named_at: link.at };
    }
    Ok(Some(link))
}

/// The first fragment header of a packet, also an atomic one, and where it starts. As find_prev_fhdr().
pub fn fragment(bytes: &[u8]) -> Option<(Fragment, Link)> {
    let link = find(bytes, FRAGMENT).ok()??;
    Some((read_fragment(bytes, link.at)?, link))
}

/// Takes an atomic fragment's header (RFC 6946: nothing before it, nothing after it) out of a packet, whose length is then
/// the answer; `None` if there is none, or one that ends within the transport header. As nf_ct_frag6_gather() makes a
/// datagram of it.
pub fn remove_atomic(bytes: &mut [u8]) -> Option<usize> {
    let (place, link) = fragment(bytes)?;
    let next = *bytes.get(link.at)?;
    if place.offset != 0 || place.more {
        return None;
    }
    if is_truncated(bytes) {
        return None;
    }
    let payload = u16_at(bytes, LENGTH)?.checked_sub(FRAGMENT_HEADER as u16)?;
    *bytes.get_mut(link.named_at)? = next;
    set_u16(bytes, LENGTH, payload);
    bytes.copy_within(link.at + FRAGMENT_HEADER.., link.at);
    Some(bytes.len() - FRAGMENT_HEADER)
}

/// Whether a first fragment (or a whole packet) ends within the header of its transport protocol, as RFC 8200 section 4.5
/// forbids. As ipv6frag_thdr_truncated().
pub fn is_truncated(bytes: &[u8]) -> bool {
    let chain = walk(bytes);
    let header = match chain.last.number {
        6 => 20,
        17 | 58 => 8,
        _ => 1,
    };
    !chain.cut && chain.last.number != NONE && chain.last.at + header > bytes.len()
}

/// Bytes of the headers that every fragment of a whole packet repeats, and where the number of what follows them stands;
/// `None` if they end outside. As ip6_find_1stfragopt().
pub fn unfragmentable(bytes: &[u8]) -> Option<(usize, usize)> {
    let (mut at, mut named_at, mut routed) = (HEADER, NEXT, false);
    loop {
        match *bytes.get(named_at)? {
            HOP_BY_HOP => {}
            ROUTING => routed = true,
            DESTINATION_OPTIONS if !routed => {}
            _ => return Some((at, named_at)),
        }
        let length = usize::from(*bytes.get(at + 1)?);
        named_at = at;
        at += (length + 1) * 8;
        if at > bytes.len() {
            return None;
        }
    }
}

/// The bytes end before the chain of headers does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut;

/// The address at byte `at`.
pub fn address(bytes: &[u8], at: usize) -> Option<Address> {
    Some(Address(*bytes.get(at..)?.first_chunk()?))
}

/// Sets the traffic class.
pub fn set_traffic_class(bytes: &mut [u8], class: u8) {
    if let Some([first, second, ..]) = bytes.first_chunk_mut::<2>() {
        *first = *first & 0xf0 | class >> 4;
        *second = *second & 0x0f | class << 4;
    }
}

fn read_fragment(bytes: &[u8], at: usize) -> Option<Fragment> {
    let place = u16_at(bytes, at + 2)?;
    Some(Fragment { id: u32_at(bytes, at + 4)?, offset: place & !7, more: place & 1 != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x6a, 0xb0, 0, 0, 0, payload.len() as u8, next, 64];
        bytes.extend([0x20; 16]);
        bytes.extend([0xfd; 16]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn extension_headers_are_stepped_over() {
        let bytes = packet(HOP_BY_HOP, &[DESTINATION_OPTIONS, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0, 1, 2]);
        let headers = outline(&bytes).unwrap();
        assert_eq!((headers.protocol, headers.transport, headers.cut), (17, 56, false));
        assert_eq!((headers.tos, headers.ttl), (0xab, 64));
    }

    #[test]
    fn a_chain_that_leaves_the_packet_is_cut() {
        let headers = outline(&packet(HOP_BY_HOP, &[ROUTING, 200, 1, 4, 0, 0, 0, 0])).unwrap();
        assert!(headers.cut);
        assert!(outline(&packet(FRAGMENT, &[6, 0, 0])).unwrap().cut);
    }

    #[test]
    fn a_later_fragment_ends_the_chain_at_the_number_it_names() {
        let headers = outline(&packet(FRAGMENT, &[17, 0, 0, 0x0b, 0, 0, 0, 9, 1, 2])).unwrap();
        assert_eq!(headers.protocol, 17);
        assert_eq!(headers.fragment, Some(Fragment { id: 9, offset: 8, more: true }));
        assert!(!headers.cut);
    }

    #[test]
    fn an_atomic_fragment_loses_its_header_and_a_real_one_keeps_it() {
        let mut bytes = packet(HOP_BY_HOP, &[FRAGMENT, 0, 1, 4, 0, 0, 0, 0, 99, 0, 0, 0, 1, 2, 3, 4, 7, 8, 9]);
        assert_eq!(remove_atomic(&mut bytes), Some(51));
        assert_eq!(bytes[..51], packet(HOP_BY_HOP, &[99, 0, 1, 4, 0, 0, 0, 0, 7, 8, 9]));
        assert_eq!(remove_atomic(&mut packet(FRAGMENT, &[17, 0, 0, 0, 1, 2, 3, 4, 7, 8, 9])), None, "cut UDP header");
        assert_eq!(remove_atomic(&mut packet(FRAGMENT, &[17, 0, 0, 1, 1, 2, 3, 4, 7, 8, 9])), None);
        assert_eq!(remove_atomic(&mut packet(FRAGMENT, &[17, 0, 0])), None);
        assert_eq!(remove_atomic(&mut packet(17, &[1, 2, 3, 4, 5, 6, 7, 8])), None);
    }

    #[test]
    fn a_first_fragment_is_truncated_if_its_transport_header_is() {
        let first = |next, length| packet(FRAGMENT, &[&[next, 0, 0, 1, 1, 2, 3, 4][..], &vec![0; length]].concat());
        assert!(is_truncated(&first(6, 16)) && !is_truncated(&first(6, 24)));
        assert!(!is_truncated(&first(17, 8)) && is_truncated(&first(99, 0)));
        // Destination options that fill it.
        assert!(is_truncated(&packet(FRAGMENT, &[60, 0, 0, 1, 1, 2, 3, 4, 17, 0, 1, 4, 0, 0, 0, 0])));
        assert!(!is_truncated(&first(NONE, 0)));
    }

    #[test]
    fn destination_options_are_repeated_unless_a_routing_header_comes_before_them() {
        let option = [4, 0, 1, 4, 0, 0, 0, 0];
        let named = |next: u8| [&[next][..], &option[1..]].concat();
        let bytes = |chain: &[u8]| {
            let mut all = Vec::new();
            for next in chain.iter().skip(1).chain(&[17]) {
                all.extend(named(*next));
            }
            packet(chain[0], &all)
        };
        assert_eq!(unfragmentable(&bytes(&[HOP_BY_HOP, DESTINATION_OPTIONS])), Some((56, 48)));
        assert_eq!(unfragmentable(&bytes(&[DESTINATION_OPTIONS, ROUTING, DESTINATION_OPTIONS])), Some((56, 48)));
        assert_eq!(unfragmentable(&packet(17, &[])), Some((40, NEXT)));
        assert_eq!(unfragmentable(&packet(HOP_BY_HOP, &[17, 9])), None);
    }

    #[test]
    fn no_next_header_is_where_the_chain_ends() {
        let headers = outline(&packet(NONE, &[1, 2, 3, 4])).unwrap();
        assert_eq!((headers.protocol, headers.transport), (NONE, 40));
    }

    #[test]
    fn the_traffic_class_keeps_version_and_flow_label() {
        let mut bytes = packet(NONE, &[]);
        bytes[1] |= 5;
        set_traffic_class(&mut bytes, 0x1c);
        assert_eq!(bytes[..2], [0x61, 0xc5]);
        assert_eq!(outline(&bytes).unwrap().tos, 0x1c);
    }
}
