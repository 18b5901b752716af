//! `-m rateest`: compares what estimators measured, which `-j RATEEST` sets up.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::text::Text;
use crate::value::{float, number};

/// One estimator compared with numbers, or with another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rateest {
    /// The estimators' names, at most 15 bytes each; without [`Self::relative`] there is one.
    pub names: [Text<16>; 2],
    /// What is compared, and whether that must not hold; `None` is refused by the kernel.
    pub comparison: Option<Comparison>,
    /// `!` before the comparison.
    pub inverted: bool,
    /// Two estimators are compared.
    pub relative: bool,
    /// It is how far a measurement lies below a number that counts.
    pub delta: bool,
    /// Bytes a second, and what each estimator is compared with.
    pub bytes: Option<[u32; 2]>,
    /// Packets a second, likewise.
    pub packets: Option<[u32; 2]>,
}

/// XT_RATEEST_MATCH_EQ and the following.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Equal = 1,
    /// Below.
    Below,
    /// Above.
    Above,
}

impl Extension for Rateest {
    const NAME: &'static str = "rateest";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(0, size_of::<Info>()).user_size(size_of::<Info>() - size_of::<[u64; 2]>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("rateest1", " name", "the estimator", set_name1).invertible().repeatable(),
        Opt::new("rateest", " name", "the same", set_name1).alias_of("rateest1").invertible().repeatable(),
        Opt::new("rateest2", " name", "the estimator it is compared with", set_name2).invertible().repeatable(),
        rate(
            "rateest-bps1",
            " [rate]",
            "bytes: with --rateest-delta, the rate that the first falls short of",
            set_bps1,
        ),
        rate("rateest-pps1", " [n]", "packets, likewise", set_pps1),
        rate(
            "rateest-bps2",
            " [rate]",
            "bytes: the rate compared with, or the second's with --rateest-delta",
            set_bps2,
        ),
        rate("rateest-bps", " [rate]", "the same", set_bps2).alias_of("rateest-bps2"),
        rate("rateest-pps2", " [n]", "packets, likewise", set_pps2),
        rate("rateest-pps", " [n]", "the same", set_pps2).alias_of("rateest-pps2"),
        Opt::flag("rateest-delta", "compare how far rates fall short of given ones", set_delta)
            .invertible()
            .repeatable(),
        Opt::flag("rateest-lt", "the rate is below", set_below).invertible().repeatable(),
        Opt::flag("rateest-gt", "the rate is above", set_above).invertible().repeatable(),
        Opt::flag("rateest-eq", "the rate is equal", set_equal).invertible().repeatable(),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("rateest"))?;
        let has = |flag| info.flags & flag != 0;
        let all = [Comparison::Equal, Comparison::Below, Comparison::Above];
        let [bytes1, packets1, bytes2, packets2] = info.rates;
        Ok(Self {
            names: info.names.map(Text),
            comparison: all.into_iter().find(|comparison| *comparison as u16 == info.mode),
            inverted: has(INVERT),
            relative: has(RELATIVE),
            delta: has(DELTA),
            bytes: has(BYTES).then_some([bytes1, bytes2]),
            packets: has(PACKETS).then_some([packets1, packets2]),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bit = |set, bit| if set { bit } else { 0 };
        let [bytes1, bytes2] = self.bytes.unwrap_or_default();
        let [packets1, packets2] = self.packets.unwrap_or_default();
        let bytes = Info {
            names: self.names.map(|name| name.0),
            flags: if self.relative { RELATIVE } else { ABSOLUTE }
                | bit(self.inverted, INVERT)
                | bit(self.delta, DELTA)
                | bit(self.bytes.is_some(), BYTES)
                | bit(self.packets.is_some(), PACKETS),
            mode: self.comparison.map_or(0, |comparison| comparison as u16),
            rates: [bytes1, packets1, bytes2, packets2],
            pad: [0; 4],
            kernel: [0; 16],
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("rateest"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        let Self { names: [name1, name2], relative, delta, .. } = self;
        if *delta {
            w.write_str(" --rateest-delta")?;
        }
        write!(w, " --rateest{} {name1}", if *relative { "1" } else { "" })?;
        let shown = |unit, rate: u32| if unit == "bps" { listed(rate, false) } else { rate.to_string() };
        for (unit, rates) in [("bps", self.bytes), ("pps", self.packets)] {
            let Some([rate1, rate2]) = rates else { continue };
            if *delta {
                write!(w, " --rateest-{unit}1 {}", shown(unit, rate1))?;
            }
            // The kernel takes no rule without one.
            let Some(comparison) = self.comparison else { return Ok(()) };
            write!(w, "{} --rateest-{comparison}", self.not())?;
            match (relative, delta) {
                (_, true) => write!(w, " --rateest-{unit}2 {}", shown(unit, rate2))?,
                (true, false) => write!(w, " --rateest-{unit}")?,
                (false, false) => write!(w, " --rateest-{unit} {}", shown(unit, rate2))?,
            }
        }
        if *relative { write!(w, " --rateest2 {name2}") } else { Ok(()) }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        let [name1, name2] = &self.names;
        write!(w, " rateest match {name1}{}", if self.delta { " delta" } else { "" })?;
        if self.relative {
            self.print_rates(w, 0, numeric)?;
            let Some(comparison) = self.comparison else { return Ok(()) };
            write!(w, "{} {comparison} {name2}", self.not())?;
            return self.print_rates(w, 1, numeric);
        }
        if let Some([rate1, rate2]) = self.bytes {
            w.write_str(" bps")?;
            if self.delta {
                write!(w, " {}", listed(rate1, numeric))?;
            }
            write!(w, " {}", listed(rate2, numeric))?;
            let Some(comparison) = self.comparison else { return Ok(()) };
            write!(w, "{} {comparison}", self.not())?;
        }
        if let Some([rate1, rate2]) = self.packets {
            w.write_str(" pps")?;
            if self.delta {
                write!(w, " {rate1}")?;
            }
            let Some(comparison) = self.comparison else { return Ok(()) };
            write!(w, "{} {comparison} {rate2}", self.not())?;
        }
        Ok(())
    }
}

impl Rateest {
    /// What is compared of estimator `which`, 0 or 1.
    fn print_rates(&self, w: &mut dyn Write, which: usize, numeric: bool) -> fmt::Result {
        let number = |rates: [u32; 2]| rates.get(which).copied().filter(|_| self.delta);
        if let Some(rates) = self.bytes {
            let rate = number(rates).map_or_else(String::new, |rate| format!(" {}", listed(rate, numeric)));
            write!(w, " bps{rate}")?;
        }
        if let Some(rates) = self.packets {
            let rate = number(rates).map_or_else(String::new, |rate| format!(" {rate}"));
            write!(w, " pps{rate}")?;
        }
        Ok(())
    }

    fn not(&self) -> &'static str {
        if self.inverted { " !" } else { "" }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "eq",
            Self::Below => "lt",
            Self::Above => "gt",
        })
    }
}

