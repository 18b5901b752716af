//! `-j LOG`: writes a line about the packet to the kernel's log and goes on.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::syslog;
use crate::value::text::{Quoted, Text};

/// What the line holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The syslog level, 0 (emerg) to 7 (debug).
    pub level: u8,
    /// What stands before the line, up to 29 bytes.
    pub prefix: Text<30>,
    /// `NF_LOG_*` bits, those named below and any others the bytes had.
    pub flags: u8,
}

impl Log {
    /// TCP sequence and acknowledgement numbers (`NF_LOG_TCPSEQ`).
    pub const TCP_SEQUENCE: u8 = 0x01;
    /// TCP options (`NF_LOG_TCPOPT`).
    pub const TCP_OPTIONS: u8 = 0x02;
    /// IP options or extension headers (`NF_LOG_IPOPT`).
    pub const IP_OPTIONS: u8 = 0x04;
    /// The owner of the local socket (`NF_LOG_UID`).
    pub const UID: u8 = 0x08;
    /// The link-layer header in words (`NF_LOG_MACDECODE`).
    pub const MAC_DECODE: u8 = 0x20;
}

const FLAGS: [(u8, &str, &str); 5] = [
    (Log::TCP_SEQUENCE, "log-tcp-sequence", "tcp-sequence"),
    (Log::TCP_OPTIONS, "log-tcp-options", "tcp-options"),
    (Log::IP_OPTIONS, "log-ip-options", "ip-options"),
    (Log::UID, "log-uid", "uid"),
    (Log::MAC_DECODE, "log-macdecode", "macdecode"),
];

const DEFAULT_LEVEL: u8 = 4;

impl Default for Log {
    fn default() -> Self {
        Self { level: DEFAULT_LEVEL, prefix: Text::default(), flags: 0 }
    }
}

impl Extension for Log {
    const NAME: &'static str = "LOG";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new(
            "log-level",
            " level",
            "0 to 7, or emerg, alert, crit, error, warning, notice, info, debug",
            set_level,
        ),
        Opt::new("log-prefix", " text", "what each line begins with, 1 to 29 bytes", set_prefix),
        Opt::flag("log-tcp-sequence", "TCP sequence numbers", |to, _| set_flag(to, Self::TCP_SEQUENCE)),
        Opt::flag("log-tcp-options", "TCP options", |to, _| set_flag(to, Self::TCP_OPTIONS)),
        Opt::flag("log-ip-options", "IP options", |to, _| set_flag(to, Self::IP_OPTIONS)),
        Opt::flag("log-uid", "the user that owns the local socket", |to, _| set_flag(to, Self::UID)),
        Opt::flag("log-macdecode", "link-layer addresses and protocol", |to, _| set_flag(to, Self::MAC_DECODE)),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("LOG"))?;
        Ok(Self { level: info.level, prefix: Text(info.prefix), flags: info.flags })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { level: self.level, flags: self.flags, prefix: self.prefix.0 };
        bytes.write_to_prefix(info).map_err(|_| Malformed("LOG"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        if !self.prefix.is_empty() {
            write!(w, " --log-prefix {}", Quoted(&self.prefix.to_str()))?;
        }
        if self.level != DEFAULT_LEVEL {
            write!(w, " --log-level {}", self.level)?;
        }
        for (bit, option, _) in FLAGS {
            if self.flags & bit != 0 {
                write!(w, " --{option}")?;
            }
        }
        Ok(())
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        w.write_str(" LOG")?;
        if numeric {
            write!(w, " flags {} level {}", self.flags, self.level)?;
        } else {
            match syslog::name(self.level) {
                Some(name) => write!(w, " level {name}")?,
                None => write!(w, " UNKNOWN level {}", self.level)?,
            }
            for (bit, _, word) in FLAGS {
                if self.flags & bit != 0 {
                    write!(w, " {word}")?;
                }
            }
            if FLAGS.iter().fold(self.flags, |left, (bit, ..)| left & !bit) != 0 {
                w.write_str(" unknown-flags")?;
            }
        }
        if self.prefix.is_empty() { Ok(()) } else { write!(w, " prefix \"{}\"", self.prefix) }
    }
}

fn set_level(to: &mut Log, given: &Given<'_>) -> Result<(), Problem> {
    to.level = given.log_level()?;
    Ok(())
}

fn set_prefix(to: &mut Log, given: &Given<'_>) -> Result<(), Problem> {
    to.prefix = given.text(1)?;
    if given.value.contains('\n') {
        return Err(Problem::new("Newlines not allowed in --log-prefix"));
    }
    Ok(())
}

fn set_flag(to: &mut Log, bit: u8) -> Result<(), Problem> {
    to.flags |= bit;
    Ok(())
}

/// struct ipt_log_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    level: u8,
    flags: u8,
    prefix: [u8; 30],
}
