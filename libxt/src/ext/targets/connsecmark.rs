//! `-j CONNSECMARK`: copies the security mark between the packet and its connection.

use std::fmt::{self, Write};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// Which way the mark is copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connsecmark {
    /// Neither was given, which the tools refuse.
    #[default]
    None,
    /// From the packet to the connection.
    Save,
    /// From the connection to the packet.
    Restore,
}

impl Extension for Connsecmark {
    const NAME: &'static str = "CONNSECMARK";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, 1)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::flag("save", "copy the packet's mark to the connection", set_save).excludes(&["restore"]),
        Opt::flag("restore", "copy the connection's mark to the packet", set_restore).excludes(&["save"]),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 { Err(Problem::new("CONNSECMARK target: parameter required")) } else { Ok(()) }
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        match info.first() {
            Some(1) => Ok(Self::Save),
            Some(2) => Ok(Self::Restore),
            _ => Err(Malformed("CONNSECMARK.mode")),
        }
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        *info.first_mut().ok_or(Malformed("CONNSECMARK"))? = *self as u8;
        Ok(())
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Save => w.write_str(" --save"),
            Self::Restore => w.write_str(" --restore"),
        }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(match self {
            Self::None => " CONNSECMARK ",
            Self::Save => " CONNSECMARK save",
            Self::Restore => " CONNSECMARK restore",
        })
    }
}

fn set_save(to: &mut Connsecmark, _given: &Given<'_>) -> Result<(), Problem> {
    *to = Connsecmark::Save;
    Ok(())
}

fn set_restore(to: &mut Connsecmark, _given: &Given<'_>) -> Result<(), Problem> {
    *to = Connsecmark::Restore;
    Ok(())
}
