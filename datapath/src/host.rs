//! Devices, addresses and routes, as the engine asks for them: a copy of the kernel's tables, replaced as a whole when
//! something changed. But for what no copy can be had of, no question of a packet becomes a system call.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use engine::host::{
    AddressKind, Likeness, Mapped, Route, RouteKey, SetAct, SetElement, SocketFound, SocketPair, WayBack,
};
use engine::{Device, Host};
use libxt::family::Af;
use nfnl::route::{self, DEPRECATED, Farewell, IFF_UP, SECONDARY, Snapshot, TENTATIVE};

use crate::clock;
use crate::paths::Paths;
use crate::policy::Policy;
use crate::probes::Probes;
use crate::routes::Routes;
use crate::sets::Sets;
use crate::sockets::Sockets;

/// One moment's tables.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    devices: HashMap<u32, Device>,
    /// Those that are up.
    up: BTreeSet<u32>,
    /// Link-layer addresses of Ethernet devices and loopback.
    stations: HashMap<u32, [u8; 6]>,
    addresses: Vec<route::Address>,
    /// The kernel's tables of routes, by their numbers.
    routes: BTreeMap<u32, Routes>,
    /// Which of them are asked, by family.
    policies: [Policy; 2],
}

/// The tables in force. Readers keep a copy of the pointer and look at one number to see that it is still the newest.
#[derive(Debug, Default)]
pub(crate) struct Current {
    tables: RwLock<Arc<Tables>>,
    generation: AtomicU64,
}

/// A reader's copy of the pointer.
#[derive(Debug, Default)]
pub(crate) struct View {
    tables: Arc<Tables>,
    generation: u64,
}

impl Tables {
    /// Asks the kernel.
    pub(crate) fn take() -> io::Result<Self> {
        Ok(Self::new(Snapshot::take()?))
    }

    fn new(snapshot: Snapshot) -> Self {
        let stations = snapshot.links.iter().filter(|link| matches!(link.hardware, ETHERNET | LOOPBACK));
        let stations = stations.filter_map(|link| Some((link.index, link.address?))).collect();
        let devices = snapshot.links.into_iter().map(|link| {
            let device = Device {
                index: link.index,
                name: link.name,
                loopback: link.flags & IFF_LOOPBACK != 0,
                mtu: link.mtu,
                group: link.group,
                hardware: link.hardware,
            };
            // A device that is down keeps its addresses but loses its connections.
            (link.index, (device, link.flags & IFF_UP != 0))
        });
        let (mut up, mut all) = (BTreeSet::new(), HashMap::new());
        for (index, (device, is_up)) in devices {
            if is_up {
                up.insert(index);
            }
            all.insert(index, device);
        }
        let mut split: BTreeMap<u32, Vec<route::Route>> = BTreeMap::new();
        for route in snapshot.routes {
            split.entry(route.table).or_default().push(route);
        }
        let routes = split.into_iter().map(|(number, table)| (number, Routes::new(table.into_iter()))).collect();
        let named = |name: &[u8]| {
            let same = |device: &&Device| device.name.split(|&byte| byte == 0).next() == Some(name);
            all.values().find(same).map(|device| device.index)
        };
        let policies = [Af::V4, Af::V6].map(|af| Policy::new(&snapshot.rules, af.number(), named));
        let mut addresses = snapshot.addresses;
        addresses.retain(|address| up.contains(&address.index));
        Self { devices: all, up, stations, addresses, routes, policies }
    }

    /// The Ethernet address of a device; `None` if it has no Ethernet header.
    pub(crate) fn station(&self, device: u32) -> Option<[u8; 6]> {
        self.stations.get(&device).copied()
    }

    /// What `self` had and `newer` has not: MASQUERADE's connections end with it. Of what came back in between the kernel's
    /// messages tell.
    pub(crate) fn gone(&self, newer: &Self) -> Vec<Farewell> {
        let devices = self.up.difference(&newer.up).map(|index| Farewell::Device(*index));
        let there = |address: &route::Address| {
            newer.addresses.iter().any(|other| (other.index, other.local) == (address.index, address.local))
        };
        let addresses = self.addresses.iter().filter(|address| !there(address));
        devices.chain(addresses.map(|address| Farewell::Address(address.index, address.told))).collect()
    }

