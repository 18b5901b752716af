//! `-m set`: looks the packet up in a set of ipset.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::option::notice;
use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::ipset::{self, Lookup};
use crate::value::number;

/// The set holds what the packet says, or not, and the counters of what was found fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// The set and the parts of the packet that are looked up.
    pub lookup: Lookup,
    /// `! --match-set`.
    pub inverted: bool,
    /// An entry marked `nomatch` matches, too.
    pub return_nomatch: bool,
    /// The counters of the entry stay as they are.
    pub keep_counters: bool,
    /// The counters of entries in the sets of a list stay as they are.
    pub keep_subcounters: bool,
    /// What the entry's packet counter must be.
    pub packets: Option<Count>,
    /// What the entry's byte counter must be.
    pub bytes: Option<Count>,
}

/// A counter compared with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// How.
    pub comparison: Comparison,
    /// With which number.
    pub value: u64,
}

/// IPSET_COUNTER_EQ and the following.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Equal = 1,
    /// Not equal.
    Differ,
    /// Below.
    Below,
    /// Above.
    Above,
}

impl Extension for Set {
    const NAME: &'static str = "set";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[
        Revision::new(4, size_of::<Info4>()),
        Revision::new(3, size_of::<Info3>()),
        Revision::new(2, size_of::<Info1>()),
        Revision::new(1, size_of::<Info1>()),
        Revision::new(0, size_of::<ipset::InfoV0>()).only(Families::V4),
    ];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("match-set", " name src|dst[,...]", "the set, and which addresses and ports are looked up", set_set)
            .two_words()
            .invertible()
            .repeatable(),
        Opt::new("set", " name src|dst[,...]", "the old name of --match-set", set_old_set)
            .two_words()
            .invertible()
            .repeatable(),
        Opt::flag("return-nomatch", "an entry marked nomatch matches, too", set_return_nomatch)
            .invertible()
            .repeatable(),
        Opt::flag("update-counters", "with !, leave the entry's counters alone", set_counters)
            .invertible()
            .repeatable(),
        Opt::flag("update-subcounters", "with !, leave the counters of a list's sets alone", set_subcounters)
            .invertible()
            .repeatable(),
        count("packets-eq", "the entry has seen this many packets", set_packets).invertible(),
        count("packets-lt", "fewer packets", set_packets).invertible(),
        count("packets-gt", "more packets", set_packets).invertible(),
        count("bytes-eq", "the entry has seen this many bytes", set_bytes).invertible(),
        count("bytes-lt", "fewer bytes", set_bytes).invertible(),
        count("bytes-gt", "more bytes", set_bytes).invertible(),
    ];

    fn check(&mut self, _seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if self.lookup.dimensions == 0 {
            return Err(Problem::new("You must specify `--match-set' with proper arguments"));
        }
        Ok(())
    }

    fn fits(&self, number: u8) -> bool {
        let counts = self.packets.is_some() || self.bytes.is_some();
        match number {
            0 => !self.return_nomatch && self.lookup.dimensions <= ipset::DIMENSIONS_V0 && self.fits(2),
            1 => !self.return_nomatch && self.fits(2),
            2 => !self.keep_counters && !self.keep_subcounters && !counts,
            _ => true,
        }
    }

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let malformed = Malformed("set");
        let (head, [packets, bytes], flags) = match revision {
            0 => {
                let (info, _) = ipset::InfoV0::read_from_prefix(info).map_err(|_| malformed)?;
                let (lookup, inverted) = Lookup::decode_v0(&info)?;
                return Ok(Self { lookup, inverted, ..Self::default() });
            }
            1 | 2 => {
                let (info, _) = Info1::read_from_prefix(info).map_err(|_| malformed)?;
                (info.head, [None; 2], 0)
            }
            3 => {
                let (info, _) = Info3::read_from_prefix(info).map_err(|_| malformed)?;
                (info.head, info.counts.map(|count| Count::decode(count.operation, count.value)), info.flags)
            }
            _ => {
                let (info, _) = Info4::read_from_prefix(info).map_err(|_| malformed)?;
                (info.head, info.counts.map(|count| Count::decode(count.operation, count.value)), info.flags)
            }
        };
        let (lookup, head_flags) = Lookup::decode(head)?;
        Ok(Self {
            lookup,
            inverted: head_flags & ipset::INVERT != 0,
            return_nomatch: flags & RETURN_NOMATCH != 0 || revision == 2 && head_flags & ipset::RETURN_NOMATCH != 0,
            keep_counters: flags & SKIP_COUNTERS != 0,
            keep_subcounters: flags & SKIP_SUBCOUNTERS != 0,
            packets,
            bytes,
        })
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bit = |set, bit| if set { bit } else { 0 };
        let inverted = if self.inverted { ipset::INVERT } else { 0 };
        let nomatch = if revision == 2 && self.return_nomatch { ipset::RETURN_NOMATCH } else { 0 };
        let head = self.lookup.encode(inverted | nomatch);
        let flags = bit(self.return_nomatch, RETURN_NOMATCH)
            | bit(self.keep_counters, SKIP_COUNTERS)
            | bit(self.keep_subcounters, SKIP_SUBCOUNTERS);
        let counts = [self.packets, self.bytes].map(|count| match count {
            Some(Count { comparison, value }) => (comparison as u8, value),
            None => (0, 0),
        });
        let written = match revision {
            0 => self.lookup.encode_v0(self.inverted).write_to_prefix(info).is_ok(),
            1 | 2 => Info1 { head, pad: [0; 4] }.write_to_prefix(info).is_ok(),
            3 => {
                let counts = counts.map(|(operation, value)| Count3 { operation, pad: [0; 7], value });
                Info3 { head, pad: [0; 4], counts, flags, end: [0; 4] }.write_to_prefix(info).is_ok()
            }
            _ => {
                let counts = counts.map(|(operation, value)| Count4 { value, operation, pad: [0; 7] });
                Info4 { head, pad: [0; 4], counts, flags, end: [0; 4] }.write_to_prefix(info).is_ok()
            }
        };
        if written { Ok(()) } else { Err(Malformed("set")) }
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
        write!(w, "{} {dashes}match-set {}", if self.inverted { " !" } else { "" }, self.lookup)?;
        if self.return_nomatch {
            write!(w, " {dashes}return-nomatch")?;
        }
        for (kept, name) in [(self.keep_counters, "update-counters"), (self.keep_subcounters, "update-subcounters")] {
            if kept {
                write!(w, " ! {dashes}{name}")?;
            }
        }
        for (name, count) in [("packets", self.packets), ("bytes", self.bytes)] {
            if let Some(Count { comparison, value }) = count {
                let (not, word) = match comparison {
                    Comparison::Equal => ("", "eq"),
                    Comparison::Differ => (" !", "eq"),
                    Comparison::Below => ("", "lt"),
                    Comparison::Above => ("", "gt"),
                };
                write!(w, "{not} {dashes}{name}-{word} {value}")?;
            }
        }
        Ok(())
    }
}

