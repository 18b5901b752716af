//! `-m quota`: matches until so many bytes have passed.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;

/// The quota is not used up, or (inverted) it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes.
    pub bytes: Condition<u64>,
}

impl Extension for Quota {
    const NAME: &'static str = "quota";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).user_size(16)];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("quota", " bytes", "how many bytes may match", set_quota).invertible().mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("quota"))?;
        Ok(Self { bytes: Condition::new(info.quota, info.flags & 1 != 0) })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { flags: self.bytes.inverted.into(), pad: 0, quota: self.bytes.value, kernel: 0 };
        bytes.write_to_prefix(info).map_err(|_| Malformed("quota"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, "{} --quota {}", self.bytes.not(), self.bytes.value)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " quota: {} bytes", self.bytes.value)
    }
}

fn set_quota(to: &mut Quota, given: &Given<'_>) -> Result<(), Problem> {
    to.bytes = Condition::new(given.number(0, u64::MAX)?, given.inverted);
    Ok(())
}

/// struct xt_quota_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    flags: u32,
    pad: u32,
    quota: u64,
    kernel: u64,
}
