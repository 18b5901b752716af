//! `-m cpu`: the CPU that handles the packet, which the kernel compares.

use libxt::ext::Families;
use libxt::ext::matches::cpu::Cpu;

use super::Match;
use crate::ext::asked::Rule;
use crate::ext::{Maker, bit};
use crate::packet::Hook;
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Match> = Maker::of::<Cpu>(Families::Both, |_, info, site| {
    // As cpu_mt_check().
    if info.get(4..).and_then(<[u8]>::first_chunk).is_none_or(|invert| u32::from_ne_bytes(*invert) > 1) {
        return Err(Refused::invalid("cpu: an unknown inversion"));
    }
    if site.hooks & !(bit(Hook::Prerouting) | bit(Hook::Output)) != 0 {
        let why =
            "cpu: behind its first hook a packet goes on on the CPU of the datapath, so only in PREROUTING and OUTPUT";
        return Err(Refused::new(errno::EOPNOTSUPP, why));
    }
    Ok(Match::Asked(Rule::new("cpu", 0, info, usize::MAX, site)))
});
