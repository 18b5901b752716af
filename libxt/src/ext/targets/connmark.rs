//! `-j CONNMARK`: sets the connection's mark, saves the packet's mark in it, or restores it from there.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::{mark::Masked, number};

/// What is done with the two marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connmark {
    /// Which way the bits go.
    pub mode: Mode,
    /// The bits flipped by [`Mode::Set`].
    pub ctmark: u32,
    /// The bits of the connection's mark that are cleared (set, save) or taken (restore).
    pub ctmask: u32,
    /// The bits of the packet's mark that are taken (save) or cleared (restore).
    pub nfmask: u32,
    /// How far the copied bits are shifted; revision 2 only.
    pub shift: Shift,
}

/// `XT_CONNMARK_SET`, `_SAVE`, `_RESTORE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// `ctmark = (ctmark & !ctmask) ^ value`.
    #[default]
    Set,
    /// From the packet to the connection.
    Save,
    /// From the connection to the packet.
    Restore,
}

/// A shift by 0 to 32 bits (`D_SHIFT_LEFT`, `D_SHIFT_RIGHT`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// To the right, towards the lower bits.
    pub right: bool,
    /// By how many bits.
    pub bits: u8,
}

impl Default for Connmark {
    fn default() -> Self {
        Self { mode: Mode::Set, ctmark: 0, ctmask: u32::MAX, nfmask: u32::MAX, shift: Shift::default() }
    }
}

const ACTIONS: [&str; 7] = ["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark", "save-mark", "restore-mark"];

