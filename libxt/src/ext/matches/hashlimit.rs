//! `-m hashlimit`: limits packets or bytes, with a bucket for each group of addresses and ports.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::text::Text;
use crate::value::{number, rate};

/// Buckets that gain one packet (or a portion of bytes) every `period`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashlimit {
    /// The table's name.
    pub name: Text<255>,
    /// Microseconds between two packets; in byte mode 2^32 divided by the rate in portions of 16 bytes a second.
    pub period: u64,
    /// Packets that the full bucket holds; in byte mode seconds' worth of the rate, 0 for none extra.
    pub burst: u64,
    /// `XT_HASHLIMIT_HASH_*`: what tells groups apart.
    pub parts: u32,
    /// What is above the limit matches, instead of what is not.
    pub above: bool,
    /// The rate is in bytes.
    pub bytes: bool,
    /// The rate itself is compared, without a bucket.
    pub rate_match: bool,
    /// Seconds over which the rate is measured; 0 counts as 1.
    pub interval: u32,
    /// Buckets of the hash table; 0 lets the kernel choose.
    pub size: u32,
    /// Most entries; 0 lets the kernel choose.
    pub max: u32,
    /// Milliseconds between searches for old entries.
    pub gc_interval: u32,
    /// Milliseconds until an entry is old.
    pub expire: u32,
    /// How many bits of the source address count; `None` for all.
    pub source_len: Option<u8>,
    /// How many bits of the destination address count; `None` for all.
    pub destination_len: Option<u8>,
    /// Until all options were read: seconds of the unit that the rate was typed in, or bytes a second.
    unit: u64,
}

impl Hashlimit {
    /// `XT_HASHLIMIT_HASH_DIP`: the destination address.
    pub const DESTINATION_ADDRESS: u32 = 1;
    /// `XT_HASHLIMIT_HASH_DPT`: the destination port.
    pub const DESTINATION_PORT: u32 = 1 << 1;
    /// `XT_HASHLIMIT_HASH_SIP`: the source address.
    pub const SOURCE_ADDRESS: u32 = 1 << 2;
    /// `XT_HASHLIMIT_HASH_SPT`: the source port.
    pub const SOURCE_PORT: u32 = 1 << 3;
}

/// In the order in which they print.
const PARTS: [(&str, u32); 4] = [
    ("srcip", Hashlimit::SOURCE_ADDRESS),
    ("srcport", Hashlimit::SOURCE_PORT),
    ("dstip", Hashlimit::DESTINATION_ADDRESS),
    ("dstport", Hashlimit::DESTINATION_PORT),
];

impl Default for Hashlimit {
    fn default() -> Self {
        Self {
            name: Text::default(),
            period: 0,
            burst: DEFAULT_BURST,
            parts: 0,
            above: false,
            bytes: false,
            rate_match: false,
            interval: 0,
            size: 0,
            max: 0,
            gc_interval: DEFAULT_GC,
            expire: 0,
            source_len: None,
            destination_len: None,
            unit: 1,
        }
    }
}