/// Bytes a second: as bits in the unit that gives at least a thousand, or as they are for `-n`.
fn listed(rate: u32, numeric: bool) -> String {
    let bits = f64::from(rate) * 8.0;
    if numeric {
        rate.to_string()
    } else if bits >= 1e9 {
        format!("{:.0}Mbit", bits / 1e6)
    } else if bits >= 1e6 {
        format!("{:.0}Kbit", bits / 1e3)
    } else {
        format!("{bits:.0}bit")
    }
}

/// An option whose argument is the next word, unless that begins with `-` or `!`; `=` is refused.
const fn rate(
    name: &'static str,
    metavar: &'static str,
    help: &'static str,
    set: fn(&mut Rateest, &Given<'_>) -> Result<(), Problem>,
) -> Opt<Rateest> {
    let mut option = Opt::flag(name, help, set).two_words().invertible().repeatable();
    option.spec.metavar = metavar;
    option
}

fn set_name1(to: &mut Rateest, given: &Given<'_>) -> Result<(), Problem> {
    once(given, "rateest")?;
    to.names[0] = Text::cut(given.value);
    Ok(())
}

fn set_name2(to: &mut Rateest, given: &Given<'_>) -> Result<(), Problem> {
    once(given, "rateest")?;
    to.names[1] = Text::cut(given.value);
    to.relative = true;
    Ok(())
}

fn set_bps1(to: &mut Rateest, given: &Given<'_>) -> Result<(), Problem> {
    set_bytes(to, 0, given)
}

fn set_bps2(to: &mut Rateest, given: &Given<'_>) -> Result<(), Problem> {
    set_bytes(to, 1, given)
}

fn set_pps1(to: &mut Rateest, given: &Given<'_>) -> Result<(), Problem> {
    set_packets(to, 0, given)
}

fn set_pps2(to: &mut Rateest, given: &Given<'_>) -> Result<(), Problem> {
    set_packets(to, 1, given)
}

fn set_delta(to: &mut Rateest, given: &Given<'_>) -> Result<(), Problem> {
    once(given, "rateest-delta")?;
    to.delta = true;
    Ok(())
}

fn set_below(to: &mut Rateest, given: &Given<'_>) -> Result<(), Problem> {
    set_comparison(to, Comparison::Below, given)
}

fn set_above(to: &mut Rateest, given: &Given<'_>) -> Result<(), Problem> {
    set_comparison(to, Comparison::Above, given)
}

fn set_equal(to: &mut Rateest, given: &Given<'_>) -> Result<(), Problem> {
    set_comparison(to, Comparison::Equal, given)
}

fn set_bytes(to: &mut Rateest, which: usize, given: &Given<'_>) -> Result<(), Problem> {
    once(given, "rateest-bps")?;
    let rates = to.bytes.get_or_insert_default();
    if let Some(text) = given.second {
        rates[which] = parse(text).ok_or_else(|| Problem::new(format!("rateest: could not parse rate `{text}'")))?;
    }
    Ok(())
}

fn set_packets(to: &mut Rateest, which: usize, given: &Given<'_>) -> Result<(), Problem> {
    once(given, "rateest-pps")?;
    let rates = to.packets.get_or_insert_default();
    if let Some(text) = given.second {
        let rate = number::parse(text, 0, u32::MAX.into()).and_then(|rate| u32::try_from(rate).ok());
        rates[which] = rate.ok_or_else(|| Problem::new(format!("rateest: could not parse pps `{text}'")))?;
    }
    Ok(())
}

/// Of several different ones the last holds, and a `!` before any of them.
fn set_comparison(to: &mut Rateest, comparison: Comparison, given: &Given<'_>) -> Result<(), Problem> {
    if given.repeated {
        return Err(Problem::new("rateest: can't specify lt/gt/eq twice"));
    }
    to.comparison = Some(comparison);
    to.inverted |= given.inverted;
    Ok(())
}

fn once(given: &Given<'_>, called: &str) -> Result<(), Problem> {
    if given.inverted {
        return Err(Problem::new(format!("rateest: {called} can't be inverted")));
    }
    if given.repeated {
        return Err(Problem::new(format!("rateest: can't specify --{} twice", given.option)));
    }
    Ok(())
}

/// A number of bits a second, or with a unit of bits or bytes; in bytes a second.
fn parse(text: &str) -> Option<u32> {
    let (number, unit) = float::parse_prefix(text)?;
    let unit = unit.to_ascii_lowercase();
    let bits = match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, bits)) => *bits,
        None if unit.is_empty() => 1.0,
        None => return None,
    };
    Some(float::low_word(number * bits / 8.0))
}

