//! `-m sctp`: compares ports and chunks of an SCTP packet.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::port::{self, Ports};

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sctp {
    /// The source port.
    pub source: Option<Condition<Ports>>,
    /// The destination port.
    pub destination: Option<Condition<Ports>>,
    /// The chunks.
    pub chunks: Option<Condition<Chunks>>,
}

/// Which chunks a packet must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// `SCTP_CHUNK_MATCH_*`: 1 any of them, 2 all, 4 no others.
    pub mode: u32,
    /// Bit *n* for chunks of type *n*.
    pub types: [u32; 8],
    /// Chunk type, value and mask of flags that count.
    pub flags: [[u8; 3]; 4],
    /// How many of `flags` are in use.
    pub flag_count: u32,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { mode: 0, types: [0; 8], flags: [UNUSED; 4], flag_count: 0 }
    }
}

/// Type, name, and the letters of the flags from the highest bit on.
pub(crate) const TYPES: [(u8, &str, &str); 22] = [
    (0, "DATA", "----IUBE"),
    (1, "INIT", ""),
    (2, "INIT_ACK", ""),
    (3, "SACK", ""),
    (4, "HEARTBEAT", ""),
    (5, "HEARTBEAT_ACK", ""),
    (6, "ABORT", "-------T"),
    (7, "SHUTDOWN", ""),
    (8, "SHUTDOWN_ACK", ""),
    (9, "ERROR", ""),
    (10, "COOKIE_ECHO", ""),
    (11, "COOKIE_ACK", ""),
    (12, "ECN_ECNE", ""),
    (13, "ECN_CWR", ""),
    (14, "SHUTDOWN_COMPLETE", "-------T"),
    (64, "I_DATA", "----IUBE"),
    (130, "RE_CONFIG", ""),
    (132, "PAD", ""),
    (193, "ASCONF", ""),
    (128, "ASCONF_ACK", ""),
    (192, "FORWARD_TSN", ""),
    (194, "I_FORWARD_TSN", ""),
];

