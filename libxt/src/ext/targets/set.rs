//! `-j SET`: puts the packet's addresses and ports into a set of ipset, takes them out, or takes marks from it.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::ipset::{self, Lookup};
use crate::value::number;

/// Up to three sets, and what is done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Where the packet is added.
    pub add: Lookup,
    /// Where it is taken out.
    pub delete: Lookup,
    /// Where it is looked up for what the packet is to carry.
    pub map: Lookup,
    /// An entry that is there already gets its timeout and counters anew.
    pub exist: bool,
    /// Seconds that the entry added stays; `u32::MAX` leaves it to the set.
    pub timeout: u32,
    /// The packet gets the entry's mark.
    pub map_mark: bool,
    /// The packet gets the entry's priority.
    pub map_priority: bool,
    /// The packet gets the entry's transmit queue.
    pub map_queue: bool,
}

impl Default for Set {
    fn default() -> Self {
        Self {
            add: Lookup::NONE,
            delete: Lookup::NONE,
            map: Lookup::NONE,
            exist: false,
            timeout: u32::MAX,
            map_mark: false,
            map_priority: false,
            map_queue: false,
        }
    }
}

impl Extension for Set {
    const NAME: &'static str = "SET";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[
        Revision::new(3, size_of::<Info3>()),
        Revision::new(2, size_of::<Info2>()),
        Revision::new(1, size_of::<Info1>()),
        Revision::new(0, size_of::<Info0>()).only(Families::V4),
    ];
    /// Upstream does not mind a `!` before any of them.
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("add-set", " name src|dst[,...]", "add the packet's addresses and ports to this set", set_add)
            .two_words()
            .invertible()
            .repeatable(),
        Opt::new("del-set", " name src|dst[,...]", "take them out of this set", set_delete)
            .two_words()
            .invertible()
            .repeatable(),
        Opt::new("map-set", " name src|dst[,...]", "look them up in this set", set_map)
            .two_words()
            .invertible()
            .repeatable(),
        Opt::flag("exist", "with --add-set: renew an entry that is there", set_exist).invertible().repeatable(),
        Opt::new("timeout", " seconds", "with --add-set: how long the entry stays", set_timeout)
            .invertible()
            .repeatable(),
        Opt::flag("map-mark", "with --map-set: take over the entry's mark", set_map_mark).invertible().repeatable(),
        Opt::flag("map-prio", "with --map-set: take over its priority", set_map_priority).invertible().repeatable(),
        Opt::flag("map-queue", "with --map-set: take over its queue", set_map_queue).invertible().repeatable(),
    ];

    fn check(&mut self, _seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        let [add, delete, map] = [self.add, self.delete, self.map].map(Lookup::is_some);
        let only = |what, with| Err(Problem::new(format!("{what}' can be used with `--{with}-set' only")));
        if !add && !delete && !map {
            return Err(Problem::new("You must specify either `--add-set' or `--del-set' or `--map-set'"));
        }
        if !add && self.exist {
            return only("Flag `--exist", "add");
        }
        if !add && self.timeout != u32::MAX {
            return only("Option `--timeout", "add");
        }
        if !map {
            match self.maps().into_iter().find(|(_, taken)| *taken) {
                Some((name, _)) => return only(&format!("Flag `--{name}"), "map"),
                None => return Ok(()),
            }
        }
        if self.maps().iter().all(|(_, taken)| !taken) {
            return Err(Problem::new("You must specify flags `--map-mark' or '--map-prio` or `--map-queue'"));
        }
        Ok(())
    }

    fn fits(&self, number: u8) -> bool {
        let short = |lookup: Lookup| lookup.dimensions <= ipset::DIMENSIONS_V0;
        match number {
            0 => short(self.add) && short(self.delete) && self.fits(1),
            1 => !self.exist && self.timeout == u32::MAX && self.fits(2),
            2 => !self.map.is_some(),
            _ => true,
        }
    }

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let malformed = Malformed("SET");
        let lookup = |info| Lookup::decode(info).map(|(lookup, _)| lookup);
        match revision {
            0 => {
                let (info, _) = Info0::read_from_prefix(info).map_err(|_| malformed)?;
                let (add, _) = Lookup::decode_v0(&info.add)?;
                let (delete, _) = Lookup::decode_v0(&info.delete)?;
                Ok(Self { add, delete, ..Self::default() })
            }
            1 => {
                let (info, _) = Info1::read_from_prefix(info).map_err(|_| malformed)?;
                Ok(Self { add: lookup(info.add)?, delete: lookup(info.delete)?, ..Self::default() })
            }
            2 => {
                let (info, _) = Info2::read_from_prefix(info).map_err(|_| malformed)?;
                Ok(Self {
                    add: lookup(info.sets.add)?,
                    delete: lookup(info.sets.delete)?,
                    exist: info.flags & EXIST != 0,
                    timeout: info.timeout,
                    ..Self::default()
                })
            }
            _ => {
                let (info, _) = Info3::read_from_prefix(info).map_err(|_| malformed)?;
                Ok(Self {
                    add: lookup(info.sets.add)?,
                    delete: lookup(info.sets.delete)?,
                    map: lookup(info.map)?,
                    exist: info.flags & EXIST != 0,
                    timeout: info.timeout,
                    map_mark: info.flags & MAP_MARK != 0,
                    map_priority: info.flags & MAP_PRIORITY != 0,
                    map_queue: info.flags & MAP_QUEUE != 0,
                })
            }
        }
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bit = |set, bit| if set { bit } else { 0 };
        let sets = Info1 { add: self.add.encode(0), delete: self.delete.encode(0) };
        let exist = bit(self.exist, EXIST);
        let maps = bit(self.map_mark, MAP_MARK) | bit(self.map_priority, MAP_PRIORITY) | bit(self.map_queue, MAP_QUEUE);
        let timeout = self.timeout;
        let written = match revision {
            0 => {
                let bytes = Info0 { add: self.add.encode_v0(false), delete: self.delete.encode_v0(false) };
                bytes.write_to_prefix(info).is_ok()
            }
            1 => sets.write_to_prefix(info).is_ok(),
            2 => Info2 { sets, flags: exist, timeout }.write_to_prefix(info).is_ok(),
            _ => {
                let bytes = Info3 { sets, map: self.map.encode(0), flags: exist | maps, timeout };
                bytes.write_to_prefix(info).is_ok()
            }
        };
        if written { Ok(()) } else { Err(Malformed("SET")) }
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        self.write(w, "--")
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        self.write(w, "")
    }
}