impl Extension for Hashlimit {
    const NAME: &'static str = "hashlimit";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[
        Revision::new(3, size_of::<Info3>()).user_size(304),
        Revision::new(2, size_of::<Info2>()).user_size(296),
        Revision::new(1, size_of::<Info1>()).user_size(48),
    ];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("hashlimit-upto", " rate", "at most so many a second, or /min, /hour, /day, or kb/s, mb/s", set_up_to)
            .invertible()
            .excludes(&["hashlimit-above"]),
        Opt::new("hashlimit", " rate", "the same", set_up_to).invertible().alias_of("hashlimit-upto"),
        Opt::new("hashlimit-above", " rate", "more than so many", set_above).invertible().excludes(&["hashlimit-upto"]),
        Opt::new(
            "hashlimit-srcmask",
            " length",
            "how many bits of the source address count",
            |to: &mut Self, given| {
                to.source_len = length(given)?;
                Ok(())
            },
        ),
        Opt::new(
            "hashlimit-dstmask",
            " length",
            "how many bits of the destination address count",
            |to: &mut Self, given| {
                to.destination_len = length(given)?;
                Ok(())
            },
        ),
        Opt::new("hashlimit-burst", " amount", "how much may pass at once (5), or bytes with kb, mb", set_burst),
        Opt::new("hashlimit-htable-size", " n", "buckets of the hash table", |to: &mut Self, given| {
            to.size = given.long(0, u32::MAX)?;
            Ok(())
        }),
        Opt::new("hashlimit-htable-max", " n", "entries of the hash table at most", |to: &mut Self, given| {
            to.max = given.long(0, u32::MAX)?;
            Ok(())
        }),
        Opt::new(
            "hashlimit-htable-gcinterval",
            " ms",
            "how often old entries are looked for",
            |to: &mut Self, given| {
                to.gc_interval = given.long(0, u32::MAX)?;
                Ok(())
            },
        ),
        Opt::new("hashlimit-htable-expire", " ms", "when an entry is old", |to: &mut Self, given| {
            to.expire = given.long(0, u32::MAX)?;
            Ok(())
        }),
        Opt::new(
            "hashlimit-mode",
            " part[,part...]",
            "what tells groups apart: srcip, srcport, dstip, dstport",
            set_mode,
        ),
        Opt::new("hashlimit-name", " name", "the name of the table", |to: &mut Self, given| {
            to.name = given.text(1)?;
            Ok(())
        })
        .mandatory(),
        Opt::flag("hashlimit-rate-match", "compare the rate itself, without a bucket", |to: &mut Self, _| {
            to.rate_match = true;
            Ok(())
        }),
        Opt::new(
            "hashlimit-rate-interval",
            " s",
            "over how many seconds the rate is measured",
            |to: &mut Self, given| {
                // As atoi(), which keeps the low half.
                let seconds = rate::leading_integer(given.value) as i32;
                if seconds <= 0 {
                    return Err(given.bad_param(given.value));
                }
                to.interval = seconds.cast_unsigned();
                Ok(())
            },
        ),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen & RATE == 0 {
            return Err(Problem::new("You have to specify --hashlimit"));
        }
        let default_expire = self.finish(seen, self.unit)?;
        if seen & EXPIRE == 0 {
            self.expire = default_expire;
        }
        self.unit = 1;
        Ok(())
    }

    fn fits(&self, number: u8) -> bool {
        number >= 3 || (!self.rate_match && self.interval == 0)
    }

    fn decode(revision: u8, info: &[u8], around: &Surroundings) -> Result<Self, Malformed> {
        let wrong = || Malformed("hashlimit");
        let bits = around.af.address_len() as u8 * 8;
        let mut value = Self::default();
        let (mode, table, [source, destination]) = match revision {
            1 => {
                let info = Info1::read_from_prefix(info).map_err(|_| wrong())?.0;
                for (to, from) in value.name.0.iter_mut().zip(info.name) {
                    *to = from;
                }
                value.period = info.average.into();
                value.burst = info.burst.into();
                (info.mode, info.table, info.lens)
            }
            2 => {
                let info = Info2::read_from_prefix(info).map_err(|_| wrong())?.0;
                (value.name, value.period, value.burst) = (Text(info.name), info.average, info.burst);
                (info.mode, info.table, info.lens)
            }
            _ => {
                let info = Info3::read_from_prefix(info).map_err(|_| wrong())?.0;
                (value.name, value.period, value.burst) = (Text(info.name), info.average, info.burst);
                value.interval = info.interval;
                value.rate_match = info.mode & RATE_MATCH != 0;
                (info.mode, info.table, info.lens)
            }
        };
        value.parts = mode & 0xf;
        value.above = mode & INVERT != 0;
        value.bytes = mode & BYTES != 0;
        if revision == 1 && !value.bytes {
            value.period = value.period.saturating_mul(100);
        }
        [value.size, value.max, value.gc_interval, value.expire] = table;
        value.source_len = Some(source).filter(|len| *len != bits);
        value.destination_len = Some(destination).filter(|len| *len != bits);
        Ok(value)
    }

    fn encode(&self, revision: u8, info: &mut [u8], around: &Surroundings) -> Result<(), Malformed> {
        let bit = |set, bit| if set { bit } else { 0 };
        let mode = self.parts & 0xf
            | bit(self.above, INVERT)
            | bit(self.bytes, BYTES)
            | bit(self.rate_match && revision >= 3, RATE_MATCH);
        let table = [self.size, self.max, self.gc_interval, self.expire];
        let bits = around.af.address_len() as u8 * 8;
        let lens = [self.source_len.unwrap_or(bits), self.destination_len.unwrap_or(bits)];
        let (name, average, burst) = (self.name.0, self.period, self.burst);
        let written = match revision {
            1 => {
                let period = if self.bytes { self.period } else { self.period / 100 };
                let average = u32::try_from(period).unwrap_or(u32::MAX);
                let burst = u32::try_from(self.burst).unwrap_or(u32::MAX);
                let mut short = [0; 16];
                for (to, from) in short.iter_mut().zip(self.name.0) {
                    *to = from;
                }
                Info1 { name: short, mode, average, burst, table, lens, pad: [0; 2], kernel: 0 }
                    .write_to_prefix(info)
                    .is_ok()
            }
            2 => Info2 { name, pad: 0, average, burst, mode, table, lens, pad_2: [0; 2], kernel: 0 }
                .write_to_prefix(info)
                .is_ok(),
            _ => {
                let interval = self.interval;
                Info3 { name, pad: 0, average, burst, mode, table, interval, lens, pad_2: [0; 6], kernel: 0 }
                    .write_to_prefix(info)
                    .is_ok()
            }
        };
        if written { Ok(()) } else { Err(Malformed("hashlimit")) }
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        w.write_str(if self.above { " --hashlimit-above " } else { " --hashlimit-upto " })?;
        let usual_expire = self.write_rate(w, self.period)?;
        self.write_burst(w, " --hashlimit-burst ")?;
        if self.parts != 0 {
            w.write_str(" --hashlimit-mode ")?;
            self.write_parts(w, ",")?;
        }
        write!(w, " --hashlimit-name {}", self.name)?;
        self.write_table(w, "--hashlimit-", usual_expire)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(if self.above { " limit: above " } else { " limit: up to " })?;
        let usual_expire = self.write_rate(w, self.period.saturating_mul(self.interval.max(1).into()))?;
        self.write_burst(w, " burst ")?;
        if self.parts != 0 {
            w.write_str(" mode ")?;
            self.write_parts(w, "-")?;
        }
        self.write_table(w, "", usual_expire)
    }
}

