//! `-j SYNPROXY`: answers the opening of TCP connections itself until they prove good.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// What the answers offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synproxy {
    /// Selective acknowledgement.
    pub sack: bool,
    /// Timestamps.
    pub timestamp: bool,
    /// The window scale.
    pub window_scale: Option<u8>,
    /// The maximum segment size.
    pub segment_size: Option<u16>,
    /// Explicit congestion notification.
    pub ecn: bool,
}

impl Extension for Synproxy {
    const NAME: &'static str = "SYNPROXY";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::flag("sack-perm", "offer selective acknowledgement", set_sack),
        Opt::flag("timestamp", "offer timestamps", set_timestamp),
        Opt::new("wscale", " number", "offer this window scale", set_window_scale),
        Opt::new("mss", " bytes", "offer this maximum segment size", set_segment_size),
        Opt::flag("ecn", "offer explicit congestion notification", set_ecn),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("SYNPROXY"))?;
        Ok(Self {
            sack: info.options & SACK != 0,
            timestamp: info.options & TIMESTAMP != 0,
            window_scale: (info.options & WINDOW_SCALE != 0).then_some(info.window_scale),
            segment_size: (info.options & SEGMENT_SIZE != 0).then_some(info.segment_size),
            ecn: info.options & ECN != 0,
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bit = |set, bit| if set { bit } else { 0 };
        let bytes = Info {
            options: bit(self.sack, SACK)
                | bit(self.timestamp, TIMESTAMP)
                | bit(self.window_scale.is_some(), WINDOW_SCALE)
                | bit(self.segment_size.is_some(), SEGMENT_SIZE)
                | bit(self.ecn, ECN),
            window_scale: self.window_scale.unwrap_or(0),
            segment_size: self.segment_size.unwrap_or(0),
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("SYNPROXY"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        self.write(w, " --", "")
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" SYNPROXY ")?;
        self.write(w, "", " ")
    }
}

impl Synproxy {
    fn write(&self, w: &mut dyn Write, before: &str, after: &str) -> fmt::Result {
        for (set, name) in [(self.sack, "sack-perm"), (self.timestamp, "timestamp")] {
            if set {
                write!(w, "{before}{name}{after}")?;
            }
        }
        if let Some(scale) = self.window_scale {
            write!(w, "{before}wscale {scale}{after}")?;
        }
        if let Some(size) = self.segment_size {
            write!(w, "{before}mss {size}{after}")?;
        }
        if self.ecn { write!(w, "{before}ecn{after}") } else { Ok(()) }
    }
}

fn set_sack(to: &mut Synproxy, _given: &Given<'_>) -> Result<(), Problem> {
    to.sack = true;
    Ok(())
}

fn set_timestamp(to: &mut Synproxy, _given: &Given<'_>) -> Result<(), Problem> {
    to.timestamp = true;
    Ok(())
}

/// Any number of 32 bits is taken, and its low byte kept.
fn set_window_scale(to: &mut Synproxy, given: &Given<'_>) -> Result<(), Problem> {
    to.window_scale = Some(given.long(0, u32::MAX)? as u8);
    Ok(())
}

/// Any number of 32 bits is taken, and its low half kept.
fn set_segment_size(to: &mut Synproxy, given: &Given<'_>) -> Result<(), Problem> {
    to.segment_size = Some(given.long(0, u32::MAX)? as u16);
    Ok(())
}

fn set_ecn(to: &mut Synproxy, _given: &Given<'_>) -> Result<(), Problem> {
    to.ecn = true;
    Ok(())
}

/// XT_SYNPROXY_OPT_*.
const SEGMENT_SIZE: u8 = 0x01;
const WINDOW_SCALE: u8 = 0x02;
const SACK: u8 = 0x04;
const TIMESTAMP: u8 = 0x08;
const ECN: u8 = 0x10;

/// struct xt_synproxy_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    options: u8,
    window_scale: u8,
    segment_size: u16,
}
