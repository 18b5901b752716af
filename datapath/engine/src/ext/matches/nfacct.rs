//! `-m nfacct`: counts the packet in a counter of the kernel's, and always matches.

use libxt::ext::Families;
use libxt::ext::matches::nfacct::Nfacct;

use super::Match;
use crate::ext::Maker;
use crate::ext::handover::{COUNTER, Rule};

/// Whether there is such a counter, and that it has no limit, is asked where tables are loaded.
pub(super) const MAKER: Maker<Match> = Maker::of::<Nfacct>(Families::Both, |revision, info, site| {
    let value: Nfacct = site.decode(revision, info)?;
    Ok(Match::Counted(value.name, Rule::new(COUNTER, revision, info, KEPT, false, site)))
})
.kept(|_| KEPT);

/// Bytes before the kernel's own.
const KEPT: usize = 32;
