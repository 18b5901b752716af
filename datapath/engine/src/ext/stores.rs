//! What rules share by name or keep for themselves beside the table, and what of it ends with which table.
//!
//! A replace begins by forgetting what is named, lets every table name its own again, and ends by dropping the rest; what
//! both the old and the new table name lives on. As the reference counts of the kernel's lists, hash tables and estimators.

use std::fmt::Write;
use std::hash::BuildHasher;

use libxt::family::Af;
use siphasher::sip::SipHasher13;

use crate::conntrack::{Address, Tracker};
use crate::ext::asked::Question;
use crate::ext::handover::Handover;
use crate::ext::matches::connlimit::Clients;
use crate::ext::matches::hashlimit::Groups;
use crate::ext::matches::recent::Lists;
use crate::ext::probe::Probe;
use crate::ext::targets::rateest::Estimator;
use crate::fingerprints::Fingerprints;
use crate::host::Now;
use crate::synproxy::Statistics;

/// No entry: the end of a chain.
pub(crate) const NONE: u32 = u32::MAX;

/// All of it, for one network namespace.
#[derive(Debug)]
pub struct Stores {
    /// Random: keeps senders from choosing collisions.
    pub(crate) key: [u8; 16],
    /// The lists of `-m recent`.
    pub recent: Lists,
    /// The hash tables of `-m hashlimit`.
    pub(crate) groups: Shelf<Groups>,
    /// What each rule with `-m connlimit` counts.
    pub(crate) clients: Shelf<Clients>,
    /// What the kernel's own matches are asked, by family.
    pub(crate) questions: [Shelf<Question>; 2],
    /// What is handed over to the kernel's own targets.
    pub(crate) handovers: Shelf<Handover>,
    /// For each of them, whether the kernel is ready for it.
    pub(crate) handing: Vec<bool>,
    /// What the kernel judges of packets as they stand before a rule.
    pub(crate) probes: Shelf<Probe>,
    /// For each of them, whether the kernel is ready for it.
    pub(crate) probing: Vec<bool>,
    /// The estimators of `-j RATEEST`.
    pub(crate) estimators: Shelf<Estimator>,
    /// What `-m osf` compares with.
    pub(crate) fingerprints: Fingerprints,
    /// What became of the openings that SYNPROXY answered.
    pub(crate) openings: Statistics,
}

impl Stores {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self {
            key,
            recent: Lists::default(),
            groups: Shelf::default(),
            clients: Shelf::default(),
            questions: Default::default(),
            handovers: Shelf::default(),
            handing: Vec::new(),
            probes: Shelf::default(),
            probing: Vec::new(),
            estimators: Shelf::default(),
            fingerprints: Fingerprints::default(),
            openings: Statistics::default(),
        }
    }

    /// Forgets what is named, before all tables name theirs again.
    pub(crate) fn begin(&mut self) {
        self.recent.begin();
        self.groups.begin();
        self.clients.begin();
        self.questions.iter_mut().for_each(Shelf::begin);
        self.handovers.begin();
        self.probes.begin();
        self.estimators.begin();
    }

    /// Drops what nobody named since [`begin`](Self::begin).
    pub(crate) fn end(&mut self) {
        self.recent.end();
        self.groups.end();
        self.clients.end();
        self.questions.iter_mut().for_each(Shelf::end);
        self.handovers.end();
        self.probes.end();
        self.estimators.end();
    }

    /// Lets what is old go, a bounded piece at a time. Whether more is due at once.
    pub(crate) fn expire(&mut self, tracker: &Tracker, now: Now) -> bool {
        let mut more = false;
        for groups in self.groups.iter_mut() {
            more |= groups.expire(now.jiffies());
        }
        for clients in self.clients.iter_mut() {
            clients.expire(tracker, now);
        }
        more
    }
}

/// A text that the kernel would have under `/proc/net`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The folder.
    pub folder: &'static str,
    /// The file in it, which is no path.
    pub name: Vec<u8>,
    place: Listed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    Groups(usize),
    Recent(usize),
}

/// Lines of a listing written in one go.
const LINES: usize = 512;

