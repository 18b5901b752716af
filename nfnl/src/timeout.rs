//! Timeout policies over netlink (`linux/netfilter/nfnetlink_cttimeout.h`): message numbers and the policy as a value.

use std::io;
use std::ops::ControlFlow;

use crate::attr::{Attributes, Malformed};
use crate::message::{Builder, Header, Nfgen, netfilter, subsystem};
use crate::request::{Error, Requester};
use crate::transport::Transport;

/// `IPCTNL_MSG_TIMEOUT_NEW`.
pub const NEW: u8 = 0;
/// `IPCTNL_MSG_TIMEOUT_GET`.
pub const GET: u8 = 1;
/// `IPCTNL_MSG_TIMEOUT_DELETE`.
pub const DELETE: u8 = 2;
/// `IPCTNL_MSG_TIMEOUT_DEFAULT_SET`.
pub const DEFAULT_SET: u8 = 3;
/// `IPCTNL_MSG_TIMEOUT_DEFAULT_GET`.
pub const DEFAULT_GET: u8 = 4;

/// A policy, each part of which may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: Option<Vec<u8>>,
    /// `AF_INET` or `AF_INET6`.
    pub family: Option<u16>,
    /// The transport protocol.
    pub protocol: Option<u8>,
    /// Timeouts in seconds, by the attributes of the protocol's own.
    pub timeouts: Option<Vec<(u16, u32)>>,
    /// References.
    pub uses: Option<u32>,
}

impl Policy {
    /// Reads a message's attributes.
    pub fn parse(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut all = Self::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                attribute::NAME => all.name = Some(attribute.text().to_vec()),
                attribute::L3PROTO => all.family = Some(attribute.be16()?),
                attribute::L4PROTO => all.protocol = Some(attribute.u8()?),
                attribute::USE => all.uses = Some(attribute.be32()?),
                attribute::DATA => {
                    let inner = attribute.attributes().map(|inner| {
                        let inner = inner?;
                        Ok((inner.kind, inner.be32()?))
                    });
                    all.timeouts = Some(inner.collect::<Result<_, Malformed>>()?);
                }
                _ => {}
            }
        }
        Ok(all)
    }

    /// Writes all that is known, in the order of ctnl_timeout_fill_info().
    pub fn emit(&self, b: &mut Builder<'_>) {
        if let Some(name) = &self.name {
            b.nul_terminated(attribute::NAME, name);
        }
        if let Some(family) = self.family {
            b.be16(attribute::L3PROTO, family);
        }
        if let Some(protocol) = self.protocol {
            b.u8(attribute::L4PROTO, protocol);
        }
        if let Some(uses) = self.uses {
            b.be32(attribute::USE, uses);
        }
        if let Some(timeouts) = &self.timeouts {
            b.nest(attribute::DATA, |b| {
                for (kind, seconds) in timeouts {
                    b.be32(*kind, *seconds);
                }
            });
        }
    }

    /// Writes a message about it.
    pub fn write(&self, header: Header, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut builder = Builder::netfilter(header, Nfgen::default(), out);
        self.emit(&mut builder);
        builder.finish()
    }
}

/// All policies of the other end.
pub fn list<T: Transport>(requester: &mut Requester<T>) -> Result<Vec<Policy>, Error> {
    let mut all = Vec::new();
    let header = Header { kind: netfilter(subsystem::CTNETLINK_TIMEOUT, GET), ..Header::default() };
    requester.dump(
        header,
        |header, out| Policy::default().write(header, out),
        |answer| {
            if let Ok((_, attributes)) = answer.netfilter() {
                all.extend(Policy::parse(attributes));
            }
            ControlFlow::Continue(())
        },
    )?;
    Ok(all)
}

/// All policies that the kernel has in this network namespace.
pub fn of_kernel() -> io::Result<Vec<Policy>> {
    let mut requester = Requester::new(crate::transport::Kernel::open()?, 0);
    list(&mut requester).map_err(io::Error::other)
}

/// `enum ctattr_timeout`.
mod attribute {
    pub(super) const NAME: u16 = 1;
    pub(super) const L3PROTO: u16 = 2;
    pub(super) const L4PROTO: u16 = 3;
    pub(super) const DATA: u16 = 4;
    pub(super) const USE: u16 = 5;
}
