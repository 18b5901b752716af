//! `-j TOS`: sets bits of the TOS byte or the IPv6 traffic class.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::{self, number};

/// `tos = (tos & !mask) ^ value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tos {
    /// The bits flipped after masking, and the bits cleared first.
    pub tos: value::tos::Tos,
}

impl Extension for Tos {
    const NAME: &'static str = "TOS";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(1, size_of::<Info1>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("set-tos", " value[/mask]|name", "clear the masked bits, then flip those of value", set_tos)
            .excludes(&["and-tos", "or-tos", "xor-tos"]),
        Opt::new("and-tos", " bits", "keep only these bits", set_and).excludes(&["set-tos", "or-tos", "xor-tos"]),
        Opt::new("or-tos", " bits", "set these bits", set_or).excludes(&["set-tos", "and-tos", "xor-tos"]),
        Opt::new("xor-tos", " bits", "flip these bits", set_xor).excludes(&["set-tos", "and-tos", "or-tos"]),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 {
            return Err(Problem::new("TOS: An action is required"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info1::read_from_prefix(info).map_err(|_| Malformed("TOS"))?;
        Ok(Self { tos: value::tos::Tos { value: info.value, mask: info.mask } })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info1 { value: self.tos.value, mask: self.tos.mask };
        bytes.write_to_prefix(info).map_err(|_| Malformed("TOS"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, " --set-tos 0x{:02x}/0x{:02x}", self.tos.value, self.tos.mask)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        let value::tos::Tos { value, mask } = self.tos;
        match self.tos.name() {
            _ if numeric => write!(w, " TOS set 0x{value:02x}/0x{mask:02x}"),
            // Upstream glues the name to the verb.
            Some(name) => write!(w, "  TOS set{name}"),
            None if value == 0 => write!(w, " TOS and 0x{:02x}", !mask),
            None if value == mask => write!(w, " TOS or 0x{value:02x}"),
            None if mask == 0 => write!(w, " TOS xor 0x{value:02x}"),
            None => write!(w, " TOS set 0x{value:02x}/0x{mask:02x}"),
        }
    }
}

fn set_tos(to: &mut Tos, given: &Given<'_>) -> Result<(), Problem> {
    to.tos = value::tos::Tos::parse(given.value).map_err(Problem::new)?;
    Ok(())
}

fn set_and(to: &mut Tos, given: &Given<'_>) -> Result<(), Problem> {
    to.tos = value::tos::Tos { value: 0, mask: !bits(given)? };
    Ok(())
}

fn set_or(to: &mut Tos, given: &Given<'_>) -> Result<(), Problem> {
    let bits = bits(given)?;
    to.tos = value::tos::Tos { value: bits, mask: bits };
    Ok(())
}

fn set_xor(to: &mut Tos, given: &Given<'_>) -> Result<(), Problem> {
    to.tos = value::tos::Tos { value: bits(given)?, mask: 0 };
    Ok(())
}

fn bits(given: &Given<'_>) -> Result<u8, Problem> {
    number::parse(given.value, 0, 255).map(|bits| bits as u8).ok_or_else(|| given.out_of_range(0, 255))
}

/// struct xt_tos_target_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    value: u8,
    mask: u8,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Af;

    fn printed(value: u8, mask: u8) -> String {
        let mut text = String::new();
        let tos = Tos { tos: value::tos::Tos { value, mask } };
        tos.print(&mut text, &Surroundings::new(Af::V4), false).unwrap();
        text
    }

    #[test]
    fn the_listing_says_which_operation_the_bits_amount_to() {
        assert_eq!(printed(0x00, 0xff), " TOS and 0x00");
        assert_eq!(printed(0x10, 0x10), " TOS or 0x10");
        assert_eq!(printed(0x10, 0x00), " TOS xor 0x10");
        assert_eq!(printed(0x10, 0xff), " TOS set 0x10/0xff");
        assert_eq!(printed(0x00, 0x3f), "  TOS setNormal-Service");
    }
}
