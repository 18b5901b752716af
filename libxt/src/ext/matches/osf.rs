//! `-m osf`: guesses the system that opens a TCP connection by the look of its first packet.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::text::Text;

/// Which system, and how it is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Osf {
    /// The system's name, at most 31 bytes.
    pub genre: Text<32>,
    /// Bytes of the name that are compared.
    pub len: u32,
    /// `!`.
    pub inverted: bool,
    /// How the TTL is compared: 0 exactly, 1 at most, 2 not at all.
    pub ttl: Option<u32>,
    /// What is logged: 0 all, 1 the first, 2 all that are known.
    pub log: Option<u32>,
}

impl Extension for Osf {
    const NAME: &'static str = "osf";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(Families::V4)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("genre", " name", "the system, as the fingerprints name it", set_genre).invertible().mandatory(),
        Opt::new("ttl", " level", "compare the TTL exactly (0), as at most (1), not at all (2)", set_ttl),
        Opt::new("log", " level", "log all packets (0), the first match (1), all that are known (2)", set_log),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("osf"))?;
        Ok(Self {
            genre: Text(info.genre),
            len: info.len,
            inverted: info.flags & INVERT != 0,
            ttl: (info.flags & TTL != 0).then_some(info.ttl),
            log: (info.flags & LOG != 0).then_some(info.log),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bit = |set, bit| if set { bit } else { 0 };
        let bytes = Info {
            genre: self.genre.0,
            len: self.len,
            flags: bit(self.ttl.is_some(), TTL) | bit(self.log.is_some(), LOG) | bit(self.inverted, INVERT),
            log: self.log.unwrap_or(0),
            ttl: self.ttl.unwrap_or(0),
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("osf"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, "{} --genre {}", if self.inverted { " !" } else { "" }, self.genre)?;
        for (name, level) in [("ttl", self.ttl), ("log", self.log)] {
            if let Some(level) = level {
                write!(w, " --{name} {level}")?;
            }
        }
        Ok(())
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " OS fingerprint match {}{}", if self.inverted { "! " } else { "" }, self.genre)
    }
}

fn set_genre(to: &mut Osf, given: &Given<'_>) -> Result<(), Problem> {
    to.genre = given.text(0)?;
    to.len = to.genre.as_bytes().len() as u32;
    to.inverted = given.inverted;
    Ok(())
}

fn set_ttl(to: &mut Osf, given: &Given<'_>) -> Result<(), Problem> {
    to.ttl = Some(given.long(0, 2)?);
    Ok(())
}

fn set_log(to: &mut Osf, given: &Given<'_>) -> Result<(), Problem> {
    to.log = Some(given.long(0, 2)?);
    Ok(())
}

/// XT_OSF_*.
const TTL: u32 = 2;
const LOG: u32 = 4;
const INVERT: u32 = 8;

/// struct xt_osf_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    genre: [u8; 32],
    len: u32,
    flags: u32,
    log: u32,
    ttl: u32,
}
