//! `-m cpu`: the CPU that handles the packet, which the kernel compares at each hook.

use libxt::ext::Families;
use libxt::ext::matches::cpu::Cpu;

use super::Match;
use crate::ext::Maker;
use crate::ext::asked::Rule;
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Match> = Maker::of::<Cpu>(Families::Both, |_, info, site| {
    // As cpu_mt_check().
    if info.get(4..).and_then(<[u8]>::first_chunk).is_none_or(|invert| u32::from_ne_bytes(*invert) > 1) {
        return Err(Refused::invalid("cpu: an unknown inversion"));
    }
    Ok(Match::Asked(Rule::new("cpu", 0, info, usize::MAX, site)))
});
