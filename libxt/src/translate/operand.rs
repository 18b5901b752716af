//! What is compared with, in the forms that many translations share.

use std::fmt::{self, Display};

use super::Statement;
use crate::family::Af;
use crate::value::condition::Condition;
use crate::value::mark::Masked;
use crate::value::port::Ports;

/// `"!= "` or nothing.
pub(super) fn not(inverted: bool) -> &'static str {
    if inverted { "!= " } else { "" }
}

/// `first-last`, or one value where they are the same.
pub(super) struct Span<T>(pub(super) T, pub(super) T);

impl<T: Display + PartialEq> Display for Span<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(first, last) = self;
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

impl From<Ports> for Span<u16> {
    fn from(ports: Ports) -> Self {
        Self(ports.min, ports.max)
    }
}

/// `{ a, b }`.
pub(super) fn set_of(elements: &[impl Display]) -> String {
    let elements: Vec<String> = elements.iter().map(ToString::to_string).collect();
    format!("{{ {} }}", elements.join(", "))
}

/// `KEY [!= ]FIRST[-LAST]`.
pub(super) fn add_span<T: Display + PartialEq>(to: &mut Statement<'_>, key: &str, inverted: bool, span: &Span<T>) {
    to.add(format_args!("{key} {}{span}", not(inverted)));
}

/// The ports of a transport protocol, if they are compared at all.
pub(super) fn add_ports(to: &mut Statement<'_>, key: &str, ports: Option<Condition<Ports>>) {
    if let Some(Condition { value, inverted }) = ports {
        add_span(to, key, inverted, &Span::from(value));
    }
}

/// `KEY [!= ]VALUE`, or `KEY and MASK ==|!= VALUE` where not every bit counts.
pub(super) fn add_masked(to: &mut Statement<'_>, key: &str, inverted: bool, masked: Masked) {
    add_named(to, key, inverted, masked, &format!("{:#x}", masked.value));
}

/// The same, with a name for the whole value.
pub(super) fn add_named(to: &mut Statement<'_>, key: &str, inverted: bool, masked: Masked, name: &str) {
    let Masked { value, mask } = masked;
    if mask == u32::MAX {
        to.add(format_args!("{key} {}{name}", not(inverted)));
    } else {
        let sign = if inverted { "!=" } else { "==" };
        to.add(format_args!("{key} and {mask:#x} {sign} {value:#x}"));
    }
}

/// The word of nft for what the family's header is.
pub(super) fn header_word(af: Af) -> &'static str {
    match af {
        Af::V4 => "ip",
        Af::V6 => "ip6",
    }
}
