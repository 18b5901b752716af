//! `-m socket`: matches packets for which this host has a socket.

use std::fmt::{self, Write};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// Which sockets count, and what a match does to the packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Socket {
    /// Only transparent sockets count.
    pub transparent: bool,
    /// Sockets that listen on every address count, too.
    pub nowildcard: bool,
    /// The packet gets the socket's mark.
    pub restore_mark: bool,
}

impl Extension for Socket {
    const NAME: &'static str = "socket";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(3, 1), Revision::new(2, 1), Revision::new(1, 1), Revision::new(0, 0).only(Families::V4)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::flag("nowildcard", "sockets that listen on every address count, too", set_nowildcard),
        Opt::flag("transparent", "only transparent sockets count", set_transparent),
        Opt::flag("restore-skmark", "give a packet that matches the socket's mark", set_restore),
    ];

    fn fits(&self, number: u8) -> bool {
        match number {
            0 => self.flags() == 0,
            1 => self.flags() & !TRANSPARENT == 0,
            2 => self.flags() & !(TRANSPARENT | NOWILDCARD) == 0,
            _ => true,
        }
    }

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        if revision == 0 {
            return Ok(Self::default());
        }
        let flags = *info.first().ok_or(Malformed("socket"))?;
        Ok(Self {
            transparent: flags & TRANSPARENT != 0,
            nowildcard: revision >= 2 && flags & NOWILDCARD != 0,
            restore_mark: revision >= 3 && flags & RESTORE_MARK != 0,
        })
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        if revision != 0 {
            *info.first_mut().ok_or(Malformed("socket"))? = self.flags();
        }
        Ok(())
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        for (set, name) in
            [(self.transparent, "transparent"), (self.nowildcard, "nowildcard"), (self.restore_mark, "restore-skmark")]
        {
            if set {
                write!(w, " --{name}")?;
            }
        }
        Ok(())
    }

    fn print(&self, w: &mut dyn Write, around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" socket")?;
        self.save(w, around)
    }
}

impl Socket {
    fn flags(&self) -> u8 {
        let bit = |set, bit| if set { bit } else { 0 };
        bit(self.transparent, TRANSPARENT) | bit(self.nowildcard, NOWILDCARD) | bit(self.restore_mark, RESTORE_MARK)
    }
}

fn set_transparent(to: &mut Socket, _given: &Given<'_>) -> Result<(), Problem> {
    to.transparent = true;
    Ok(())
}

fn set_nowildcard(to: &mut Socket, _given: &Given<'_>) -> Result<(), Problem> {
    to.nowildcard = true;
    Ok(())
}

fn set_restore(to: &mut Socket, _given: &Given<'_>) -> Result<(), Problem> {
    to.restore_mark = true;
    Ok(())
}

/// Bits of struct xt_socket_mtinfo1 and its successors.
const TRANSPARENT: u8 = 1;
const NOWILDCARD: u8 = 2;
const RESTORE_MARK: u8 = 4;
