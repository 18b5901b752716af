//! `-m pkttype`: compares whom the link layer addressed the packet to.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings, option};
use crate::family::Af;

/// The packet is of this type, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pkttype {
    /// `PACKET_*`: 0 for this host, 1 broadcast, 2 multicast, 3 for another host.
    pub kind: u32,
    /// `! --pkt-type`.
    pub inverted: bool,
}

/// The first name of a type is the one that prints.
const NAMES: [(&str, u32); 7] =
    [("unicast", 0), ("host", 0), ("broadcast", 1), ("bcast", 1), ("multicast", 2), ("mcast", 2), ("otherhost", 3)];

impl Extension for Pkttype {
    const NAME: &'static str = "pkttype";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("pkt-type", " type", "unicast (or host), broadcast, multicast or otherhost", set_type)
            .invertible()
            .mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("pkttype"))?;
        Ok(Self { kind: info.kind, inverted: info.invert != 0 })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { kind: self.kind, invert: self.inverted.into() };
        bytes.write_to_prefix(info).map_err(|_| Malformed("pkttype"))
    }

    fn list_names(w: &mut dyn Write, _af: Af) -> fmt::Result {
        option::list_names(w, NAMES, |_| false)
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, "{} --pkt-type {}", if self.inverted { " !" } else { "" }, self.name())
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " PKTTYPE {}= {}", if self.inverted { "!" } else { "" }, self.name())
    }
}

impl Pkttype {
    fn name(&self) -> Number {
        Number(self.kind)
    }
}

/// A type's name, or its number where it has none.
struct Number(u32);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, kind)| *kind == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

fn set_type(to: &mut Pkttype, given: &Given<'_>) -> Result<(), Problem> {
    let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(given.value));
    let (_, kind) = named.ok_or_else(|| Problem::new(format!("Bad packet type '{}'", given.value)))?;
    *to = Pkttype { kind: *kind, inverted: given.inverted };
    Ok(())
}

/// struct xt_pkttype_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    kind: u32,
    invert: u32,
}
