//! `-j ECN`: clears or sets the ECN bits of the IPv4 header and of TCP.

use libxt::ext::Families;
use libxt::ext::targets::ecn::Ecn;

use super::{Outcome, Target, tos};
use crate::ext::{Maker, Scene};
use crate::packet::Verdict;
use crate::ruleset::Refused;
use crate::wire::tcp::{CHECKSUM, FLAGS, HEADER, OFFSET, flag};
use crate::wire::{checksum, set_u16, u16_at};

pub(super) const MAKER: Maker<Target> = Maker::of::<Ecn>(Families::V4, |revision, info, site| {
    // As ecn_tg_check(): no operation but those of IPT_ECN_OP_MASK, no bits but two.
    if info.first_chunk::<2>().is_none_or(|[operation, ect]| operation & !0x31 != 0 || ect & !3 != 0) {
        return Err(Refused::invalid("ECN: an unknown operation"));
    }
    let value: Ecn = site.decode(revision, info)?;
    if (value.ece.is_some() || value.cwr.is_some()) && site.protocol() != Some(6) {
        return Err(Refused::invalid("ECN: TCP's bits need -p tcp"));
    }
    Ok(Target::Ecn(value))
})
.table("mangle");

/// As ecn_tg().
pub(super) fn act(value: &Ecn, scene: &mut Scene<'_, '_>) -> Outcome {
    if let Some(ect) = value.ect {
        tos::rewrite(scene, scene.headers.tos & !3 | ect & 3);
    }
    if (value.ece.is_some() || value.cwr.is_some()) && scene.headers.protocol == 6 && set_tcp(value, scene).is_none() {
        return Outcome::Verdict(Verdict::Drop);
    }
    Outcome::Continue
}

/// As set_ect_tcp(); `None` for a packet too short for a header.
fn set_tcp(value: &Ecn, scene: &mut Scene<'_, '_>) -> Option<()> {
    let segment = scene.segment();
    if segment.len() < HEADER {
        return None;
    }
    let old = *segment.get(OFFSET..)?.first_chunk::<2>()?;
    let mut new = old;
    for (wanted, bit) in [(value.ece, flag::ECE), (value.cwr, flag::CWR)] {
        match wanted {
            Some(true) => new[1] |= bit,
            Some(false) => new[1] &= !bit,
            None => {}
        }
    }
    if new == old {
        return Some(());
    }
    let (headers, partial) = (*scene.headers, scene.partial());
    scene.packet.data.pull(headers.transport + HEADER);
    let segment = headers.segment_mut(scene.packet.data.make_mut());
    *segment.get_mut(FLAGS)? = new[1];
    if !partial {
        let sum = u16_at(segment, CHECKSUM)?;
        set_u16(segment, CHECKSUM, checksum::update(sum, &old, &new));
    }
    Some(())
}
