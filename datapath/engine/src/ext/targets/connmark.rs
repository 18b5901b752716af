//! `-j CONNMARK`: sets the connection's mark, saves the packet's mark in it, or restores it from there.

use libxt::ext::Families;
use libxt::ext::targets::connmark::{Connmark, Mode, Shift};

use super::{Outcome, Target};
use crate::conntrack::Tracked;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Target> = Maker::of::<Connmark>(Families::Both, |revision, info, site| {
    let Ok(value) = site.decode::<Connmark>(revision, info) else { return Ok(Target::Idle) };
    let no_direction = revision == 2 && info.get(12).is_none_or(|direction| *direction > 1);
    if value.shift.bits >= 32 || no_direction {
        return Err(Refused::invalid("CONNMARK: a shift out of the mark"));
    }
    Ok(Target::Connmark(value))
})
.tracks();

/// As connmark_tg_shift().
pub(super) fn act(value: &Connmark, scene: &mut Scene<'_, '_>) -> Outcome {
    let Tracked::Of { id, .. } = scene.tracked else { return Outcome::Continue };
    let Some(old) = scene.tracker.get(id).map(|connection| connection.mark()) else { return Outcome::Continue };
    match value.mode {
        Mode::Set => {
            let mark = shifted((old & !value.ctmask) ^ value.ctmark, value.shift);
            set(scene, id, old, mark);
        }
        Mode::Save => {
            let mark = (old & !value.ctmask) ^ shifted(scene.packet.mark & value.nfmask, value.shift);
            set(scene, id, old, mark);
        }
        Mode::Restore => {
            let mark = shifted(old & value.ctmask, value.shift);
            scene.packet.mark = (scene.packet.mark & !value.nfmask) ^ mark;
        }
    }
    Outcome::Continue
}

fn set(scene: &mut Scene<'_, '_>, id: crate::conntrack::ConnId, old: u32, mark: u32) {
    if mark != old {
        scene.tracker.set_mark(id, mark);
    }
}

const fn shifted(mark: u32, shift: Shift) -> u32 {
    let bits = shift.bits as u32;
    if shift.right { mark.wrapping_shr(bits) } else { mark.wrapping_shl(bits) }
}