impl Set {
    fn write(&self, w: &mut dyn Write, dashes: &str) -> fmt::Result {
        if self.add.is_some() {
            write!(w, " {dashes}add-set {}", self.add)?;
            if self.exist {
                write!(w, " {dashes}exist")?;
            }
            if self.timeout != u32::MAX {
                write!(w, " {dashes}timeout {}", self.timeout)?;
            }
        }
        if self.delete.is_some() {
            write!(w, " {dashes}del-set {}", self.delete)?;
        }
        if self.map.is_some() {
            write!(w, " {dashes}map-set {}", self.map)?;
            for (name, taken) in self.maps() {
                if taken {
                    write!(w, " {dashes}{name}")?;
                }
            }
        }
        Ok(())
    }

    fn maps(&self) -> [(&'static str, bool); 3] {
        [("map-mark", self.map_mark), ("map-prio", self.map_priority), ("map-queue", self.map_queue)]
    }
}

fn set_add(to: &mut Set, given: &Given<'_>) -> Result<(), Problem> {
    once(&mut to.add, given)
}

fn set_delete(to: &mut Set, given: &Given<'_>) -> Result<(), Problem> {
    once(&mut to.delete, given)
}

fn set_map(to: &mut Set, given: &Given<'_>) -> Result<(), Problem> {
    once(&mut to.map, given)
}

fn once(to: &mut Lookup, given: &Given<'_>) -> Result<(), Problem> {
    if to.dimensions != 0 {
        return Err(Problem::new(format!("--{} can be specified only once", given.option)));
    }
    *to = Lookup::parse(given)?;
    Ok(())
}

fn set_exist(to: &mut Set, _given: &Given<'_>) -> Result<(), Problem> {
    to.exist = true;
    Ok(())
}

fn set_timeout(to: &mut Set, given: &Given<'_>) -> Result<(), Problem> {
    let timeout = number::parse(given.value, 0, TIMEOUT_MAX.into()).and_then(|timeout| u32::try_from(timeout).ok());
    let refused = || Problem::new(format!("Invalid value for option --timeout or out of range 0-{TIMEOUT_MAX}"));
    to.timeout = timeout.ok_or_else(refused)?;
    Ok(())
}

fn set_map_mark(to: &mut Set, _given: &Given<'_>) -> Result<(), Problem> {
    to.map_mark = true;
    Ok(())
}

fn set_map_priority(to: &mut Set, _given: &Given<'_>) -> Result<(), Problem> {
    to.map_priority = true;
    Ok(())
}

fn set_map_queue(to: &mut Set, _given: &Given<'_>) -> Result<(), Problem> {
    to.map_queue = true;
    Ok(())
}

/// All but the number that stands for no timeout.
const TIMEOUT_MAX: u32 = u32::MAX - 1;

/// IPSET_FLAG_EXIST, IPSET_FLAG_MAP_SKBMARK and the following.
const EXIST: u32 = 1;
const MAP_MARK: u32 = 1 << 8;
const MAP_PRIORITY: u32 = 1 << 9;
const MAP_QUEUE: u32 = 1 << 10;

/// struct xt_set_info_target_v0.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info0 {
    add: ipset::InfoV0,
    delete: ipset::InfoV0,
}

