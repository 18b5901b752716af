//! A hash table of groups, each with its bucket: found by a keyed hash, and in the order in which they were last seen.

use std::collections::HashMap;
use std::fmt::Write;

use libxt::family::Af;

use super::{Bucket, Config};
use crate::conntrack::Address;
use crate::ext::stores::{Keyed, NONE, listed};

/// struct xt_hashlimit_htable.
#[derive(Debug)]
pub struct Groups {
    af: Af,
    name: [u8; 255],
    config: Config,
    places: HashMap<Group, u32, Keyed>,
    entries: Vec<Entry>,
    /// The first of the free entries.
    free: u32,
    /// The entry unseen for longest, and the one seen last.
    ends: [u32; 2],
    /// When old entries were first looked for, in jiffies; the kernel does so in fixed intervals.
    origin: Option<u64>,
}

/// struct dsthash_dst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Group {
    /// Source and destination, masked; zero where they do not count.
    pub(super) addresses: [Address; 2],
    /// The same of ports.
    pub(super) ports: [u16; 2],
}

/// struct dsthash_ent.
#[derive(Debug)]
struct Entry {
    group: Group,
    /// `None` for a free entry.
    bucket: Option<Bucket>,
    /// Jiffies.
    expires: u64,
    before: u32,
    after: u32,
}

impl Groups {
    pub(super) fn new(af: Af, name: [u8; 255], config: Config, key: [u8; 16]) -> Self {
        Self {
            af,
            name,
            config,
            places: HashMap::with_hasher(Keyed(key)),
            entries: Vec::new(),
            free: NONE,
            ends: [NONE; 2],
            origin: None,
        }
    }

