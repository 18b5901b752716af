//! `-m connbytes`: compares how much a connection has carried so far.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// An amount lies between two bounds, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connbytes {
    /// The least; with `inverted`, what lies between the bounds does not match.
    pub min: u64,
    /// The greatest.
    pub max: u64,
    /// `! --connbytes`.
    pub inverted: bool,
    /// What is counted.
    pub mode: Mode,
    /// In which direction.
    pub direction: Direction,
}

/// What `connbytes` counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Packets.
    #[default]
    Packets,
    /// Bytes.
    Bytes,
    /// Bytes per packet.
    Average,
}

/// Whose packets `connbytes` counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Those of the side that began.
    #[default]
    Original,
    /// Those of the other side.
    Reply,
    /// Those of both.
    Both,
}

const MODES: [(Mode, &str); 3] = [(Mode::Packets, "packets"), (Mode::Bytes, "bytes"), (Mode::Average, "avgpkt")];
const DIRECTIONS: [(Direction, &str); 3] =
    [(Direction::Original, "original"), (Direction::Reply, "reply"), (Direction::Both, "both")];

impl Default for Connbytes {
    fn default() -> Self {
        Self { min: 0, max: u64::MAX, inverted: false, mode: Mode::default(), direction: Direction::default() }
    }
}

impl Extension for Connbytes {
    const NAME: &'static str = "connbytes";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("connbytes", " amount[:amount]", "how much was carried, at least and at most", set_amount)
            .invertible()
            .mandatory(),
        Opt::new("connbytes-dir", " direction", "original, reply or both", set_direction).mandatory(),
        Opt::new("connbytes-mode", " mode", "packets, bytes or avgpkt", set_mode).mandatory(),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("connbytes"))?;
        let [from, to] = info.count;
        // Bounds the wrong way round are how the bytes say `!`.
        let inverted = from > to;
        let (mode, _) = MODES.get(usize::from(info.what)).ok_or(Malformed("connbytes.what"))?;
        let (direction, _) = DIRECTIONS.get(usize::from(info.direction)).ok_or(Malformed("connbytes.direction"))?;
        let (min, max) = if inverted { (to, from) } else { (from, to) };
        Ok(Self { min, max, inverted, mode: *mode, direction: *direction })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let count = if self.inverted { [self.max, self.min] } else { [self.min, self.max] };
        let bytes = Info { count, what: self.mode as u8, direction: self.direction as u8, pad: [0; 6] };
        bytes.write_to_prefix(info).map_err(|_| Malformed("connbytes"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        self.write_amount(w, "--")?;
        write!(w, " --connbytes-mode {} --connbytes-dir {}", self.mode.word(), self.direction.word())
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        self.write_amount(w, "")?;
        write!(w, " connbytes mode {} connbytes direction {}", self.mode.word(), self.direction.word())
    }
}

impl Connbytes {
    fn write_amount(&self, w: &mut dyn Write, dashes: &str) -> fmt::Result {
        write!(w, "{} {dashes}connbytes {}", if self.inverted { " !" } else { "" }, self.min)?;
        // Upstream takes an end of 0 for none.
        if matches!(self.max, 0 | u64::MAX) { Ok(()) } else { write!(w, ":{}", self.max) }
    }
}

impl Mode {
    fn word(self) -> &'static str {
        MODES.iter().find(|(mode, _)| *mode == self).map_or("", |(_, word)| word)
    }
}

impl Direction {
    fn word(self) -> &'static str {
        DIRECTIONS.iter().find(|(direction, _)| *direction == self).map_or("", |(_, word)| word)
    }
}

fn set_amount(to: &mut Connbytes, given: &Given<'_>) -> Result<(), Problem> {
    let (min, max) = given.range(u64::MAX)?;
    let max = if given.value.contains(':') { max } else { u64::MAX };
    if min > max {
        return Err(Problem::new(format!("{min} should be less than {max}")));
    }
    (to.min, to.max, to.inverted) = (min, max, given.inverted);
    Ok(())
}

fn set_direction(to: &mut Connbytes, given: &Given<'_>) -> Result<(), Problem> {
    let found = DIRECTIONS.iter().find(|(_, word)| *word == given.value);
    let unknown = || Problem::new(format!("Unknown --connbytes-dir `{}'", given.value));
    to.direction = found.ok_or_else(unknown)?.0;
    Ok(())
}

fn set_mode(to: &mut Connbytes, given: &Given<'_>) -> Result<(), Problem> {
    let found = MODES.iter().find(|(_, word)| *word == given.value);
    let unknown = || Problem::new(format!("Unknown --connbytes-mode `{}'", given.value));
    to.mode = found.ok_or_else(unknown)?.0;
    Ok(())
}

/// struct xt_connbytes_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    count: [u64; 2],
    what: u8,
    direction: u8,
    pad: [u8; 6],
}
