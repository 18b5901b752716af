//! One table of routes, asked for the longest prefix: a question costs one look per prefix length in use.

use std::collections::HashMap;
use std::net::IpAddr;

use nfnl::route::Route;

/// A table of both families' routes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Routes {
    v4: Vec<Level>,
    v6: Vec<Level>,
}

/// All routes of one prefix length; longer ones come first.
#[derive(Debug, PartialEq, Eq)]
struct Level {
    prefix: u8,
    /// By network: routes in the order in which the kernel prefers them.
    networks: HashMap<u128, Vec<Route>>,
}

impl Routes {
    /// Sorts routes in; among those to the same network the lowest priority comes first.
    pub(crate) fn new(routes: impl Iterator<Item = Route>) -> Self {
        let mut table = Self::default();
        for route in routes {
            let levels = if route.destination.is_ipv4() { &mut table.v4 } else { &mut table.v6 };
            let at = match levels.binary_search_by_key(&(u8::MAX - route.prefix), |level| u8::MAX - level.prefix) {
                Ok(at) => at,
                Err(at) => {
                    levels.insert(at, Level { prefix: route.prefix, networks: HashMap::new() });
                    at
                }
            };
            if let Some(level) = levels.get_mut(at) {
                let same = level.networks.entry(network(route.destination, route.prefix)).or_default();
                let after = same.partition_point(|other| other.priority <= route.priority);
                same.insert(after, route);
            }
        }
        table
    }

    /// The best route to `destination` among those that `fit`.
    pub(crate) fn find(&self, destination: IpAddr, fit: impl Fn(&Route) -> bool) -> Option<&Route> {
        let levels = if destination.is_ipv4() { &self.v4 } else { &self.v6 };
        levels
            .iter()
            .filter_map(|level| level.networks.get(&network(destination, level.prefix)))
            .find_map(|same| same.iter().find(|route| fit(route)))
    }
}

/// The first `prefix` bits of an address.
fn network(address: IpAddr, prefix: u8) -> u128 {
    let (bits, width) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let rest = u32::from(u8::saturating_sub(width, prefix));
    bits.checked_shr(rest).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(destination: &str, prefix: u8, device: u32, priority: u32) -> Route {
        let destination = destination.parse().unwrap();
        Route {
            destination,
            prefix,
            table: 254,
            kind: 1,
            device,
            other_devices: vec![],
            gateway: None,
            source: None,
            priority,
            mtu: 0,
            realms: 0,
        }
    }

    #[test]
    fn the_longest_prefix_wins_and_then_the_lowest_priority() {
        let table = Routes::new(
            [
                route("0.0.0.0", 0, 1, 0),
                route("10.0.0.0", 8, 2, 100),
                route("10.0.0.0", 8, 3, 50),
                route("10.1.0.0", 16, 4, 0),
                route("10.1.2.3", 32, 5, 0),
                route("::", 0, 6, 0),
                route("fd00::", 8, 7, 0),
            ]
            .into_iter(),
        );
        let device = |to: &str| table.find(to.parse().unwrap(), |_| true).map(|route| route.device);
        assert_eq!(device("8.8.8.8"), Some(1));
        assert_eq!(device("10.9.9.9"), Some(3));
        assert_eq!(device("10.1.9.9"), Some(4));
        assert_eq!(device("10.1.2.3"), Some(5));
        assert_eq!(device("2001::1"), Some(6));
        assert_eq!(device("fdff::1"), Some(7));
        let other = table.find("10.1.2.3".parse().unwrap(), |route| route.device < 4);
        assert_eq!(other.map(|route| route.device), Some(3), "what does not fit is passed over");
    }

    #[test]
    fn an_empty_table_knows_no_way() {
        assert_eq!(Routes::default().find("::1".parse().unwrap(), |_| true), None);
    }
}
