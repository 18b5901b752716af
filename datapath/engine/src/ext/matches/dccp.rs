//! `-m dccp`: ports, type and options of the DCCP header.

use libxt::ext::Families;
use libxt::ext::matches::dccp::Dccp;
use libxt::value::condition::Condition;
use libxt::value::port::Ports;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::u16_at;

pub(super) const MAKER: Maker<Match> = Maker::of::<Dccp>(Families::Both, |revision, info, site| {
    let half = |at: usize| info.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |half| u16::from_ne_bytes(*half));
    let (given, inverted) = (half(8), half(10));
    // As dccp_mt_check().
    if (given | inverted) & !15 != 0 || inverted & !given != 0 {
        return Err(Refused::invalid("dccp: an unknown condition"));
    }
    Ok(Match::Dccp(site.decode(revision, info)?))
})
.protocol(33);

/// As dccp_mt(): what is too short for a header is dropped, and what has no room for options once the rule was carried out.
pub(super) fn matches(dccp: &Dccp, scene: &mut Scene<'_, '_>) -> bool {
    if scene.headers.fragment_offset() != 0 {
        return false;
    }
    let segment = scene.segment();
    let (Some(header), Some(source), Some(destination)) =
        (segment.first_chunk::<HEADER>(), u16_at(segment, 0), u16_at(segment, 2))
    else {
        scene.hotdrop = true;
        return false;
    };
    let fits = |ports: &Option<Condition<Ports>>, port: u16| {
        ports.as_ref().is_none_or(|ports| ports.holds((ports.value.min..=ports.value.max).contains(&port)))
    };
    if !fits(&dccp.source, source)
        || !fits(&dccp.destination, destination)
        || dccp.types.is_some_and(|types| !types.holds(types.value >> kind(header) & 1 != 0))
    {
        return false;
    }
    let Some(option) = dccp.option else { return true };
    match has(segment, header, option.value) {
        Some(there) => option.holds(there),
        None => {
            scene.hotdrop = true;
            option.holds(false)
        }
    }
}

/// Whether an option is there; `None` if the options' room cannot be right. As dccp_find_option().
fn has(segment: &[u8], header: &[u8; HEADER], wanted: u8) -> Option<bool> {
    let extended = header[8] & 1 != 0;
    let fixed = HEADER + if extended { 4 } else { 0 } + by_kind(kind(header));
    let end = usize::from(header[4]) * 4;
    if fixed == end {
        return Some(false);
    }
    let options = segment.get(fixed..end)?;
    let mut at = 0;
    while let Some(&option) = options.get(at) {
        if option == wanted {
            return Some(true);
        }
        at += match options.get(at + 1) {
            Some(&length) if option >= 2 => usize::from(length).max(1),
            _ => 1,
        };
    }
    Some(false)
}

/// The packet's type.
const fn kind(header: &[u8; HEADER]) -> u8 {
    header[8] >> 1 & 15
}

/// Bytes between the generic header and the options. As dccp_packet_hdr_len().
const fn by_kind(kind: u8) -> usize {
    match kind {
        // REQUEST: the service code.
        0 => 4,
        // DATA.
        2 => 0,
        // ACK, DATAACK, CLOSEREQ, CLOSE, SYNC, SYNCACK: the acknowledgement number.
        3..=6 | 8 | 9 => 8,
        // RESPONSE and RESET have both an acknowledgement number and four bytes more; so the kernel takes the rest.
        _ => 12,
    }
}

/// Bytes of the generic header with short sequence numbers.
const HEADER: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    /// REQUEST with long sequence numbers: an ignored option, one of three bytes, padding.
    const REQUEST: [u8; 28] = [0, 9, 0, 80, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 42, 1, 32, 3, 7, 44, 4, 0, 0];

    fn found(segment: &[u8], option: u8) -> Option<bool> {
        has(segment, segment.first_chunk().unwrap(), option)
    }

    #[test]
    fn options_begin_behind_what_the_type_brings() {
        assert_eq!(found(&REQUEST, 44), Some(true));
        assert_eq!(found(&REQUEST, 1), Some(true));
        // The value of another option.
        assert_eq!(found(&REQUEST, 7), Some(false));
        assert_eq!(found(&REQUEST, 42), Some(false));
    }

    #[test]
    fn a_data_offset_that_cannot_be_right_makes_it_unfit() {
        for (offset, wanted) in [(8, None), (4, None), (5, Some(false)), (7, Some(true))] {
            let mut segment = REQUEST;
            segment[4] = offset;
            assert_eq!(found(&segment, 44), wanted, "{offset}");
        }
    }
}