    fn on(&self, af: Af, device: u32) -> impl Iterator<Item = &route::Address> {
        self.addresses.iter().filter(move |address| address.index == device && is_of(af, address.local))
    }

    fn look_up(&self, key: &RouteKey) -> Option<&route::Route> {
        let device = key.out_device;
        self.find(key, |route| device.is_none_or(|device| route.device == device || route.kind != RTN_UNICAST))
    }

    /// The best route among those that fit, in the first table that has one.
    fn find(&self, key: &RouteKey, fits: impl Fn(&route::Route) -> bool) -> Option<&route::Route> {
        let [v4, v6] = &self.policies;
        let policy = if key.destination.is_ipv4() { v4 } else { v6 };
        policy.looks(key).find_map(|look| {
            let found = self.routes.get(&look.table)?.find(key.destination, &fits)?;
            let group = || self.devices.get(&found.device).map(|device| device.group);
            (found.kind != RTN_THROW && !look.suppresses(found.prefix, group)).then_some(found)
        })
    }

    /// What the local table says of an address.
    fn local_kind(&self, address: IpAddr, device: Option<u32>) -> Option<AddressKind> {
        let route = self.routes.get(&TABLE_LOCAL)?.find(address, |_| true)?;
        // As __inet_dev_addr_type(): only the route that was found counts.
        device.is_none_or(|device| route.device == device).then(|| kind(route.kind))
    }

    /// As inet_select_addr() for RT_SCOPE_UNIVERSE: the primary address whose network has the next hop, else the first.
    fn select_v4(&self, device: u32, hop: IpAddr) -> Option<IpAddr> {
        let usable = |address: &&route::Address| address.flags & SECONDARY == 0 && address.scope == SCOPE_UNIVERSE;
        let mut candidates = self.on(Af::V4, device).filter(usable).peekable();
        let first = candidates.peek().map(|address| address.local);
        candidates
            .find(|address| covers(address.told, address.prefix, hop))
            .map(|address| address.local)
            .or(first)
            .or_else(|| self.addresses.iter().filter(usable).map(|address| address.local).find(IpAddr::is_ipv4))
    }

    /// As ipv6_dev_get_saddr(): of all devices, for a destination on the link of this one; the very destination, the same
    /// scope, not deprecated, of this device, longest common prefix (RFC 6724 rules 1, 2, 3, 5, 8).
    fn select_v6(&self, device: u32, destination: IpAddr) -> Option<IpAddr> {
        let wants_link = is_link_local(destination);
        self.addresses
            .iter()
            .filter(|address| address.local.is_ipv6() && (!wants_link || address.index == device))
            .filter(|address| address.flags & TENTATIVE == 0)
            .max_by_key(|address| {
                let narrow = is_link_local(address.local) || address.local.is_loopback();
                let fresh = address.flags & DEPRECATED == 0;
                let near = address.index == device;
                (
                    address.local == destination,
                    narrow == wants_link,
                    fresh,
                    near,
                    common_bits(address.local, destination),
                )
            })
            .map(|address| address.local)
    }
}

impl Current {
    /// Whether these are the ones in force.
    pub(crate) fn holds(&self, tables: &Tables) -> bool {
        **self.tables.read().unwrap_or_else(PoisonError::into_inner) == *tables
    }

    /// Puts new tables in force.
    pub(crate) fn replace(&self, tables: Tables) -> Vec<Farewell> {
        let mut place = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let gone = place.gone(&tables);
        *place = Arc::new(tables);
        self.generation.fetch_add(1, Ordering::Release);
        gone
    }
}

impl View {
    /// Sees to it that the copy is the newest.
    pub(crate) fn refresh(&mut self, current: &Current) {
        let generation = current.generation.load(Ordering::Acquire);
        if generation != self.generation {
            self.tables = Arc::clone(&current.tables.read().unwrap_or_else(PoisonError::into_inner));
            self.generation = generation;
        }
    }

    /// The tables.
    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }
}

