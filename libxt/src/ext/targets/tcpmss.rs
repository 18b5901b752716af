//! `-j TCPMSS`: sets the maximum segment size that a SYN announces.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::family::Af;
use crate::value::number;

/// The segment size to announce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tcpmss {
    /// A size in bytes.
    To(u16),
    /// Whatever fits the smaller path MTU (`XT_TCPMSS_CLAMP_PMTU`).
    #[default]
    ClampToPathMtu,
}

impl Extension for Tcpmss {
    const NAME: &'static str = "TCPMSS";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info0>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("set-mss", " value", "announce value bytes", set_mss),
        Opt::flag("clamp-mss-to-pmtu", "announce what fits the path MTU", set_clamp),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 {
            return Err(Problem::new("TCPMSS target: At least one parameter is required"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info0::read_from_prefix(info).map_err(|_| Malformed("TCPMSS"))?;
        Ok(if info.mss == CLAMP_PMTU { Self::ClampToPathMtu } else { Self::To(info.mss) })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let mss = match *self {
            Self::To(mss) => mss,
            Self::ClampToPathMtu => CLAMP_PMTU,
        };
        Info0 { mss }.write_to_prefix(info).map_err(|_| Malformed("TCPMSS"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        match self {
            Self::To(mss) => write!(w, " --set-mss {mss}"),
            Self::ClampToPathMtu => write!(w, " --clamp-mss-to-pmtu"),
        }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        match self {
            Self::To(mss) => write!(w, " TCPMSS set {mss}"),
            Self::ClampToPathMtu => write!(w, " TCPMSS clamp to PMTU"),
        }
    }
}

fn set_mss(to: &mut Tcpmss, given: &Given<'_>) -> Result<(), Problem> {
    // A segment and the smallest IP header around it must fit 65,535 bytes; upstream takes off 40 bytes for IPv6 and
    // 20 for IPv4.
    let max = match given.around.af {
        Af::V4 => 65_535 - 20,
        Af::V6 => 65_535 - 40,
    };
    let mss = number::parse(given.value, 0, max).ok_or_else(|| given.out_of_range(0, max))?;
    *to = Tcpmss::To(mss as u16);
    Ok(())
}

fn set_clamp(to: &mut Tcpmss, _given: &Given<'_>) -> Result<(), Problem> {
    *to = Tcpmss::ClampToPathMtu;
    Ok(())
}

/// `XT_TCPMSS_CLAMP_PMTU`.
const CLAMP_PMTU: u16 = 0xffff;

/// struct xt_tcpmss_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info0 {
    mss: u16,
}
