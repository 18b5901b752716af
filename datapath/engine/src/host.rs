//! What the engine must ask of the machine it runs for: devices, addresses, routes. Answers come from tables that the
//! daemon keeps up to date, never from a system call on the packet's way.

use std::net::IpAddr;

use libxt::family::Af;

use crate::packet::Device;

/// The time, handed in with every call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Nanoseconds of the monotonic clock.
    pub monotonic: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    pub wall: u64,
}

impl Now {
    /// The kernel's jiffies at HZ=250, which `limit` and `hashlimit` count in.
    pub const fn jiffies(self) -> u64 {
        self.monotonic / 4_000_000
    }
}

/// What kind of address it is to this machine (`RTN_*`, as `-m addrtype` names them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// `RTN_UNSPEC`.
    Unspec,
    /// `RTN_UNICAST`: a route leads there.
    Unicast,
    /// `RTN_LOCAL`: an address of this machine.
    Local,
    /// `RTN_BROADCAST`.
    Broadcast,
    /// `RTN_ANYCAST`.
    Anycast,
    /// `RTN_MULTICAST`.
    Multicast,
    /// `RTN_BLACKHOLE`.
    Blackhole,
    /// `RTN_UNREACHABLE`: no route.
    Unreachable,
    /// `RTN_PROHIBIT`.
    Prohibit,
    /// `RTN_THROW`.
    Throw,
    /// `RTN_NAT`.
    Nat,
}

/// A packet as routing sees it (`struct flowi`): what `ip rule` may choose a table by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteKey {
    /// Where it goes.
    pub destination: IpAddr,
    /// Where it comes from, if that is settled.
    pub source: Option<IpAddr>,
    /// Its mark.
    pub mark: u32,
    /// Its TOS field or traffic class.
    pub tos: u8,
    /// The device it came in by; what this machine sends comes by loopback.
    pub in_device: u32,
    /// The device it must leave by, if any.
    pub out_device: Option<u32>,
}

impl RouteKey {
    /// A packet of this machine's own of which no more is known.
    pub const fn to(destination: IpAddr) -> Self {
        Self { destination, source: None, mark: 0, tos: 0, in_device: LOOPBACK, out_device: None }
    }
}

/// `LOOPBACK_IFINDEX`.
const LOOPBACK: u32 = 1;

/// A route as far as rules ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The device it leaves by.
    pub device: u32,
    /// The source address the machine would choose.
    pub source: Option<IpAddr>,
    /// The path's MTU in bytes.
    pub mtu: u32,
    /// The next hop, if it is not the destination itself.
    pub gateway: Option<IpAddr>,
}

/// The way back to where a packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WayBack {
    /// What kind of route it is.
    pub kind: AddressKind,
    /// Whether it leads through the device that was asked for.
    pub through: bool,
}

/// What a rule wants of a set of ipset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetAct {
    /// Whether it holds the element.
    Test {
        /// An exception (`nomatch`) is looked for.
        nomatch: bool,
        /// The element's counters grow by the packet.
        count: bool,
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

/// What of a packet may be looked up in a set.
#[derive(Clone, Copy, Debug)]
pub struct SetElement<'a> {
    /// The family.
    pub af: Af,
    /// Source and destination.
    pub addresses: [IpAddr; 2],
    /// The transport protocol.
    pub protocol: u8,
    /// Source and destination port, ICMP type and code in both, or zeros; `None` if they cannot be read.
    pub ports: Option<[u16; 2]>,
    /// The device it came in by, and the one it goes out by.
    pub devices: [Option<&'a Device>; 2],
    /// Source and destination of the Ethernet header.
    pub stations: Option<[[u8; 6]; 2]>,
    /// Its mark.
    pub mark: u32,
    /// Its length in bytes.
    pub length: u64,
    /// How many parts the rule names, and bit *n* if part *n*, counted from 1, is of the source.
    pub dimensions: u8,
    /// See [`Self::dimensions`].
    pub sources: u8,
}

/// What a packet must look like that the kernel judges in the place of another.
#[derive(Clone, Copy, Debug)]
pub struct Likeness<'a> {
    /// The family.
    pub af: Af,
    /// Its bytes up to the ports.
    pub head: &'a [u8],
    /// Its length in bytes.
    pub length: usize,
    /// Its mark.
    pub mark: u32,
    /// A device that carries such packets.
    pub device: Option<&'a Device>,
}

