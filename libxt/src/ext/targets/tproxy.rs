//! `-j TPROXY`: hands the packet to a local socket without rewriting it.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::family::Af;
use crate::value::address::{self, Text};
use crate::value::mark::Masked;

/// The socket, and the mark for the route to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tproxy {
    /// The socket's port; 0 is the packet's own.
    pub port: u16,
    /// The socket's address, as a `union nf_inet_addr`; unspecified is that of the device it came in by.
    pub address: [u8; 16],
    /// These bits of the packet's mark get this value.
    pub mark: Masked,
}

impl Default for Tproxy {
    fn default() -> Self {
        Self { port: 0, address: [0; 16], mark: Masked { value: 0, mask: 0 } }
    }
}

impl Extension for Tproxy {
    const NAME: &'static str = "TPROXY";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(1, size_of::<Info1>()), Revision::new(0, size_of::<Info0>()).only(Families::V4)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("on-port", " port", "the socket's port; 0 is the packet's own", set_port).mandatory(),
        Opt::new("on-ip", " address", "the socket's address", set_address),
        Opt::new("tproxy-mark", " value[/mask]", "set the packet's mark", set_mark),
    ];

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let malformed = Malformed("TPROXY");
        if revision == 0 {
            let (info, _) = Info0::read_from_prefix(info).map_err(|_| malformed)?;
            let mut address = [0; 16];
            for (to, from) in address.iter_mut().zip(info.address) {
                *to = from;
            }
            let mark = Masked { value: info.value, mask: info.mask };
            return Ok(Self { port: u16::from_be_bytes(info.port), address, mark });
        }
        let (info, _) = Info1::read_from_prefix(info).map_err(|_| malformed)?;
        let mark = Masked { value: info.value, mask: info.mask };
        Ok(Self { port: u16::from_be_bytes(info.port), address: info.address, mark })
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let Masked { value, mask } = self.mark;
        let port = self.port.to_be_bytes();
        let [a, b, c, d, ..] = self.address;
        let written = match revision {
            0 => Info0 { mask, value, address: [a, b, c, d], port, pad: [0; 2] }.write_to_prefix(info).is_ok(),
            _ => Info1 { mask, value, address: self.address, port, pad: [0; 2] }.write_to_prefix(info).is_ok(),
        };
        if written { Ok(()) } else { Err(Malformed("TPROXY")) }
    }

    fn save(&self, w: &mut dyn Write, around: &Surroundings) -> fmt::Result {
        let Masked { value, mask } = self.mark;
        let address = self.shown_address(around.af);
        write!(w, " --on-port {} --on-ip {address} --tproxy-mark {value:#x}/{mask:#x}", self.port)
    }

    fn print(&self, w: &mut dyn Write, around: &Surroundings, _numeric: bool) -> fmt::Result {
        let Masked { value, mask } = self.mark;
        let address = self.shown_address(around.af);
        write!(w, " TPROXY redirect {address}:{} mark {value:#x}/{mask:#x}", self.port)
    }
}

impl Tproxy {
    fn shown_address(&self, af: Af) -> Text {
        Text(address::to_ip(af, &self.address))
    }
}

fn set_port(to: &mut Tproxy, given: &Given<'_>) -> Result<(), Problem> {
    to.port = given.port()?;
    Ok(())
}

fn set_address(to: &mut Tproxy, given: &Given<'_>) -> Result<(), Problem> {
    to.address = given.host()?;
    Ok(())
}

fn set_mark(to: &mut Tproxy, given: &Given<'_>) -> Result<(), Problem> {
    to.mark = given.mark()?;
    Ok(())
}

/// struct xt_tproxy_target_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info0 {
    mask: u32,
    value: u32,
    address: [u8; 4],
    port: [u8; 2],
    pad: [u8; 2],
}

/// struct xt_tproxy_target_info_v1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    mask: u32,
    value: u32,
    address: [u8; 16],
    port: [u8; 2],
    pad: [u8; 2],
}
