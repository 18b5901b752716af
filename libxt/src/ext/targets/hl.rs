//! `-j HL`: changes the IPv6 hop limit.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, IntoBytes};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::hops::{Change, Info};
use crate::value::number;

/// A change of the IPv6 hop limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hl {
    /// What is done.
    pub change: Change,
    /// By or to how many hops.
    pub hops: u8,
}

impl Extension for Hl {
    const NAME: &'static str = "HL";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(Families::V6)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("hl-set", " value", "make it value, 0 to 255", set_to).excludes(&["hl-dec", "hl-inc"]),
        Opt::new("hl-dec", " value", "lower it by value, 1 to 255", set_decrement).excludes(&["hl-set", "hl-inc"]),
        Opt::new("hl-inc", " value", "raise it by value, 1 to 255", set_increment).excludes(&["hl-set", "hl-dec"]),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 {
            return Err(Problem::new("HL: You must specify an action"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("HL"))?;
        let change = Change::from_mode(info.mode).ok_or(Malformed("HL mode"))?;
        Ok(Self { change, hops: info.hops })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { mode: self.change as u8, hops: self.hops };
        bytes.write_to_prefix(info).map_err(|_| Malformed("HL"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, " --hl-{} {}", self.change.option(), self.hops)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " HL {} {}", self.change.verb(), self.hops)
    }
}

fn set_to(to: &mut Hl, given: &Given<'_>) -> Result<(), Problem> {
    set(to, Change::Set, 0, given)
}

fn set_decrement(to: &mut Hl, given: &Given<'_>) -> Result<(), Problem> {
    set(to, Change::Decrement, 1, given)
}

fn set_increment(to: &mut Hl, given: &Given<'_>) -> Result<(), Problem> {
    set(to, Change::Increment, 1, given)
}

fn set(to: &mut Hl, change: Change, min: u64, given: &Given<'_>) -> Result<(), Problem> {
    let hops = number::parse(given.value, min, 255).ok_or_else(|| given.out_of_range(min, 255))? as u8;
    *to = Hl { change, hops };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Af;

    const AROUND: Surroundings = Surroundings::new(Af::V6);

    /// As installed by `-j HL --hl-dec 3`.
    const LESS_THREE: [u8; 8] = [2, 3, 0, 0, 0, 0, 0, 0];

    #[test]
    fn the_kind_of_change_is_the_mode() {
        let value = Hl::decode(0, &LESS_THREE, &AROUND).unwrap();
        assert_eq!(value, Hl { change: Change::Decrement, hops: 3 });
        let mut bytes = [0; 8];
        value.encode(0, &mut bytes, &AROUND).unwrap();
        assert_eq!(bytes, LESS_THREE);
    }

    #[test]
    fn an_unknown_mode_is_malformed() {
        assert_eq!(Hl::decode(0, &[3, 5, 0, 0, 0, 0, 0, 0], &AROUND), Err(Malformed("HL mode")));
    }
}