impl Stores {
    /// What there is to list.
    pub(crate) fn listings(&self) -> Vec<Listing> {
        let groups = self.groups.iter().map(|(index, groups)| {
            let (af, name) = groups.title();
            let folder = if af == Af::V4 { "ipt_hashlimit" } else { "ip6t_hashlimit" };
            Listing { folder, name: name.to_vec(), place: Listed::Groups(index) }
        });
        let recent = self.recent.names().map(|(index, name)| Listing {
            folder: "xt_recent",
            name: name.to_vec(),
            place: Listed::Recent(index),
        });
        groups.chain(recent).collect()
    }

    /// Appends some lines of a listing, from a number on; the answer is the number of the next, if there may be more.
    pub(crate) fn write_listing(&self, listing: &Listing, from: usize, now: Now, to: &mut String) -> Option<usize> {
        match listing.place {
            Listed::Groups(index) => self.groups.get(index)?.write(from, LINES, now.jiffies(), to),
            Listed::Recent(index) => self.recent.write(index, from, LINES, to),
        }
    }
}

/// Things that rules know by number: a place keeps its number as long as its thing is named.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    places: Vec<Place<T>>,
    /// Places without a thing.
    vacant: Vec<usize>,
}

#[derive(Debug)]
struct Place<T> {
    named: bool,
    thing: Option<T>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { places: Vec::new(), vacant: Vec::new() }
    }
}

impl<T> Shelf<T> {
    /// Puts a thing down, named.
    pub(crate) fn put(&mut self, thing: T) -> usize {
        let place = Place { named: true, thing: Some(thing) };
        let index = self.vacant.pop().unwrap_or(self.places.len());
        match self.places.get_mut(index) {
            Some(vacant) => *vacant = place,
            None => self.places.push(place),
        }
        index
    }

    /// Names a thing; `false` if there is none.
    pub(crate) fn name(&mut self, index: usize) -> bool {
        let place = self.places.get_mut(index).filter(|place| place.thing.is_some());
        place.map(|place| place.named = true).is_some()
    }

    /// The number of the first thing that `wanted` takes.
    pub(crate) fn position(&self, wanted: impl Fn(&T) -> bool) -> Option<usize> {
        self.places.iter().position(|place| place.thing.as_ref().is_some_and(&wanted))
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.places.get(index)?.thing.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.places.get_mut(index)?.thing.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.places.iter().enumerate().filter_map(|(index, place)| Some((index, place.thing.as_ref()?)))
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().filter_map(|place| place.thing.as_mut())
    }

    fn begin(&mut self) {
        for place in &mut self.places {
            place.named = false;
        }
    }

    fn end(&mut self) {
        for (index, place) in self.places.iter_mut().enumerate().filter(|(_, place)| !place.named) {
            if place.thing.take().is_some() {
                self.vacant.push(index);
            }
        }
    }
}

/// As `%pI4` and `%pI6`.
pub(crate) fn listed(af: Af, address: Address) -> String {
    match af {
        Af::V4 => address.ip(af).to_string(),
        Af::V6 => {
            let mut text = String::with_capacity(39);
            for (number, pair) in address.0.chunks_exact(2).enumerate() {
                let _ = write!(text, "{}", if number == 0 { "" } else { ":" });
                for byte in pair {
                    let _ = write!(text, "{byte:02x}");
                }
            }
            text
        }
    }
}

/// Makes hashers with a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyed(pub(crate) [u8; 16]);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_key(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_again_keeps_its_number_and_the_rest_makes_room() {
        let mut shelf = Shelf::default();
        let (first, second) = (shelf.put("first"), shelf.put("second"));
        shelf.begin();
        assert!(shelf.name(second));
        shelf.end();
        assert_eq!((shelf.get(first), shelf.get(second)), (None, Some(&"second")));
        assert!(!shelf.name(first));
        assert_eq!(shelf.put("third"), first);
        assert_eq!(shelf.position(|thing| *thing == "second"), Some(second));
    }

    #[test]
    fn addresses_are_listed_in_full() {
        let mut address = [0; 16];
        (address[0], address[15]) = (0xfd, 1);
        assert_eq!(listed(Af::V6, Address(address)), "fd00:0000:0000:0000:0000:0000:0000:0001");
        assert_eq!(listed(Af::V4, Address(address)), "253.0.0.0");
    }
}
