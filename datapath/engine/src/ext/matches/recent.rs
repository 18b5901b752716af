//! `-m recent`: lists of addresses with the times at which they were seen; and those lists, which rules share by name.

use std::collections::VecDeque;
use std::fmt::Write;

use libxt::ext::Families;
use libxt::ext::matches;
use libxt::ext::matches::recent::Action;
use libxt::family::Af;

use super::Match;
use crate::conntrack::Address;
use crate::ext::stores::listed;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Match> = Maker::of::<matches::recent::Recent>(Families::Both, |revision, info, site| {
    let value = site.decode(revision, info)?;
    check(&value)?;
    Ok(Match::Recent(Box::new(Recent { value, list: None })))
});

/// A rule's use of a list.
#[derive(Debug)]
pub struct Recent {
    value: matches::recent::Recent,
    /// Which list, once the table is installed.
    list: Option<usize>,
}

/// All lists of a network namespace (`struct recent_net`). A list lives as long as a loaded rule names it.
#[derive(Debug, Default)]
pub struct Lists {
    lists: Vec<List>,
}

/// struct recent_table.
#[derive(Debug)]
struct List {
    name: [u8; 200],
    mask: [u8; 16],
    /// Stamps an address keeps, a power of two.
    stamps: usize,
    /// The one unseen for longest first.
    entries: VecDeque<Entry>,
    /// Entries that were removed, kept for their memory.
    spare: Vec<Entry>,
    used: bool,
}

/// struct recent_entry.
#[derive(Debug)]
struct Entry {
    af: Af,
    address: [u8; 16],
    ttl: u8,
    /// Where the next stamp goes.
    next: usize,
    /// Times in jiffies.
    stamps: Vec<u64>,
}

/// As recent_mt_check().
fn check(value: &matches::recent::Recent) -> Result<(), Refused> {
    let asks = value.seconds != 0 || value.hits != 0 || value.ttl || value.reap;
    if matches!(value.action, Action::Set | Action::Remove) && asks {
        return Err(Refused::invalid("recent: --set and --remove take no conditions"));
    }
    if value.reap && value.seconds == 0 {
        return Err(Refused::invalid("recent: --reap needs --seconds"));
    }
    if value.hits >= MAX_STAMPS {
        return Err(Refused::invalid("recent: --hitcount is at most 65535"));
    }
    let name = value.name.as_bytes();
    if name.len() == value.name.0.len() {
        return Err(Refused::new(errno::ENAMETOOLONG, "recent: the list's name does not end"));
    }
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
        return Err(Refused::invalid("recent: the list's name cannot be a file's"));
    }
    Ok(())
}

/// As recent_mt().
pub(super) fn matches(recent: &Recent, scene: &mut Scene<'_, '_>) -> bool {
    let value = &recent.value;
    let headers = &scene.headers;
    let address = if value.destination { headers.destination } else { headers.source };
    // The TTL as it was before this machine forwarded the packet.
    let forwarded = scene.packet.in_device.is_some() && scene.packet.out_device.is_some();
    let ttl = headers.ttl.wrapping_add(forwarded.into());
    let (af, jiffies) = (headers.af, scene.now.jiffies());
    let Some(list) = recent.list.and_then(|index| scene.stores.recent.lists.get_mut(index)) else {
        return value.inverted;
    };
    list.meet(value, af, address, ttl, jiffies)
}

impl Recent {
    /// Finds or makes the list that the rule names. As the second half of recent_mt_check().
    pub(crate) fn open(&mut self, lists: &mut Lists) {
        let wanted = (self.value.hits as usize).checked_next_power_of_two().filter(|_| self.value.hits != 0);
        let stamps = wanted.unwrap_or(STAMPS);
        let name = self.value.name;
        let same = |list: &List| list.name.split(|&byte| byte == 0).next() == Some(name.as_bytes());
        let index = match lists.lists.iter().position(same) {
            Some(index) => index,
            None => {
                // A place that no rule names any more is used again.
                let list = List {
                    name: name.0,
                    mask: self.value.mask,
                    stamps,
                    entries: VecDeque::with_capacity(ADDRESSES),
                    spare: Vec::with_capacity(ADDRESSES),
                    used: true,
                };
                match lists.lists.iter().position(|list| !list.used && list.name == [0; 200]) {
                    Some(index) => {
                        lists.lists[index] = list;
                        index
                    }
                    None => {
                        lists.lists.push(list);
                        lists.lists.len() - 1
                    }
                }
            }
        };
        if let Some(list) = lists.lists.get_mut(index) {
            list.used = true;
            if stamps > list.stamps {
                list.entries.clear();
                list.stamps = stamps;
            }
        }
        self.list = Some(index);
    }
}

