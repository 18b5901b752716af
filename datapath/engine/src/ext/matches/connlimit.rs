//! `-m connlimit`: how many connections an address or network has open, counted by each rule for itself.

use std::collections::HashMap;

use libxt::ext::Families;
use libxt::ext::matches;

use super::Match;
use crate::conntrack::{Address, Connection, Direction, ProtocolState, Tracker, Tuple, status};
use crate::ext::stores::{Keyed, Stores};
use crate::ext::{Maker, Scene};
use crate::host::Now;

pub(super) const MAKER: Maker<Match> =
    Maker::of::<matches::connlimit::Connlimit>(Families::Both, |revision, info, site| {
        Ok(Match::Connlimit(Rule { value: site.decode(revision, info)?, clients: None }))
    })
    .kept(|_| 24)
    .tracks();

/// A rule and where it counts.
#[derive(Debug)]
pub struct Rule {
    value: matches::connlimit::Connlimit,
    clients: Option<usize>,
}

/// struct nf_conncount_data: the connections of each client of a rule.
#[derive(Debug)]
pub struct Clients {
    clients: HashMap<Client, List, Keyed>,
    /// Those that are still to be looked at in this round of letting go.
    sweep: Vec<Client>,
}

/// A masked address and the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Client {
    address: Address,
    zone: u16,
}

/// struct nf_conncount_tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    tuple: Tuple,
    zone: u16,
}

impl Rule {
    /// Takes a place to count in, a fresh one for every new rule. As connlimit_mt_check().
    pub(crate) fn open(&mut self, stores: &mut Stores) {
        if self.clients.is_none_or(|index| !stores.clients.name(index)) {
            self.clients = Some(stores.clients.put(Clients::new(stores.key)));
        }
    }
}

/// As connlimit_mt().
pub(super) fn matches(rule: &Rule, scene: &mut Scene<'_, '_>) -> bool {
    let (value, headers) = (&rule.value, &scene.headers);
    let held = match scene.connection() {
        Some((connection, _)) => {
            let [zone, reply] = connection.zones();
            Some(Held { tuple: connection.tuple(Direction::Original), zone: if zone == 0 { reply } else { zone } })
        }
        None if headers.fragment_offset() != 0 => None,
        None => Tuple::of(headers.af, headers.protocol, headers.source, headers.destination, scene.segment())
            .map(|tuple| Held { tuple, zone: 0 }),
    };
    let Address(mut address) = if value.destination { headers.destination } else { headers.source };
    for (byte, mask) in address.iter_mut().zip(value.mask) {
        *byte &= mask;
    }
    let clients = rule.clients.and_then(|index| scene.stores.clients.get_mut(index));
    let count = held.zip(clients).and_then(|(held, clients)| {
        let (tracker, now) = (&*scene.tracker, scene.now);
        let known = tracker.find(&held.tuple, held.zone, now).and_then(|(id, _)| tracker.get(id));
        let age = match known.map(Connection::status) {
            None => Age::New,
            Some(status) if status & status::ASSURED == 0 => Age::Known,
            Some(_) => Age::Assured,
        };
        clients.count(Client { address: Address(address), zone: held.zone }, held, age, tracker, now)
    });
    let Some(count) = count else {
        scene.hotdrop = true;
        return false;
    };
    (count > value.limit as usize) != value.up_to
}

impl Clients {
    fn new(key: [u8; 16]) -> Self {
        Self { clients: HashMap::with_hasher(Keyed(key)), sweep: Vec::new() }
    }

    /// How many connections the client has, with this one; `None` if there is no room, or none is left. One that is assured by now
    /// was counted when it was new and is not taken up again, unless nobody knows the client. As nf_conncount_count_skb().
    fn count(&mut self, client: Client, held: Held, age: Age, tracker: &Tracker, now: Now) -> Option<usize> {
        let Some(list) = self.clients.get_mut(&client) else {
            self.expire_some(2, tracker, now);
            if self.clients.len() >= CLIENTS {
                return None;
            }
            self.clients.insert(client, List::beginning_with(held, now));
            return Some(1);
        };
        match age {
            Age::Assured => list.prune(tracker, now),
            Age::Known => list.add(held, tracker, now),
            Age::New if list.was_pruned(now) => list.held.push(held),
            Age::New => list.add(held, tracker, now),
        }
        Some(list.held.len()).filter(|len| *len > 0)
    }

    /// Lets closed connections go, of a bounded number of clients. As tree_gc_worker().
    pub(crate) fn expire(&mut self, tracker: &Tracker, now: Now) {
        self.expire_some(PIECE, tracker, now);
    }

