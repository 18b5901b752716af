//! Helpers that are programs over netlink (`linux/netfilter/nfnetlink_cthelper.h`): message numbers and the helper as a value.

use std::io;
use std::ops::ControlFlow;

use crate::attr::{Attribute, Attributes, Malformed};
use crate::message::{Builder, Header, Nfgen, netfilter, subsystem};
use crate::request::{Error, Requester};
use crate::transport::Transport;

/// `NFNL_MSG_CTHELPER_NEW`.
pub const NEW: u8 = 0;
/// `NFNL_MSG_CTHELPER_GET`.
pub const GET: u8 = 1;
/// `NFNL_MSG_CTHELPER_DEL`.
pub const DELETE: u8 = 2;

/// `NFCT_HELPER_STATUS_DISABLED`.
pub const DISABLED: u32 = 0;
/// `NFCT_HELPER_STATUS_ENABLED`.
pub const ENABLED: u32 = 1;

/// A helper, each part of which may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Helper {
    /// `NFCTH_NAME`.
    pub name: Option<Vec<u8>>,
    /// `NFCTH_TUPLE`: of which connections.
    pub tuple: Option<Tuple>,
    /// `NFCTH_QUEUE_NUM`.
    pub queue: Option<u32>,
    /// `NFCTH_POLICY`: the classes of its expectations.
    pub policies: Option<Policies>,
    /// `NFCTH_PRIV_DATA_LEN`: bytes that it keeps of a connection.
    pub private: Option<u32>,
    /// `NFCTH_STATUS`: [`DISABLED`] or [`ENABLED`].
    pub status: Option<u32>,
}

/// `NFCTH_TUPLE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuple {
    /// `AF_INET` or `AF_INET6`.
    pub family: Option<u16>,
    /// The transport protocol.
    pub protocol: Option<u8>,
}

/// `NFCTH_POLICY`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// `NFCTH_POLICY_SET_NUM`: how many there are.
    pub count: Option<u32>,
    /// Those with attributes of their own, in their places.
    pub sets: [Option<Policy>; 4],
}

/// A class of expectations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `NFCTH_POLICY_NAME`.
    pub name: Option<Vec<u8>>,
    /// `NFCTH_POLICY_EXPECT_MAX`: how many a connection may have at once.
    pub most: Option<u32>,
    /// `NFCTH_POLICY_EXPECT_TIMEOUT`: seconds that one lives.
    pub timeout: Option<u32>,
}

impl Helper {
    /// Reads a message's attributes.
    pub fn parse(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut all = Self::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                kind::NAME => all.name = Some(attribute.text().to_vec()),
                kind::TUPLE => all.tuple = Some(Tuple::parse(attribute)?),
                kind::QUEUE_NUM => all.queue = Some(attribute.be32()?),
                kind::POLICY => all.policies = Some(Policies::parse(attribute)?),
                kind::PRIV_DATA_LEN => all.private = Some(attribute.be32()?),
                kind::STATUS => all.status = Some(attribute.be32()?),
                _ => {}
            }
        }
        Ok(all)
    }

    /// Writes all that is known, in the order of nfnl_cthelper_fill_info().
    pub fn emit(&self, b: &mut Builder<'_>) {
        if let Some(name) = &self.name {
            b.nul_terminated(kind::NAME, name);
        }
        if let Some(queue) = self.queue {
            b.be32(kind::QUEUE_NUM, queue);
        }
        if let Some(Tuple { family, protocol }) = self.tuple {
            b.nest(kind::TUPLE, |b| {
                if let Some(family) = family {
                    b.be16(kind::L3, family);
                }
                if let Some(protocol) = protocol {
                    b.u8(kind::L4, protocol);
                }
            });
        }
        if let Some(policies) = &self.policies {
            b.nest(kind::POLICY, |b| policies.emit(b));
        }
        if let Some(private) = self.private {
            b.be32(kind::PRIV_DATA_LEN, private);
        }
        if let Some(status) = self.status {
            b.be32(kind::STATUS, status);
        }
    }

    /// Writes a message about it.
    pub fn write(&self, header: Header, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut builder = Builder::netfilter(header, Nfgen::default(), out);
        self.emit(&mut builder);
        builder.finish()
    }
}

impl Tuple {
    fn parse(attribute: Attribute<'_>) -> Result<Self, Malformed> {
        let mut tuple = Self::default();
        for inner in attribute.attributes() {
            let inner = inner?;
            match inner.kind {
                kind::L3 => tuple.family = Some(inner.be16()?),
                kind::L4 => tuple.protocol = Some(inner.u8()?),
                _ => {}
            }
        }
        Ok(tuple)
    }
}

impl Policies {
    fn parse(attribute: Attribute<'_>) -> Result<Self, Malformed> {
        let mut all = Self::default();
        for inner in attribute.attributes() {
            let inner = inner?;
            let place = usize::from(inner.kind).checked_sub(usize::from(kind::SET));
            match place.and_then(|place| all.sets.get_mut(place)) {
                Some(set) => *set = Some(Policy::parse(inner)?),
                None if inner.kind == kind::SET_NUM => all.count = Some(inner.be32()?),
                None => {}
            }
        }
        Ok(all)
    }

