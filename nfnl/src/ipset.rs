//! The kernel's sets (ipset): what a set is, whether it holds an element, adding and deleting one.

use std::io;
use std::net::IpAddr;
use std::ops::ControlFlow;

use crate::attr::Attributes;
use crate::message::{Builder, Header, Nfgen, flag, netfilter};
use crate::request::{Error, Requester};
use crate::transport::Kernel;

/// A socket on which the kernel's sets of this network namespace are asked.
#[derive(Debug)]
pub struct Sets {
    requester: Requester<Kernel>,
}

/// A set as far as looking something up in it needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: Vec<u8>,
    /// `AF_INET`, `AF_INET6`, or 0 for a set of any family.
    pub family: u8,
    /// What an element is made of.
    pub parts: Vec<Part>,
    /// It is a `bitmap:port`, which asks for no protocol.
    pub bitmap: bool,
    /// Its elements have counters.
    pub counters: bool,
    /// Its elements have timeouts.
    pub timeouts: bool,
}

/// One part of an element, as the type's name has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// An address.
    Ip,
    /// A network; an address is looked up in all of them.
    Net,
    /// A port with its protocol.
    Port,
    /// A device.
    Iface,
    /// A link-layer address.
    Mac,
    /// The packet's mark.
    Mark,
    /// Another set.
    Set,
}

/// The value of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// An address.
    Address(IpAddr),
    /// A protocol, if the set asks for it, and a port of it or an ICMP type and code.
    Port(Option<u8>, u16),
    /// A device's name.
    Iface(&'a [u8]),
    /// A link-layer address.
    Mac([u8; 6]),
    /// A mark.
    Mark(u32),
}

/// What is asked of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Whether it holds the element.
    Test {
        /// An element that is an exception (`nomatch`) is looked for.
        nomatch: bool,
        /// Its counters grow by a packet of so many bytes.
        bytes: Option<u64>,
    },
    /// Puts the element into it.
    Add {
        /// One that is there gets a fresh timeout.
        exist: bool,
        /// Seconds, if not the set's own.
        timeout: Option<u32>,
    },
    /// Takes the element out of it.
    Delete,
}

impl Sets {
    /// Opens a socket.
    pub fn open() -> io::Result<Self> {
        Ok(Self { requester: Requester::new(Kernel::open()?, 0) })
    }

    /// The set of a number; `None` if there is none.
    pub fn find(&mut self, index: u16) -> Result<Option<Set>, Error> {
        let mut name = None;
        let asked = self.requester.ask(
            head(cmd::GET_BYINDEX),
            |header, out| {
                let mut b = Builder::netfilter(header, Nfgen::of(AF_INET), out);
                b.u8(attr::PROTOCOL, PROTOCOL).be16(attr::INDEX | NET_BYTEORDER, index);
                b.finish()
            },
            |message| {
                name = message.netfilter().ok().and_then(|(_, all)| text(all, attr::SETNAME));
                ControlFlow::Break(())
            },
        );
        match (asked, name) {
            (Ok(()), Some(name)) => self.describe(name),
            (Err(Error::Refused { errno: libc::ENOENT, .. }), _) | (Ok(()), None) => Ok(None),
            (Err(error), _) => Err(error),
        }
    }

    /// The names of the sets in a set of sets, in their order.
    pub fn members(&mut self, set: &Set) -> Result<Vec<Vec<u8>>, Error> {
        let mut names = Vec::new();
        self.requester.dump(
            head(cmd::LIST),
            |header, out| {
                let mut b = Builder::netfilter(header, Nfgen::of(AF_INET), out);
                b.u8(attr::PROTOCOL, PROTOCOL).nul_terminated(attr::SETNAME, &set.name);
                b.finish()
            },
            |message| {
                let elements = message.netfilter().ok().and_then(|(_, all)| all.find(attr::ADT).ok()?);
                let elements = elements.map_or(Attributes::new(&[]), |elements| Attributes::new(elements.payload));
                let inner = elements.flatten().map(|element| Attributes::new(element.payload));
                names.extend(inner.filter_map(|element| text(element, attr::NAME)));
                ControlFlow::Continue(())
            },
        )?;
        Ok(names)
    }