/// What the engine asks: the copies, and what there is no copy of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) sets: &'a Sets,
    pub(crate) probes: &'a Probes,
    pub(crate) sockets: &'a Sockets,
    pub(crate) paths: &'a Paths,
}

impl Host for Machine<'_> {
    fn masquerade_address(&self, af: Af, device: u32, key: &RouteKey) -> Option<IpAddr> {
        self.tables.masquerade_address(af, device, key)
    }

    fn first_address(&self, af: Af, device: u32) -> Option<IpAddr> {
        self.tables.first_address(af, device)
    }

    fn address_kind(&self, address: IpAddr, device: Option<u32>) -> AddressKind {
        self.tables.address_kind(address, device)
    }

    fn route(&self, key: &RouteKey) -> Option<Route> {
        self.tables.route(key)
    }

    fn path_mtu(&self, key: &RouteKey) -> Option<u32> {
        let route = self.tables.route(key)?;
        Some(self.paths.mtu(key, &route).unwrap_or(route.mtu))
    }

    fn device(&self, index: u32) -> Option<&Device> {
        self.tables.device(index)
    }

    fn broadcast_network(&self, broadcast: IpAddr, device: u32) -> Option<u8> {
        self.tables.broadcast_network(broadcast, device)
    }

    fn minutes_west(&self) -> i32 {
        self.tables.minutes_west()
    }

    fn way_back(&self, key: &RouteKey, device: u32) -> Option<WayBack> {
        self.tables.way_back(key, device)
    }

    fn realms(&self, key: &RouteKey) -> u32 {
        self.tables.realms(key)
    }

    fn socket(&self, pair: &SocketPair) -> Option<SocketFound> {
        let found = self.sockets.find(pair)?;
        // Of what has no process the kernel does not tell; at an address of somebody else's no other socket could be.
        let foreign = || self.tables.address_kind(pair.local.0, None) != AddressKind::Local;
        Some(SocketFound {
            full: found.full,
            wildcard: found.wildcard,
            transparent: found.transparent.unwrap_or_else(foreign),
            mark: found.mark,
        })
    }

    fn set(&self, set: u16, act: SetAct, element: &SetElement<'_>) -> bool {
        self.sets.act(set, act, element)
    }

    fn probe(&self, number: u8, likeness: &Likeness<'_>) -> bool {
        self.probes.ask(number, likeness)
    }

    fn map(&self, number: u8, likeness: &Likeness<'_>) -> Option<Mapped> {
        self.probes.map(number, likeness)
    }
}

impl Host for Tables {
    fn masquerade_address(&self, af: Af, device: u32, key: &RouteKey) -> Option<IpAddr> {
        match af {
            Af::V4 => {
                let key = RouteKey { out_device: Some(device), ..*key };
                let hop = self.look_up(&key).and_then(|route| route.gateway);
                self.select_v4(device, hop.unwrap_or(key.destination))
            }
            Af::V6 => self.select_v6(device, key.destination),
        }
    }

    fn first_address(&self, af: Af, device: u32) -> Option<IpAddr> {
        match af {
            Af::V4 => self.on(af, device).next().map(|address| address.local),
            Af::V6 => {
                let usable = |address: &&route::Address| address.flags & (TENTATIVE | DEPRECATED) == 0;
                // The first of those that come first: addresses that reach beyond the link.
                let all = self.on(af, device).filter(usable);
                all.min_by_key(|address| is_link_local(address.local)).map(|address| address.local)
            }
        }
    }

    fn address_kind(&self, address: IpAddr, device: Option<u32>) -> AddressKind {
        match address {
            // As __inet_dev_addr_type(): the local table alone decides.
            IpAddr::V4(v4) if v4.octets()[0] == 0 || v4.is_broadcast() => AddressKind::Broadcast,
            _ if address.is_multicast() => AddressKind::Multicast,
            IpAddr::V4(_) => self.local_kind(address, device).unwrap_or(AddressKind::Unicast),
            IpAddr::V6(_) => self.local_kind(address, device).unwrap_or_else(|| {
                // As match_lookup_rt6(): where a device is asked for, only its own addresses are local.
                let key = RouteKey { out_device: device, ..RouteKey::to(address) };
                match self.look_up(&key).map_or(AddressKind::Unreachable, |route| kind(route.kind)) {
                    AddressKind::Local => AddressKind::Unicast,
                    found => found,
                }
            }),
        }
    }

