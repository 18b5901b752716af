//! `-j NFLOG`: sends a copy of the packet to the programs that listen to a log group.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::option::notice;
use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::text::{Quoted, Text};

/// Which group, and how much of the packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nflog {
    /// The group.
    pub group: u16,
    /// How many bytes of the packet to copy; counts only with `sized`.
    pub length: u32,
    /// `length` was given with `--nflog-size`, which the kernel obeys; else the whole packet is copied.
    pub sized: bool,
    /// `--nflog-range` was given, of which [`Extension::check`] warns.
    ranged: bool,
    /// How many packets the kernel collects before it sends; 0 is its own choice.
    pub threshold: u16,
    /// What goes with the packet, up to 63 bytes.
    pub prefix: Text<64>,
}

impl Extension for Nflog {
    const NAME: &'static str = "NFLOG";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("nflog-group", " number", "the group, 0 to 65535", set_group),
        Opt::new("nflog-prefix", " text", "a text that goes with the packet, 1 to 63 bytes", set_prefix),
        Opt::new("nflog-range", " bytes", "of no effect; see --nflog-size", set_range).excludes(&["nflog-size"]),
        Opt::new("nflog-size", " bytes", "copy so many bytes of the packet", set_size).excludes(&["nflog-range"]),
        Opt::new("nflog-threshold", " number", "send after so many packets, 0 to 65535", set_threshold),
    ];

    fn check(&mut self, _seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        // Said once all options were read, and forgotten: it is no part of the value.
        if std::mem::take(&mut self.ranged) {
            notice("warn: --nflog-range has never worked and is no longer supported, please use --nflog-size instead");
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("NFLOG"))?;
        Ok(Self {
            group: info.group,
            length: info.length,
            sized: info.flags & COPY_LEN != 0,
            ranged: false,
            threshold: info.threshold,
            prefix: Text(info.prefix),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info {
            length: self.length,
            group: self.group,
            threshold: self.threshold,
            flags: if self.sized { COPY_LEN } else { 0 },
            pad: 0,
            prefix: self.prefix.0,
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("NFLOG"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        self.write(w, "--")
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        self.write(w, "")
    }
}

impl Nflog {
    fn write(&self, w: &mut dyn Write, dashes: &str) -> fmt::Result {
        if !self.prefix.is_empty() {
            write!(w, " {dashes}nflog-prefix {}", Quoted(&self.prefix.to_str()))?;
        }
        if self.group != 0 {
            write!(w, " {dashes}nflog-group {}", self.group)?;
        }
        if self.sized {
            write!(w, " {dashes}nflog-size {}", self.length)?;
        } else if self.length != 0 {
            write!(w, " {dashes}nflog-range {}", self.length)?;
        }
        if self.threshold != 0 {
            write!(w, " {dashes}nflog-threshold {}", self.threshold)?;
        }
        Ok(())
    }
}

fn set_group(to: &mut Nflog, given: &Given<'_>) -> Result<(), Problem> {
    to.group = given.word(0, u16::MAX)?;
    Ok(())
}

fn set_prefix(to: &mut Nflog, given: &Given<'_>) -> Result<(), Problem> {
    to.prefix = given.text(1)?;
    if given.value.contains('\n') {
        return Err(Problem::new("Newlines not allowed in --log-prefix"));
    }
    Ok(())
}

fn set_range(to: &mut Nflog, given: &Given<'_>) -> Result<(), Problem> {
    to.length = given.long(0, u32::MAX)?;
    to.ranged = true;
    Ok(())
}

fn set_size(to: &mut Nflog, given: &Given<'_>) -> Result<(), Problem> {
    to.length = given.long(0, u32::MAX)?;
    to.sized = true;
    Ok(())
}

fn set_threshold(to: &mut Nflog, given: &Given<'_>) -> Result<(), Problem> {
    to.threshold = given.word(0, u16::MAX)?;
    Ok(())
}

/// XT_NFLOG_F_COPY_LEN.
const COPY_LEN: u16 = 1;

/// struct xt_nflog_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    length: u32,
    group: u16,
    threshold: u16,
    flags: u16,
    pad: u16,
    prefix: [u8; 64],
}
