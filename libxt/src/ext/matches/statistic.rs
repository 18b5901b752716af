//! `-m statistic`: matches at random, or every n-th packet.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::float;

/// Which packets match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistic {
    /// How they are chosen.
    pub mode: Mode,
    /// In random mode: the probability in units of 2^-31.
    pub probability: u32,
    /// In nth mode: how many packets a round has, less one.
    pub every: u32,
    /// In nth mode: which packet of a round matches, from 0.
    pub packet: u32,
    /// `!` before `--probability` or `--every`.
    pub inverted: bool,
}

/// How packets are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// By chance.
    #[default]
    Random,
    /// One of every so many.
    Nth,
}

impl Extension for Statistic {
    const NAME: &'static str = "statistic";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).user_size(12)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("mode", " mode", "random or nth", set_mode).mandatory(),
        Opt::new("probability", " p", "random: how likely a match is, from 0 to 1", set_probability)
            .invertible()
            .excludes(&["every", "packet"]),
        Opt::new("every", " n", "nth: one packet of every n matches", set_every)
            .invertible()
            .excludes(&["probability"])
            .requires(&["packet"]),
        Opt::new("packet", " p", "nth: which of the n, from 0 to n-1", set_packet)
            .excludes(&["probability"])
            .requires(&["every"]),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        match self.mode {
            Mode::Random if seen & PROBABILITY == 0 => {
                Err(Problem::new("--probability must be specified when using random mode"))
            }
            Mode::Nth if seen & (EVERY | PACKET) == 0 => {
                Err(Problem::new("--every and --packet must be specified when using nth mode"))
            }
            Mode::Nth if self.packet > self.every => Err(Problem::new("the --packet p must be 0 <= p <= n-1")),
            _ => Ok(()),
        }
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("statistic"))?;
        let inverted = info.flags & INVERT != 0;
        match info.mode {
            0 => Ok(Self { mode: Mode::Random, probability: info.first, inverted, ..Self::default() }),
            1 => Ok(Self { mode: Mode::Nth, every: info.first, packet: info.packet, inverted, ..Self::default() }),
            _ => Err(Malformed("statistic.mode")),
        }
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let (first, packet) = match self.mode {
            Mode::Random => (self.probability, 0),
            Mode::Nth => (self.every, self.packet),
        };
        let bytes = Info {
            mode: self.mode as u16,
            flags: if self.inverted { INVERT } else { 0 },
            first,
            packet,
            // The tools fill in the field in both modes; the kernel takes it for the starting value.
            count: first.wrapping_sub(packet),
            kernel: [0; 2],
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("statistic"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        self.write(w, "--")
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" statistic")?;
        self.write(w, "")
    }
}

impl Statistic {
    fn write(&self, w: &mut dyn Write, dashes: &str) -> fmt::Result {
        let not = if self.inverted { " !" } else { "" };
        match self.mode {
            Mode::Random => {
                let probability = f64::from(self.probability) / ONE;
                write!(w, " {dashes}mode random{not} {dashes}probability {probability:.11}")
            }
            Mode::Nth => {
                write!(w, " {dashes}mode nth{not} {dashes}every {}", u64::from(self.every) + 1)?;
                if self.packet != 0 || !dashes.is_empty() {
                    write!(w, " {dashes}packet {}", self.packet)?;
                }
                Ok(())
            }
        }
    }
}

fn set_mode(to: &mut Statistic, given: &Given<'_>) -> Result<(), Problem> {
    to.mode = match given.value {
        "random" => Mode::Random,
        "nth" => Mode::Nth,
        other => return Err(Problem::new(format!("Bad mode \"{other}\""))),
    };
    Ok(())
}

fn set_probability(to: &mut Statistic, given: &Given<'_>) -> Result<(), Problem> {
    let number = float::parse_prefix(given.value).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number);
    // `nan' is neither below nor above, and becomes 0.
    let number = number.filter(|number| !(*number < 0.0 || *number > 1.0)).ok_or_else(|| given.out_of_range(0, 1))?;
    to.probability = (number * ONE).round() as u32;
    to.inverted |= given.inverted;
    Ok(())
}

fn set_every(to: &mut Statistic, given: &Given<'_>) -> Result<(), Problem> {
    to.every = given.long(1, u32::MAX)? - 1;
    to.inverted |= given.inverted;
    Ok(())
}

fn set_packet(to: &mut Statistic, given: &Given<'_>) -> Result<(), Problem> {
    to.packet = given.long(0, u32::MAX)?;
    Ok(())
}

/// The number that stands for certainty.
const ONE: f64 = 2_147_483_648.0;

/// Positions in the option table.
const PROBABILITY: u64 = 0b10;
const EVERY: u64 = 0b100;
const PACKET: u64 = 0b1000;

const INVERT: u16 = 1;

/// struct xt_statistic_info; `first` is the probability or `every`.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    mode: u16,
    flags: u16,
    first: u32,
    packet: u32,
    count: u32,
    kernel: [u32; 2],
}