impl Lists {
    /// Forgets which lists are named, before all tables name theirs again.
    pub(crate) fn begin(&mut self) {
        for list in &mut self.lists {
            list.used = false;
        }
    }

    /// Empties the lists that nobody named since [`begin`](Self::begin). Their places stay, since rules know them by number.
    pub(crate) fn end(&mut self) {
        for list in self.lists.iter_mut().filter(|list| !list.used) {
            list.name = [0; 200];
            list.entries = VecDeque::new();
            list.spare = Vec::new();
        }
    }
}

impl Lists {
    /// The numbers and names of all lists.
    pub(crate) fn names(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let named = self.lists.iter().enumerate().filter(|(_, list)| list.name[0] != 0);
        named.map(|(index, list)| (index, list.name.split(|byte| *byte == 0).next().unwrap_or_default()))
    }

    /// The lines of `/proc/net/xt_recent/<name>` for the addresses from number `from` on, at most `most`; the answer is where
    /// to go on. As recent_seq_show().
    pub(crate) fn write(&self, index: usize, from: usize, most: usize, to: &mut String) -> Option<usize> {
        let list = self.lists.get(index)?;
        for entry in list.entries.iter().skip(from).take(most) {
            let address = listed(entry.af, Address(entry.address));
            let (ttl, last) = (entry.ttl, entry.last());
            let _ = write!(to, "src={address} ttl: {ttl} last_seen: {last} oldest_pkt: {}", entry.next);
            for (number, stamp) in entry.stamps.iter().enumerate() {
                let _ = write!(to, "{} {stamp}", if number == 0 { "" } else { "," });
            }
            to.push('\n');
        }
        Some(from.saturating_add(most)).filter(|next| *next < list.entries.len())
    }
}

impl List {
    fn meet(
        &mut self,
        value: &matches::recent::Recent,
        af: Af,
        Address(mut address): Address,
        ttl: u8,
        jiffies: u64,
    ) -> bool {
        for (byte, mask) in address.iter_mut().zip(self.mask) {
            *byte &= mask;
        }
        let asked = if value.ttl { ttl } else { 0 };
        let found = self.entries.iter().position(|entry| {
            (entry.af, entry.address) == (af, address) && (asked == 0 || entry.ttl == 0 || entry.ttl == asked)
        });
        let Some(found) = found else {
            if value.action == Action::Set {
                self.add(af, address, ttl, jiffies);
                return !value.inverted;
            }
            return value.inverted;
        };
        let mut matched = value.inverted;
        let mut at = Some(found);
        match value.action {
            Action::Set => matched = !matched,
            Action::Remove => {
                self.remove(found);
                at = None;
                matched = !matched;
            }
            Action::Check | Action::Update => {
                let since = before(jiffies, value.seconds);
                let seen = self.entries.get(found).map_or(0, |entry| entry.seen(value.seconds, since));
                if seen >= value.hits.max(1) as usize {
                    matched = !matched;
                }
                if value.reap && self.reap(since, found, value.action == Action::Update && matched) {
                    at = found.checked_sub(1);
                }
            }
            Action::None => {}
        }
        let sees = value.action == Action::Set || value.action == Action::Update && matched;
        if let (true, Some(at)) = (sees, at)
            && let Some(mut entry) = self.entries.remove(at)
        {
            entry.stamp(jiffies, self.stamps);
            entry.ttl = ttl;
            self.entries.push_back(entry);
        }
        matched
    }

    /// As recent_entry_init(): a full list loses the address unseen for longest.
    fn add(&mut self, af: Af, address: [u8; 16], ttl: u8, jiffies: u64) {
        if self.entries.len() >= ADDRESSES {
            self.remove(0);
        }
        let stamps = self.spare.pop().map_or_else(Vec::new, |entry| entry.stamps);
        let mut entry = Entry { af, address, ttl, next: 0, stamps };
        entry.stamps.clear();
        entry.stamp(jiffies, self.stamps);
        self.entries.push_back(entry);
    }

    fn remove(&mut self, at: usize) {
        if let Some(entry) = self.entries.remove(at) {
            self.spare.push(entry);
        }
    }

    /// Removes the address unseen for longest, if that is older than `since` and not the one about to be seen again. As
    /// recent_entry_reap().
    fn reap(&mut self, since: i64, working: usize, update: bool) -> bool {
        let Some(first) = self.entries.front() else { return false };
        if working == 0 && update || first.last() >= since {
            return false;
        }
        self.remove(0);
        true
    }
}

impl Entry {
    /// How many stamps are not older than `since`.
    fn seen(&self, seconds: u32, since: i64) -> usize {
        self.stamps.iter().filter(|&&stamp| seconds == 0 || stamp as i64 >= since).count()
    }