    fn route(&self, key: &RouteKey) -> Option<Route> {
        let destination = key.destination;
        let route = self.look_up(key)?;
        if !matches!(route.kind, RTN_UNICAST | RTN_LOCAL) {
            return None;
        }
        let device = self.devices.get(&route.device)?;
        let af = if destination.is_ipv4() { Af::V4 } else { Af::V6 };
        let source = route.source.or_else(|| self.masquerade_address(af, device.index, key));
        let mtu = if route.mtu == 0 { device.mtu } else { route.mtu };
        Some(Route { device: device.index, source, mtu, gateway: route.gateway })
    }

    fn minutes_west(&self) -> i32 {
        clock::minutes_west()
    }

    fn device(&self, index: u32) -> Option<&Device> {
        self.devices.get(&index)
    }

    fn broadcast_network(&self, broadcast: IpAddr, device: u32) -> Option<u8> {
        let mut primary = self.on(Af::V4, device).filter(|address| address.flags & SECONDARY == 0);
        primary.find(|address| address.broadcast == Some(broadcast)).map(|address| address.prefix)
    }

    fn way_back(&self, key: &RouteKey, device: u32) -> Option<WayBack> {
        let source = key.destination;
        let uses = |route: &route::Route| route.device == device || route.other_devices.contains(&device);
        // Of IPv6's routes to one network that through the device is preferred; a link's own addresses are its alone.
        let fits = |route: &route::Route| !is_link_local(source) || uses(route) || route.kind == RTN_LOCAL;
        let mut found = self.find(key, fits)?;
        if source.is_ipv6() && !uses(found) {
            let same = |route: &route::Route| uses(route) && route.prefix == found.prefix && route.table == found.table;
            let preferred = self.routes.get(&found.table).and_then(|table| table.find(source, same));
            found = preferred.unwrap_or(found);
        }
        Some(WayBack { kind: kind(found.kind), through: uses(found) })
    }

    fn realms(&self, key: &RouteKey) -> u32 {
        self.look_up(key).map_or(0, |route| route.realms)
    }
}

fn kind(number: u8) -> AddressKind {
    match number {
        1 => AddressKind::Unicast,
        2 => AddressKind::Local,
        3 => AddressKind::Broadcast,
        4 => AddressKind::Anycast,
        5 => AddressKind::Multicast,
        6 => AddressKind::Blackhole,
        7 => AddressKind::Unreachable,
        8 => AddressKind::Prohibit,
        9 => AddressKind::Throw,
        10 => AddressKind::Nat,
        _ => AddressKind::Unspec,
    }
}

fn is_of(af: Af, address: IpAddr) -> bool {
    address.is_ipv4() == (af == Af::V4)
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// Whether `address` lies in the network of the first `prefix` bits of `network`.
pub(crate) fn covers(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    network.is_ipv4() == address.is_ipv4() && common_bits(network, address) >= u32::from(prefix)
}

/// How many leading bits both have in common; 0 for different families.
fn common_bits(a: IpAddr, b: IpAddr) -> u32 {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => 0,
    }
}