impl Extension for Connmark {
    const NAME: &'static str = "CONNMARK";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(2, size_of::<Info2>()), Revision::new(1, size_of::<Info1>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[
            Opt::new("set-xmark", " value[/ctmask]", "clear the masked bits, then flip those of value", set_xmark)
                .excludes(&["set-mark", "and-mark", "or-mark", "xor-mark", "save-mark", "restore-mark"]),
            Opt::new("set-mark", " value[/mask]", "clear the masked bits, then set those of value", set_mark)
                .excludes(&["set-xmark", "and-mark", "or-mark", "xor-mark", "save-mark", "restore-mark"]),
            Opt::new("and-mark", " bits", "keep only these bits", set_and).excludes(&[
                "set-xmark",
                "set-mark",
                "or-mark",
                "xor-mark",
                "save-mark",
                "restore-mark",
            ]),
            Opt::new("or-mark", " bits", "set these bits", set_or).excludes(&[
                "set-xmark",
                "set-mark",
                "and-mark",
                "xor-mark",
                "save-mark",
                "restore-mark",
            ]),
            Opt::new("xor-mark", " bits", "flip these bits", set_xor).excludes(&[
                "set-xmark",
                "set-mark",
                "and-mark",
                "or-mark",
                "save-mark",
                "restore-mark",
            ]),
            Opt::flag("save-mark", "copy the packet's mark to the connection", set_save).excludes(&[
                "set-xmark",
                "set-mark",
                "and-mark",
                "or-mark",
                "xor-mark",
                "restore-mark",
            ]),
            Opt::flag("restore-mark", "copy the connection's mark to the packet", set_restore).excludes(&[
                "set-xmark",
                "set-mark",
                "and-mark",
                "or-mark",
                "xor-mark",
                "save-mark",
            ]),
            Opt::new("left-shift-mark", " bits", "shift what is copied to the left, 0 to 32", set_left),
            Opt::new("right-shift-mark", " bits", "shift what is copied to the right, 0 to 32", set_right),
            Opt::new("ctmask", " mask", "bits of the connection's mark", set_ctmask).excludes(&["mask"]),
            Opt::new("nfmask", " mask", "bits of the packet's mark", set_nfmask).excludes(&["mask"]),
            Opt::new("mask", " mask", "bits of both marks", set_mask).excludes(&["ctmask", "nfmask"]),
        ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen & ((1 << ACTIONS.len()) - 1) == 0 {
            return Err(Problem::new("CONNMARK target: No operation specified"));
        }
        Ok(())
    }

    fn fits(&self, number: u8) -> bool {
        number == 2 || self.shift.bits == 0
    }

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        const WRONG: Malformed = Malformed("CONNMARK");
        let (head, _) = Info1::read_from_prefix(info).map_err(|_| WRONG)?;
        let (mode, shift) = if revision >= 2 {
            let (info, _) = Info2::read_from_prefix(info).map_err(|_| WRONG)?;
            (info.mode, Shift { right: info.shift_dir != 0, bits: info.shift_bits })
        } else {
            (head.mode, Shift::default())
        };
        let mode = match mode {
            0 => Mode::Set,
            1 => Mode::Save,
            2 => Mode::Restore,
            _ => return Err(Malformed("CONNMARK mode")),
        };
        Ok(Self { mode, ctmark: head.ctmark, ctmask: head.ctmask, nfmask: head.nfmask, shift })
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let Self { mode, ctmark, ctmask, nfmask, shift } = *self;
        let mode = mode as u8;
        if revision >= 2 {
            let (shift_dir, shift_bits) = (shift.right.into(), shift.bits);
            Info2 { ctmark, ctmask, nfmask, shift_dir, shift_bits, mode, pad: 0 }.write_to_prefix(info).ok()
        } else {
            Info1 { ctmark, ctmask, nfmask, mode, pad: [0; 3] }.write_to_prefix(info).ok()
        }
        .ok_or(Malformed("CONNMARK"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        match self.mode {
            Mode::Set => write!(w, " --set-xmark {:#x}/{:#x}", self.ctmark, self.ctmask)?,
            Mode::Save => write!(w, " --save-mark --nfmask {:#x} --ctmask {:#x}", self.nfmask, self.ctmask)?,
            Mode::Restore => write!(w, " --restore-mark --nfmask {:#x} --ctmask {:#x}", self.nfmask, self.ctmask)?,
        }
        match self.shift {
            Shift { bits: 0, .. } => Ok(()),
            Shift { right: false, bits } => write!(w, " --left-shift-mark {bits}"),
            Shift { right: true, bits } => write!(w, " --right-shift-mark {bits}"),
        }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        let Self { ctmark, ctmask, nfmask, .. } = *self;
        match self.mode {
            Mode::Set if ctmark == 0 => write!(w, " CONNMARK and {:#x}", !ctmask)?,
            Mode::Set if ctmark == ctmask => write!(w, " CONNMARK or {ctmark:#x}")?,
            Mode::Set if ctmask == 0 => write!(w, " CONNMARK xor {ctmark:#x}")?,
            Mode::Set if ctmask == u32::MAX => write!(w, " CONNMARK set {ctmark:#x}")?,
            Mode::Set => write!(w, " CONNMARK xset {ctmark:#x}/{ctmask:#x}")?,
            Mode::Save if nfmask == u32::MAX && ctmask == u32::MAX => write!(w, " CONNMARK save")?,
            Mode::Save if nfmask == ctmask => write!(w, " CONNMARK save mask {nfmask:#x}")?,
            Mode::Save => write!(w, " CONNMARK save nfmask {nfmask:#x} ctmask ~{ctmask:#x}")?,
            Mode::Restore if nfmask == u32::MAX && ctmask == u32::MAX => write!(w, " CONNMARK restore")?,
            Mode::Restore if nfmask == ctmask => write!(w, " CONNMARK restore mask {ctmask:#x}")?,
            Mode::Restore => write!(w, " CONNMARK restore ctmask {ctmask:#x} nfmask ~{nfmask:#x}")?,
        }
        match self.shift {
            Shift { bits: 0, .. } => Ok(()),
            Shift { right: false, bits } => write!(w, " left-shift-mark {bits}"),
            Shift { right: true, bits } => write!(w, " right-shift-mark {bits}"),
        }
    }
}

fn set_xmark(to: &mut Connmark, given: &Given<'_>) -> Result<(), Problem> {
    let Masked { value, mask } = given.mark()?;
    set(to, value, mask)
}

fn set_mark(to: &mut Connmark, given: &Given<'_>) -> Result<(), Problem> {
    let Masked { value, mask } = given.mark()?;
    set(to, value, mask | value)
}

