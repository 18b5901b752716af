//! `-m ipvs`: compares what the kernel's load balancer, IPVS, knows of the packet's connection.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::network::Network;

/// All conditions that are given must hold; each of them but [`Self::balanced`] asks for a connection of IPVS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipvs {
    /// It is a connection of IPVS, or not; said alone.
    pub balanced: Option<Condition<()>>,
    /// The transport protocol.
    pub protocol: Option<Condition<u8>>,
    /// The virtual service's address.
    pub address: Option<Condition<Network>>,
    /// The virtual service's port.
    pub port: Option<Condition<u16>>,
    /// Whether the packet is a reply.
    pub reply: Option<bool>,
    /// How packets are sent on (IP_VS_CONN_F_FWD_MASK).
    pub method: Option<Condition<u8>>,
    /// The port of the connection that controls this one, as 21 for FTP.
    pub control_port: Option<Condition<u16>>,
}

impl Extension for Ipvs {
    const NAME: &'static str = "ipvs";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::flag("ipvs", "the packet belongs to a connection of IPVS", set_balanced).invertible(),
        Opt::new("vproto", " protocol", "the connection's protocol, by number or name", set_protocol).invertible(),
        Opt::new("vaddr", " address[/mask]", "the virtual service's address", set_address).invertible(),
        Opt::new("vport", " port", "the virtual service's port, by number or name", set_port).invertible(),
        Opt::new("vdir", " ORIGINAL|REPLY", "the direction of the packet", set_direction),
        Opt::new("vmethod", " GATE|IPIP|MASQ", "how IPVS sends packets on", set_method).invertible(),
        Opt::new("vportctl", " port", "the port of the controlling connection, as 21 for FTP", set_control_port)
            .invertible(),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 {
            return Err(Problem::new("IPVS: At least one option is required"));
        }
        if self.balanced.is_some_and(|balanced| balanced.inverted) && seen != 1 {
            return Err(Problem::new("! --ipvs cannot be together with other options"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("ipvs"))?;
        let has = |bit| info.given & bit != 0;
        let inverted = |bit| info.inverted & bit != 0;
        let address = Network { address: info.address, mask: info.mask };
        let port = u16::from_be_bytes(info.port);
        let control_port = u16::from_be_bytes(info.control_port);
        Ok(Self {
            balanced: (info.given == BALANCED).then(|| Condition::new((), inverted(BALANCED))),
            protocol: has(PROTOCOL).then(|| Condition::new(info.protocol, inverted(PROTOCOL))),
            address: has(ADDRESS).then(|| Condition::new(address, inverted(ADDRESS))),
            port: has(PORT).then(|| Condition::new(port, inverted(PORT))),
            reply: has(DIRECTION).then(|| inverted(DIRECTION)),
            method: has(METHOD).then(|| Condition::new(info.method, inverted(METHOD))),
            control_port: has(CONTROL_PORT).then(|| Condition::new(control_port, inverted(CONTROL_PORT))),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let mut given = 0;
        let mut inverted = 0;
        let mut put = |condition: Option<bool>, bit| {
            // Every condition implies the first.
            given |= if condition.is_some() { bit | BALANCED } else { 0 };
            inverted |= if condition == Some(true) { bit } else { 0 };
        };
        put(self.balanced.map(|balanced| balanced.inverted), BALANCED);
        put(self.protocol.map(|protocol| protocol.inverted), PROTOCOL);
        put(self.address.map(|address| address.inverted), ADDRESS);
        put(self.port.map(|port| port.inverted), PORT);
        put(self.reply, DIRECTION);
        put(self.method.map(|method| method.inverted), METHOD);
        put(self.control_port.map(|port| port.inverted), CONTROL_PORT);
        let address = self.address.unwrap_or_default().value;
        let bytes = Info {
            address: address.address,
            mask: address.mask,
            port: self.port.unwrap_or_default().value.to_be_bytes(),
            protocol: self.protocol.unwrap_or_default().value,
            method: self.method.unwrap_or_default().value,
            control_port: self.control_port.unwrap_or_default().value.to_be_bytes(),
            inverted,
            given,
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("ipvs"))
    }

    fn save(&self, w: &mut dyn Write, around: &Surroundings) -> fmt::Result {
        self.write(w, around, "--")
    }

    fn print(&self, w: &mut dyn Write, around: &Surroundings, _numeric: bool) -> fmt::Result {
        self.write(w, around, "")
    }
}

impl Ipvs {
    fn write(&self, w: &mut dyn Write, around: &Surroundings, dashes: &str) -> fmt::Result {
        if let Some(balanced) = self.alone() {
            return write!(w, "{} {dashes}ipvs", balanced.not());
        }
        if let Some(protocol) = self.protocol {
            write!(w, "{} {dashes}vproto {}", protocol.not(), protocol.value)?;
        }
        if let Some(address) = self.address {
            write!(w, "{} {dashes}vaddr {}", address.not(), address.value.shown(around.af))?;
        }
        if let Some(port) = self.port {
            write!(w, "{} {dashes}vport {}", port.not(), port.value)?;
        }
        if let Some(reply) = self.reply {
            write!(w, " {dashes}vdir {}", if reply { "REPLY" } else { "ORIGINAL" })?;
        }
        if let Some(method) = self.method {
            let name = METHODS.iter().find(|(_, number)| *number == method.value).map_or("UNKNOWN", |(name, _)| name);
            write!(w, "{} {dashes}vmethod {name}", method.not())?;
        }
        match self.control_port {
            Some(port) => write!(w, "{} {dashes}vportctl {}", port.not(), port.value),
            None => Ok(()),
        }
    }

    /// The first condition, if there is no other.
    fn alone(&self) -> Option<Condition<()>> {
        let others = self.protocol.is_some()
            || self.address.is_some()
            || self.port.is_some()
            || self.reply.is_some()
            || self.method.is_some()
            || self.control_port.is_some();
        self.balanced.filter(|_| !others)
    }
}

fn set_balanced(to: &mut Ipvs, given: &Given<'_>) -> Result<(), Problem> {
    to.balanced = Some(Condition::new((), given.inverted));
    Ok(())
}

fn set_protocol(to: &mut Ipvs, given: &Given<'_>) -> Result<(), Problem> {
    to.protocol = Some(Condition::new(given.protocol()?, given.inverted));
    Ok(())
}

fn set_address(to: &mut Ipvs, given: &Given<'_>) -> Result<(), Problem> {
    to.address = Some(Condition::new(given.network()?, given.inverted));
    Ok(())
}

fn set_port(to: &mut Ipvs, given: &Given<'_>) -> Result<(), Problem> {
    to.port = Some(Condition::new(given.port()?, given.inverted));
    Ok(())
}

fn set_direction(to: &mut Ipvs, given: &Given<'_>) -> Result<(), Problem> {
    to.reply = Some(match given.value.to_ascii_uppercase().as_str() {
        "ORIGINAL" => false,
        "REPLY" => true,
        _ => return Err(given.bad_param(given.value)),
    });
    Ok(())
}

fn set_method(to: &mut Ipvs, given: &Given<'_>) -> Result<(), Problem> {
    let number = METHODS.iter().find(|(name, _)| name.eq_ignore_ascii_case(given.value)).map(|(_, number)| *number);
    to.method = Some(Condition::new(number.ok_or_else(|| given.bad_param(given.value))?, given.inverted));
    Ok(())
}

fn set_control_port(to: &mut Ipvs, given: &Given<'_>) -> Result<(), Problem> {
    to.control_port = Some(Condition::new(given.port()?, given.inverted));
    Ok(())
}

/// IP_VS_CONN_F_DROUTE, IP_VS_CONN_F_TUNNEL and IP_VS_CONN_F_MASQ.
const METHODS: [(&str, u8); 3] = [("GATE", 3), ("IPIP", 2), ("MASQ", 0)];

/// XT_IPVS_*.
const BALANCED: u8 = 1;
const PROTOCOL: u8 = 1 << 1;
const ADDRESS: u8 = 1 << 2;
const PORT: u8 = 1 << 3;
const DIRECTION: u8 = 1 << 4;
const METHOD: u8 = 1 << 5;
const CONTROL_PORT: u8 = 1 << 6;

/// struct xt_ipvs_mtinfo.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    address: [u8; 16],
    mask: [u8; 16],
    port: [u8; 2],
    protocol: u8,
    method: u8,
    control_port: [u8; 2],
    inverted: u8,
    given: u8,
}
