//! `-m quota`: matches until a number of bytes has passed.

use libxt::ext::Families;
use libxt::ext::matches;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Match> = Maker::of::<matches::quota::Quota>(Families::Both, |revision, info, site| {
    // As quota_mt_check(): no flag but XT_QUOTA_INVERT.
    if info.first_chunk().is_none_or(|flags| u32::from_ne_bytes(*flags) & !1 != 0) {
        return Err(Refused::invalid("quota: an unknown flag"));
    }
    let value: matches::quota::Quota = site.decode(revision, info)?;
    Ok(Match::Quota(Quota { left: value.bytes.value, inverted: value.bytes.inverted }))
})
.kept(|_| 16);

/// struct xt_quota_priv.
#[derive(Debug)]
pub struct Quota {
    /// Bytes that may still pass.
    left: u64,
    inverted: bool,
}

impl Quota {
    /// The packet that does not fit uses up what is left.
    fn spend(&mut self, bytes: u64) -> bool {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(0);
        left.is_some() != self.inverted
    }
}

/// As quota_mt().
pub(super) fn matches(quota: &mut Quota, scene: &Scene<'_, '_>) -> bool {
    quota.spend(scene.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packet_that_exceeds_the_quota_uses_it_up() {
        let mut quota = Quota { left: 100, inverted: false };
        assert!(quota.spend(60));
        assert!(!quota.spend(60));
        assert!(!quota.spend(1));
        assert!(quota.spend(0));
    }
}