    pub(super) fn is(&self, af: Af, name: &[u8; 255]) -> bool {
        self.af == af && self.name == *name
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The family and the name.
    pub(crate) fn title(&self) -> (Af, &[u8]) {
        let end = self.name.iter().position(|byte| *byte == 0).unwrap_or(self.name.len());
        (self.af, self.name.get(..end).unwrap_or_default())
    }

    /// The bucket of a group, seen now: `fill` brings it up to date, or makes it. `None` if the table is full. As
    /// dsthash_find() and dsthash_alloc_init().
    pub(super) fn meet(
        &mut self,
        group: Group,
        now: u64,
        fill: impl FnOnce(&mut Option<Bucket>),
    ) -> Option<&mut Bucket> {
        let origin = *self.origin.get_or_insert(now);
        self.drop_old(now, PIECE_OF_A_PACKET);
        let index = match self.places.get(&group) {
            Some(&index) => {
                self.unlink(index);
                index
            }
            None => {
                if self.places.len() >= self.config.max as usize {
                    return None;
                }
                self.take(group)
            }
        };
        self.link(index);
        let swept = last_sweep(origin, self.config.gc_interval, now);
        let expires = now.saturating_add(jiffies(self.config.expire));
        let entry = self.entries.get_mut(index as usize)?;
        if entry.expires <= swept {
            entry.bucket = None;
        }
        entry.expires = expires;
        fill(&mut entry.bucket);
        entry.bucket.as_mut()
    }

    /// Drops entries that a sweep of the kernel's would have dropped, a bounded piece of them. Whether there may be more. As
    /// htable_gc().
    pub(crate) fn expire(&mut self, now: u64) -> bool {
        self.drop_old(now, PIECE)
    }

    /// The lines of `/proc/net/ipt_hashlimit/<name>` for the entries from number `from` on, at most `most`; the answer is
    /// where to go on. As dl_seq_print().
    pub(crate) fn write(&self, from: usize, most: usize, now: u64, to: &mut String) -> Option<usize> {
        let rate = &self.config.rate;
        for entry in self.entries.get(from..)?.iter().take(most) {
            let Some(mut bucket) = entry.bucket else { continue };
            bucket.refill(now, rate.mode, rate.revision);
            let left = (entry.expires as i64).wrapping_sub(now as i64) / 250;
            let [source, destination] = entry.group.addresses.map(|address| listed(self.af, address));
            let [sport, dport] = entry.group.ports;
            let Bucket { credit, cap, cost, .. } = bucket;
            let _ = writeln!(to, "{left} {source}:{sport}->{destination}:{dport} {credit} {cap} {cost}");
        }
        Some(from.saturating_add(most)).filter(|next| *next < self.entries.len())
    }

    fn drop_old(&mut self, now: u64, most: usize) -> bool {
        let Some(origin) = self.origin else { return false };
        let swept = last_sweep(origin, self.config.gc_interval, now);
        for _ in 0..most {
            let [oldest, _] = self.ends;
            let Some(entry) = self.entries.get_mut(oldest as usize).filter(|entry| entry.expires <= swept) else {
                return false;
            };
            let group = entry.group;
            entry.bucket = None;
            self.places.remove(&group);
            self.unlink(oldest);
            if let Some(entry) = self.entries.get_mut(oldest as usize) {
                entry.after = self.free;
                self.free = oldest;
            }
        }
        true
    }

    fn take(&mut self, group: Group) -> u32 {
        let entry = Entry { group, bucket: None, expires: u64::MAX, before: NONE, after: NONE };
        let index = self.free;
        let index = match self.entries.get_mut(index as usize) {
            Some(free) => {
                self.free = free.after;
                *free = entry;
                index
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        self.places.insert(group, index);
        index
    }

    /// Puts an entry at the end of those last seen.
    fn link(&mut self, index: u32) {
        let [_, last] = self.ends;
        if let Some(entry) = self.entries.get_mut(index as usize) {
            (entry.before, entry.after) = (last, NONE);
        }
        match self.entries.get_mut(last as usize) {
            Some(entry) => entry.after = index,
            None => self.ends[0] = index,
        }
        self.ends[1] = index;
    }

    fn unlink(&mut self, index: u32) {
        let Some(entry) = self.entries.get(index as usize) else { return };
        let (before, after) = (entry.before, entry.after);
        match self.entries.get_mut(before as usize) {
            Some(entry) => entry.after = after,
            None => self.ends[0] = after,
        }
        match self.entries.get_mut(after as usize) {
            Some(entry) => entry.before = before,
            None => self.ends[1] = before,
        }
    }
}

/// When the kernel last looked for old entries. As htable_gc(), which runs every `interval` milliseconds.
fn last_sweep(origin: u64, interval: u32, now: u64) -> u64 {
    let interval = jiffies(interval).max(1);
    let passed = now.saturating_sub(origin);
    if passed < interval { 0 } else { origin + passed / interval * interval }
}

/// As msecs_to_jiffies() at HZ=250.
fn jiffies(milliseconds: u32) -> u64 {
    u64::from(milliseconds).div_ceil(4)
}

/// Old entries dropped at once.
const PIECE: usize = 4096;
/// The same while a packet waits.
const PIECE_OF_A_PACKET: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::{Rate, mode};
    use super::*;

    fn groups(max: u32, expire: u32) -> Groups {
        let rate = Rate { revision: 3, mode: mode::SOURCE, average: 1_000_000, burst: 5, interval: 0 };
        let config = Config { mode: mode::SOURCE, rate, max, gc_interval: 1000, expire, lens: [32; 2] };
        let mut name = [0; 255];
        name[..3].copy_from_slice(b"foo");
        Groups::new(Af::V4, name, config, [7; 16])
    }

    fn host(last: u8) -> Group {
        Group {
            addresses: [Address([10, 0, 0, last, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Address::default()],
            ports: [0; 2],
        }
    }

    /// Whether the group was new.
    fn meet(groups: &mut Groups, group: Group, now: u64) -> Option<bool> {
        let mut new = false;
        let rate = groups.config.rate;
        groups.meet(group, now, |bucket| {
            new = bucket.is_none();
            *bucket = Some(Bucket::new(&rate, now));
        })?;
        Some(new)
    }

    #[test]
    fn a_full_table_takes_nobody_in_until_somebody_is_old() {
        let mut groups = groups(2, 2000);
        assert_eq!(meet(&mut groups, host(1), 0), Some(true));
        assert_eq!(meet(&mut groups, host(2), 100), Some(true));
        assert_eq!(meet(&mut groups, host(3), 200), None);
        assert_eq!(meet(&mut groups, host(1), 300), Some(false));
        // The second is old at 600, and looked for at 750.
        assert_eq!(meet(&mut groups, host(3), 749), None);
        assert_eq!(meet(&mut groups, host(3), 750), Some(true));
        assert_eq!(meet(&mut groups, host(1), 751), Some(false));
    }

    #[test]
    fn an_old_entry_lives_until_the_kernel_looks_for_it() {
        let mut groups = groups(100, 10);
        meet(&mut groups, host(1), 10);
        assert_eq!(meet(&mut groups, host(1), 200), Some(false));
        assert_eq!(meet(&mut groups, host(1), 261), Some(true));
        for last in 0..100 {
            meet(&mut groups, host(last), 262);
        }
        assert_eq!(groups.places.len(), 100);
        assert!(!groups.expire(600));
        assert_eq!((groups.places.len(), groups.ends), (0, [NONE; 2]));
        assert_eq!(meet(&mut groups, host(7), 601), Some(true));
        assert_eq!(groups.entries.len(), 100);
    }

    #[test]
    fn the_listing_is_the_kernels() {
        let mut groups = groups(10, 10_000);
        meet(&mut groups, host(9), 0);
        let mut text = String::new();
        assert_eq!(groups.write(0, 1, 0, &mut text), None);
        assert_eq!(text, "10 10.0.0.9:0->0.0.0.0:0 687194765000000 687194765000000 137438953000000\n");
        assert_eq!(groups.title(), (Af::V4, &b"foo"[..]));
    }
}
