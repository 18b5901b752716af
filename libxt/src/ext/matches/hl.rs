//! `-m hl`: compares the IPv6 hop limit.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, IntoBytes};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::hops::{Comparison, Info};
use crate::value::number;

/// A comparison of the IPv6 hop limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hl {
    /// How.
    pub comparison: Comparison,
    /// With what, 0 to 255 hops.
    pub hops: u8,
}

impl Extension for Hl {
    const NAME: &'static str = "hl";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(Families::V6)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("hl-lt", " value", "HL below value", set_less).excludes(&["hl-gt", "hl-eq"]),
        Opt::new("hl-gt", " value", "HL above value", set_greater).excludes(&["hl-lt", "hl-eq"]),
        Opt::new("hl-eq", " value", "HL equal to value", set_equal).invertible().excludes(&["hl-lt", "hl-gt"]),
        Opt::new("hl", " value", "the same as --hl-eq", set_equal).invertible().alias_of("hl-eq"),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 {
            return Err(Problem::new("HL match: You must specify one of `--hl-eq', `--hl-lt', `--hl-gt'"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("hl"))?;
        let comparison = Comparison::from_mode(info.mode).ok_or(Malformed("hl mode"))?;
        Ok(Self { comparison, hops: info.hops })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { mode: self.comparison as u8, hops: self.hops };
        bytes.write_to_prefix(info).map_err(|_| Malformed("hl"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        let (not, end) = self.comparison.option();
        write!(w, " {not}--hl-{end} {}", self.hops)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " HL match HL {} {}", self.comparison.operator(), self.hops)
    }
}

fn set_less(to: &mut Hl, given: &Given<'_>) -> Result<(), Problem> {
    set(to, Comparison::Less, given)
}

fn set_greater(to: &mut Hl, given: &Given<'_>) -> Result<(), Problem> {
    set(to, Comparison::Greater, given)
}

fn set_equal(to: &mut Hl, given: &Given<'_>) -> Result<(), Problem> {
    set(to, if given.inverted { Comparison::NotEqual } else { Comparison::Equal }, given)
}

fn set(to: &mut Hl, comparison: Comparison, given: &Given<'_>) -> Result<(), Problem> {
    let hops = number::parse(given.value, 0, 255).ok_or_else(|| given.out_of_range(0, 255))? as u8;
    *to = Hl { comparison, hops };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Af;

    const AROUND: Surroundings = Surroundings::new(Af::V6);

    /// As installed by `-m hl ! --hl-eq 5`.
    const NOT_FIVE: [u8; 8] = [1, 5, 0, 0, 0, 0, 0, 0];

    #[test]
    fn an_inverted_equality_is_a_mode_of_its_own() {
        let value = Hl::decode(0, &NOT_FIVE, &AROUND).unwrap();
        assert_eq!(value, Hl { comparison: Comparison::NotEqual, hops: 5 });
        let mut bytes = [0; 8];
        value.encode(0, &mut bytes, &AROUND).unwrap();
        assert_eq!(bytes, NOT_FIVE);
        let mut text = String::new();
        value.save(&mut text, &AROUND).unwrap();
        assert_eq!(text, " ! --hl-eq 5");
    }

    #[test]
    fn an_unknown_mode_is_malformed() {
        assert_eq!(Hl::decode(0, &[4, 5, 0, 0, 0, 0, 0, 0], &AROUND), Err(Malformed("hl mode")));
        assert!(Hl::decode(0, &[1], &AROUND).is_err());
    }
}
