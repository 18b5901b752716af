//! `-j IDLETIMER`: tells a program when no packet has come for a while.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::text::Text;

/// A timer that each packet winds up again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Idletimer {
    /// Seconds until it runs out.
    pub timeout: u32,
    /// Its name in sysfs, at most 27 bytes.
    pub label: Text<28>,
    /// It runs while the machine sleeps, too.
    pub alarm: bool,
}

impl Extension for Idletimer {
    const NAME: &'static str = "IDLETIMER";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(1, size_of::<Info1>()).user_size(40), Revision::new(0, size_of::<Info0>()).user_size(32)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("timeout", " seconds", "how long after the last packet", set_timeout).mandatory(),
        Opt::new("label", " name", "the timer's name, at most 27 characters", set_label).mandatory(),
        Opt::flag("alarm", "run while the machine sleeps, too", set_alarm),
    ];

    fn fits(&self, number: u8) -> bool {
        number >= 1 || !self.alarm
    }

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let malformed = Malformed("IDLETIMER");
        if revision == 0 {
            let (info, _) = Info0::read_from_prefix(info).map_err(|_| malformed)?;
            return Ok(Self { timeout: info.timeout, label: Text(info.label), alarm: false });
        }
        let (info, _) = Info1::read_from_prefix(info).map_err(|_| malformed)?;
        Ok(Self { timeout: info.timeout, label: Text(info.label), alarm: info.timer_type == ALARM })
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let (timeout, label) = (self.timeout, self.label.0);
        let timer_type = if self.alarm { ALARM } else { 0 };
        let written = match revision {
            0 => Info0 { timeout, label, kernel: [0; 8] }.write_to_prefix(info).is_ok(),
            _ => Info1 { timeout, label, send_message: 0, timer_type, pad: [0; 6], kernel: [0; 8] }
                .write_to_prefix(info)
                .is_ok(),
        };
        if written { Ok(()) } else { Err(Malformed("IDLETIMER")) }
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, " --timeout {} --label {}", self.timeout, self.label)?;
        if self.alarm { w.write_str(" --alarm") } else { Ok(()) }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " timeout:{} label:{}", self.timeout, self.label)?;
        if self.alarm { w.write_str(" alarm") } else { Ok(()) }
    }
}

fn set_timeout(to: &mut Idletimer, given: &Given<'_>) -> Result<(), Problem> {
    to.timeout = given.long(0, u32::MAX)?;
    Ok(())
}

fn set_label(to: &mut Idletimer, given: &Given<'_>) -> Result<(), Problem> {
    to.label = given.text(0)?;
    Ok(())
}

fn set_alarm(to: &mut Idletimer, _given: &Given<'_>) -> Result<(), Problem> {
    to.alarm = true;
    Ok(())
}

/// XT_IDLETIMER_ALARM.
const ALARM: u8 = 1;

/// struct idletimer_tg_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info0 {
    timeout: u32,
    label: [u8; 28],
    kernel: [u8; 8],
}

/// struct idletimer_tg_info_v1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    timeout: u32,
    label: [u8; 28],
    send_message: u8,
    timer_type: u8,
    pad: [u8; 6],
    kernel: [u8; 8],
}
