//! `-m comment`: a remark; every packet matches.

use libxt::ext::Families;
use libxt::ext::matches::comment::Comment;

use super::Match;
use crate::ext::Maker;
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Match> = Maker::of::<Comment>(Families::Both, |_, info, _| {
    // As comment_mt_check of old: the text must end.
    if info.get(..256).is_none_or(|text| !text.contains(&0)) {
        return Err(Refused::invalid("comment: the text does not end"));
    }
    Ok(Match::Comment)
});
