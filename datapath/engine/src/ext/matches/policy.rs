//! `-m policy`: the IPsec policy that applied to a packet, or will.

use libxt::ext::Families;
use libxt::ext::matches::policy::Policy;

use super::Match;
use crate::ext::{Maker, bit};
use crate::packet::Hook;
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Match> = Maker::of::<Policy>(Families::Both, |revision, info, site| {
    let value: Policy = site.decode(revision, info)?;
    // As policy_mt_check().
    if !value.input && !value.output {
        return Err(Refused::invalid("policy: neither in nor out"));
    }
    if value.output && site.hooks & (bit(Hook::Prerouting) | bit(Hook::Input)) != 0 {
        return Err(Refused::invalid("policy: what arrives does not know its policy out"));
    }
    if value.input && site.hooks & (bit(Hook::Postrouting) | bit(Hook::Output)) != 0 {
        return Err(Refused::invalid("policy: what leaves does not know its policy in"));
    }
    if usize::from(value.len) > value.elements.len() {
        return Err(Refused::invalid("policy: more than four transformations"));
    }
    Ok(Match::Policy(value.none))
});

/// As policy_mt() for a packet without IPsec: a queued packet does not tell what it came under or will go under.
pub(super) const fn matches(none: bool) -> bool {
    none
}
