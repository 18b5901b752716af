//! `-m rpfilter`: asks whether the way back to the packet's source leads where it came from.

use std::fmt::{self, Write};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// How strictly the way back is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rpfilter {
    /// Any device will do.
    pub loose: bool,
    /// The packet's mark takes part in the route lookup.
    pub mark: bool,
    /// A source address of this host is no reason to fail.
    pub accept_local: bool,
    /// Packets that fail the test match.
    pub inverted: bool,
}

/// Bit and name of each flag, in the order in which they are printed.
const FLAGS: [(u8, &str); 4] = [(LOOSE, "loose"), (MARK, "validmark"), (LOCAL, "accept-local"), (INVERT, "invert")];

impl Extension for Rpfilter {
    const NAME: &'static str = "rpfilter";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, 1)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::flag("loose", "the way back may lead through any device", set_loose),
        Opt::flag("validmark", "look the way back up with the packet's mark", set_mark),
        Opt::flag("accept-local", "a source address of this host is no failure", set_local),
        Opt::flag("invert", "match packets that fail the test", set_invert),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let flags = *info.first().ok_or(Malformed("rpfilter"))?;
        Ok(Self {
            loose: flags & LOOSE != 0,
            mark: flags & MARK != 0,
            accept_local: flags & LOCAL != 0,
            inverted: flags & INVERT != 0,
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        *info.first_mut().ok_or(Malformed("rpfilter"))? = self.flags();
        Ok(())
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        self.write(w, "--")
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" rpfilter")?;
        self.write(w, "")
    }
}

impl Rpfilter {
    fn flags(&self) -> u8 {
        let bit = |set, bit| if set { bit } else { 0 };
        bit(self.loose, LOOSE) | bit(self.mark, MARK) | bit(self.accept_local, LOCAL) | bit(self.inverted, INVERT)
    }

    fn write(&self, w: &mut dyn Write, dashes: &str) -> fmt::Result {
        let flags = self.flags();
        for (bit, name) in FLAGS {
            if flags & bit != 0 {
                write!(w, " {dashes}{name}")?;
            }
        }
        Ok(())
    }
}

fn set_loose(to: &mut Rpfilter, _given: &Given<'_>) -> Result<(), Problem> {
    to.loose = true;
    Ok(())
}

fn set_mark(to: &mut Rpfilter, _given: &Given<'_>) -> Result<(), Problem> {
    to.mark = true;
    Ok(())
}

fn set_local(to: &mut Rpfilter, _given: &Given<'_>) -> Result<(), Problem> {
    to.accept_local = true;
    Ok(())
}

fn set_invert(to: &mut Rpfilter, _given: &Given<'_>) -> Result<(), Problem> {
    to.inverted = true;
    Ok(())
}

/// Bits of struct xt_rpfilter_info.
const LOOSE: u8 = 1;
const MARK: u8 = 2;
const LOCAL: u8 = 4;
const INVERT: u8 = 8;
