//! `-m mh`: compares the type of an IPv6 mobility header.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings, option};
use crate::family::Af;
use crate::value::condition::Condition;
use crate::value::number;

/// The type is from the first to the last of these, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mh {
    /// The first and the last type.
    pub types: Condition<[u8; 2]>,
}

/// Names of types, the one that is listed first.
const NAMES: [(&str, u8); 16] = [
    ("binding-refresh-request", 0),
    ("brr", 0),
    ("home-test-init", 1),
    ("hoti", 1),
    ("careof-test-init", 2),
    ("coti", 2),
    ("home-test", 3),
    ("hot", 3),
    ("careof-test", 4),
    ("cot", 4),
    ("binding-update", 5),
    ("bu", 5),
    ("binding-acknowledgement", 6),
    ("ba", 6),
    ("binding-error", 7),
    ("be", 7),
];

/// Every type.
const ALL: [u8; 2] = [0, u8::MAX];

impl Default for Mh {
    fn default() -> Self {
        Self { types: Condition::new(ALL, false) }
    }
}

impl Extension for Mh {
    const NAME: &'static str = "mh";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(Families::V6)];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("mh-type", " type[:type]", "the type by number or name, or a range of them", set_types)
            .invertible()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("mh"))?;
        Ok(Self { types: Condition::new(info.types, info.invert & 1 != 0) })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { types: self.types.value, invert: self.types.inverted.into() };
        bytes.write_to_prefix(info).map_err(|_| Malformed("mh"))
    }

    fn list_names(w: &mut dyn Write, _af: Af) -> fmt::Result {
        option::list_names(w, NAMES, |_| false)
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        if self.types.value == ALL {
            return Ok(());
        }
        write!(w, "{} --mh-type ", self.types.not())?;
        self.range(w, true)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        w.write_str(" mh")?;
        if self.types.value == ALL && !self.types.inverted {
            return Ok(());
        }
        w.write_str(if self.types.inverted { " !" } else { " " })?;
        self.range(w, numeric)
    }
}

impl Mh {
    fn range(&self, w: &mut dyn Write, numeric: bool) -> fmt::Result {
        let [min, max] = self.types.value;
        shown(w, min, numeric)?;
        if min == max {
            return Ok(());
        }
        w.write_str(":")?;
        shown(w, max, numeric)
    }
}

fn shown(w: &mut dyn Write, kind: u8, numeric: bool) -> fmt::Result {
    match NAMES.iter().find(|(_, own)| *own == kind).filter(|_| !numeric) {
        Some((name, _)) => w.write_str(name),
        None => write!(w, "{kind}"),
    }
}

fn set_types(to: &mut Mh, given: &Given<'_>) -> Result<(), Problem> {
    let types = match given.value.split_once(':') {
        None => [parse(given.value)?; 2],
        Some((min, max)) => {
            let min = if min.is_empty() { 0 } else { parse(min)? };
            let max = if max.is_empty() { u8::MAX } else { parse(max)? };
            if min > max {
                return Err(Problem::new("Invalid MH type range (min > max)"));
            }
            [min, max]
        }
    };
    to.types = Condition::new(types, given.inverted);
    Ok(())
}

/// A whole name before the first that begins so, in any case; else a number.
fn parse(text: &str) -> Result<u8, Problem> {
    let begins = |name: &str| name.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
    let whole = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    if let Some((_, kind)) = whole.or_else(|| NAMES.iter().find(|(name, _)| begins(name))) {
        return Ok(*kind);
    }
    let number = number::parse(text, 0, u8::MAX.into()).and_then(|number| u8::try_from(number).ok());
    number.ok_or_else(|| Problem::new(format!("Invalid MH type `{text}'")))
}

/// struct ip6t_mh.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    types: [u8; 2],
    invert: u8,
}