/// Units of a rate, and how many bits a second they are.
const UNITS: &[(&str, f64)] = &[
    ("bit", 1.0),
    ("kibit", 1024.0),
    ("kbit", 1e3),
    ("mibit", 1024.0 * 1024.0),
    ("mbit", 1e6),
    ("gibit", 1024.0 * 1024.0 * 1024.0),
    ("gbit", 1e9),
    ("tibit", 1024.0 * 1024.0 * 1024.0 * 1024.0),
    ("tbit", 1e12),
    ("bps", 8.0),
    ("kibps", 8.0 * 1024.0),
    ("kbps", 8e3),
    ("mibps", 8.0 * 1024.0 * 1024.0),
    ("mbps", 8e6),
    ("gibps", 8.0 * 1024.0 * 1024.0 * 1024.0),
    ("gbps", 8e9),
    ("tibps", 8.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0),
    ("tbps", 8e12),
];

/// XT_RATEEST_MATCH_*.
const INVERT: u16 = 1;
const ABSOLUTE: u16 = 1 << 1;
const RELATIVE: u16 = 1 << 2;
const DELTA: u16 = 1 << 3;
const BYTES: u16 = 1 << 4;
const PACKETS: u16 = 1 << 5;

/// struct xt_rateest_match_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    names: [[u8; 16]; 2],
    flags: u16,
    mode: u16,
    /// Bytes and packets of the first, then of the second.
    rates: [u32; 4],
    pad: [u8; 4],
    kernel: [u8; 16],
}
