//! `-m hbh` and `-m dst`: compare the IPv6 hop-by-hop and destination options headers.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::number;

/// The hop-by-hop options header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hbh(pub Header);

/// The destination options header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dst(pub Header);

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the header.
    pub length: Option<Condition<u32>>,
    /// These options in this order.
    pub options: Option<Options>,
    /// `IP6T_OPTS_NSTRICT`, which no option sets: the options need not be all.
    pub lax: bool,
}

/// Up to 16 options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Each option's type in the high byte and its length in the low one, 255 for any.
    pub each: [u16; 16],
    /// How many of them count.
    pub count: u8,
}

impl Extension for Hbh {
    const NAME: &'static str = "hbh";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(Families::V6)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("hbh-len", " length", "bytes of the header", |to: &mut Self, given| to.0.set_length(given))
            .invertible(),
        Opt::new("hbh-opts", " type[:length],...", "its options, at most 16", |to: &mut Self, given| {
            to.0.set_options(given)
        }),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        Header::decode(info).map(Self).ok_or(Malformed("hbh"))
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        self.0.encode(info).ok_or(Malformed("hbh"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        self.0.save(w, Self::NAME)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        self.0.print(w, Self::NAME)
    }
}

impl Extension for Dst {
    const NAME: &'static str = "dst";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(Families::V6)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("dst-len", " length", "bytes of the header", |to: &mut Self, given| to.0.set_length(given))
            .invertible(),
        Opt::new("dst-opts", " type[:length],...", "its options, at most 16", |to: &mut Self, given| {
            to.0.set_options(given)
        }),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        Header::decode(info).map(Self).ok_or(Malformed("dst"))
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        self.0.encode(info).ok_or(Malformed("dst"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        self.0.save(w, Self::NAME)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        self.0.print(w, Self::NAME)
    }
}

impl Header {
    fn decode(info: &[u8]) -> Option<Self> {
        let (info, _) = Info::read_from_prefix(info).ok()?;
        let length = Condition::new(info.length, info.invert & LENGTH != 0);
        let options = Options { each: info.options, count: info.count };
        Some(Self {
            length: (info.flags & LENGTH != 0).then_some(length),
            options: (info.flags & OPTIONS != 0).then_some(options),
            lax: info.flags & LAX != 0,
        })
    }

    fn encode(&self, info: &mut [u8]) -> Option<()> {
        let length = self.length.unwrap_or_default();
        let options = self.options.clone().unwrap_or_default();
        let bit = |set, bit| if set { bit } else { 0 };
        let bytes = Info {
            length: length.value,
            flags: bit(self.length.is_some(), LENGTH) | bit(self.options.is_some(), OPTIONS) | bit(self.lax, LAX),
            invert: bit(length.inverted, LENGTH),
            options: options.each,
            count: options.count,
            pad: 0,
        };
        bytes.write_to_prefix(info).ok()
    }

    fn save(&self, w: &mut dyn Write, name: &str) -> fmt::Result {
        if let Some(length) = self.length {
            write!(w, "{} --{name}-len {}", length.not(), length.value)?;
        }
        match &self.options {
            Some(options) => write!(w, " --{name}-opts {options}"),
            None => Ok(()),
        }
    }

    fn print(&self, w: &mut dyn Write, name: &str) -> fmt::Result {
        write!(w, " {name}")?;
        if let Some(length) = self.length {
            write!(w, " length:{}{}", if length.inverted { "!" } else { "" }, length.value)?;
        }
        if let Some(options) = &self.options {
            write!(w, " opts {options}")?;
        }
        if self.lax { w.write_str(" not-strict") } else { Ok(()) }
    }

    fn set_length(&mut self, given: &Given<'_>) -> Result<(), Problem> {
        self.length = Some(Condition::new(given.long(0, u32::MAX)?, given.inverted));
        Ok(())
    }

    fn set_options(&mut self, given: &Given<'_>) -> Result<(), Problem> {
        let mut options = Options::default();
        for part in given.value.split(',') {
            let slot = options.each.get_mut(usize::from(options.count));
            let slot = slot.ok_or_else(|| Problem::new("too many addresses specified"))?;
            if options.count == 15 && part.contains(':') {
                return Err(Problem::new("too many ports specified"));
            }
            let (kind, length) = part.split_once(':').map_or((part, None), |(kind, length)| (kind, Some(length)));
            let kind = low_byte(given.extension, kind, "opt")?;
            *slot = u16::from(kind) << 8
                | match length {
                    Some(_) if kind == 0 => {
                        // The tools say it in two ways.
                        let has = if given.extension == Hbh::NAME { "has not" } else { "hasn't" };
                        return Err(Problem::new(format!("PAD0 {has} got length")));
                    }
                    Some(length) => low_byte(given.extension, length, "length")?.into(),
                    None => ANY,
                };
            options.count += 1;
        }
        self.options = Some(options);
        Ok(())
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, option) in self.each.iter().take(self.count.into()).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", option >> 8)?;
            if option & 0xff != ANY {
                write!(f, ":{}", option & 0xff)?;
            }
        }
        Ok(())
    }
}

/// A number of which the tools keep the low byte, whatever its size.
fn low_byte(extension: &str, text: &str, what: &str) -> Result<u8, Problem> {
    let digits = text.trim_start();
    let (digits, negative) = digits.strip_prefix('-').map_or((digits, false), |digits| (digits, true));
    if !digits.starts_with(|digit: char| digit.is_ascii_digit() || digit == '+' && !negative) {
        return Err(Problem::new(format!("{extension}: no valid digits in {what} `{text}'")));
    }
    match number::parse_prefix(digits) {
        Some((value, "")) => Ok(if negative { value.wrapping_neg() } else { value } as u8),
        Some(_) => Err(Problem::new(format!("{extension}: error parsing {what} `{text}'"))),
        None => Err(Problem::new(format!("{what} `{text}' specified too big: would overflow"))),
    }
}

/// The length that stands for any.
const ANY: u16 = 0xff;

/// Bits of `ip6t_opts.flags`; the first is in `invflags`, too.
const LENGTH: u8 = 1;
const OPTIONS: u8 = 2;
const LAX: u8 = 4;

/// struct ip6t_opts.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    length: u32,
    flags: u8,
    invert: u8,
    options: [u16; 16],
    count: u8,
    pad: u8,
}
