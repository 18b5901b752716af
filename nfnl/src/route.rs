//! NETLINK_ROUTE: the links, addresses and routes of a network namespace, and word that they changed.
//!
//! The crate's own attribute walk reads them: it neither allocates nor fails on what it does not know.

use std::io;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;

use crate::attr::{Attribute, Attributes, Malformed, align};
use crate::message::{Builder, Header, Message, Messages, flag, kind};
use crate::request::{Error, Requester};
use crate::transport::Kernel;

/// A network device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name, filled up with NUL.
    pub name: [u8; 16],
    /// `IFF_*`.
    pub flags: u32,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Its group.
    pub group: u32,
    /// `ARPHRD_*`.
    pub hardware: u16,
    /// Its link-layer address, if that is six bytes long.
    pub address: Option<[u8; 6]>,
}

/// An address on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The device's index.
    pub index: u32,
    /// The machine's own address (`IFA_LOCAL`, or `IFA_ADDRESS` where that is missing).
    pub local: IpAddr,
    /// What the kernel names when it says that the address goes: `IFA_ADDRESS` of IPv4, on a link with a peer the peer's.
    pub told: IpAddr,
    /// Bits of its network.
    pub prefix: u8,
    /// `RT_SCOPE_*`.
    pub scope: u8,
    /// `IFA_F_*`.
    pub flags: u32,
    /// The network's broadcast address (`IFA_BROADCAST`), if it was given one.
    pub broadcast: Option<IpAddr>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The destination's network; all zeros for the default route.
    pub destination: IpAddr,
    /// Bits of it.
    pub prefix: u8,
    /// `RT_TABLE_*`.
    pub table: u32,
    /// `RTN_*`.
    pub kind: u8,
    /// The device of its first next hop, 0 if there is none.
    pub device: u32,
    /// The devices of its other next hops.
    pub other_devices: Vec<u32>,
    /// The gateway of its first next hop.
    pub gateway: Option<IpAddr>,
    /// The source address it prefers.
    pub source: Option<IpAddr>,
    /// Lower wins.
    pub priority: u32,
    /// The MTU it sets, 0 if none.
    pub mtu: u32,
    /// The realms of its first next hop (`RTA_FLOW`): the source's in the upper half, the destination's in the lower.
    pub realms: u32,
}

/// A rule of policy routing (`ip rule`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `AF_INET` or `AF_INET6`.
    pub family: u8,
    /// Its place; lower comes first.
    pub priority: u32,
    /// `FR_ACT_*`.
    pub action: u8,
    /// The table that [`rule_action::TABLE`] looks into.
    pub table: u32,
    /// The priority at which [`rule_action::GOTO`] goes on.
    pub target: u32,
    /// It holds for what the conditions do not (`not`).
    pub inverted: bool,
    /// The source's network and its bits.
    pub source: Option<(IpAddr, u8)>,
    /// The destination's network and its bits.
    pub destination: Option<(IpAddr, u8)>,
    /// Bits of the TOS field or traffic class, and which of them count.
    pub tos: (u8, u8),
    /// Bits of the mark, and which of them count.
    pub mark: (u32, u32),
    /// The name of the device it came in by; empty for any.
    pub in_device: Vec<u8>,
    /// The name of the device it leaves by; empty for any.
    pub out_device: Vec<u8>,
    /// The first and the last user id.
    pub users: Option<(u32, u32)>,
    /// It has conditions on what a question about a route does not tell: ports, protocol, tunnel, VRF.
    pub narrower: bool,
    /// Routes with so many bits or fewer do not count.
    pub suppressed_prefix: Option<u32>,
    /// Nor do those by devices of this group.
    pub suppressed_group: Option<u32>,
}

/// `FR_ACT_*`.
pub mod rule_action {
    /// Look into a table.
    pub const TABLE: u8 = 1;
    /// Go on elsewhere.
    pub const GOTO: u8 = 2;
    /// Go on.
    pub const NOP: u8 = 3;
}

/// All there is at one moment, in the kernel's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Devices.
    pub links: Vec<Link>,
    /// Addresses of both families.
    pub addresses: Vec<Address>,
    /// Routes of both families, cached clones left out.
    pub routes: Vec<Route>,
    /// Rules of policy routing; none where the kernel knows no such thing.
    pub rules: Vec<Rule>,
}

/// Something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// A device goes, or goes down.
    Device(u32),
    /// An address of a device, as [`Address::told`].
    Address(u32, IpAddr),
}

/// `IFF_UP`.
pub const IFF_UP: u32 = 1;

/// Tells that something changed.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
}

