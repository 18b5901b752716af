//! `-m hashlimit`: a bucket of credit for each group of addresses and ports, in hash tables that rules share by name.

use libxt::ext::Families;
use libxt::ext::matches;
use libxt::family::Af;

use super::Match;
use crate::conntrack::Address;
use crate::ext::stores::Stores;
use crate::ext::{Maker, Scene};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

mod bucket;
mod groups;

use bucket::{Bucket, Rate};
use groups::Group;
pub use groups::Groups;

pub(super) const MAKER: Maker<Match> =
    Maker::of::<matches::hashlimit::Hashlimit>(Families::Both, |revision, info, site| {
        let value = site.decode(revision, info)?;
        Rule::new(revision, info, &value, site.af).map(|rule| Match::Hashlimit(Box::new(rule)))
    })
    .kept(|revision| match revision {
        1 => 48,
        2 => 296,
        _ => 304,
    });

/// A rule's use of a hash table.
#[derive(Debug)]
pub struct Rule {
    name: [u8; 255],
    config: Config,
    /// Which hash table, once the table is installed.
    groups: Option<usize>,
}

/// struct hashlimit_cfg3, and the rule's revision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    mode: u32,
    rate: Rate,
    /// Entries at most.
    max: u32,
    /// Milliseconds.
    gc_interval: u32,
    /// Milliseconds.
    expire: u32,
    lens: [u8; 2],
}

impl Rule {
    /// As hashlimit_mt_check_common().
    fn new(revision: u8, info: &[u8], value: &matches::hashlimit::Hashlimit, af: Af) -> Result<Self, Refused> {
        let name = value.name.as_bytes();
        // The field of revision 1 is IFNAMSIZ long.
        if name.len() >= if revision == 1 { 16 } else { 255 } {
            return Err(Refused::new(errno::ENAMETOOLONG, "hashlimit: the table's name does not end"));
        }
        if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
            return Err(Refused::invalid("hashlimit: the table's name cannot be a file's"));
        }
        if value.gc_interval == 0 || value.expire == 0 {
            return Err(Refused::invalid("hashlimit: intervals are at least a millisecond"));
        }
        let bits = af.address_len() as u8 * 8;
        let lens = [value.source_len.unwrap_or(bits), value.destination_len.unwrap_or(bits)];
        if lens.iter().any(|len| *len > bits) {
            return Err(Refused::invalid("hashlimit: a prefix is longer than an address"));
        }
        let at = match revision {
            1 => 16,
            2 => 272,
            _ => 272,
        };
        let mode = info.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |mode| u32::from_ne_bytes(*mode));
        if mode & !mode::ALL != 0 {
            return Err(Refused::invalid("hashlimit: an unknown mode"));
        }
        let average = if revision == 1 && !value.bytes { value.period / 100 } else { value.period };
        let rate = Rate { revision, mode, average, burst: value.burst, interval: value.interval };
        rate.check()?;
        let size = match value.size.min(MAX_SIZE) {
            0 => SIZE,
            size => size,
        };
        let max = match value.max.min(MAX_SIZE) {
            0 => size.saturating_mul(8),
            max => max.max(size),
        };
        let config = Config { mode, rate, max, gc_interval: value.gc_interval, expire: value.expire, lens };
        Ok(Self { name: value.name.0, config, groups: None })
    }

    /// Finds or makes the hash table that the rule names: it works as the rule said that made it. As htable_find_get() and
    /// htable_create().
    pub(crate) fn open(&mut self, stores: &mut Stores, af: Af) {
        if let Some(index) = self.groups.filter(|index| stores.groups.name(*index)) {
            self.groups = Some(index);
            return;
        }
        let index = match stores.groups.position(|groups| groups.is(af, &self.name)) {
            Some(index) => {
                stores.groups.name(index);
                index
            }
            None => stores.groups.put(Groups::new(af, self.name, self.config, stores.key)),
        };
        self.groups = Some(index);
    }
}

/// As hashlimit_mt_common().
pub(super) fn matches(rule: &Rule, scene: &mut Scene<'_, '_>) -> bool {
    let (now, len) = (scene.now.jiffies(), scene.len() as u64);
    let Some(groups) = rule.groups.and_then(|index| scene.stores.groups.get(index)) else { return false };
    let Some(group) = group(groups.config(), scene) else {
        scene.hotdrop = true;
        return false;
    };
    let Some(groups) = rule.groups.and_then(|index| scene.stores.groups.get_mut(index)) else { return false };
    let (table, revision) = (groups.config().rate, rule.config.rate.revision);
    let Some(bucket) = groups.meet(group, now, |bucket| match bucket {
        Some(bucket) => bucket.refill(now, table.mode, revision),
        None => *bucket = Some(Bucket::new(&Rate { revision, ..table }, now)),
    }) else {
        scene.hotdrop = true;
        return false;
    };
    bucket.spend(rule.config.mode, len) != (rule.config.mode & mode::INVERT != 0)
}

/// What tells the packet's group from others; `None` if the packet is too short to say. As hashlimit_init_dst().
fn group(config: &Config, scene: &Scene<'_, '_>) -> Option<Group> {
    let headers = &scene.headers;
    let asked = |bit: u32| config.mode & bit != 0;
    let [source_len, destination_len] = config.lens;
    let mut group = Group::default();
    if asked(mode::DESTINATION) {
        group.addresses[1] = masked(headers.destination, destination_len);
    }
    if asked(mode::SOURCE) {
        group.addresses[0] = masked(headers.source, source_len);
    }
    if !asked(mode::PORTS) {
        return Some(group);
    }
    // What follows the last extension header that names one; a later fragment has none behind it.
    let offset = match headers.protocol {
        6 | 17 | 33 | 50 | 132 | 136 => Some(0),
        51 => Some(4),
        _ => None,
    };
    let later = headers.af == Af::V6 && headers.fragment_offset() != 0;
    if let Some(offset) = offset.filter(|_| !later) {
        let at = headers.transport.checked_add(offset)?;
        let ports: &[u8; 4] = scene.packet.data.bytes().get(at..)?.first_chunk()?;
        let [a, b, c, d] = *ports;
        if asked(mode::SOURCE_PORT) {
            group.ports[0] = u16::from_be_bytes([a, b]);
        }
        if asked(mode::DESTINATION_PORT) {
            group.ports[1] = u16::from_be_bytes([c, d]);
        }
    }
    Some(group)
}

fn masked(address: Address, len: u8) -> Address {
    let bits = u128::from_be_bytes(address.0);
    let mask = u128::MAX.checked_shl(128 - u32::from(len.min(128))).unwrap_or(0);
    Address((bits & mask).to_be_bytes())
}

/// `XT_HASHLIMIT_*` of `mode`.
mod mode {
    pub(super) const DESTINATION: u32 = 1;
    pub(super) const DESTINATION_PORT: u32 = 1 << 1;
    pub(super) const SOURCE: u32 = 1 << 2;
    pub(super) const SOURCE_PORT: u32 = 1 << 3;
    pub(super) const PORTS: u32 = SOURCE_PORT | DESTINATION_PORT;
    pub(super) const INVERT: u32 = 1 << 4;
    pub(super) const BYTES: u32 = 1 << 5;
    pub(super) const RATE_MATCH: u32 = 1 << 6;
    pub(super) const ALL: u32 = (1 << 7) - 1;
}

/// `XT_HASHLIMIT_MAX_SIZE`.
const MAX_SIZE: u32 = 1_048_576;
/// What a machine with more than a gigabyte takes.
const SIZE: u32 = 8192;
