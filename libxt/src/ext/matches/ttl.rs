//! `-m ttl`: compares the IPv4 time to live.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, IntoBytes};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::hops::{Comparison, Info};
use crate::value::number;

/// A comparison of the IPv4 time to live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ttl {
    /// How.
    pub comparison: Comparison,
    /// With what, 0 to 255 hops.
    pub hops: u8,
}

impl Extension for Ttl {
    const NAME: &'static str = "ttl";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(Families::V4)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("ttl-lt", " value", "TTL below value", set_less).excludes(&["ttl-gt", "ttl-eq"]),
        Opt::new("ttl-gt", " value", "TTL above value", set_greater).excludes(&["ttl-lt", "ttl-eq"]),
        Opt::new("ttl-eq", " value", "TTL equal to value", set_equal).invertible().excludes(&["ttl-lt", "ttl-gt"]),
        Opt::new("ttl", " value", "the same as --ttl-eq", set_equal).invertible().alias_of("ttl-eq"),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 {
            return Err(Problem::new("TTL match: You must specify one of `--ttl-eq', `--ttl-lt', `--ttl-gt"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("ttl"))?;
        let comparison = Comparison::from_mode(info.mode).ok_or(Malformed("ttl mode"))?;
        Ok(Self { comparison, hops: info.hops })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { mode: self.comparison as u8, hops: self.hops };
        bytes.write_to_prefix(info).map_err(|_| Malformed("ttl"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        let (not, end) = self.comparison.option();
        write!(w, " {not}--ttl-{end} {}", self.hops)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " TTL match TTL {} {}", self.comparison.operator(), self.hops)
    }
}

fn set_less(to: &mut Ttl, given: &Given<'_>) -> Result<(), Problem> {
    set(to, Comparison::Less, given)
}

fn set_greater(to: &mut Ttl, given: &Given<'_>) -> Result<(), Problem> {
    set(to, Comparison::Greater, given)
}

fn set_equal(to: &mut Ttl, given: &Given<'_>) -> Result<(), Problem> {
    set(to, if given.inverted { Comparison::NotEqual } else { Comparison::Equal }, given)
}

fn set(to: &mut Ttl, comparison: Comparison, given: &Given<'_>) -> Result<(), Problem> {
    let hops = number::parse(given.value, 0, 255).ok_or_else(|| given.out_of_range(0, 255))? as u8;
    *to = Ttl { comparison, hops };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Af;

    const AROUND: Surroundings = Surroundings::new(Af::V4);

    /// As installed by `-m ttl ! --ttl-eq 5`.
    const NOT_FIVE: [u8; 8] = [1, 5, 0, 0, 0, 0, 0, 0];

    #[test]
    fn an_inverted_equality_is_a_mode_of_its_own() {
        let value = Ttl::decode(0, &NOT_FIVE, &AROUND).unwrap();
        assert_eq!(value, Ttl { comparison: Comparison::NotEqual, hops: 5 });
        let mut bytes = [0; 8];
        value.encode(0, &mut bytes, &AROUND).unwrap();
        assert_eq!(bytes, NOT_FIVE);
        let mut text = String::new();
        value.save(&mut text, &AROUND).unwrap();
        assert_eq!(text, " ! --ttl-eq 5");
    }

    #[test]
    fn an_unknown_mode_is_malformed() {
        assert_eq!(Ttl::decode(0, &[4, 5, 0, 0, 0, 0, 0, 0], &AROUND), Err(Malformed("ttl mode")));
        assert!(Ttl::decode(0, &[1], &AROUND).is_err());
    }
}
