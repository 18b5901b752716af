//! `-j ECN`: changes the ECN bits of the IPv4 header and of the TCP header.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// What is changed; `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ecn {
    /// TCP's ECE flag.
    pub ece: Option<bool>,
    /// TCP's CWR flag.
    pub cwr: Option<bool>,
    /// The two ECN bits of the IP header, 0 to 3.
    pub ect: Option<u8>,
}

impl Extension for Ecn {
    const NAME: &'static str = "ECN";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(Families::V4)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::flag("ecn-tcp-remove", "clear both flags of the TCP header", set_remove)
            .excludes(&["ecn-tcp-cwr", "ecn-tcp-ece"]),
        Opt::new("ecn-tcp-cwr", " 0|1", "set or clear the TCP flag CWR", set_cwr).excludes(&["ecn-tcp-remove"]),
        Opt::new("ecn-tcp-ece", " 0|1", "set or clear the TCP flag ECE", set_ece).excludes(&["ecn-tcp-remove"]),
        Opt::new("ecn-ip-ect", " number", "set the ECN bits of the IP header, 0 to 3", set_ect),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 { Err(Problem::new("ECN target: An operation is required")) } else { Ok(()) }
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("ECN"))?;
        let flag = |operation, bit| (info.operation & operation != 0).then_some(info.tcp & bit != 0);
        Ok(Self {
            ece: flag(SET_ECE, ECE),
            cwr: flag(SET_CWR, CWR),
            ect: (info.operation & SET_IP != 0).then_some(info.ect),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let mut bytes = Info { operation: 0, ect: self.ect.unwrap_or(0), tcp: 0 };
        for (flag, operation, bit) in [(self.ece, SET_ECE, ECE), (self.cwr, SET_CWR, CWR)] {
            bytes.operation |= if flag.is_some() { operation } else { 0 };
            bytes.tcp |= if flag == Some(true) { bit } else { 0 };
        }
        bytes.operation |= if self.ect.is_some() { SET_IP } else { 0 };
        bytes.write_to_prefix(info).map_err(|_| Malformed("ECN"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        if self.removes() {
            w.write_str(" --ecn-tcp-remove")?;
        } else {
            for (flag, name) in [(self.ece, "ece"), (self.cwr, "cwr")] {
                if let Some(flag) = flag {
                    write!(w, " --ecn-tcp-{name} {}", u8::from(flag))?;
                }
            }
        }
        match self.ect {
            Some(ect) => write!(w, " --ecn-ip-ect {ect}"),
            None => Ok(()),
        }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" ECN")?;
        if self.removes() {
            w.write_str(" TCP remove")?;
        } else {
            for (flag, name) in [(self.ece, "ECE"), (self.cwr, "CWR")] {
                if let Some(flag) = flag {
                    write!(w, " {name}={}", u8::from(flag))?;
                }
            }
        }
        match self.ect {
            Some(ect) => write!(w, " ECT codepoint={ect}"),
            None => Ok(()),
        }
    }
}

impl Ecn {
    fn removes(&self) -> bool {
        (self.ece, self.cwr) == (Some(false), Some(false))
    }
}

fn set_remove(to: &mut Ecn, _given: &Given<'_>) -> Result<(), Problem> {
    (to.ece, to.cwr) = (Some(false), Some(false));
    Ok(())
}

fn set_cwr(to: &mut Ecn, given: &Given<'_>) -> Result<(), Problem> {
    to.cwr = Some(given.byte(0, 1)? != 0);
    Ok(())
}

fn set_ece(to: &mut Ecn, given: &Given<'_>) -> Result<(), Problem> {
    to.ece = Some(given.byte(0, 1)? != 0);
    Ok(())
}

fn set_ect(to: &mut Ecn, given: &Given<'_>) -> Result<(), Problem> {
    to.ect = Some(given.byte(0, 3)?);
    Ok(())
}

const SET_IP: u8 = 0x01;
const SET_ECE: u8 = 0x10;
const SET_CWR: u8 = 0x20;
const ECE: u8 = 1;
const CWR: u8 = 1 << 1;

/// struct ipt_ECN_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    operation: u8,
    ect: u8,
    tcp: u8,
}
