//! One rule as `iptables-save` and `-S` print it.

use std::fmt::{self, Write};

use crate::abi;
use crate::blob::Part;
use crate::ext::{self, Kind, Object, Surroundings};
use crate::family::Af;
use crate::table::Rule;
use crate::value::address;
use crate::value::header::{self, Header, Range};
use crate::value::interface::Interface;
use crate::value::{number, protocol};

/// Why a rule cannot be printed: upstream gives up with this text and exit code 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaveError {
    /// No such match is known here.
    UnknownMatch(String),
    /// No such target is known here.
    UnknownTarget(String),
    /// The text could not be written.
    Fmt,
}

/// Writes `-A CHAIN …` without a newline; `counters` asks for ` -c P B` before the target, as `-S -v` does.
pub fn save_line(w: &mut dyn Write, chain: &str, rule: &Rule<'_>, counters: bool) -> Result<(), SaveError> {
    let header = &rule.entry.header;
    let around = header.surroundings();
    w.write_str("-A ")?;
    w.write_str(chain)?;
    save_header(w, header)?;
    for part in rule.entry.matches() {
        save_match(w, &part, &around)?;
    }
    if counters {
        let counters = rule.entry.counters();
        write!(w, " -c {} {}", counters.packets, counters.bytes)?;
    }
    if rule.is_module {
        return save_target(w, &rule.entry.target(), &around);
    }
    if !rule.target.is_empty() {
        w.write_str(if header.is_goto() { " -g " } else { " -j " })?;
        w.write_str(rule.target)?;
    }
    Ok(())
}

fn save_header(w: &mut dyn Write, header: &Header) -> fmt::Result {
    save_range(w, " -s ", header.af, &header.source, header.inversions & header::INV_SOURCE != 0)?;
    save_range(w, " -d ", header.af, &header.destination, header.inversions & header::INV_DESTINATION != 0)?;
    save_interface(w, " -i ", &header.input, header.inversions & header::INV_INPUT != 0)?;
    save_interface(w, " -o ", &header.output, header.inversions & header::INV_OUTPUT != 0)?;
    if header.protocol != 0 {
        w.write_str(not(header.inversions & header::INV_PROTOCOL != 0))?;
        w.write_str(" -p ")?;
        match protocol::name(header.protocol) {
            Some(name) => w.write_str(name)?,
            None => number::write(w, header.protocol.into())?,
        }
    }
    match header.af {
        Af::V4 if header.flags & header::F_FRAGMENT_V4 != 0 => {
            write!(w, "{} -f", not(header.inversions & header::INV_FRAGMENT != 0))
        }
        _ => Ok(()),
    }
}

fn save_range(w: &mut dyn Write, option: &str, af: Af, range: &Range, inverted: bool) -> fmt::Result {
    if range.mask == [0; 16] && range.address == [0; 16] && !inverted {
        return Ok(());
    }
    w.write_str(not(inverted))?;
    w.write_str(option)?;
    address::write(w, address::to_ip(af, &range.address))?;
    w.write_str("/")?;
    match address::mask_len(af, &range.mask) {
        Some(len) => number::write(w, len.into()),
        None => address::write(w, address::to_ip(af, &range.mask)),
    }
}

fn save_interface(w: &mut dyn Write, option: &str, interface: &Interface, inverted: bool) -> fmt::Result {
    if interface.is_any() {
        return Ok(());
    }
    w.write_str(not(inverted))?;
    w.write_str(option)?;
    interface.save(w)
}

fn save_match(w: &mut dyn Write, part: &Part<'_>, around: &Surroundings) -> Result<(), SaveError> {
    let Some(object) = decode(Kind::Match, part, around) else {
        if ext::find_kernel(Kind::Match, part.name, around.af).is_none() {
            return Err(SaveError::UnknownMatch(part.name.to_owned()));
        }
        write!(w, " -m {}{UNSUPPORTED}", part.name)?;
        return Ok(());
    };
    w.write_str(" -m ")?;
    w.write_str(object.shown_name())?;
    object.save(w, around)?;
    Ok(())
}

fn save_target(w: &mut dyn Write, part: &Part<'_>, around: &Surroundings) -> Result<(), SaveError> {
    let Some(object) = decode(Kind::Target, part, around) else {
        if ext::find_kernel(Kind::Target, part.name, around.af).is_none() {
            return Err(SaveError::UnknownTarget(part.name.to_owned()));
        }
        write!(w, " -j {}{UNSUPPORTED}", part.name)?;
        return Ok(());
    };
    w.write_str(" -j ")?;
    w.write_str(object.shown_name())?;
    object.save(w, around)?;
    Ok(())
}

/// The extension in a part's bytes; `None` if it, or this revision of it, is unknown here.
pub(super) fn decode(kind: Kind, part: &Part<'_>, around: &Surroundings) -> Option<Box<dyn Object>> {
    let entry = ext::find_kernel(kind, part.name, around.af)?;
    let object = (entry.decode)(part.revision, part.info, around).ok()?;
    let known = |revision: &ext::Revision| {
        revision.number == part.revision
            && abi::align(revision.size) <= part.info.len()
            && revision.families.contain(around.af)
    };
    object.revisions().iter().any(known).then_some(object)
}

pub(super) fn not(inverted: bool) -> &'static str {
    if inverted { " !" } else { "" }
}

/// What stands for the options of a revision that is not known.
pub(super) const UNSUPPORTED: &str = " [unsupported revision]";

impl From<fmt::Error> for SaveError {
    fn from(fmt::Error: fmt::Error) -> Self {
        Self::Fmt
    }
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownMatch(name) => write!(f, "Can't find library for match `{name}'"),
            Self::UnknownTarget(name) => write!(f, "Can't find library for target `{name}'"),
            Self::Fmt => f.write_str("cannot write"),
        }
    }
}

impl std::error::Error for SaveError {}
