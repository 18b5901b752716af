//! `-m ecn`: compares the ECN bits of the IP header and of the TCP header.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ecn {
    /// TCP's ECE flag is set.
    pub ece: Option<Condition<()>>,
    /// TCP's CWR flag is set.
    pub cwr: Option<Condition<()>>,
    /// The two ECN bits of the IP header, 0 to 3.
    pub ect: Option<Condition<u8>>,
}

impl Extension for Ecn {
    const NAME: &'static str = "ecn";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::flag("ecn-tcp-cwr", "the TCP flag CWR is set", set_cwr).invertible(),
        Opt::flag("ecn-tcp-ece", "the TCP flag ECE is set", set_ece).invertible(),
        Opt::new("ecn-ip-ect", " number", "the ECN bits of the IP header, 0 to 3", set_ect).invertible(),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 { Err(Problem::new("ECN match: some option required")) } else { Ok(()) }
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("ecn"))?;
        let flag = |bit| (info.operation & bit != 0).then(|| Condition::new((), info.invert & bit != 0));
        Ok(Self {
            ece: flag(ECE),
            cwr: flag(CWR),
            ect: flag(IP).map(|condition| Condition::new(info.ect, condition.inverted)),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let mut bytes = Info { operation: 0, invert: 0, ect: self.ect.unwrap_or_default().value, pad: 0 };
        let ect = self.ect.map(|ect| Condition::new((), ect.inverted));
        for (condition, bit) in [(self.ece, ECE), (self.cwr, CWR), (ect, IP)] {
            if let Some(condition) = condition {
                bytes.operation |= bit;
                bytes.invert |= if condition.inverted { bit } else { 0 };
            }
        }
        bytes.write_to_prefix(info).map_err(|_| Malformed("ecn"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        for (condition, name) in [(self.ece, "ece"), (self.cwr, "cwr")] {
            if let Some(condition) = condition {
                write!(w, "{} --ecn-tcp-{name}", condition.not())?;
            }
        }
        match self.ect {
            Some(ect) => write!(w, "{} --ecn-ip-ect {}", ect.not(), ect.value),
            None => Ok(()),
        }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" ECN match")?;
        let not = |inverted| if inverted { "!" } else { "" };
        for (condition, name) in [(self.ece, "ECE"), (self.cwr, "CWR")] {
            if let Some(condition) = condition {
                write!(w, " {}{name}", not(condition.inverted))?;
            }
        }
        match self.ect {
            Some(ect) => write!(w, " {}ECT={}", not(ect.inverted), ect.value),
            None => Ok(()),
        }
    }
}

fn set_cwr(to: &mut Ecn, given: &Given<'_>) -> Result<(), Problem> {
    to.cwr = Some(Condition::new((), given.inverted));
    Ok(())
}

fn set_ece(to: &mut Ecn, given: &Given<'_>) -> Result<(), Problem> {
    to.ece = Some(Condition::new((), given.inverted));
    Ok(())
}

fn set_ect(to: &mut Ecn, given: &Given<'_>) -> Result<(), Problem> {
    to.ect = Some(Condition::new(given.byte(0, 3)?, given.inverted));
    Ok(())
}

const IP: u8 = 0x01;
const ECE: u8 = 0x10;
const CWR: u8 = 0x20;

/// struct xt_ecn_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    operation: u8,
    invert: u8,
    ect: u8,
    pad: u8,
}