/// `IFA_F_SECONDARY`.
pub const SECONDARY: u32 = 0x01;
/// `IFA_F_DEPRECATED`.
pub const DEPRECATED: u32 = 0x20;
/// `IFA_F_TENTATIVE`.
pub const TENTATIVE: u32 = 0x40;

impl Snapshot {
    /// Asks the kernel for everything.
    pub fn take() -> io::Result<Self> {
        let mut snapshot = Self::default();
        // A dump that a change cut through is taken again; after that the monitor will ask for another one anyway.
        for _ in 0..3 {
            snapshot = Self::default();
            let links = dump(RTM_GETLINK, 16, |message| snapshot.links.extend(link(message)))?;
            let addresses = dump(RTM_GETADDR, 8, |message| snapshot.addresses.extend(address(message)))?;
            let routes = dump(RTM_GETROUTE, 12, |message| snapshot.routes.extend(route(message)))?;
            // A kernel without CONFIG_IP_MULTIPLE_TABLES knows none.
            let rules = dump(RTM_GETRULE, 12, |message| snapshot.rules.extend(rule(message))).unwrap_or(true);
            if links && addresses && routes && rules {
                break;
            }
        }
        Ok(snapshot)
    }
}

impl Monitor {
    /// Listens to changes of links, addresses and routes from now on.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        for group in [
            RTNLGRP_LINK,
            RTNLGRP_IPV4_IFADDR,
            RTNLGRP_IPV4_ROUTE,
            RTNLGRP_IPV4_RULE,
            RTNLGRP_IPV6_IFADDR,
            RTNLGRP_IPV6_ROUTE,
            RTNLGRP_IPV6_RULE,
        ] {
            socket.add_membership(group)?;
        }
        socket.set_non_blocking(true)?;
        Ok(Self { socket })
    }

    /// Takes what waits, and tells of each address and device that goes, in their order; `true` if anything waited. What was
    /// lost in an overrun counts too.
    pub fn drain(&self, mut goes: impl FnMut(Farewell)) -> bool {
        let mut any = false;
        let mut buffer = Vec::with_capacity(32 << 10);
        loop {
            buffer.clear();
            match self.socket.recv(&mut buffer, 0) {
                Ok(_) => {
                    any = true;
                    Messages::new(&buffer)
                        .map_while(Result::ok)
                        .filter_map(|message| farewell(&message))
                        .for_each(&mut goes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return any,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => any = true,
                Err(_) => return any,
            }
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The MTU of a device, in bytes.
///
/// # Errors
/// `ENODEV` if there is none with this index; any of the socket's.
pub fn mtu(index: u32) -> io::Result<u32> {
    let answer = ask(RTM_GETLINK, flag::REQUEST, index, |_| {})?;
    let found = Messages::new(&answer).flatten().find_map(|message| link(&message));
    found.map(|link| link.mtu).ok_or_else(|| io::Error::from_raw_os_error(libc::EPROTO))
}

/// Gives a device another MTU, in bytes.
///
/// # Errors
/// `ENODEV` if there is none with this index, `EINVAL` if it takes no such MTU, `EPERM` without CAP_NET_ADMIN; any of the
/// socket's.
pub fn set_mtu(index: u32, mtu: u32) -> io::Result<()> {
    ask(RTM_SETLINK, flag::REQUEST | flag::ACK, index, |request| {
        request.put(IFLA_MTU, &mtu.to_ne_bytes());
    })
    .map(drop)
}

/// Asks for something of a device; the first answer that is no error.
fn ask(request: u16, flags: u16, index: u32, what: impl FnOnce(&mut Builder<'_>)) -> io::Result<Vec<u8>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    let mut bytes = Vec::new();
    let mut builder = Builder::new(Header { kind: request, flags, sequence: 1, port: 0 }, &mut bytes);
    // struct ifinfomsg.
    let mut info = [0; 16];
    info[4..8].copy_from_slice(&index.to_ne_bytes());
    what(builder.raw(&info));
    builder.finish().map_err(io::Error::other)?;
    socket.send(&bytes, 0)?;
    let mut answer = Vec::with_capacity(64 << 10);
    socket.recv(&mut answer, 0)?;
    let error = Messages::new(&answer).flatten().find(|message| message.header.kind == kind::ERROR);
    match error.map(|error| error.payload.first_chunk().copied().map_or(-libc::EPROTO, i32::from_ne_bytes)) {
        None | Some(0) => Ok(answer),
        Some(errno) => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
    }
}

/// What the kernel says of something that goes.
fn farewell(message: &Message<'_>) -> Option<Farewell> {
    // Those of a bridge's family say that a port leaves it.
    let device = || link(message).filter(|_| message.payload.first() == Some(&0));
    match message.header.kind {
        RTM_DELADDR => address(message).map(|address| Farewell::Address(address.index, address.told)),
        RTM_DELLINK => device().map(|link| Farewell::Device(link.index)),
        RTM_NEWLINK => device().filter(|link| link.flags & IFF_UP == 0).map(|link| Farewell::Device(link.index)),
        _ => None,
    }
}

/// Dumps one kind of thing; `false` if it changed meanwhile (`NLM_F_DUMP_INTR`).
fn dump(request: u16, header_len: usize, mut each: impl FnMut(&Message<'_>)) -> io::Result<bool> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    let mut bytes = Vec::new();
    let header = Header { kind: request, flags: flag::REQUEST | flag::DUMP, sequence: 1, port: 0 };
    let mut builder = Builder::new(header, &mut bytes);
    builder.raw(&[0; 16][..header_len]);
    builder.finish().map_err(io::Error::other)?;
    socket.send(&bytes, 0)?;
    let mut whole = true;
    let mut buffer = Vec::with_capacity(64 << 10);
    loop {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        for message in Messages::new(&buffer).flatten() {
            whole &= message.header.flags & flag::DUMP_INTR == 0;
            match message.header.kind {
                kind::DONE => return Ok(whole),
                kind::ERROR => {
                    let errno = message.payload.first_chunk().copied().map_or(-libc::EPROTO, i32::from_ne_bytes);
                    return Err(io::Error::from_raw_os_error(errno.saturating_neg()));
                }
                _ => each(&message),
            }
        }
    }
}

/// struct ifinfomsg.
fn link(message: &Message<'_>) -> Option<Link> {
    let (header, rest) = message.payload.split_first_chunk::<16>()?;
    let mut link = Link {
        hardware: u16::from_ne_bytes([header[2], header[3]]),
        index: u32::from_ne_bytes([header[4], header[5], header[6], header[7]]),
        flags: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
        ..Link::default()
    };
    for attribute in Attributes::new(rest).flatten() {
        match attribute.kind {
            IFLA_IFNAME => {
                for (to, from) in link.name.iter_mut().take(15).zip(attribute.text()) {
                    *to = *from;
                }
            }
            IFLA_ADDRESS => link.address = attribute.payload.try_into().ok(),
            IFLA_MTU => link.mtu = attribute.u32().ok()?,
            IFLA_GROUP => link.group = attribute.u32().ok()?,
            _ => {}
        }
    }
    matches!(message.header.kind, RTM_NEWLINK | RTM_DELLINK).then_some(link)
}

/// struct ifaddrmsg.
fn address(message: &Message<'_>) -> Option<Address> {
    let (&[family, prefix, flags, scope, a, b, c, d], rest) = message.payload.split_first_chunk::<8>()?;
    let mut flags = u32::from(flags);
    let (mut local, mut peer, mut broadcast) = (None, None, None);
    for attribute in Attributes::new(rest).flatten() {
        match attribute.kind {
            IFA_LOCAL => local = ip(family, &attribute).ok(),
            IFA_ADDRESS => peer = ip(family, &attribute).ok(),
            IFA_BROADCAST => broadcast = ip(family, &attribute).ok(),
            IFA_FLAGS => flags = attribute.u32().ok()?,
            _ => {}
        }
    }
    let index = u32::from_ne_bytes([a, b, c, d]);
    let local = local.or(peer)?;
    let told = if local.is_ipv4() { peer.unwrap_or(local) } else { local };
    let address = Address { index, local, told, prefix, scope, flags, broadcast };
    matches!(message.header.kind, RTM_NEWADDR | RTM_DELADDR).then_some(address)
}

/// A socket on which the kernel is asked for the way to somewhere, as it would take it now.
#[derive(Debug)]
pub struct Paths {
    requester: Requester<Kernel>,
}

impl Paths {
    /// Opens one.
    pub fn open() -> io::Result<Self> {
        Ok(Self { requester: Requester::new(Kernel::open_routing()?, 0) })
    }

    /// The way of a packet of this machine's own with a mark, by a device if one is given. Its MTU is the route's or what the
    /// kernel learned of the path, 0 if it knows none but the device's.
    pub fn find(&mut self, destination: IpAddr, mark: u32, device: Option<u32>) -> Result<Option<Route>, Error> {
        let mut found = None;
        let (family, bits) = if destination.is_ipv4() { (2, 32) } else { (10, 128) };
        self.requester.ask(
            Header { kind: RTM_GETROUTE, ..Header::default() },
            |header, out| {
                let mut builder = Builder::new(header, out);
                // struct rtmsg.
                builder.raw(&[family, bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                match destination {
                    IpAddr::V4(v4) => builder.put(RTA_DST, &v4.octets()),
                    IpAddr::V6(v6) => builder.put(RTA_DST, &v6.octets()),
                };
                builder.u32(RTA_MARK, mark);
                if let Some(device) = device {
                    builder.u32(RTA_OIF, device);
                }
                builder.finish()
            },
            |message| {
                found = any_route(&message);
                ControlFlow::Break(())
            },
        )?;
        Ok(found)
    }
}

/// A route of a table; not one that was put together for somebody.
fn route(message: &Message<'_>) -> Option<Route> {
    let flags: &[u8; 4] = message.payload.get(8..)?.first_chunk()?;
    (u32::from_ne_bytes(*flags) & RTM_F_CLONED == 0).then(|| any_route(message)).flatten()
}

/// struct rtmsg.
fn any_route(message: &Message<'_>) -> Option<Route> {
    let (&[family, prefix, _, _, table, _, _, kind, ..], rest) = message.payload.split_first_chunk::<12>()?;
    let unspecified = match family {
        2 => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        10 => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    if message.header.kind != RTM_NEWROUTE {
        return None;
    }
    let mut route = Route {
        destination: unspecified,
        prefix,
        table: u32::from(table),
        kind,
        device: 0,
        other_devices: Vec::new(),
        gateway: None,
        source: None,
        priority: 0,
        mtu: 0,
        realms: 0,
    };
    for attribute in Attributes::new(rest).flatten() {
        match attribute.kind {
            RTA_DST => route.destination = ip(family, &attribute).ok()?,
            RTA_OIF => route.device = attribute.u32().ok()?,
            RTA_GATEWAY => route.gateway = ip(family, &attribute).ok(),
            RTA_PREFSRC => route.source = ip(family, &attribute).ok(),
            RTA_PRIORITY => route.priority = attribute.u32().ok()?,
            RTA_TABLE => route.table = attribute.u32().ok()?,
            RTA_METRICS => {
                let mtu = attribute.attributes().flatten().find(|metric| metric.kind == RTAX_MTU);
                route.mtu = mtu.and_then(|mtu| mtu.u32().ok()).unwrap_or(0);
            }
            RTA_FLOW => route.realms = attribute.u32().ok()?,
            RTA_MULTIPATH => hops(family, attribute.payload, &mut route),
            _ => {}
        }
    }
    Some(route)
}

/// struct fib_rule_hdr.
fn rule(message: &Message<'_>) -> Option<Rule> {
    let (&[family, to, from, tos, table, _, _, action, f0, f1, f2, f3], rest) =
        message.payload.split_first_chunk::<12>()?;
    if message.header.kind != RTM_NEWRULE || !matches!(family, 2 | 10) {
        return None;
    }
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let mut rule = Rule {
        family,
        priority: 0,
        action,
        table: table.into(),
        target: 0,
        inverted: flags & FIB_RULE_INVERT != 0,
        source: None,
        destination: None,
        tos: (
            tos,
            if tos == 0 {
                0
            } else if family == 2 {
                TOS_MASK
            } else {
                DSCP_MASK
            },
        ),
        mark: (0, 0),
        in_device: Vec::new(),
        out_device: Vec::new(),
        users: None,
        narrower: false,
        suppressed_prefix: None,
        suppressed_group: None,
    };
    let (mut mark, mut mask) = (None, None);
    for attribute in Attributes::new(rest).flatten() {
        match attribute.kind {
            FRA_DST => rule.destination = ip(family, &attribute).ok().map(|network| (network, to)),
            FRA_SRC => rule.source = ip(family, &attribute).ok().map(|network| (network, from)),
            FRA_IIFNAME => rule.in_device = attribute.text().to_vec(),
            FRA_OIFNAME => rule.out_device = attribute.text().to_vec(),
            FRA_GOTO => rule.target = attribute.u32().ok()?,
            FRA_PRIORITY => rule.priority = attribute.u32().ok()?,
            FRA_FWMARK => mark = attribute.u32().ok(),
            FRA_FWMASK => mask = attribute.u32().ok(),
            FRA_TABLE => rule.table = attribute.u32().ok()?,
            // All ones say that there is none.
            FRA_SUPPRESS_IFGROUP => rule.suppressed_group = attribute.u32().ok().filter(|group| *group != u32::MAX),
            FRA_SUPPRESS_PREFIXLEN => rule.suppressed_prefix = attribute.u32().ok().filter(|bits| *bits != u32::MAX),
            FRA_UID_RANGE => {
                let [a, b, c, d, e, f, g, h] = attribute.array().ok()?;
                rule.users = Some((u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])));
            }
            FRA_DSCP => rule.tos = (attribute.payload.first()? << 2, DSCP_MASK),
            FRA_TUN_ID | FRA_L3MDEV | FRA_IP_PROTO | FRA_SPORT_RANGE | FRA_DPORT_RANGE | FRA_FLOWLABEL => {
                rule.narrower |= attribute.payload.iter().any(|byte| *byte != 0);
            }
            _ => {}
        }
    }
    rule.mark = (mark.unwrap_or(0), mask.unwrap_or(if mark.is_some() { u32::MAX } else { 0 }));
    Some(rule)
}

/// struct rtnexthop, one after the other.
fn hops(family: u8, mut hops: &[u8], route: &mut Route) {
    while let Some((&[a, b, _, _, i0, i1, i2, i3], _)) = hops.split_first_chunk::<8>() {
        let device = u32::from_ne_bytes([i0, i1, i2, i3]);
        let length = usize::from(u16::from_ne_bytes([a, b])).max(8);
        if route.device != 0 {
            route.other_devices.push(device);
        } else {
            route.device = device;
            for attribute in Attributes::new(hops.get(8..length).unwrap_or(&[])).flatten() {
                match attribute.kind {
                    RTA_GATEWAY => route.gateway = ip(family, &attribute).ok(),
                    RTA_FLOW => route.realms = attribute.u32().unwrap_or(0),
                    _ => {}
                }
            }
        }
        hops = hops.get(align(length)..).unwrap_or(&[]);
    }
}

fn ip(family: u8, attribute: &Attribute<'_>) -> Result<IpAddr, Malformed> {
    if family == 2 { attribute.ipv4() } else { attribute.ipv6() }
}

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWRULE: u16 = 32;
const RTM_GETRULE: u16 = 34;
const RTM_F_CLONED: u32 = 0x200;
const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV4_ROUTE: u32 = 7;
const RTNLGRP_IPV4_RULE: u32 = 8;
const RTNLGRP_IPV6_IFADDR: u32 = 9;
const RTNLGRP_IPV6_ROUTE: u32 = 11;
const RTNLGRP_IPV6_RULE: u32 = 19;
const FIB_RULE_INVERT: u32 = 2;
/// What a rule's TOS is compared with (`IPTOS_RT_MASK`), and where a DSCP stands.
const TOS_MASK: u8 = 0x1c;
const DSCP_MASK: u8 = 0xfc;
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_TUN_ID: u16 = 12;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;
const FRA_DSCP: u16 = 25;
const FRA_FLOWLABEL: u16 = 26;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_GROUP: u16 = 27;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_FLOW: u16 = 11;
const RTA_TABLE: u16 = 15;
const RTA_MARK: u16 = 16;
const RTAX_MTU: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_has_its_index_and_hardware_type() {
        let snapshot = Snapshot::take().unwrap();
        let lo = snapshot.links.iter().find(|link| link.name.starts_with(b"lo\0")).unwrap();
        assert_eq!((lo.index, lo.hardware), (1, 772));
        assert_eq!(lo.flags & 8, 8, "IFF_LOOPBACK");
    }

    #[test]
    fn every_cut_of_a_message_is_read_without_a_panic() {
        let mut bytes = Vec::new();
        let mut builder = Builder::new(Header { kind: RTM_NEWROUTE, ..Header::default() }, &mut bytes);
        builder.raw(&[2, 24, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]);
        builder.put(RTA_DST, &[10, 0, 0, 0]).u32(RTA_TABLE, 1000).nest(RTA_MULTIPATH, |hops| {
            hops.raw(&[16, 0, 0, 0, 7, 0, 0, 0]).put(RTA_GATEWAY, &[10, 0, 0, 1]);
        });
        builder.finish().unwrap();
        let payload = Messages::new(&bytes).next().unwrap().unwrap().payload;
        for length in 0..payload.len() {
            let message =
                Message { header: Header { kind: RTM_NEWROUTE, ..Header::default() }, payload: &payload[..length] };
            let _ = (link(&message), address(&message), route(&message));
        }
        let whole = route(&Messages::new(&bytes).next().unwrap().unwrap()).unwrap();
        assert_eq!((whole.table, whole.device, whole.prefix), (1000, 7, 24));
        assert_eq!(whole.gateway, Some(IpAddr::from([10, 0, 0, 1])));
    }
}