    fn emit(&self, b: &mut Builder<'_>) {
        if let Some(count) = self.count {
            b.be32(kind::SET_NUM, count);
        }
        for (number, policy) in (kind::SET..).zip(&self.sets) {
            let Some(policy) = policy else { continue };
            b.nest(number, |b| {
                if let Some(name) = &policy.name {
                    b.nul_terminated(kind::POLICY_NAME, name);
                }
                if let Some(most) = policy.most {
                    b.be32(kind::EXPECT_MAX, most);
                }
                if let Some(timeout) = policy.timeout {
                    b.be32(kind::EXPECT_TIMEOUT, timeout);
                }
            });
        }
    }
}

impl Policy {
    fn parse(attribute: Attribute<'_>) -> Result<Self, Malformed> {
        let mut policy = Self::default();
        for inner in attribute.attributes() {
            let inner = inner?;
            match inner.kind {
                kind::POLICY_NAME => policy.name = Some(inner.text().to_vec()),
                kind::EXPECT_MAX => policy.most = Some(inner.be32()?),
                kind::EXPECT_TIMEOUT => policy.timeout = Some(inner.be32()?),
                _ => {}
            }
        }
        Ok(policy)
    }
}

/// All helpers of the other end.
pub fn list<T: Transport>(requester: &mut Requester<T>) -> Result<Vec<Helper>, Error> {
    let mut all = Vec::new();
    let header = Header { kind: netfilter(subsystem::CTHELPER, GET), ..Header::default() };
    requester.dump(
        header,
        |header, out| Helper::default().write(header, out),
        |answer| {
            if let Ok((_, attributes)) = answer.netfilter() {
                all.extend(Helper::parse(attributes));
            }
            ControlFlow::Continue(())
        },
    )?;
    Ok(all)
}

/// All helpers that the kernel has been told of.
pub fn of_kernel() -> io::Result<Vec<Helper>> {
    let mut requester = Requester::new(crate::transport::Kernel::open()?, 0);
    list(&mut requester).map_err(io::Error::other)
}

/// `enum nfnl_cthelper_type` and those inside.
mod kind {
    pub(super) const NAME: u16 = 1;
    pub(super) const TUPLE: u16 = 2;
    pub(super) const QUEUE_NUM: u16 = 3;
    pub(super) const POLICY: u16 = 4;
    pub(super) const PRIV_DATA_LEN: u16 = 5;
    pub(super) const STATUS: u16 = 6;
    pub(super) const L3: u16 = 1;
    pub(super) const L4: u16 = 2;
    pub(super) const SET_NUM: u16 = 1;
    pub(super) const SET: u16 = 2;
    pub(super) const POLICY_NAME: u16 = 1;
    pub(super) const EXPECT_MAX: u16 = 2;
    pub(super) const EXPECT_TIMEOUT: u16 = 3;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Messages;

    #[test]
    fn a_helper_is_read_as_it_was_written() {
        let policy = |name: &[u8], most, timeout| {
            Some(Policy { name: Some(name.to_vec()), most: Some(most), timeout: Some(timeout) })
        };
        let helper = Helper {
            name: Some(b"rpc".to_vec()),
            tuple: Some(Tuple { family: Some(2), protocol: Some(17) }),
            queue: Some(7),
            policies: Some(Policies {
                count: Some(2),
                sets: [policy(b"one", 1, 300), policy(b"two", 255, 60), None, None],
            }),
            private: Some(32),
            status: Some(ENABLED),
        };
        let mut out = Vec::new();
        helper.write(Header { kind: netfilter(subsystem::CTHELPER, NEW), ..Header::default() }, &mut out).unwrap();
        let message = Messages::new(&out).next().unwrap().unwrap();
        let (_, attributes) = message.netfilter().unwrap();
        assert_eq!(Helper::parse(attributes), Ok(helper));
    }
    #[test]
    fn what_nfct_asks_is_understood() {
        // As `nfct add helper ftp inet tcp` of 1.4.7 sends it, behind the header.
        let words = [
            "0800010066747000 0800050000000018 140002800600010000020000050002000600000028000480",
            "1c0002800800010066747000080002000000000108000300 0000012c0800010000000001",
        ];
        let digits: Vec<u8> = words.concat().chars().filter_map(|digit| Some(digit.to_digit(16)? as u8)).collect();
        let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        let policy = Policy { name: Some(b"ftp".to_vec()), most: Some(1), timeout: Some(300) };
        let wanted = Helper {
            name: Some(b"ftp".to_vec()),
            tuple: Some(Tuple { family: Some(2), protocol: Some(6) }),
            policies: Some(Policies { count: Some(1), sets: [Some(policy), None, None, None] }),
            private: Some(24),
            ..Helper::default()
        };
        assert_eq!(Helper::parse(Attributes::new(&bytes)), Ok(wanted));
    }
}
