//! `-m length`, and what it shares with `-m tcpmss`: compares the packet's length, network header included.

use std::fmt::{self, Write};
use std::marker::PhantomData;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// `-m length`.
pub type Length = Between<Bytes>;

/// The packet's length, 0 to 65535 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes;

/// A measure lies between two bounds, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Between<M> {
    /// The least.
    pub min: u16,
    /// The greatest.
    pub max: u16,
    /// `!`.
    pub inverted: bool,
    measure: PhantomData<M>,
}

/// What is measured, and what it is called.
pub trait Measure: Clone + Default + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// The extension's name.
    const NAME: &'static str;
    /// The one option, what follows it, and its help.
    const OPTION: (&'static str, &'static str, &'static str);
    /// The words in listings.
    const LISTED: &'static str;
    /// What is said of bounds in the wrong order, where they are checked.
    const REVERSED: Option<&'static str>;
}

impl Measure for Bytes {
    const NAME: &'static str = "length";
    const OPTION: (&'static str, &'static str, &'static str) =
        ("length", " bytes[:bytes]", "how long the packet is, 0 to 65535");
    const LISTED: &'static str = "length";
    const REVERSED: Option<&'static str> = None;
}

impl<M: Measure> Extension for Between<M> {
    const NAME: &'static str = M::NAME;
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new(M::OPTION.0, M::OPTION.1, M::OPTION.2, set_bounds).invertible().mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed(M::NAME))?;
        Ok(Self { min: info.min, max: info.max, inverted: info.invert != 0, measure: PhantomData })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { min: self.min, max: self.max, invert: self.inverted.into(), pad: 0 };
        bytes.write_to_prefix(info).map_err(|_| Malformed(M::NAME))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, "{} --{} ", if self.inverted { " !" } else { "" }, M::OPTION.0)?;
        self.write_bounds(w)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " {} {}", M::LISTED, if self.inverted { "!" } else { "" })?;
        self.write_bounds(w)
    }
}

impl<M> Between<M> {
    fn write_bounds(&self, w: &mut dyn Write) -> fmt::Result {
        write!(w, "{}", self.min)?;
        if self.min == self.max { Ok(()) } else { write!(w, ":{}", self.max) }
    }
}

fn set_bounds<M: Measure>(to: &mut Between<M>, given: &Given<'_>) -> Result<(), Problem> {
    let (min, max) = given.range(u16::MAX.into())?;
    if let Some(reversed) = M::REVERSED.filter(|_| min > max) {
        return Err(Problem::new(reversed));
    }
    *to = Between { min: min as u16, max: max as u16, inverted: given.inverted, measure: PhantomData };
    Ok(())
}

/// struct xt_length_info and struct xt_tcpmss_match_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    min: u16,
    max: u16,
    invert: u8,
    pad: u8,
}