    fn expire_some(&mut self, clients: usize, tracker: &Tracker, now: Now) {
        // As long as they are few, those without connections stay: the kernel meets them only on the way to others of their tree.
        if self.clients.len() <= TREES {
            return;
        }
        if self.sweep.is_empty() {
            self.sweep.extend(self.clients.keys());
        }
        for _ in 0..clients {
            let Some(client) = self.sweep.pop() else { return };
            let Some(list) = self.clients.get_mut(&client) else { continue };
            list.prune(tracker, now);
            if list.held.is_empty() {
                self.clients.remove(&client);
            }
        }
    }
}

/// How long a packet's connection has been about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    /// It is not in the table, or the packet has none.
    New,
    /// It is in the table.
    Known,
    /// It is ASSURED.
    Assured,
}

/// struct nf_conncount_list: connections in the order in which they came.
#[derive(Debug)]
struct List {
    held: Vec<Held>,
    /// The jiffy in which all of them were last looked at, and how many were left.
    pruned: u64,
    left: usize,
}

impl List {
    fn beginning_with(held: Held, now: Now) -> Self {
        Self { held: vec![held], pruned: now.jiffies(), left: 0 }
    }

    /// Whether all were looked at in this very jiffy, and few came since.
    fn was_pruned(&self, now: Now) -> bool {
        self.pruned == now.jiffies() && self.held.len().saturating_sub(self.left) < EVICTED
    }

    /// Lets connections go that are over, some at once, unless it did so just now. As nf_conncount_gc_list().
    fn prune(&mut self, tracker: &Tracker, now: Now) {
        if !self.was_pruned(now) {
            self.look(None, tracker, now);
        }
    }

    /// Adds a connection, unless it is there. As __nf_conncount_add().
    fn add(&mut self, held: Held, tracker: &Tracker, now: Now) {
        if !self.look(Some(&held), tracker, now) {
            self.held.push(held);
        }
    }

    /// Lets connections go that are over, up to one that is looked for and in the table: whether that was met.
    fn look(&mut self, mine: Option<&Held>, tracker: &Tracker, now: Now) -> bool {
        let (mut gone, mut met) = (0, false);
        self.held.retain(|held| {
            if met || gone > EVICTED {
                return true;
            }
            let stays = match tracker.find(&held.tuple, held.zone, now) {
                None => false,
                Some(_) if mine == Some(held) => {
                    met = true;
                    true
                }
                Some((id, _)) => !tracker.get(id).is_some_and(is_closed),
            };
            gone += usize::from(!stays);
            stays
        });
        if !met {
            (self.pruned, self.left) = (now.jiffies(), self.held.len());
        }
        met
    }
}

/// As already_closed().
fn is_closed(connection: &Connection) -> bool {
    matches!(connection.protocol(), ProtocolState::Tcp { state: state::TIME_WAIT | state::CLOSE, .. })
}

/// `TCP_CONNTRACK_*`.
mod state {
    pub(super) const TIME_WAIT: u8 = 7;
    pub(super) const CLOSE: u8 = 8;
}

/// Clients that a rule counts at most, with or without connections.
const CLIENTS: usize = 1 << 18;
/// `CONNCOUNT_SLOTS`.
const TREES: usize = 256;
/// Clients looked at in one go.
const PIECE: usize = 512;
/// `CONNCOUNT_GC_MAX_NODES`: when so many were let go, one more is the last; when so many came, they are looked at anew.
const EVICTED: usize = 64;

#[cfg(test)]
mod tests {
    use libxt::family::Af;

    use super::*;
    use crate::conntrack::Settings;

    #[test]
    fn within_a_jiffy_what_is_in_no_table_counts_each_time_until_there_are_too_many() {
        let address = |last| Address([10, 1, 0, last, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let tuple = Tuple::of(Af::V4, 6, address(2), address(3), &[0, 1, 0, 2, 0, 0, 0, 0]).unwrap();
        let (held, client) = (Held { tuple, zone: 0 }, Client { address: address(2), zone: 0 });
        let (tracker, mut clients) = (Tracker::new(Settings::default(), [0; 16]), Clients::new([0; 16]));
        let mut count = |jiffy: u64, age| {
            let now = Now { monotonic: jiffy * 4_000_000, ..Now::default() };
            clients.count(client, held, age, &tracker, now)
        };
        // As in the kernel, where sixty-four of them had the sixty-fifth be the first again.
        let counts: Vec<_> = (0..70).map(|_| count(1, Age::New)).collect();
        let wanted: Vec<_> = (1..=64).chain(1..=6).map(Some).collect();
        assert_eq!(counts, wanted);
        // One that was counted before is not looked for, so that the others stay.
        assert_eq!(count(1, Age::Assured), Some(6));
        assert_eq!(count(2, Age::New), Some(1));
        assert_eq!(count(3, Age::Assured), None);
        assert_eq!(count(3, Age::New), Some(1));
        assert_eq!(count(3, Age::New), Some(2));
    }
}
