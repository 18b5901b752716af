//! `-j TEE`: sends a copy of the packet to another host and goes on.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::address;
use crate::value::text::Text;

/// Where the copy goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tee {
    /// The next hop, as a `union nf_inet_addr`.
    pub gateway: [u8; 16],
    /// The device, up to 15 bytes, or empty for the one that the route says.
    pub device: Text<16>,
}

impl Extension for Tee {
    const NAME: &'static str = "TEE";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(1, size_of::<Info1>()).user_size(32)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("gateway", " address", "the host that gets the copy", set_gateway).mandatory(),
        Opt::new("oif", " device", "the device the copy leaves by", set_device),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info1::read_from_prefix(info).map_err(|_| Malformed("TEE"))?;
        Ok(Self { gateway: info.gateway, device: Text(info.device) })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info1 { gateway: self.gateway, device: self.device.0, kernel: 0 };
        bytes.write_to_prefix(info).map_err(|_| Malformed("TEE"))
    }

    fn save(&self, w: &mut dyn Write, around: &Surroundings) -> fmt::Result {
        write!(w, " --gateway {}", address::Text(address::to_ip(around.af, &self.gateway)))?;
        if self.device.is_empty() { Ok(()) } else { write!(w, " --oif {}", self.device) }
    }

    fn print(&self, w: &mut dyn Write, around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " TEE gw:{}", address::Text(address::to_ip(around.af, &self.gateway)))?;
        if self.device.is_empty() { Ok(()) } else { write!(w, " oif={}", self.device) }
    }
}

fn set_gateway(to: &mut Tee, given: &Given<'_>) -> Result<(), Problem> {
    to.gateway = given.host()?;
    Ok(())
}

fn set_device(to: &mut Tee, given: &Given<'_>) -> Result<(), Problem> {
    to.device = given.text(0)?;
    Ok(())
}

/// struct xt_tee_tginfo.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    gateway: [u8; 16],
    device: [u8; 16],
    kernel: u64,
}