impl Count {
    fn decode(operation: u8, value: u64) -> Option<Self> {
        let all = [Comparison::Equal, Comparison::Differ, Comparison::Below, Comparison::Above];
        let comparison = all.into_iter().find(|comparison| *comparison as u8 == operation)?;
        Some(Self { comparison, value })
    }

    /// Reads `--packets-…` or `--bytes-…`; the second one of a kind is refused.
    fn parse(before: Option<Self>, given: &Given<'_>) -> Result<Self, Problem> {
        let (name, word) = given.option.split_once('-').unwrap_or((given.option, ""));
        if before.is_some() {
            return Err(Problem::new(format!("only one of the --{name}-[eq|lt|gt] is allowed")));
        }
        let comparison = match (word, given.inverted) {
            ("eq", false) => Comparison::Equal,
            ("eq", true) => Comparison::Differ,
            (_, true) => return Err(Problem::new(format!("--{} option cannot be inverted", given.option))),
            ("lt", false) => Comparison::Below,
            _ => Comparison::Above,
        };
        let value = number::parse(given.value, 0, u64::MAX);
        let value = value.ok_or_else(|| Problem::new(format!("Cannot parse {} as a counter value", given.value)))?;
        Ok(Self { comparison, value })
    }
}

const fn count(name: &'static str, help: &'static str, set: SetOption) -> Opt<Set> {
    Opt::new(name, " n", help, set).repeatable()
}

type SetOption = fn(&mut Set, &Given<'_>) -> Result<(), Problem>;

fn set_set(to: &mut Set, given: &Given<'_>) -> Result<(), Problem> {
    if to.lookup.dimensions != 0 {
        return Err(Problem::new("--match-set can be specified only once"));
    }
    to.inverted = given.inverted;
    to.lookup = Lookup::parse(given)?;
    Ok(())
}

fn set_old_set(to: &mut Set, given: &Given<'_>) -> Result<(), Problem> {
    notice("--set option deprecated, please use --match-set");
    set_set(to, &Given { option: "match-set", ..*given })
}

fn set_return_nomatch(to: &mut Set, given: &Given<'_>) -> Result<(), Problem> {
    if given.inverted {
        return Err(Problem::new("--return-nomatch flag cannot be inverted"));
    }
    to.return_nomatch = true;
    Ok(())
}

fn set_counters(to: &mut Set, given: &Given<'_>) -> Result<(), Problem> {
    to.keep_counters |= given.inverted;
    Ok(())
}

fn set_subcounters(to: &mut Set, given: &Given<'_>) -> Result<(), Problem> {
    to.keep_subcounters |= given.inverted;
    Ok(())
}

fn set_packets(to: &mut Set, given: &Given<'_>) -> Result<(), Problem> {
    to.packets = Some(Count::parse(to.packets, given)?);
    Ok(())
}

fn set_bytes(to: &mut Set, given: &Given<'_>) -> Result<(), Problem> {
    to.bytes = Some(Count::parse(to.bytes, given)?);
    Ok(())
}

/// IPSET_FLAG_SKIP_COUNTER_UPDATE, IPSET_FLAG_SKIP_SUBCOUNTER_UPDATE and IPSET_FLAG_RETURN_NOMATCH.
const SKIP_COUNTERS: u32 = 1 << 3;
const SKIP_SUBCOUNTERS: u32 = 1 << 4;
const RETURN_NOMATCH: u32 = 1 << 7;

/// struct xt_set_info_match_v1, which is revision 2, too.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    head: ipset::Info,
    pad: [u8; 4],
}

