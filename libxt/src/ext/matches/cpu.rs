//! `-m cpu`: compares the CPU that handles the packet.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;

/// The CPU has this number, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// The number, from 0.
    pub cpu: Condition<u32>,
}

impl Extension for Cpu {
    const NAME: &'static str = "cpu";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("cpu", " number", "the number of the CPU, from 0", set_cpu).invertible().mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("cpu"))?;
        Ok(Self { cpu: Condition::new(info.cpu, info.invert != 0) })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { cpu: self.cpu.value, invert: self.cpu.inverted.into() };
        bytes.write_to_prefix(info).map_err(|_| Malformed("cpu"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, "{} --cpu {}", self.cpu.not(), self.cpu.value)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " cpu{} {}", self.cpu.not(), self.cpu.value)
    }
}

fn set_cpu(to: &mut Cpu, given: &Given<'_>) -> Result<(), Problem> {
    to.cpu = Condition::new(given.long(0, u32::MAX)?, given.inverted);
    Ok(())
}

/// struct xt_cpu_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    cpu: u32,
    invert: u32,
}
