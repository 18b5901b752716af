//! `-m sctp`: ports and chunks of an SCTP packet.

use libxt::ext::Families;
use libxt::ext::matches::sctp::{Chunks, Sctp};
use libxt::value::condition::Condition;
use libxt::value::port::Ports;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::u16_at;

pub(super) const MAKER: Maker<Match> = Maker::of::<Sctp>(Families::Both, |revision, info, site| {
    let value: Sctp = site.decode(revision, info)?;
    let word = |at: usize| info.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_ne_bytes(*word));
    let [mode, flag_count, given, inverted] = [264, 280, 284, 288].map(word);
    // As sctp_mt_check().
    if flag_count > 4 {
        return Err(Refused::invalid("sctp: flags of more than four kinds of chunk"));
    }
    if (given | inverted) & !7 != 0 || inverted & !given != 0 {
        return Err(Refused::invalid("sctp: an unknown condition"));
    }
    if given & 4 != 0 && mode & 7 == 0 {
        return Err(Refused::invalid("sctp: neither any chunk, nor all, nor only these"));
    }
    let beyond = info.get(40..264).is_none_or(|types| types.iter().any(|&byte| byte != 0));
    Ok(Match::Sctp(Box::new(Judge { value, beyond })))
})
.protocol(132);

/// The conditions.
#[derive(Debug)]
pub struct Judge {
    value: Sctp,
    /// The field, which is eight times too large, asks for chunks that no packet can have: `ALL` does.
    beyond: bool,
}

/// As sctp_mt(): what is too short for a header is dropped, and what has a broken chunk once the rule was carried out.
pub(super) fn matches(judge: &Judge, scene: &mut Scene<'_, '_>) -> bool {
    if scene.headers.fragment_offset() != 0 {
        return false;
    }
    let segment = scene.segment();
    let ports = u16_at(segment, 0).zip(u16_at(segment, 2)).filter(|_| segment.len() >= HEADER);
    let Some((source, destination)) = ports else {
        scene.hotdrop = true;
        return false;
    };
    let fits = |ports: &Option<Condition<Ports>>, port: u16| {
        ports.as_ref().is_none_or(|ports| ports.holds((ports.value.min..=ports.value.max).contains(&port)))
    };
    if !fits(&judge.value.source, source) || !fits(&judge.value.destination, destination) {
        return false;
    }
    let Some(chunks) = &judge.value.chunks else { return true };
    match meet(&chunks.value, judge.beyond, segment.get(HEADER..).unwrap_or_default()) {
        Some(met) => chunks.holds(met),
        None => {
            scene.hotdrop = true;
            chunks.holds(false)
        }
    }
}

/// Whether the packet has the chunks; `None` if a chunk is cut or has no length. As match_packet().
fn meet(wanted: &Chunks, beyond: bool, mut rest: &[u8]) -> Option<bool> {
    let mut missing = wanted.types;
    loop {
        let &[kind, flags, high, low] = rest.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 {
            return None;
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        let (word, bit) = (usize::from(kind / 32), 1 << (kind % 32));
        let listed = wanted.types.get(word).is_some_and(|types| types & bit != 0);
        let fits = listed && flags_fit(wanted, kind, flags);
        match wanted.mode {
            ANY if fits => return Some(true),
            ALL if fits => {
                if let Some(types) = missing.get_mut(word) {
                    *types &= !bit;
                }
            }
            ONLY if !fits => return Some(false),
            _ => {}
        }
        if rest.is_empty() {
            break;
        }
    }
    Some(match wanted.mode {
        ALL => missing == [0; 8] && !beyond,
        mode => mode == ONLY,
    })
}

/// As match_flags().
fn flags_fit(wanted: &Chunks, kind: u8, flags: u8) -> bool {
    let of_kind = wanted.flags.iter().take(wanted.flag_count as usize).find(|[own, ..]| *own == kind);
    of_kind.is_none_or(|[_, value, mask]| flags & mask == *value)
}

/// Bytes of the common header.
const HEADER: usize = 12;
/// `SCTP_CHUNK_MATCH_ANY`.
const ANY: u32 = 1;
/// `SCTP_CHUNK_MATCH_ALL`.
const ALL: u32 = 2;
/// `SCTP_CHUNK_MATCH_ONLY`.
const ONLY: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// DATA with both ends of a message and five bytes, then SACK without any.
    const TWO: [u8; 16] = [0, 3, 0, 9, 1, 2, 3, 4, 5, 0, 0, 0, 3, 0, 0, 4];

    fn chunks(mode: u32, kinds: &[u8]) -> Chunks {
        let mut chunks = Chunks { mode, ..Chunks::default() };
        kinds.iter().for_each(|kind| chunks.types[usize::from(kind / 32)] |= 1 << (kind % 32));
        chunks
    }

    #[test]
    fn any_asks_for_one_all_for_each_and_only_for_no_other() {
        let met = |mode, kinds: &[u8]| meet(&chunks(mode, kinds), false, &TWO);
        assert_eq!((met(ANY, &[3, 200]), met(ANY, &[1])), (Some(true), Some(false)));
        assert_eq!((met(ALL, &[0, 3]), met(ALL, &[0]), met(ALL, &[0, 1])), (Some(true), Some(true), Some(false)));
        assert_eq!((met(ONLY, &[0, 3, 7]), met(ONLY, &[0])), (Some(true), Some(false)));
        assert_eq!(meet(&Chunks { types: [u32::MAX; 8], ..chunks(ALL, &[]) }, true, &TWO), Some(false));
    }

    #[test]
    fn flags_count_for_their_kind_alone() {
        let mut wanted = chunks(ANY, &[0]);
        (wanted.flags[0], wanted.flag_count) = ([0, 2, 3], 1);
        assert_eq!(meet(&wanted, false, &TWO), Some(false));
        wanted.flags[0] = [0, 3, 3];
        assert_eq!(meet(&wanted, false, &TWO), Some(true));
        wanted.flags[0] = [3, 1, 1];
        assert_eq!(meet(&wanted, false, &TWO), Some(true));
    }

    #[test]
    fn a_packet_without_a_chunk_or_with_one_of_no_length_is_unfit() {
        assert_eq!(meet(&chunks(ANY, &[0]), false, &[]), None);
        assert_eq!(meet(&chunks(ANY, &[0]), false, &[1, 0, 0, 0]), None);
        assert_eq!(meet(&chunks(ANY, &[0]), false, &[1, 0, 0, 4, 0, 0]), None);
        // Found before the broken one.
        assert_eq!(meet(&chunks(ANY, &[1]), false, &[1, 0, 0, 4, 0, 0]), Some(true));
        // A length past the end ends the walk.
        assert_eq!(meet(&chunks(ONLY, &[1]), false, &[1, 0, 200, 4]), Some(true));
    }
}
