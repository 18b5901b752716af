//! `-m tos`: compares the TOS byte or the IPv6 traffic class.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value;

/// `(packet TOS & mask) == value`, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tos {
    /// The value and its mask.
    pub tos: value::tos::Tos,
    /// `! --tos`.
    pub inverted: bool,
}

impl Extension for Tos {
    const NAME: &'static str = "tos";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(1, size_of::<Info1>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("tos", " value[/mask]|name", "the TOS byte, or an RFC 1349 name for its middle bits", set_tos)
            .invertible()
            .mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info1::read_from_prefix(info).map_err(|_| Malformed("tos"))?;
        Ok(Self { tos: value::tos::Tos { value: info.value, mask: info.mask }, inverted: info.invert != 0 })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info1 { mask: self.tos.mask, value: self.tos.value, invert: self.inverted.into() };
        bytes.write_to_prefix(info).map_err(|_| Malformed("tos"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        let not = if self.inverted { " !" } else { "" };
        write!(w, "{not} --tos 0x{:02x}/0x{:02x}", self.tos.value, self.tos.mask)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        let not = if self.inverted { "!" } else { "" };
        write!(w, " tos match{not}")?;
        match self.tos.name() {
            Some(name) if !numeric => write!(w, " {name}"),
            _ => write!(w, "0x{:02x}/0x{:02x}", self.tos.value, self.tos.mask),
        }
    }
}

fn set_tos(to: &mut Tos, given: &Given<'_>) -> Result<(), Problem> {
    *to = Tos { tos: value::tos::Tos::parse(given.value).map_err(Problem::new)?, inverted: given.inverted };
    Ok(())
}

/// struct xt_tos_match_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    mask: u8,
    value: u8,
    invert: u8,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Af;

    const AROUND: Surroundings = Surroundings::new(Af::V4);

    #[test]
    fn the_mask_comes_before_the_value() {
        // As installed by `-m tos --tos 0x10`.
        let bytes = [0xff, 0x10, 0, 0, 0, 0, 0, 0];
        let value = Tos::decode(1, &bytes, &AROUND).unwrap();
        assert_eq!((value.tos.value, value.tos.mask, value.inverted), (0x10, 0xff, false));
        let mut again = [0; 8];
        value.encode(1, &mut again, &AROUND).unwrap();
        assert_eq!(again, bytes);
    }

    #[test]
    fn names_are_printed_only_when_not_numeric() {
        let value = Tos { tos: value::tos::Tos { value: 0x10, mask: 0x3f }, inverted: true };
        let print = |numeric| {
            let mut text = String::new();
            value.print(&mut text, &AROUND, numeric).unwrap();
            text
        };
        assert_eq!(print(false), " tos match! Minimize-Delay");
        assert_eq!(print(true), " tos match!0x10/0x3f");
    }
}
