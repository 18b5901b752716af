//! `-j CLASSIFY`: sets the packet's priority, and so its class in a queueing discipline.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// The class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classify {
    /// `skb->priority`: the major number in the upper 16 bits, the minor in the lower.
    pub priority: u32,
}

impl Extension for Classify {
    const NAME: &'static str = "CLASSIFY";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, 4)];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("set-class", " major:minor", "the class, two hexadecimal numbers", set_class).mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("CLASSIFY"))?;
        Ok(Self { priority: info.priority })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        Info { priority: self.priority }.write_to_prefix(info).map_err(|_| Malformed("CLASSIFY"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, " --set-class {:04x}:{:04x}", self.priority >> 16, self.priority & 0xffff)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " CLASSIFY set {:x}:{:x}", self.priority >> 16, self.priority & 0xffff)
    }
}

fn set_class(to: &mut Classify, given: &Given<'_>) -> Result<(), Problem> {
    let class = given.value.split_once(':').and_then(|(major, minor)| {
        // Only a whole major number counts; of the minor one, what begins it.
        let (major, "") = hexadecimal(major)? else { return None };
        let (minor, _) = hexadecimal(minor)?;
        Some((major & 0xffff) << 16 | (minor & 0xffff))
    });
    to.priority = class.ok_or_else(|| Problem::new(format!("Bad class value \"{}\"", given.value)))?;
    Ok(())
}

/// A hexadecimal number with an optional sign and `0x`, as `sscanf` reads `%x`, and what follows it.
fn hexadecimal(text: &str) -> Option<(u32, &str)> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    // The 0 of a `0x` is one, whatever follows.
    let (digits, prefixed) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (digits, true),
        None => (digits, false),
    };
    let end = digits.find(|digit: char| !digit.is_ascii_hexdigit()).unwrap_or(digits.len());
    if end == 0 && !prefixed {
        return None;
    }
    let (digits, rest) = digits.split_at(end);
    let value = if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 16).ok() };
    let value = value.map_or(u64::MAX, |value| if negative { value.wrapping_neg() } else { value });
    Some((value as u32, rest))
}

/// struct xt_classify_target_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    priority: u32,
}