/// What the kernel made of a packet in the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Its mark.
    pub mark: u32,
    /// Its priority, if it got one.
    pub priority: Option<u32>,
}

/// The two ends of a packet whose socket is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketPair {
    /// TCP or UDP.
    pub protocol: u8,
    /// Address and port here.
    pub local: (IpAddr, u16),
    /// Address and port there.
    pub remote: (IpAddr, u16),
    /// The device it came in by.
    pub device: u32,
}

/// A socket of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketFound {
    /// It is a process's: no request for a connection, and nothing that is left of one (`sk_fullsock`).
    pub full: bool,
    /// It is bound to no address.
    pub wildcard: bool,
    /// `IP_TRANSPARENT`.
    pub transparent: bool,
    /// `SO_MARK`.
    pub mark: u32,
}

/// What the engine asks of its machine.
pub trait Host {
    /// The address that MASQUERADE takes on a device for a packet: the primary address of the right scope
    /// (`inet_select_addr`), or what `ipv6_dev_get_saddr` picks.
    fn masquerade_address(&self, af: Af, device: u32, key: &RouteKey) -> Option<IpAddr>;
    /// The device's first address, which REDIRECT uses for arriving packets.
    fn first_address(&self, af: Af, device: u32) -> Option<IpAddr>;
    /// What kind of address it is; with a device, as seen from that device alone.
    fn address_kind(&self, address: IpAddr, device: Option<u32>) -> AddressKind;
    /// The route of a packet.
    fn route(&self, key: &RouteKey) -> Option<Route>;
    /// The MTU of a packet's path, with what the kernel learned of it.
    fn path_mtu(&self, key: &RouteKey) -> Option<u32> {
        self.route(key).map(|route| route.mtu)
    }
    /// Minutes that the kernel's time zone (`sys_tz`) lies west of Greenwich.
    fn minutes_west(&self) -> i32;
    /// A device by its index.
    fn device(&self, index: u32) -> Option<&Device>;
    /// Bits of the network that has this broadcast address on a device, by one of its primary addresses.
    fn broadcast_network(&self, broadcast: IpAddr, device: u32) -> Option<u8> {
        let _ = (broadcast, device);
        None
    }
    /// The route by which a packet that came in by `device` would be answered; the key is that of the answer.
    fn way_back(&self, key: &RouteKey, device: u32) -> Option<WayBack> {
        let _ = (key, device);
        None
    }
    /// The realms of a packet's route (`RTA_FLOW`), 0 if it has none.
    fn realms(&self, key: &RouteKey) -> u32 {
        let _ = key;
        0
    }
    /// The socket that takes a packet; here, too, the answer is the kernel's.
    fn socket(&self, pair: &SocketPair) -> Option<SocketFound> {
        let _ = pair;
        None
    }
    /// Asks a set of ipset, or changes it. Here the answer is the kernel's: nobody is told when a set changes, so there is no
    /// copy to ask.
    fn set(&self, set: u16, act: SetAct, element: &SetElement<'_>) -> bool {
        let _ = (set, act, element);
        false
    }
    /// What the kernel's own match of a number says to a packet, see [`Engine::probes`](crate::Engine::probes); its target does
    /// its work.
    fn probe(&self, number: u8, likeness: &Likeness<'_>) -> bool {
        let _ = (number, likeness);
        false
    }
    /// What the kernel's own target of a number makes of a packet; `None` if it cannot be asked.
    fn map(&self, number: u8, likeness: &Likeness<'_>) -> Option<Mapped> {
        let _ = (number, likeness);
        None
    }
}
