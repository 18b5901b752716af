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
        let assured = known.is_some_and(|connection| connection.status() & status::ASSURED != 0);
        clients.count(Client { address: Address(address), zone: held.zone }, held, assured, tracker, now)
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
    fn count(&mut self, client: Client, held: Held, assured: bool, tracker: &Tracker, now: Now) -> Option<usize> {
        let Some(list) = self.clients.get_mut(&client) else {
            self.expire_some(2, tracker, now);
            if self.clients.len() >= CLIENTS {
                return None;
            }
            self.clients.insert(client, List(vec![held]));
            return Some(1);
        };
        if assured {
            list.prune(None, tracker, now);
            return Some(list.len()).filter(|len| *len > 0);
        }
        list.prune(Some(&held), tracker, now);
        if !list.contains(&held) {
            list.push(held);
        }
        Some(list.len())
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
            list.prune(None, tracker, now);
            if list.is_empty() {
                self.clients.remove(&client);
            }
        }
    }
}

/// struct nf_conncount_list: connections in the order in which they came.
#[derive(Debug, Default)]
struct List(Vec<Held>);

impl List {
    /// Lets connections go that are over, some at once; that of the packet in hand stays, if it is in the table. As the first
    /// half of __nf_conncount_add().
    fn prune(&mut self, mine: Option<&Held>, tracker: &Tracker, now: Now) {
        let mut gone = 0;
        self.0.retain(|held| {
            let stays = gone > EVICTED
                || match tracker.find(&held.tuple, held.zone, now) {
                    None => false,
                    Some(_) if mine == Some(held) => true,
                    Some((id, _)) => !tracker.get(id).is_some_and(is_closed),
                };
            gone += usize::from(!stays);
            stays
        });
    }

    fn contains(&self, held: &Held) -> bool {
        self.0.contains(held)
    }

    fn push(&mut self, held: Held) {
        self.0.push(held);
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
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
/// `CONNCOUNT_GC_MAX_NODES`: when so many were let go, one more is the last.
const EVICTED: usize = 64;