impl Hashlimit {
    /// Puts burst, period and interval into their final form; the expiry that goes with the rate, in milliseconds.
    fn finish(&mut self, seen: u64, unit: u64) -> Result<u32, Problem> {
        if self.bytes {
            if self.rate_match && seen & INTERVAL == 0 {
                self.interval = 1;
            }
            if seen & BURST == 0 {
                self.burst = 0;
                return Ok(BYTE_EXPIRE);
            }
            // What is left of the rate in the unit that the kernel counts in.
            let rate = bytes_of(self.period);
            if rate == 0 {
                // The tools die of a division by zero here.
                let least = 1 << BYTE_SHIFT;
                return Err(Problem::new(format!("--hashlimit-burst needs a rate of at least {least}b/s")));
            }
            if self.burst < rate {
                return Err(Problem::new(format!("burst cannot be smaller than {rate}b")));
            }
            // The tools keep it in 32 bits.
            self.burst = (self.burst & u64::from(u32::MAX)).div_ceil(rate);
            return Ok(BYTE_BURST_EXPIRE);
        }
        if !(1..=MAX_BURST).contains(&self.burst) {
            return Err(bad_burst());
        }
        if self.rate_match {
            if seen & INTERVAL == 0 {
                self.interval = unit as u32;
            }
            self.period /= unit;
        }
        Ok(unit as u32 * 1000)
    }

    /// The rate, and the expiry that goes with it, in milliseconds.
    pub(crate) fn write_rate(&self, w: &mut dyn Write, period: u64) -> Result<u32, fmt::Error> {
        if self.bytes {
            write!(w, "{}/s", Bytes(bytes_of(self.period)))?;
            return Ok(if self.burst == 0 { BYTE_EXPIRE } else { BYTE_BURST_EXPIRE });
        }
        if period == 0 {
            w.write_str("inf")?;
            return Ok(0);
        }
        let mut shown = UNITS[0];
        for (name, seconds) in UNITS.into_iter().skip(1) {
            let unit = seconds * SCALE;
            if period > unit || unit / period < unit % period {
                break;
            }
            shown = (name, seconds);
        }
        write!(w, "{}/{}", shown.1 * SCALE / period, shown.0)?;
        Ok(shown.1 as u32 * 1000)
    }