/// struct xt_set_info_match_v3.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info3 {
    head: ipset::Info,
    pad: [u8; 4],
    counts: [Count3; 2],
    flags: u32,
    end: [u8; 4],
}

/// struct ip_set_counter_match0.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Count3 {
    operation: u8,
    pad: [u8; 7],
    value: u64,
}

/// struct xt_set_info_match_v4.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info4 {
    head: ipset::Info,
    pad: [u8; 4],
    counts: [Count4; 2],
    flags: u32,
    end: [u8; 4],
}

/// struct ip_set_counter_match.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Count4 {
    value: u64,
    operation: u8,
    pad: [u8; 7],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Af;

    /// Set 1 with `src,dst,src`, set 0 with `! … dst`, and all that revision 4 can say; the bytes are iptables-legacy's, which was
    /// told in turn that the kernel has no newer revision.
    #[test]
    fn every_revision_has_the_real_tools_bytes() {
        let three = Set { lookup: Lookup { index: 1, dimensions: 3, sources: 0b1010 }, ..Set::default() };
        let not = Set { lookup: Lookup { index: 0, dimensions: 1, sources: 0 }, inverted: true, ..Set::default() };
        let nomatch =
            Set { lookup: Lookup { index: 0, dimensions: 1, sources: 2 }, return_nomatch: true, ..Set::default() };
        let counting = Set {
            return_nomatch: false,
            keep_counters: true,
            keep_subcounters: true,
            packets: Some(Count { comparison: Comparison::Below, value: 3 }),
            bytes: Some(Count { comparison: Comparison::Differ, value: 66000 }),
            ..nomatch.clone()
        };
        let wide = [0u8; 44];
        same(&three, 0, &[&[1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1][..], &[0; 19]].concat());
        same(&not, 0, &[&[0, 0, 0, 0, 6][..], &[0; 27]].concat());
        for revision in [1, 2] {
            same(&three, revision, &[1, 0, 3, 0x0a, 0, 0, 0, 0]);
            same(&not, revision, &[0, 0, 1, 1, 0, 0, 0, 0]);
        }
        same(&nomatch, 2, &[0, 0, 1, 0x82, 0, 0, 0, 0]);
        for revision in [3, 4] {
            same(&three, revision, &[&[1, 0, 3, 0x0a][..], &wide].concat());
            same(&nomatch, revision, &[&[0, 0, 1, 2][..], &wide[..36], &[0x80, 0, 0, 0, 0, 0, 0, 0]].concat());
        }
        same(
            &counting,
            3,
            &[
                [0, 0, 1, 2, 0, 0, 0, 0],
                [3, 0, 0, 0, 0, 0, 0, 0],
                [3, 0, 0, 0, 0, 0, 0, 0],
                [2, 0, 0, 0, 0, 0, 0, 0],
                [0xd0, 1, 1, 0, 0, 0, 0, 0],
                [0x18, 0, 0, 0, 0, 0, 0, 0],
            ]
            .concat(),
        );
        same(
            &counting,
            4,
            &[
                [0, 0, 1, 2, 0, 0, 0, 0],
                [3, 0, 0, 0, 0, 0, 0, 0],
                [3, 0, 0, 0, 0, 0, 0, 0],
                [0xd0, 1, 1, 0, 0, 0, 0, 0],
                [2, 0, 0, 0, 0, 0, 0, 0],
                [0x18, 0, 0, 0, 0, 0, 0, 0],
            ]
            .concat(),
        );
        assert!(!nomatch.fits(1) && nomatch.fits(2) && !counting.fits(2) && counting.fits(3));
    }

    fn same(value: &Set, revision: u8, bytes: &[u8]) {
        let around = Surroundings::new(Af::V4);
        let mut info = vec![0; bytes.len()];
        value.encode(revision, &mut info, &around).unwrap();
        assert_eq!(info, bytes, "revision {revision}");
        assert_eq!(Set::decode(revision, bytes, &around).as_ref(), Ok(value), "revision {revision}");
    }
}
