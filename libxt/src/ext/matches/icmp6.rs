//! `-m icmp6`: compares type and code of the ICMPv6 header.

use super::icmp::{OfType, Protocol};
use crate::ext::Families;
use crate::value::icmp::{self, Names};

/// `-m icmp6`.
pub type Icmp6 = OfType<V6>;

/// ICMPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V6;

impl Protocol for V6 {
    const NAME: &'static str = "icmp6";
    const FAMILIES: Families = Families::V6;
    const OPTION: &'static str = "icmpv6-type";
    const LISTED: &'static str = "ipv6-icmp";
    const NAMES: Names = icmp::V6;
    const ANY: Option<&'static str> = None;
}
