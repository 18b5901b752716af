//! `-m icmp6`: compares type and code of the ICMPv6 header.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::icmp::{self, Icmp};

/// The packet's type and code are among these, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp6 {
    /// The type and its codes.
    pub icmp: Icmp,
    /// `! --icmpv6-type`.
    pub inverted: bool,
}

impl Default for Icmp6 {
    fn default() -> Self {
        Self { icmp: Icmp::of(u8::MAX), inverted: false }
    }
}

impl Extension for Icmp6 {
    const NAME: &'static str = "icmp6";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(Families::V6)];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("icmpv6-type", " type[/code]", "a name of a type or code, or numbers from 0 to 255", set_type)
            .invertible()
            .mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("icmp6"))?;
        let [code_min, code_max] = info.code;
        Ok(Self { icmp: Icmp { kind: info.kind, code_min, code_max }, inverted: info.invert & 1 != 0 })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let Icmp { kind, code_min, code_max } = self.icmp;
        let bytes = Info { kind, code: [code_min, code_max], invert: self.inverted.into() };
        bytes.write_to_prefix(info).map_err(|_| Malformed("icmp6"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        let not = if self.inverted { " !" } else { "" };
        write!(w, "{not} --icmpv6-type {}", self.icmp.kind)?;
        if self.icmp.any_code() { Ok(()) } else { write!(w, "/{}", self.icmp.code_min) }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        w.write_str(" ipv6-icmp")?;
        icmp::V6.listed(w, self.icmp, self.inverted, numeric)
    }
}

fn set_type(to: &mut Icmp6, given: &Given<'_>) -> Result<(), Problem> {
    let icmp = icmp::V6.parse(given.value).map_err(Problem::new)?;
    *to = Icmp6 { icmp, inverted: given.inverted };
    Ok(())
}

/// struct ip6t_icmp.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    kind: u8,
    code: [u8; 2],
    invert: u8,
}
