//! `-m tcpmss`: compares the maximum segment size that a TCP header announces.

use super::length::{Between, Measure};

/// `-m tcpmss`.
pub type Tcpmss = Between<SegmentSize>;

/// The announced segment size, 0 to 65535 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentSize;

impl Measure for SegmentSize {
    const NAME: &'static str = "tcpmss";
    const OPTION: (&'static str, &'static str, &'static str) =
        ("mss", " value[:value]", "the announced segment size, 0 to 65535");
    const LISTED: &'static str = "tcpmss match";
    const REVERSED: Option<&'static str> = Some("tcpmss: invalid range given");
}