fn set_and(to: &mut Connmark, given: &Given<'_>) -> Result<(), Problem> {
    let bits = bits(given)?;
    set(to, 0, !bits)
}

fn set_or(to: &mut Connmark, given: &Given<'_>) -> Result<(), Problem> {
    let bits = bits(given)?;
    set(to, bits, bits)
}

fn set_xor(to: &mut Connmark, given: &Given<'_>) -> Result<(), Problem> {
    let bits = bits(given)?;
    set(to, bits, 0)
}

fn set_save(to: &mut Connmark, _given: &Given<'_>) -> Result<(), Problem> {
    to.mode = Mode::Save;
    Ok(())
}

fn set_restore(to: &mut Connmark, _given: &Given<'_>) -> Result<(), Problem> {
    to.mode = Mode::Restore;
    Ok(())
}

fn set_left(to: &mut Connmark, given: &Given<'_>) -> Result<(), Problem> {
    to.shift = Shift { right: false, bits: shift_bits(given)? };
    Ok(())
}

fn set_right(to: &mut Connmark, given: &Given<'_>) -> Result<(), Problem> {
    to.shift = Shift { right: true, bits: shift_bits(given)? };
    Ok(())
}

fn set_ctmask(to: &mut Connmark, given: &Given<'_>) -> Result<(), Problem> {
    to.ctmask = bits(given)?;
    Ok(())
}

fn set_nfmask(to: &mut Connmark, given: &Given<'_>) -> Result<(), Problem> {
    to.nfmask = bits(given)?;
    Ok(())
}

fn set_mask(to: &mut Connmark, given: &Given<'_>) -> Result<(), Problem> {
    let mask = bits(given)?;
    (to.ctmask, to.nfmask) = (mask, mask);
    Ok(())
}

fn set(to: &mut Connmark, ctmark: u32, ctmask: u32) -> Result<(), Problem> {
    (to.mode, to.ctmark, to.ctmask) = (Mode::Set, ctmark, ctmask);
    Ok(())
}

fn bits(given: &Given<'_>) -> Result<u32, Problem> {
    let max = u32::MAX.into();
    number::parse(given.value, 0, max).map(|bits| bits as u32).ok_or_else(|| given.out_of_range(0, max))
}

fn shift_bits(given: &Given<'_>) -> Result<u8, Problem> {
    number::parse(given.value, 0, 32).map(|bits| bits as u8).ok_or_else(|| given.out_of_range(0, 32))
}

/// struct xt_connmark_tginfo1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    ctmark: u32,
    ctmask: u32,
    nfmask: u32,
    mode: u8,
    pad: [u8; 3],
}

/// struct xt_connmark_tginfo2.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info2 {
    ctmark: u32,
    ctmask: u32,
    nfmask: u32,
    shift_dir: u8,
    shift_bits: u8,
    mode: u8,
    pad: u8,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Af;

    const AROUND: Surroundings = Surroundings::new(Af::V4);

    #[test]
    fn a_shifted_restore_is_revision_two() {
        // As installed by `-j CONNMARK --restore-mark --right-shift-mark 2`.
        let bytes = [0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 2, 0];
        let value = Connmark::decode(2, &bytes, &AROUND).unwrap();
        assert_eq!(value.shift, Shift { right: true, bits: 2 });
        assert_eq!(value.mode, Mode::Restore);
        assert!(!value.fits(1));
        let mut again = [0; 16];
        value.encode(2, &mut again, &AROUND).unwrap();
        assert_eq!(again, bytes);
        let mut text = String::new();
        value.save(&mut text, &AROUND).unwrap();
        assert_eq!(text, " --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff --right-shift-mark 2");
    }

    #[test]
    fn revision_one_keeps_its_mode_where_revision_two_keeps_the_shift() {
        let value = Connmark { mode: Mode::Save, ..Connmark::default() };
        let mut bytes = [0; 16];
        value.encode(1, &mut bytes, &AROUND).unwrap();
        assert_eq!(bytes[12], 1);
        assert_eq!(Connmark::decode(1, &bytes, &AROUND).unwrap(), value);
    }
}
