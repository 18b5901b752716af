//! `-m ecn`: the ECN bits of the IP header and of TCP.

use libxt::ext::Families;
use libxt::ext::matches::ecn::Ecn;

use super::Match;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::wire::tcp::{Tcp, flag};

pub(super) const MAKER: Maker<Match> = Maker::of::<Ecn>(Families::Both, |revision, info, site| {
    // As ecn_mt_check4(): no bit but those of XT_ECN_OP_MATCH_MASK.
    if info.first_chunk::<2>().is_none_or(|[operation, invert]| (operation | invert) & !0x31 != 0) {
        return Err(Refused::invalid("ecn: an unknown operation"));
    }
    let value: Ecn = site.decode(revision, info)?;
    if (value.ece.is_some() || value.cwr.is_some()) && site.protocol() != Some(6) {
        return Err(Refused::invalid("ecn: TCP's bits need -p tcp"));
    }
    Ok(Match::Ecn(value))
});

/// As ecn_mt4() and ecn_mt6().
pub(super) fn matches(value: &Ecn, scene: &Scene<'_, '_>) -> bool {
    if value.ect.is_some_and(|ect| !ect.holds(scene.headers.tos & 3 == ect.value)) {
        return false;
    }
    if value.ece.is_none() && value.cwr.is_none() {
        return true;
    }
    let Some(header) = Tcp::parse(scene.supposed_segment()) else { return false };
    value.ece.is_none_or(|ece| ece.holds(header.flags & flag::ECE != 0))
        && value.cwr.is_none_or(|cwr| cwr.holds(header.flags & flag::CWR != 0))
}