    /// As recent_entry_update().
    fn stamp(&mut self, jiffies: u64, most: usize) {
        self.next &= most - 1;
        match self.stamps.get_mut(self.next) {
            Some(stamp) => *stamp = jiffies,
            None => self.stamps.push(jiffies),
        }
        self.next += 1;
    }

    /// The latest stamp.
    fn last(&self) -> i64 {
        self.next.checked_sub(1).and_then(|at| self.stamps.get(at)).map_or(0, |&stamp| stamp as i64)
    }
}

/// So many seconds ago, in jiffies; before the machine's start it is negative.
const fn before(jiffies: u64, seconds: u32) -> i64 {
    jiffies as i64 - seconds as i64 * 250
}

/// `ip_list_tot`: addresses of a list.
const ADDRESSES: usize = 100;
/// Stamps of an address unless a rule asks for more hits.
const STAMPS: usize = 32;
/// `XT_RECENT_MAX_NSTAMPS`.
const MAX_STAMPS: u32 = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(action: Action, seconds: u32, hits: u32) -> matches::recent::Recent {
        matches::recent::Recent { action, seconds, hits, ..Default::default() }
    }

    fn list(hits: u32) -> List {
        let mut lists = Lists::default();
        Recent { value: rule(Action::Check, 0, hits), list: None }.open(&mut lists);
        lists.lists.pop().unwrap()
    }

    const HOST: Address = Address([10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

    /// The common guard against password guessing: the fourth connection within a minute is one too many.
    #[test]
    fn the_fourth_visit_within_a_minute_meets_four_hits() {
        let mut list = list(4);
        let (set, update) = (rule(Action::Set, 0, 0), rule(Action::Update, 60, 4));
        let mut visit = |at: u64| {
            assert!(list.meet(&set, Af::V4, HOST, 64, at * 250));
            list.meet(&update, Af::V4, HOST, 64, at * 250)
        };
        assert_eq!([visit(100), visit(101), visit(102)], [false, false, false]);
        assert!(visit(103));
        assert!(!visit(500));
    }

    #[test]
    fn a_removed_address_is_no_longer_seen() {
        let mut list = list(0);
        let check = rule(Action::Check, 0, 0);
        assert!(!list.meet(&check, Af::V4, HOST, 64, 1));
        list.meet(&rule(Action::Set, 0, 0), Af::V4, HOST, 64, 1);
        assert!(list.meet(&check, Af::V4, HOST, 64, 2));
        assert!(!list.meet(&check, Af::V6, HOST, 64, 2));
        assert!(list.meet(&rule(Action::Remove, 0, 0), Af::V4, HOST, 64, 3));
        assert!(!list.meet(&check, Af::V4, HOST, 64, 4));
    }

    #[test]
    fn a_full_list_forgets_the_address_unseen_for_longest() {
        let mut list = list(0);
        let host = |last: u8| Address([10, 0, 0, last, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for last in 0..=100 {
            list.meet(&rule(Action::Set, 0, 0), Af::V4, host(last), 64, last.into());
        }
        let check = rule(Action::Check, 0, 0);
        assert!(!list.meet(&check, Af::V4, host(0), 64, 200));
        assert!(list.meet(&check, Af::V4, host(1), 64, 200));
        assert_eq!(list.entries.len(), ADDRESSES);
    }

    #[test]
    fn rules_share_a_list_by_name_and_it_ends_with_the_last_of_them() {
        let mut lists = Lists::default();
        let mut first = Recent { value: rule(Action::Set, 0, 0), list: None };
        let mut second = Recent { value: rule(Action::Check, 0, 0), list: None };
        lists.begin();
        first.open(&mut lists);
        second.open(&mut lists);
        lists.end();
        assert_eq!(first.list, second.list);
        lists.lists[0].meet(&first.value, Af::V4, HOST, 64, 1);
        lists.begin();
        second.open(&mut lists);
        lists.end();
        assert!(lists.lists[0].meet(&second.value, Af::V4, HOST, 64, 2));
        lists.begin();
        lists.end();
        second.open(&mut lists);
        assert!(!lists.lists[0].meet(&second.value, Af::V4, HOST, 64, 3));
    }

    #[test]
    fn reaping_takes_the_oldest_address_once_it_is_too_old() {
        let mut list = list(0);
        let other = Address([10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        list.meet(&rule(Action::Set, 0, 0), Af::V4, HOST, 64, 0);
        list.meet(&rule(Action::Set, 0, 0), Af::V4, other, 64, 100 * 250);
        let reaping = matches::recent::Recent { reap: true, ..rule(Action::Update, 10, 0) };
        assert!(list.meet(&reaping, Af::V4, other, 64, 101 * 250));
        assert_eq!(list.entries.len(), 1);
        assert_eq!(list.entries[0].stamps, [100 * 250, 101 * 250]);
    }
}
