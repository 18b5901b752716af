//! `-j HMARK`: gives packets of one flow the same mark, by a hash of their addresses and ports.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::family::Af;
use crate::value::address::{self, Text};
use crate::value::network;

/// `mark = hash % modulus + offset`, and what is hashed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hmark {
    /// The bits of the source address that count, as a `union nf_inet_addr`.
    pub source: [u8; 16],
    /// The bits of the destination address that count.
    pub destination: [u8; 16],
    /// The bits of both ports, or of the SPI, that count, in network order.
    pub port_mask: [u8; 4],
    /// The bits that are set in the ports, or in the SPI, before hashing.
    pub port_set: [u8; 4],
    /// Which options were given (XT_HMARK_FLAG).
    pub given: Flags,
    /// The bits of the protocol's number that count.
    pub protocol_mask: u16,
    /// Where the hash begins.
    pub seed: u32,
    /// How many marks there are.
    pub modulus: u32,
    /// The first of them.
    pub offset: u32,
}

/// One bit for each option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(
    /// XT_HMARK_FLAG.
    pub u32,
);

impl Extension for Hmark {
    const NAME: &'static str = "HMARK";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    /// What stands in a tuple counts as given, too; so each option sees to it itself that it stands once.
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new(
            "hmark-tuple",
            " list",
            "hash all of these: src, dst, sport, dport, spi, proto; ct: of the connection",
            set_tuple,
        ),
        Opt::new("hmark-mod", " n", "how many marks there are, at least 1", set_modulus),
        Opt::new("hmark-offset", " n", "the first of them", set_offset),
        Opt::new("hmark-rnd", " n", "where the hash begins", set_seed),
        Opt::new("hmark-src-prefix", " bits", "hash these bits of the source address", set_source).repeatable(),
        Opt::new("hmark-dst-prefix", " bits", "hash these bits of the destination address", set_destination)
            .repeatable(),
        Opt::new("hmark-sport-mask", " mask", "hash these bits of the source port", set_sport_mask).repeatable(),
        Opt::new("hmark-dport-mask", " mask", "hash these bits of the destination port", set_dport_mask).repeatable(),
        Opt::new("hmark-spi-mask", " mask", "hash these bits of the SPI of ah and esp", set_spi_mask).repeatable(),
        Opt::new("hmark-sport", " bits", "set these bits of the source port before hashing", set_sport),
        Opt::new("hmark-dport", " bits", "set these bits of the destination port before hashing", set_dport),
        Opt::new("hmark-spi", " bits", "set these bits of the SPI before hashing", set_spi),
        Opt::new("hmark-proto-mask", " mask", "hash these bits of the protocol's number", set_protocol_mask)
            .repeatable(),
    ];

    fn check(&mut self, _seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        let Flags(given) = self.given;
        if given & MODULUS == 0 {
            return Err(Problem::new("--hmark-mod is mandatory"));
        }
        if given & SEED == 0 {
            return Err(Problem::new("--hmark-rnd is mandatory"));
        }
        if given & !(MODULUS | SEED | OFFSET) == 0 {
            return Err(Problem::new("you have to specify --hmark-tuple at least"));
        }
        if given & SPI_MASK != 0 && given & (SPORT_MASK | DPORT_MASK) != 0 {
            return Err(Problem::new("you cannot use --hmark-spi-mask and --hmark-?port-mask,at the same time"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("HMARK"))?;
        Ok(Self {
            source: info.source,
            destination: info.destination,
            port_mask: info.port_mask,
            port_set: info.port_set,
            given: Flags(info.flags),
            protocol_mask: info.protocol_mask,
            seed: info.seed,
            modulus: info.modulus,
            offset: info.offset,
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info {
            source: self.source,
            destination: self.destination,
            port_mask: self.port_mask,
            port_set: self.port_set,
            flags: self.given.0,
            protocol_mask: self.protocol_mask,
            pad: [0; 2],
            seed: self.seed,
            modulus: self.modulus,
            offset: self.offset,
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("HMARK"))
    }

    fn save(&self, w: &mut dyn Write, around: &Surroundings) -> fmt::Result {
        for (flag, name, value) in self.hashed() {
            if self.has(flag) {
                match value {
                    Value::Prefix(mask) => write!(w, " --hmark-{name} {}", prefix(mask, around.af))?,
                    Value::Port(bits) => write!(w, " --hmark-{name} {bits:#06x}")?,
                    Value::Spi(bits) => write!(w, " --hmark-{name} {bits:#010x}")?,
                    Value::Protocol(bits) => write!(w, " --hmark-{name} {bits:#04x}")?,
                }
            }
        }
        if self.has(SEED) {
            write!(w, " --hmark-rnd {:#010x}", self.seed)?;
        }
        if self.has(MODULUS) {
            write!(w, " --hmark-mod {}", self.modulus)?;
        }
        if self.has(OFFSET) {
            write!(w, " --hmark-offset {}", self.offset)?;
        }
        if self.has(CONNECTION) { w.write_str(" --hmark-tuple ct") } else { Ok(()) }
    }

    /// As the tools have it: with a blank at the end, and no length for a whole IPv6 address.
    fn print(&self, w: &mut dyn Write, around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" HMARK ")?;
        if self.has(MODULUS) {
            write!(w, "mod {} ", self.modulus)?;
        }
        if self.has(OFFSET) {
            write!(w, "+ {:#x} ", self.offset)?;
        }
        if self.has(CONNECTION) {
            w.write_str("ct, ")?;
        }
        for (flag, name, value) in self.hashed() {
            if self.has(flag) {
                match value {
                    Value::Prefix(mask) if around.af == Af::V6 && *mask == [0xff; 16] => write!(w, "{name}  ")?,
                    Value::Prefix(mask) => write!(w, "{name} {} ", prefix(mask, around.af))?,
                    Value::Port(bits) | Value::Protocol(bits) => write!(w, "{name} {bits:#x} ")?,
                    Value::Spi(bits) => write!(w, "{name} {bits:#x} ")?,
                }
            }
        }
        if self.has(SEED) { write!(w, "rnd {:#x} ", self.seed) } else { Ok(()) }
    }
}

/// What is hashed, as it is printed.
enum Value<'a> {
    Prefix(&'a [u8; 16]),
    Port(u16),
    Spi(u32),
    Protocol(u16),
}

impl Hmark {
    /// What may be hashed, in the order in which it is printed.
    fn hashed(&self) -> [(u32, &'static str, Value<'_>); 9] {
        let port = |[high, low]: [u8; 2]| Value::Port(u16::from_be_bytes([high, low]));
        let [sport_mask, dport_mask] = halves(self.port_mask);
        let [sport, dport] = halves(self.port_set);
        [
            (SOURCE, "src-prefix", Value::Prefix(&self.source)),
            (DESTINATION, "dst-prefix", Value::Prefix(&self.destination)),
            (SPORT_MASK, "sport-mask", port(sport_mask)),
            (DPORT_MASK, "dport-mask", port(dport_mask)),
            (SPI_MASK, "spi-mask", Value::Spi(u32::from_be_bytes(self.port_mask))),
            (SPORT, "sport", port(sport)),
            (DPORT, "dport", port(dport)),
            (SPI, "spi", Value::Spi(u32::from_be_bytes(self.port_set))),
            (PROTOCOL_MASK, "proto-mask", Value::Protocol(self.protocol_mask)),
        ]
    }

    const fn has(&self, flag: u32) -> bool {
        self.given.0 & flag != 0
    }

    /// Notes that an option was given, unless it or a tuple has said it before.
    fn once(&mut self, flag: u32, given: &Given<'_>) -> Result<(), Problem> {
        if self.has(flag) {
            return Err(Problem::new(format!(
                "{}: option \"--{}\" can only be used once.\n",
                given.extension, given.option
            )));
        }
        Ok(())
    }
}

fn halves([a, b, c, d]: [u8; 4]) -> [[u8; 2]; 2] {
    [[a, b], [c, d]]
}

fn prefix(mask: &[u8; 16], af: Af) -> String {
    match network::prefix_len(&mask[..af.address_len()]) {
        Some(len) => len.to_string(),
        None => Text(address::to_ip(af, mask)).to_string(),
    }
}

fn set_tuple(to: &mut Hmark, given: &Given<'_>) -> Result<(), Problem> {
    let mut rest = given.value;
    loop {
        if rest.is_empty() {
            return Err(Problem::new(
                "\"--hmark-tuple\" requires a list of types with no spaces, e.g. src,dst,sport,dport,proto",
            ));
        }
        let (part, after) = rest.split_once(',').map_or((rest, None), |(part, after)| (part, Some(after)));
        let named = |name: &&str| {
            let start = name.get(..part.len());
            !part.is_empty() && start.is_some_and(|start| start.eq_ignore_ascii_case(part))
        };
        match PARTS.iter().position(|(name, _)| named(name)) {
            Some(place) => {
                to.given.0 |= PARTS[place].1;
                match PARTS[place].1 {
                    SOURCE => to.source = [0xff; 16],
                    DESTINATION => to.destination = [0xff; 16],
                    SPORT_MASK => to.port_mask[..2].fill(0xff),
                    DPORT_MASK => to.port_mask[2..].fill(0xff),
                    SPI_MASK => to.port_mask = [0xff; 4],
                    PROTOCOL_MASK => to.protocol_mask = u16::MAX,
                    _ => {}
                }
            }
            None => return Err(Problem::new(format!("Bad type \"{rest}\""))),
        }
        match after {
            Some(after) => rest = after,
            None => return Ok(()),
        }
    }
}

fn set_source(to: &mut Hmark, given: &Given<'_>) -> Result<(), Problem> {
    to.once(SOURCE, given)?;
    to.source = given.mask()?;
    to.given.0 |= SOURCE;
    Ok(())
}

fn set_destination(to: &mut Hmark, given: &Given<'_>) -> Result<(), Problem> {
    to.once(DESTINATION, given)?;
    to.destination = given.mask()?;
    to.given.0 |= DESTINATION;
    Ok(())
}

fn set_sport_mask(to: &mut Hmark, given: &Given<'_>) -> Result<(), Problem> {
    to.once(SPORT_MASK, given)?;
    to.port_mask[..2].copy_from_slice(&port(given)?);
    to.given.0 |= SPORT_MASK;
    Ok(())
}

fn set_dport_mask(to: &mut Hmark, given: &Given<'_>) -> Result<(), Problem> {
    to.once(DPORT_MASK, given)?;
    to.port_mask[2..].copy_from_slice(&port(given)?);
    to.given.0 |= DPORT_MASK;
    Ok(())
}

fn set_spi_mask(to: &mut Hmark, given: &Given<'_>) -> Result<(), Problem> {
    to.once(SPI_MASK, given)?;
    to.port_mask = given.long(0, u32::MAX)?.to_be_bytes();
    to.given.0 |= SPI_MASK;
    Ok(())
}

fn set_sport(to: &mut Hmark, given: &Given<'_>) -> Result<(), Problem> {
    to.port_set[..2].copy_from_slice(&port(given)?);
    to.given.0 |= SPORT;
    Ok(())
}

fn set_dport(to: &mut Hmark, given: &Given<'_>) -> Result<(), Problem> {
    to.port_set[2..].copy_from_slice(&port(given)?);
    to.given.0 |= DPORT;
    Ok(())
}

fn set_spi(to: &mut Hmark, given: &Given<'_>) -> Result<(), Problem> {
    to.port_set = given.long(0, u32::MAX)?.to_be_bytes();
    to.given.0 |= SPI;
    Ok(())
}

fn set_protocol_mask(to: &mut Hmark, given: &Given<'_>) -> Result<(), Problem> {
    to.once(PROTOCOL_MASK, given)?;
    to.protocol_mask = given.word(0, u16::MAX)?;
    to.given.0 |= PROTOCOL_MASK;
    Ok(())
}

fn set_seed(to: &mut Hmark, given: &Given<'_>) -> Result<(), Problem> {
    to.seed = given.long(0, u32::MAX)?;
    to.given.0 |= SEED;
    Ok(())
}

fn set_modulus(to: &mut Hmark, given: &Given<'_>) -> Result<(), Problem> {
    to.modulus = given.long(1, u32::MAX)?;
    to.given.0 |= MODULUS;
    Ok(())
}

fn set_offset(to: &mut Hmark, given: &Given<'_>) -> Result<(), Problem> {
    to.offset = given.long(0, u32::MAX)?;
    to.given.0 |= OFFSET;
    Ok(())
}

/// Sixteen bits in network order.
fn port(given: &Given<'_>) -> Result<[u8; 2], Problem> {
    given.word(0, u16::MAX).map(u16::to_be_bytes)
}

/// The parts of a tuple; a beginning is enough, and the first that fits is meant.
const PARTS: [(&str, u32); 7] = [
    ("src", SOURCE),
    ("dst", DESTINATION),
    ("sport", SPORT_MASK),
    ("dport", DPORT_MASK),
    ("spi", SPI_MASK),
    ("proto", PROTOCOL_MASK),
    ("ct", CONNECTION),
];

/// XT_HMARK_FLAG(XT_HMARK_*).
const SOURCE: u32 = 1;
const DESTINATION: u32 = 1 << 1;
const SPI: u32 = 1 << 2;
const SPI_MASK: u32 = 1 << 3;
const SPORT: u32 = 1 << 4;
const DPORT: u32 = 1 << 5;
const SPORT_MASK: u32 = 1 << 6;
const DPORT_MASK: u32 = 1 << 7;
const PROTOCOL_MASK: u32 = 1 << 8;
const SEED: u32 = 1 << 9;
const MODULUS: u32 = 1 << 10;
const OFFSET: u32 = 1 << 11;
const CONNECTION: u32 = 1 << 12;

/// struct xt_hmark_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    source: [u8; 16],
    destination: [u8; 16],
    port_mask: [u8; 4],
    port_set: [u8; 4],
    flags: u32,
    protocol_mask: u16,
    pad: [u8; 2],
    seed: u32,
    modulus: u32,
    offset: u32,
}
