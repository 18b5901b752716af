//! Why the kernel refused a table: it says only `Invalid argument', so the engine, which checks as the kernel does, is asked.

use libxt::table::{Refused, Table};

/// The refusal, with a reason if it had none and the engine refuses the table with the same errno.
pub(crate) fn find(mut refused: Refused, table: &Table) -> Refused {
    if refused.reason.is_none() && !refused.is_stale() {
        let found = table.to_blob().and_then(|blob| engine::Prepared::new(table.af(), &blob).err());
        // What the datapath alone cannot do is no reason of the kernel's.
        let found = found.filter(|found| found.errno == refused.errno && !found.is_own());
        refused.reason = found.map(|found| found.to_string());
    }
    refused
}
