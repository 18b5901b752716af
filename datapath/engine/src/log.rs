//! Lines for the kernel's log: what LOG and TRACE write, byte for byte as nf_log_syslog.c does.

use std::fmt::Write;

use crate::effects::Log;
use crate::ext::Scene;

/// The line TRACE writes before a rule acts. As trace_packet().
pub(crate) fn trace(scene: &mut Scene<'_, '_>, chain: &str, comment: &str, number: u32) {
    let _ = (chain, comment, number);
}