    pub(crate) fn write_burst(&self, w: &mut dyn Write, label: &str) -> fmt::Result {
        match (self.bytes, self.burst) {
            (true, 0) => Ok(()),
            (true, burst) => {
                let bytes = bytes_of(self.period).saturating_mul(burst);
                let (shift, unit) = match bytes {
                    _ if bytes >> 20 != 0 => (20, "mb"),
                    _ if bytes >> 10 != 0 => (10, "kb"),
                    _ => (0, "b"),
                };
                write!(w, "{label}{}{unit}", bytes >> shift)
            }
            (false, burst) => write!(w, "{label}{burst}"),
        }
    }

    fn write_parts(&self, w: &mut dyn Write, separator: &str) -> fmt::Result {
        let mut between = "";
        for (name, bit) in PARTS {
            if self.parts & bit != 0 {
                write!(w, "{between}{name}")?;
                between = separator;
            }
        }
        Ok(())
    }

    fn write_table(&self, w: &mut dyn Write, prefix: &str, usual_expire: u32) -> fmt::Result {
        for (name, value, usual) in [
            ("htable-size", self.size, 0),
            ("htable-max", self.max, 0),
            ("htable-gcinterval", self.gc_interval, DEFAULT_GC),
            ("htable-expire", self.expire, usual_expire),
        ] {
            if value != usual {
                write!(w, " {prefix}{name} {value}")?;
            }
        }
        for (name, len) in [("srcmask", self.source_len), ("dstmask", self.destination_len)] {
            if let Some(len) = len {
                write!(w, " {prefix}{name} {len}")?;
            }
        }
        if self.rate_match {
            write!(w, " {prefix}rate-match")?;
            if self.interval != 1 {
                write!(w, " {prefix}rate-interval {}", self.interval)?;
            }
        }
        Ok(())
    }
}

/// A number of bytes in the largest unit that loses nothing the bytes of a rule could tell, as `print_bytes` chooses.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = *self;
        // The tools compare in 32 bits, so that rates from 4 GiB/s on print as bytes.
        let tells =
            |shift: u32| bytes >> shift != 0 && period_of((bytes >> shift << shift) as u32) == period_of(bytes as u32);
        let fits = |shift: &&(u32, &str)| bytes <= u32::MAX.into() && tells(shift.0);
        let (shift, unit) = [(20, "mb"), (10, "kb")].iter().find(fits).copied().unwrap_or((0, "b"));
        write!(f, "{}{unit}", bytes >> shift)
    }
}

fn set_up_to(to: &mut Hashlimit, given: &Given<'_>) -> Result<(), Problem> {
    to.above = given.inverted;
    set_rate(to, given)
}

fn set_above(to: &mut Hashlimit, given: &Given<'_>) -> Result<(), Problem> {
    to.above = !given.inverted;
    set_rate(to, given)
}