/// struct xt_set_info_target_v1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    add: ipset::Info,
    delete: ipset::Info,
}

/// struct xt_set_info_target_v2.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info2 {
    sets: Info1,
    flags: u32,
    timeout: u32,
}

/// struct xt_set_info_target_v3.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info3 {
    sets: Info1,
    map: ipset::Info,
    flags: u32,
    timeout: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Af;

    /// The bytes are iptables-legacy's, which was told in turn that the kernel has no newer revision.
    #[test]
    fn every_revision_has_the_real_tools_bytes() {
        let one = |sources| Lookup { index: 0, dimensions: 1, sources };
        let both = Set { add: one(2), delete: Lookup { index: 1, dimensions: 3, sources: 6 }, ..Set::default() };
        let delete = Set { delete: one(0), ..Set::default() };
        let exist = Set { add: one(2), exist: true, ..Set::default() };
        let short = Set { add: one(0), timeout: 9, ..Set::default() };
        let map = Set { map: one(2), map_mark: true, map_priority: true, map_queue: true, ..Set::default() };
        same(&both, 0, &words(&[0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 0, 0, 0, 0]));
        same(&delete, 0, &words(&[0xffff, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]));
        same(&both, 1, &words(&[0x0201_0000, 0x0603_0001]));
        same(&delete, 1, &words(&[0x0000_ffff, 0x0001_0000]));
        same(&both, 2, &words(&[0x0201_0000, 0x0603_0001, 0, u32::MAX]));
        same(&exist, 2, &words(&[0x0201_0000, 0x0000_ffff, 1, u32::MAX]));
        same(&short, 2, &words(&[0x0001_0000, 0x0000_ffff, 0, 9]));
        same(&short, 3, &words(&[0x0001_0000, 0x0000_ffff, 0x0000_ffff, 0, 9]));
        same(&map, 3, &words(&[0x0000_ffff, 0x0000_ffff, 0x0201_0000, 0x0700, u32::MAX]));
        assert!(!exist.fits(1) && !short.fits(1) && !map.fits(2) && both.fits(0));
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn same(value: &Set, revision: u8, bytes: &[u8]) {
        let around = Surroundings::new(Af::V4);
        let mut info = vec![0; bytes.len()];
        value.encode(revision, &mut info, &around).unwrap();
        assert_eq!(info, bytes, "revision {revision}");
        assert_eq!(Set::decode(revision, bytes, &around).as_ref(), Ok(value), "revision {revision}");
    }
}
