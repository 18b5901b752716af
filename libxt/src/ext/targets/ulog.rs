//! `-j ULOG`: hands packets to a log daemon over netlink; kernels dropped it for NFLOG.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::text::{Quoted, Text};

/// Where the packet goes, and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ulog {
    /// The netlink groups as bits; the option sets one.
    pub groups: u32,
    /// Bytes of the packet that are sent; 0 is all.
    pub copy_range: u64,
    /// So many packets are sent at once.
    pub threshold: u64,
    /// What each message begins with, at most 31 bytes.
    pub prefix: Text<32>,
}

impl Default for Ulog {
    fn default() -> Self {
        Self { groups: 1, copy_range: 0, threshold: 1, prefix: Text::default() }
    }
}

impl Extension for Ulog {
    const NAME: &'static str = "ULOG";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(Families::V4)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("ulog-nlgroup", " group", "the netlink group, 1 to 32 (1)", set_group),
        Opt::new("ulog-cprange", " bytes", "how much of the packet is sent (0: all of it)", set_range),
        Opt::new("ulog-qthreshold", " number", "how many packets are sent at once, 1 to 50 (1)", set_threshold),
        Opt::new("ulog-prefix", " text", "what each message begins with, at most 31 characters", set_prefix),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("ULOG"))?;
        Ok(Self {
            groups: info.groups,
            copy_range: info.copy_range,
            threshold: info.threshold,
            prefix: Text(info.prefix),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let Self { groups, copy_range, threshold, prefix } = *self;
        let bytes = Info { groups, pad: 0, copy_range, threshold, prefix: prefix.0 };
        bytes.write_to_prefix(info).map_err(|_| Malformed("ULOG"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        if !self.prefix.is_empty() {
            write!(w, " --ulog-prefix {}", Quoted(&self.prefix.to_str()))?;
        }
        if self.groups != 1 {
            write!(w, " --ulog-nlgroup {}", self.group())?;
        }
        if self.copy_range != 0 {
            write!(w, " --ulog-cprange {}", self.copy_range as u32)?;
        }
        if self.threshold != 1 { write!(w, " --ulog-qthreshold {}", self.threshold as u32) } else { Ok(()) }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " ULOG copy_range {} nlgroup {}", self.copy_range as u32, self.group())?;
        if !self.prefix.is_empty() {
            write!(w, " prefix \"{}\"", self.prefix)?;
        }
        write!(w, " queue_threshold {}", self.threshold as u32)
    }
}

impl Ulog {
    /// The number of the first group, from 1; 0 if there is none.
    fn group(&self) -> u32 {
        if self.groups == 0 { 0 } else { self.groups.trailing_zeros() + 1 }
    }
}

fn set_group(to: &mut Ulog, given: &Given<'_>) -> Result<(), Problem> {
    to.groups = 1 << (given.byte(1, 32)? - 1);
    Ok(())
}

fn set_range(to: &mut Ulog, given: &Given<'_>) -> Result<(), Problem> {
    to.copy_range = given.number(0, u64::MAX)?;
    Ok(())
}

fn set_threshold(to: &mut Ulog, given: &Given<'_>) -> Result<(), Problem> {
    to.threshold = given.number(1, THRESHOLD_MAX)?;
    Ok(())
}

fn set_prefix(to: &mut Ulog, given: &Given<'_>) -> Result<(), Problem> {
    to.prefix = given.text(1)?;
    if given.value.contains('\n') {
        return Err(Problem::new("Newlines not allowed in --ulog-prefix"));
    }
    Ok(())
}

/// ULOG_MAX_QLEN.
const THRESHOLD_MAX: u64 = 50;

/// struct ipt_ulog_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    groups: u32,
    pad: u32,
    copy_range: u64,
    threshold: u64,
    prefix: [u8; 32],
}