impl Extension for Sctp {
    const NAME: &'static str = "sctp";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("source-port", " port[:port]", "the source port, or a range of them", set_source)
            .invertible()
            .repeatable(),
        Opt::new("sport", " port[:port]", "the same", set_source).invertible().repeatable().alias_of("source-port"),
        Opt::new("destination-port", " port[:port]", "the destination port, or a range of them", set_destination)
            .invertible()
            .repeatable(),
        Opt::new("dport", " port[:port]", "the same", set_destination)
            .invertible()
            .repeatable()
            .alias_of("destination-port"),
        Opt::new("chunk-types", " all|any|only type[:flags],...", "which chunks the packet has", set_chunks)
            .two_words()
            .invertible()
            .repeatable(),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("sctp"))?;
        let inverted = |bit| info.invert & bit != 0;
        let ports = |[min, max]: [u16; 2], bit| {
            (info.given & bit != 0).then(|| Condition::new(Ports { min, max }, inverted(bit)))
        };
        let mut types = [0; 8];
        for (to, from) in types.iter_mut().zip(info.types) {
            *to = from;
        }
        let chunks = Chunks { mode: info.mode, types, flags: info.flags, flag_count: info.flag_count };
        Ok(Self {
            source: ports(info.source, SOURCE),
            destination: ports(info.destination, DESTINATION),
            chunks: (info.given & CHUNKS != 0).then(|| Condition::new(chunks, inverted(CHUNKS))),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let (mut given, mut invert) = (0, 0);
        let mut set = |bit, inverted| {
            given |= bit;
            invert |= if inverted { bit } else { 0 };
        };
        let none = Condition::new(Ports { min: 0, max: 0 }, false);
        let source = self.source.inspect(|source| set(SOURCE, source.inverted)).unwrap_or(none).value;
        let destination = self.destination.inspect(|port| set(DESTINATION, port.inverted)).unwrap_or(none).value;
        let chunks = self.chunks.inspect(|chunks| set(CHUNKS, chunks.inverted)).unwrap_or_default().value;
        // The field is eight times too large; `ALL` fills it.
        let mut types = [if chunks.types == [u32::MAX; 8] { u32::MAX } else { 0 }; 64];
        for (to, from) in types.iter_mut().zip(chunks.types) {
            *to = from;
        }
        let bytes = Info {
            destination: [destination.min, destination.max],
            source: [source.min, source.max],
            types,
            mode: chunks.mode,
            flags: chunks.flags,
            flag_count: chunks.flag_count,
            given,
            invert,
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("sctp"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        for (name, ports) in [("sport", self.source), ("dport", self.destination)] {
            if let Some(ports) = ports {
                write!(w, "{} --{name} {}", ports.not(), ports.value)?;
            }
        }
        match self.chunks {
            Some(chunks) => {
                write!(w, "{} --chunk-types", chunks.not())?;
                chunks.value.write(w, false)
            }
            None => Ok(()),
        }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        w.write_str(" sctp")?;
        let names = (!numeric).then_some("sctp");
        for (label, ports) in [("spt", self.source), ("dpt", self.destination)] {
            if let Some(ports) = ports
                && (ports.value != Ports::ALL || ports.inverted)
            {
                ports.value.listed(w, label, ports.inverted, names)?;
            }
        }
        match self.chunks {
            Some(chunks) => {
                w.write_str(chunks.not())?;
                chunks.value.write(w, numeric)
            }
            None => Ok(()),
        }
    }
}

impl Chunks {
    pub(crate) fn contains(&self, kind: u8) -> bool {
        self.types.get(usize::from(kind / 32)).is_some_and(|word| word >> (kind % 32) & 1 != 0)
    }

    fn insert(&mut self, kind: u8) {
        if let Some(word) = self.types.get_mut(usize::from(kind / 32)) {
            *word |= 1 << (kind % 32);
        }
    }

    fn write(&self, w: &mut dyn Write, numeric: bool) -> fmt::Result {
        if let Some((_, word)) = MODES.iter().find(|(mode, _)| *mode == self.mode) {
            write!(w, " {word}")?;
        }
        if self.types == [0; 8] {
            return w.write_str(" NONE");
        }
        if self.types == [u32::MAX; 8] {
            return w.write_str(" ALL");
        }
        let mut separator = " ";
        for kind in (0..=u8::MAX).filter(|kind| self.contains(*kind)) {
            w.write_str(separator)?;
            separator = ",";
            let known = TYPES.iter().find(|(own, ..)| *own == kind);
            match known {
                Some((_, name, _)) if !numeric => w.write_str(name)?,
                _ if numeric => write!(w, "0x{kind:04X}")?,
                _ => {}
            }
            self.write_flags(w, kind, known.map_or("", |(.., letters)| letters))?;
        }
        Ok(())
    }

    fn write_flags(&self, w: &mut dyn Write, kind: u8, letters: &str) -> fmt::Result {
        let found = self.flags.iter().take(self.flag_count as usize).find(|[own, ..]| *own == kind);
        let Some([_, value, mask]) = found else { return Ok(()) };
        w.write_str(":")?;
        for (index, letter) in letters.chars().enumerate() {
            let bit = 0x80u8 >> (index & 7);
            if mask & bit != 0 {
                w.write_char(if value & bit != 0 { letter } else { letter.to_ascii_lowercase() })?;
            }
        }
        Ok(())
    }

    /// A capital letter is a flag that is set, a small one a flag that is not; the slot is named after the place in
    /// the table, as the tools have it, which is the type for the first fifteen.
    fn set_flag(&mut self, index: u8, letters: &str, letter: char) -> Result<(), Problem> {
        let place = letters.find(letter.to_ascii_uppercase());
        let place = place.ok_or_else(|| Problem::new(format!("Invalid flags for chunk type {index}")))?;
        let used = self.flag_count as usize;
        let slot = self.flags.iter().take(used).position(|[own, ..]| *own == index).unwrap_or(used);
        let [own, value, mask] = self.flags.get_mut(slot).ok_or_else(|| Problem::new(TOO_MANY))?;
        let bit = 0x80u8 >> (place & 7);
        *own = index;
        *mask |= bit;
        if letter.is_ascii_uppercase() {
            *value |= bit;
        }
        self.flag_count = self.flag_count.max(slot as u32 + 1);
        Ok(())
    }
}

fn set_source(to: &mut Sctp, given: &Given<'_>) -> Result<(), Problem> {
    if to.source.is_some() {
        return Err(Problem::new("Only one `--source-port' allowed"));
    }
    to.source = Some(Condition::new(ports(given.value)?, given.inverted));
    Ok(())
}

fn set_destination(to: &mut Sctp, given: &Given<'_>) -> Result<(), Problem> {
    if to.destination.is_some() {
        return Err(Problem::new("Only one `--destination-port' allowed"));
    }
    to.destination = Some(Condition::new(ports(given.value)?, given.inverted));
    Ok(())
}

fn ports(text: &str) -> Result<Ports, Problem> {
    let parse = |text: &str| port::parse(text, "sctp").ok_or_else(|| Problem::new(port::invalid(text)));
    let Some((min, max)) = text.split_once(':') else {
        let port = parse(text)?;
        return Ok(Ports { min: port, max: port });
    };
    let min = if min.is_empty() { 0 } else { parse(min)? };
    let max = if max.is_empty() { u16::MAX } else { parse(max)? };
    if min > max { Err(Problem::new("invalid portrange (min > max)")) } else { Ok(Ports { min, max }) }
}

fn set_chunks(to: &mut Sctp, given: &Given<'_>) -> Result<(), Problem> {
    if to.chunks.is_some() {
        return Err(Problem::new("Only one `--chunk-types' allowed"));
    }
    let list = given.second.ok_or_else(|| Problem::new("--chunk-types requires two args"))?;
    let mode = MODES.iter().find(|(_, word)| word.eq_ignore_ascii_case(given.value));
    let mode = mode.ok_or_else(|| Problem::new("Match type has to be one of \"ALL\", \"ANY\" or \"ONLY\""))?.0;
    let mut chunks = Chunks { mode, ..Chunks::default() };
    if list.eq_ignore_ascii_case("ALL") {
        chunks.types = [u32::MAX; 8];
    } else if !list.eq_ignore_ascii_case("NONE") {
        for part in list.split(',').filter(|part| !part.is_empty()) {
            let (name, flags) = part.split_once(':').unwrap_or((part, ""));
            let mut types = TYPES.iter().enumerate();
            let found = types.find(|(_, (_, own, _))| own.eq_ignore_ascii_case(name));
            let unknown = || Problem::new(format!("Unknown sctp chunk `{name}'"));
            let (index, (kind, _, letters)) = found.ok_or_else(unknown)?;
            chunks.insert(*kind);
            for letter in flags.chars() {
                chunks.set_flag(index as u8, letters, letter)?;
            }
        }
    }
    to.chunks = Some(Condition::new(chunks, given.inverted));
    Ok(())
}

/// SCTP_CHUNK_MATCH_*.
const MODES: [(u32, &str); 3] = [(1, "any"), (2, "all"), (4, "only")];

/// An unused slot for flags.
const UNUSED: [u8; 3] = [0xff, 0, 0];

const TOO_MANY: &str = "Number of chunk types with flags exceeds currently allowed limit. Increasing this limit \
                        involves changing IPT_NUM_SCTP_FLAGS and recompiling both the kernel space and user space \
                        modules";

/// XT_SCTP_*.
const SOURCE: u32 = 1;
const DESTINATION: u32 = 2;
const CHUNKS: u32 = 4;

/// struct xt_sctp_info; of the types only the first 256 bits are used.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    destination: [u16; 2],
    source: [u16; 2],
    types: [u32; 64],
    mode: u32,
    flags: [[u8; 3]; 4],
    flag_count: u32,
    given: u32,
    invert: u32,
}
