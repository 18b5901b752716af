//! What SYNPROXY counts.

use std::fmt::Write;

/// `struct synproxy_stats`: what became of openings, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// SYNs of clients.
    pub received: u32,
    /// ACKs that brought no cookie of ours, or an old one.
    pub invalid: u32,
    /// ACKs that brought a good one.
    pub valid: u32,
    /// Of these, those that came again while the server had not answered yet.
    pub again: u32,
    /// Connections that began once more.
    pub reopened: u32,
}

impl Statistics {
    /// The text of `/proc/net/stat/synproxy`, all CPUs in one line.
    pub(crate) fn write(&self, to: &mut String) {
        let Self { received, invalid, valid, again, reopened } = self;
        to.push_str("entries\t\tsyn_received\tcookie_invalid\tcookie_valid\tcookie_retrans\tconn_reopened\n");
        let _ = writeln!(to, "{:08x}\t{received:08x}\t{invalid:08x}\t{valid:08x}\t{again:08x}\t{reopened:08x}", 0);
    }
}