    /// The set of a name; `None` if there is none.
    pub fn describe(&mut self, name: Vec<u8>) -> Result<Option<Set>, Error> {
        let mut told = None;
        let asked = self.requester.dump(
            head(cmd::LIST),
            |header, out| {
                let mut b = Builder::netfilter(header, Nfgen::of(AF_INET), out);
                b.u8(attr::PROTOCOL, PROTOCOL).nul_terminated(attr::SETNAME, &name);
                b.be32(attr::FLAGS | NET_BYTEORDER, FLAG_LIST_HEADER);
                b.finish()
            },
            |message| {
                told = told.take().or_else(|| Set::read(&name, message.netfilter().ok()?.1));
                ControlFlow::Continue(())
            },
        );
        match asked {
            Ok(_) => Ok(told),
            Err(Error::Refused { errno: libc::ENOENT, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks, or does something. `Ok(false)` is an element that is not there, or for [`Act::Add`] one that was.
    pub fn act(&mut self, set: &Set, act: Act, values: &[Value<'_>]) -> Result<bool, Error> {
        let mut header = head(match act {
            Act::Test { .. } => cmd::TEST,
            Act::Add { .. } => cmd::ADD,
            Act::Delete => cmd::DELETE,
        });
        if !matches!(act, Act::Add { exist: true, .. }) {
            header.flags |= flag::EXCL;
        }
        let done = self.requester.act(
            header,
            |header, out| {
                let mut b = Builder::netfilter(header, Nfgen::of(set.family), out);
                b.u8(attr::PROTOCOL, PROTOCOL).nul_terminated(attr::SETNAME, &set.name);
                b.nest(attr::DATA, |b| element(b, act, values));
                b.finish()
            },
            |_| ControlFlow::Continue(()),
        );
        match done {
            Ok(()) => Ok(true),
            Err(Error::Refused { errno: ERR_EXIST, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Set {
    /// From the head of a listing.
    fn read(name: &[u8], all: Attributes<'_>) -> Option<Self> {
        let family = all.find(attr::FAMILY).ok()??.u8().ok()?;
        let mut set = Self::new(name.to_vec(), &text(all, attr::TYPENAME)?, family);
        let data = Attributes::new(all.find(attr::DATA).ok()??.payload);
        let flags = data.find(attr::CADT_FLAGS).ok()?.and_then(|flags| flags.be32().ok()).unwrap_or(0);
        set.counters = flags & FLAG_WITH_COUNTERS != 0;
        set.timeouts = data.find(attr::TIMEOUT).ok()?.is_some();
        Some(set)
    }

    fn new(name: Vec<u8>, kind: &[u8], family: u8) -> Self {
        let mut halves = kind.splitn(2, |byte| *byte == b':');
        let method = halves.next().unwrap_or_default();
        let parts: Vec<Part> = halves
            .next()
            .unwrap_or_default()
            .split(|byte| *byte == b',')
            .filter_map(|part| {
                Some(match part {
                    b"ip" => Part::Ip,
                    b"net" => Part::Net,
                    b"port" => Part::Port,
                    b"iface" => Part::Iface,
                    b"mac" => Part::Mac,
                    b"mark" => Part::Mark,
                    b"set" => Part::Set,
                    _ => return None,
                })
            })
            .collect();
        let bitmap = method == b"bitmap" && parts.first() == Some(&Part::Port);
        Self { name, family, parts, bitmap, counters: false, timeouts: false }
    }
}

fn element(b: &mut Builder<'_>, act: Act, values: &[Value<'_>]) {
    let mut addresses = [attr::IP, attr::IP2].into_iter();
    for value in values {
        match *value {
            Value::Address(address) => {
                if let Some(kind) = addresses.next() {
                    b.nest(kind, |b| {
                        match address {
                            IpAddr::V4(v4) => b.put(attr::IPV4 | NET_BYTEORDER, &v4.octets()),
                            IpAddr::V6(v6) => b.put(attr::IPV6 | NET_BYTEORDER, &v6.octets()),
                        };
                    });
                }
            }
            Value::Port(protocol, port) => {
                b.be16(attr::PORT | NET_BYTEORDER, port);
                if let Some(protocol) = protocol {
                    b.u8(attr::PROTO, protocol);
                }
            }
            Value::Iface(name) => {
                b.nul_terminated(attr::IFACE, name);
            }
            Value::Mac(address) => {
                b.put(attr::ETHER, &address);
            }
            Value::Mark(mark) => {
                b.be32(attr::MARK | NET_BYTEORDER, mark);
            }
        }
    }
    match act {
        Act::Test { nomatch, bytes } => {
            if nomatch {
                b.be32(attr::CADT_FLAGS | NET_BYTEORDER, FLAG_NOMATCH);
            }
            if let Some(bytes) = bytes {
                b.be64(attr::BYTES | NET_BYTEORDER, bytes).be64(attr::PACKETS | NET_BYTEORDER, 1);
            }
        }
        Act::Add { timeout: Some(seconds), .. } => {
            b.be32(attr::TIMEOUT | NET_BYTEORDER, seconds);
        }
        Act::Add { .. } | Act::Delete => {}
    }
}

fn head(command: u8) -> Header {
    Header { kind: netfilter(SUBSYSTEM, command), flags: 0, sequence: 0, port: 0 }
}

fn text(all: Attributes<'_>, kind: u16) -> Option<Vec<u8>> {
    Some(all.find(kind).ok()??.text().to_vec())
}

/// `NFNL_SUBSYS_IPSET`.
const SUBSYSTEM: u8 = 6;
/// `IPSET_PROTOCOL`.
const PROTOCOL: u8 = 7;
const AF_INET: u8 = 2;
/// `NLA_F_NET_BYTEORDER`, without which the kernel takes no number of these.
const NET_BYTEORDER: u16 = 1 << 14;
/// `IPSET_FLAG_NOMATCH`.
const FLAG_NOMATCH: u32 = 1 << 2;
/// `IPSET_FLAG_LIST_HEADER`.
const FLAG_LIST_HEADER: u32 = 1 << 2;
/// `IPSET_FLAG_WITH_COUNTERS`.
const FLAG_WITH_COUNTERS: u32 = 1 << 3;
/// `IPSET_ERR_EXIST`.
const ERR_EXIST: i32 = 4103;

/// `enum ipset_cmd`.
mod cmd {
    pub(super) const LIST: u8 = 7;
    pub(super) const ADD: u8 = 9;
    pub(super) const DELETE: u8 = 10;
    pub(super) const TEST: u8 = 11;
    pub(super) const GET_BYINDEX: u8 = 15;
}

/// `IPSET_ATTR_*`: of commands, of elements, of addresses.
mod attr {
    pub(super) const PROTOCOL: u16 = 1;
    pub(super) const SETNAME: u16 = 2;
    pub(super) const TYPENAME: u16 = 3;
    pub(super) const FAMILY: u16 = 5;
    pub(super) const FLAGS: u16 = 6;
    pub(super) const DATA: u16 = 7;
    pub(super) const ADT: u16 = 8;
    pub(super) const INDEX: u16 = 11;

    pub(super) const IP: u16 = 1;
    pub(super) const PORT: u16 = 4;
    pub(super) const TIMEOUT: u16 = 6;
    pub(super) const PROTO: u16 = 7;
    pub(super) const CADT_FLAGS: u16 = 8;
    pub(super) const MARK: u16 = 10;
    pub(super) const ETHER: u16 = 17;
    pub(super) const NAME: u16 = 18;
    pub(super) const IP2: u16 = 20;
    pub(super) const IFACE: u16 = 23;
    pub(super) const BYTES: u16 = 24;
    pub(super) const PACKETS: u16 = 25;

    pub(super) const IPV4: u16 = 1;
    pub(super) const IPV6: u16 = 2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_types_name_says_what_its_elements_are_made_of() {
        let set = |kind: &str| Set::new(b"x".to_vec(), kind.as_bytes(), 2);
        assert_eq!(set("hash:ip,port,net").parts, [Part::Ip, Part::Port, Part::Net]);
        assert_eq!(set("hash:net,iface").parts, [Part::Net, Part::Iface]);
        assert!(set("bitmap:port").bitmap && !set("bitmap:ip,mac").bitmap);
        assert_eq!(set("list:set").parts, [Part::Set]);
        assert_eq!(set("").parts, []);
    }

    /// As `strace ipset test s 10.0.0.1,udp:53` shows it.
    #[test]
    fn an_element_is_written_as_ipset_writes_it() {
        let mut out = Vec::new();
        let mut b = Builder::new(head(cmd::TEST), &mut out);
        element(&mut b, Act::Delete, &[Value::Address([10, 0, 0, 1].into()), Value::Port(Some(17), 53)]);
        b.finish().unwrap();
        let wanted = [
            &[12, 0, 1, 0x80, 8, 0, 1, 0x40, 10, 0, 0, 1][..],
            &[6, 0, 4, 0x40, 0, 53, 0, 0],
            &[5, 0, 7, 0, 17, 0, 0, 0],
        ];
        assert_eq!(out[16..], wanted.concat());
    }
}
