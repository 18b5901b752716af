//! `-m cgroup`: the control group of the socket that a packet belongs to, which the kernel compares.

use libxt::ext::Families;
use libxt::ext::matches::cgroup::Cgroup;

use super::Match;
use crate::ext::asked::{GROUP, Rule};
use crate::ext::{Maker, bit};
use crate::packet::Hook;
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Match> = Maker::of::<Cgroup>(Families::Both, |revision, info, site| {
    // As cgroup_mt_check_v0() and its successors; whether there is such a group the kernel says.
    let known = match (revision, info) {
        (0, &[_, _, _, _, a, b, c, d, ..]) => u32::from_ne_bytes([a, b, c, d]) <= 1,
        (_, &[_, _, path, class, ..]) => path <= 1 && class <= 1,
        _ => false,
    };
    if !known {
        return Err(Refused::invalid("cgroup: an unknown inversion"));
    }
    let value: Cgroup = site.decode(revision, info)?;
    match (value.path, value.class) {
        (None, None) => Err(Refused::invalid("cgroup: neither a path nor a class")),
        (Some(_), Some(_)) => Err(Refused::invalid("cgroup: both a path and a class")),
        _ => Ok(Match::Asked(Rule::new(GROUP, revision, info, kept(revision), site))),
    }
})
.hooks(bit(Hook::Output) | bit(Hook::Postrouting) | bit(Hook::Input))
.kept(kept);

/// Bytes before the kernel's own.
fn kept(revision: u8) -> usize {
    match revision {
        1 => 4104,
        2 => 520,
        _ => usize::MAX,
    }
}