const TABLE_LOCAL: u32 = 255;
const SCOPE_UNIVERSE: u8 = 0;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
const RTN_THROW: u8 = 9;
/// `ARPHRD_ETHER`, `ARPHRD_LOOPBACK`.
const ETHERNET: u16 = 1;
const LOOPBACK: u16 = 772;
const IFF_LOOPBACK: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(index: u32, local: [u8; 4], prefix: u8, flags: u32) -> route::Address {
        route::Address { index, local: local.into(), told: local.into(), prefix, scope: 0, flags, broadcast: None }
    }

    fn route(table: u32, destination: [u8; 4], prefix: u8, kind: u8, device: u32) -> route::Route {
        let destination = destination.into();
        route::Route {
            destination,
            prefix,
            table,
            kind,
            device,
            other_devices: vec![],
            gateway: None,
            source: None,
            priority: 0,
            mtu: 0,
            realms: 0,
        }
    }

    fn tables() -> Tables {
        let link = |index, flags| route::Link { index, flags, mtu: 1500, ..route::Link::default() };
        let mut default = route(254, [0; 4], 0, RTN_UNICAST, 2);
        default.gateway = Some([10, 2, 0, 9].into());
        Tables::new(Snapshot {
            rules: Vec::new(),
            links: vec![link(1, IFF_UP | IFF_LOOPBACK), link(2, IFF_UP), link(3, IFF_UP)],
            addresses: vec![
                address(2, [10, 1, 0, 1], 24, 0),
                address(2, [10, 1, 0, 2], 24, SECONDARY),
                address(2, [10, 2, 0, 1], 24, 0),
                address(3, [10, 3, 0, 1], 24, 0),
            ],
            routes: vec![
                default,
                route(254, [10, 3, 0, 0], 24, RTN_UNICAST, 3),
                route(TABLE_LOCAL, [10, 1, 0, 1], 32, RTN_LOCAL, 2),
                route(TABLE_LOCAL, [10, 1, 0, 255], 32, 3, 2),
                route(TABLE_LOCAL, [127, 0, 0, 0], 8, RTN_LOCAL, 1),
            ],
        })
    }

    #[test]
    fn masquerade_takes_the_primary_address_of_the_next_hops_network() {
        let tables = tables();
        assert_eq!(
            tables.masquerade_address(Af::V4, 2, &RouteKey::to([8, 8, 8, 8].into())),
            Some([10, 2, 0, 1].into())
        );
        assert_eq!(
            tables.masquerade_address(Af::V4, 3, &RouteKey::to([8, 8, 8, 8].into())),
            Some([10, 3, 0, 1].into())
        );
    }

    #[test]
    fn a_device_without_an_address_borrows_one_as_the_kernel_does() {
        assert_eq!(
            tables().masquerade_address(Af::V4, 1, &RouteKey::to([8, 8, 8, 8].into())),
            Some([10, 1, 0, 1].into())
        );
    }

    #[test]
    fn the_local_table_says_what_kind_an_address_is() {
        let tables = tables();
        let kind = |address: [u8; 4], device| tables.address_kind(address.into(), device);
        assert_eq!(kind([10, 1, 0, 1], None), AddressKind::Local);
        assert_eq!(kind([10, 1, 0, 1], Some(3)), AddressKind::Unicast);
        assert_eq!(kind([10, 1, 0, 255], None), AddressKind::Broadcast);
        assert_eq!(kind([127, 9, 9, 9], None), AddressKind::Local);
        assert_eq!(kind([224, 0, 0, 1], None), AddressKind::Multicast);
        assert_eq!(kind([255, 255, 255, 255], None), AddressKind::Broadcast);
        assert_eq!(kind([8, 8, 8, 8], None), AddressKind::Unicast);
    }

    #[test]
    fn the_longest_prefix_routes() {
        let tables = tables();
        let device = |address: [u8; 4]| tables.route(&RouteKey::to(address.into())).map(|route| route.device);
        assert_eq!(device([10, 3, 0, 7]), Some(3));
        assert_eq!(device([8, 8, 8, 8]), Some(2));
    }

    #[test]
    fn what_went_away_is_told_once() {
        let (old, mut new) = (tables(), tables());
        new.addresses.retain(|address| address.index != 3);
        let gone = old.gone(&new);
        assert_eq!(gone, [Farewell::Address(3, [10, 3, 0, 1].into())]);
        new.up.remove(&3);
        assert!(old.gone(&new).contains(&Farewell::Device(3)));
        assert_eq!(old.gone(&old), []);
    }

    #[test]
    fn a_view_sees_new_tables_after_they_were_replaced() {
        let current = Current::default();
        let mut view = View::default();
        view.refresh(&current);
        assert!(view.tables().device(2).is_none());
        current.replace(tables());
        view.refresh(&current);
        assert!(view.tables().device(2).is_some());
    }
}
