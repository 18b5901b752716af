//! `-m mac`: compares the source address of the Ethernet header.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;

/// The packet came from this address, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mac {
    /// The address.
    pub source: Condition<crate::value::mac::Mac>,
}

impl Extension for Mac {
    const NAME: &'static str = "mac";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("mac-source", " XX:XX:XX:XX:XX:XX", "the address the packet was sent from", set_source)
            .invertible()
            .mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("mac"))?;
        Ok(Self { source: Condition::new(crate::value::mac::Mac(info.source), info.invert != 0) })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info { source: self.source.value.0, pad: [0; 2], invert: self.source.inverted.into() };
        bytes.write_to_prefix(info).map_err(|_| Malformed("mac"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, "{} --mac-source {}", self.source.not(), self.source.value)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " MAC{} {}", self.source.not(), self.source.value)
    }
}

fn set_source(to: &mut Mac, given: &Given<'_>) -> Result<(), Problem> {
    let mac =
        crate::value::mac::Mac::parse(given.value).ok_or_else(|| Problem::new("Invalid MAC address specified."))?;
    to.source = Condition::new(mac, given.inverted);
    Ok(())
}

/// struct xt_mac_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    source: [u8; 6],
    pad: [u8; 2],
    invert: u32,
}