fn set_rate(to: &mut Hashlimit, given: &Given<'_>) -> Result<(), Problem> {
    let bad = || given.bad_param(given.value);
    let count = rate::leading_integer(given.value).cast_unsigned();
    let unit = given.value.find("b/s").filter(|at| *at > 0).map(|at| &given.value[at - 1..]);
    to.bytes = unit.is_some();
    if let Some(unit) = unit {
        if count == 0 {
            return Err(bad());
        }
        // The tools wrap around, and die of a division by zero where that leaves nothing.
        let rate = count.wrapping_mul(factor(unit));
        let portions = ((rate >> BYTE_SHIFT) as u32).wrapping_add(1);
        to.period = u64::from(u32::MAX.checked_div(portions).ok_or_else(|| {
            let max = MAX_BYTES - 1;
            Problem::new(format!("Rate value too large \"{rate}\" (max {max})\n"))
        })?);
        return Ok(());
    }
    let seconds = match given.value.split_once('/') {
        None => 1,
        Some((_, unit)) => {
            let starts = |whole: &str| whole.get(..unit.len()).is_some_and(|head| head.eq_ignore_ascii_case(unit));
            let units = [("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400)];
            let found = units.iter().find(|(name, _)| !unit.is_empty() && starts(name));
            found.ok_or_else(bad)?.1
        }
    };
    to.unit = seconds;
    to.period = (SCALE * seconds).checked_div(count).ok_or_else(bad)?;
    if to.period == 0 {
        return Err(Problem::new(format!("Rate too fast \"{}\"", given.value)));
    }
    Ok(())
}

fn set_burst(to: &mut Hashlimit, given: &Given<'_>) -> Result<(), Problem> {
    let (count, unit) = number::parse_prefix(given.value).unwrap_or((0, ""));
    if count == 0 || unit.is_empty() && count > MAX_BURST {
        return Err(bad_burst());
    }
    to.burst = count.wrapping_mul(factor(unit));
    Ok(())
}

fn bad_burst() -> Problem {
    Problem::new(format!("bad value for option \"--hashlimit-burst\", or out of range (1-{MAX_BURST})."))
}

fn set_mode(to: &mut Hashlimit, given: &Given<'_>) -> Result<(), Problem> {
    for word in given.value.split(',').filter(|word| !word.is_empty()) {
        let part = PARTS.iter().find(|(name, _)| *name == word);
        to.parts |= part.ok_or_else(|| given.bad_param(given.value))?.1;
    }
    Ok(())
}

/// A prefix length, `None` for the family's full one; a mask with holes is left to the kernel to refuse.
fn length(given: &Given<'_>) -> Result<Option<u8>, Problem> {
    let bits = given.around.af.address_len() as u8 * 8;
    Ok(Some(given.mask_len()?.unwrap_or(u8::MAX)).filter(|len| *len != bits))
}

/// How many bytes the unit at the start stands for.
fn factor(unit: &str) -> u64 {
    match unit.as_bytes().first() {
        Some(b'k') => 1 << 10,
        Some(b'm') => 1 << 20,
        _ => 1,
    }
}

/// The period in byte mode of so many bytes a second.
fn period_of(bytes: u32) -> u64 {
    u64::from(u32::MAX) / (u64::from(bytes >> BYTE_SHIFT) + 1)
}

/// Bytes a second of a period in byte mode.
fn bytes_of(period: u64) -> u64 {
    let portions = u64::from(u32::MAX).checked_div(period).unwrap_or(u32::MAX.into());
    portions.saturating_sub(1) << BYTE_SHIFT
}

/// Names of units, coarsest first, with their seconds.
const UNITS: [(&str, u64); 4] = [("day", 86400), ("hour", 3600), ("min", 60), ("sec", 1)];
/// XT_HASHLIMIT_SCALE_v2.
const SCALE: u64 = 1_000_000;
/// XT_HASHLIMIT_BYTE_SHIFT.
const BYTE_SHIFT: u32 = 4;
/// The rate whose portions fill 32 bits.
const MAX_BYTES: u64 = (u32::MAX as u64) << BYTE_SHIFT;
const BYTE_EXPIRE: u32 = 15_000;
const BYTE_BURST_EXPIRE: u32 = 60_000;
const DEFAULT_BURST: u64 = 5;
const MAX_BURST: u64 = 1_000_000;
const DEFAULT_GC: u32 = 1000;

/// Positions in the option table.
const RATE: u64 = 0b111;
const BURST: u64 = 1 << 5;
const EXPIRE: u64 = 1 << 9;
const INTERVAL: u64 = 1 << 13;

const INVERT: u32 = 1 << 4;
const BYTES: u32 = 1 << 5;
const RATE_MATCH: u32 = 1 << 6;

/// struct xt_hashlimit_mtinfo1; `table` is size, max, gc_interval and expire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    name: [u8; 16],
    mode: u32,
    average: u32,
    burst: u32,
    table: [u32; 4],
    lens: [u8; 2],
    pad: [u8; 2],
    kernel: u64,
}

/// struct xt_hashlimit_mtinfo2.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info2 {
    name: [u8; 255],
    pad: u8,
    average: u64,
    burst: u64,
    mode: u32,
    table: [u32; 4],
    lens: [u8; 2],
    pad_2: [u8; 2],
    kernel: u64,
}

/// struct xt_hashlimit_mtinfo3.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info3 {
    name: [u8; 255],
    pad: u8,
    average: u64,
    burst: u64,
    mode: u32,
    table: [u32; 4],
    interval: u32,
    lens: [u8; 2],
    pad_2: [u8; 6],
    kernel: u64,
}

const _: () = assert!(size_of::<Info1>() == 56 && size_of::<Info2>() == 304 && size_of::<Info3>() == 312);
