//! `-m rt`: the IPv6 routing header; of type 0 also its addresses.

use libxt::ext::Families;
use libxt::ext::matches::rt::{Addresses, Rt};

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::ipv6;

pub(super) const MAKER: Maker<Match> = Maker::of::<Rt>(Families::V6, |revision, info, site| {
    let value: Rt = site.decode(revision, info)?;
    // As rt_mt6_check(): no inversion but IP6T_RT_INV_MASK.
    if info.get(17).is_none_or(|inverted| inverted & !7 != 0) {
        return Err(Refused::invalid("rt: an unknown inversion"));
    }
    // IP6T_RT_RES, IP6T_RT_FST and IP6T_RT_FST_NSTRICT.
    let of_type_0 = info.get(16).is_some_and(|flags| flags & 0x38 != 0);
    if of_type_0 && value.kind.is_none_or(|kind| kind.value != 0 || kind.inverted) {
        return Err(Refused::invalid("rt: only type 0 has a reserved field and addresses"));
    }
    if value.addresses.as_ref().is_some_and(|addresses| usize::from(addresses.count) > addresses.each.len()) {
        return Err(Refused::invalid("rt: more than sixteen addresses"));
    }
    Ok(Match::Rt(Box::new(value)))
});

/// As rt_mt6(): a packet without the header does not match, one whose headers are cut is dropped.
pub(super) fn matches(rt: &Rt, scene: &mut Scene<'_, '_>) -> bool {
    let bytes = scene.packet.data.bytes();
    let header = match ipv6::find(bytes, ipv6::ROUTING) {
        Ok(Some(link)) => bytes.get(link.at..),
        Ok(None) => return false,
        Err(_cut) => None,
    };
    header.and_then(|header| holds(rt, header)).unwrap_or_else(|| {
        scene.hotdrop = true;
        false
    })
}

/// Whether a header, with what follows it, is as wanted; `None` if the packet ends within.
fn holds(rt: &Rt, header: &[u8]) -> Option<bool> {
    let &[_, units, kind, left] = header.first_chunk()?;
    let length = (usize::from(units) + 1) * 8;
    if header.len() < length {
        return None;
    }
    let [least, most] = rt.segments_left.value;
    let mut fits = rt.segments_left.holds((least..=most).contains(&left.into()))
        && rt.length.is_none_or(|wanted| wanted.holds(wanted.value as usize == length))
        && rt.kind.is_none_or(|wanted| wanted.holds(wanted.value == kind.into()));
    if fits && rt.reserved {
        fits = header.get(4..8)? == [0; 4];
    }
    Some(fits && rt.addresses.as_ref().is_none_or(|wanted| visits(wanted, header.get(8..length).unwrap_or_default())))
}

/// Whether the addresses are those of a header, all of them, or in this order among others.
fn visits(wanted: &Addresses, header: &[u8]) -> bool {
    let list = wanted.each.get(..wanted.count.into()).unwrap_or(&wanted.each);
    let mut there = header.chunks_exact(16);
    if there.len() < list.len() {
        return false;
    }
    if !wanted.lax {
        return there.len() == list.len() && there.zip(list).all(|(one, other)| one == other);
    }
    // Without a list the kernel looks at the first address all the same.
    let mut at = 0;
    loop {
        let Some(address) = there.next() else { return at == list.len() };
        at += usize::from(wanted.each.get(at).is_some_and(|next| next == address));
        if at == list.len() {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use libxt::value::condition::Condition;

    use super::*;

    /// Type 0, two addresses, one left.
    fn header() -> Vec<u8> {
        [&[59, 4, 0, 1, 0, 0, 0, 0][..], &[1; 16], &[2; 16]].concat()
    }

    fn addresses(list: &[u8], lax: bool) -> Rt {
        let mut addresses = Addresses { count: list.len() as u8, lax, ..Addresses::default() };
        list.iter().zip(&mut addresses.each).for_each(|(byte, to)| *to = [*byte; 16]);
        Rt { addresses: Some(addresses), ..Rt::default() }
    }

    #[test]
    fn addresses_are_all_or_in_their_order_among_others() {
        let holds = |list: &[u8], lax| holds(&addresses(list, lax), &header());
        assert_eq!(
            (holds(&[1, 2], false), holds(&[1], false), holds(&[2, 1], false)),
            (Some(true), Some(false), Some(false))
        );
        assert_eq!(
            (holds(&[2], true), holds(&[1, 2], true), holds(&[2, 1], true)),
            (Some(true), Some(true), Some(false))
        );
        assert_eq!((holds(&[1, 2, 2], true), holds(&[], false)), (Some(false), Some(false)));
    }

    #[test]
    fn segments_type_length_and_reserved_are_compared() {
        let mut rt = Rt { segments_left: Condition::new([1, 3], false), reserved: true, ..Rt::default() };
        rt.length = Some(Condition::new(40, false));
        assert_eq!(holds(&rt, &header()), Some(true));
        let mut other = header();
        other[7] = 1;
        assert_eq!(holds(&rt, &other), Some(false));
        rt.kind = Some(Condition::new(0, true));
        assert_eq!(holds(&rt, &header()), Some(false));
    }

    #[test]
    fn a_header_that_leaves_the_packet_is_unfit() {
        assert_eq!(holds(&Rt::default(), &header()[..39]), None);
        assert_eq!(holds(&Rt::default(), &[59, 0, 0]), None);
    }
}
