//! `-m tcp`: compares ports, flags and options of the TCP header.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::number;
use crate::value::port::{self, Ports};
use crate::value::tcp_flags::TcpFlags;

/// All conditions must hold; each has its own inversion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// The source port.
    pub source: Condition<Ports>,
    /// The destination port.
    pub destination: Condition<Ports>,
    /// `flags & mask == compared`.
    pub flags: Condition<Flags>,
    /// An option kind that must be present; 0 asks for none.
    pub option: Condition<u8>,
}

/// What `--tcp-flags` compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The flags that are looked at.
    pub mask: TcpFlags,
    /// Those of them that must be set.
    pub compared: TcpFlags,
}

impl Extension for Tcp {
    const NAME: &'static str = "tcp";
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
        Opt::flag("syn", "short for --tcp-flags FIN,SYN,RST,ACK SYN", set_syn).invertible().repeatable(),
        Opt::new("tcp-flags", " mask set", "of the flags in mask, exactly those in set are on", set_flags)
            .two_words()
            .invertible()
            .repeatable(),
        Opt::new("tcp-option", " number", "the header carries this option, 1 to 255", set_option)
            .invertible()
            .repeatable(),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("tcp"))?;
        let inverted = |bit| info.invert & bit != 0;
        let ports = |[min, max]: [u16; 2]| Ports { min, max };
        let flags = Flags { mask: TcpFlags(info.flag_mask), compared: TcpFlags(info.flag_compared) };
        Ok(Self {
            source: Condition::new(ports(info.source), inverted(INVERT_SOURCE)),
            destination: Condition::new(ports(info.destination), inverted(INVERT_DESTINATION)),
            flags: Condition::new(flags, inverted(INVERT_FLAGS)),
            option: Condition::new(info.option, inverted(INVERT_OPTION)),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bit = |inverted, bit| if inverted { bit } else { 0 };
        let bytes = Info {
            source: [self.source.value.min, self.source.value.max],
            destination: [self.destination.value.min, self.destination.value.max],
            option: self.option.value,
            flag_mask: self.flags.value.mask.0,
            flag_compared: self.flags.value.compared.0,
            invert: bit(self.source.inverted, INVERT_SOURCE)
                | bit(self.destination.inverted, INVERT_DESTINATION)
                | bit(self.flags.inverted, INVERT_FLAGS)
                | bit(self.option.inverted, INVERT_OPTION),
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("tcp"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        for (option, ports) in [(" --sport ", self.source), (" --dport ", self.destination)] {
            if ports.value != Ports::ALL {
                w.write_str(ports.not())?;
                w.write_str(option)?;
                ports.value.save(w)?;
            }
        }
        if self.option.value != 0 || self.option.inverted {
            write!(w, "{} --tcp-option {}", self.option.not(), self.option.value)?;
        }
        let Flags { mask, compared } = self.flags.value;
        if mask.0 != 0 || self.flags.inverted {
            write!(w, "{} --tcp-flags {mask} {compared}", self.flags.not())?;
        }
        Ok(())
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        w.write_str(" tcp")?;
        let names = (!numeric).then_some("tcp");
        for (label, ports) in [("spt", self.source), ("dpt", self.destination)] {
            if ports.value != Ports::ALL || ports.inverted {
                ports.value.listed(w, label, ports.inverted, names)?;
            }
        }
        let not = |inverted| if inverted { "!" } else { "" };
        if self.option.value != 0 || self.option.inverted {
            write!(w, " option={}{}", not(self.option.inverted), self.option.value)?;
        }
        let Flags { mask, compared } = self.flags.value;
        if mask.0 != 0 || self.flags.inverted {
            write!(w, " flags:{}", not(self.flags.inverted))?;
            if numeric {
                write!(w, "0x{:02X}/0x{:02X}", mask.0, compared.0)?;
            } else {
                write!(w, "{mask}/{compared}")?;
            }
        }
        Ok(())
    }
}

fn set_source(to: &mut Tcp, given: &Given<'_>) -> Result<(), Problem> {
    once(given, SOURCE, "Only one `--source-port' allowed")?;
    to.source = Condition::new(ports(given.value)?, given.inverted);
    Ok(())
}

fn set_destination(to: &mut Tcp, given: &Given<'_>) -> Result<(), Problem> {
    once(given, DESTINATION, "Only one `--destination-port' allowed")?;
    to.destination = Condition::new(ports(given.value)?, given.inverted);
    Ok(())
}

fn set_syn(to: &mut Tcp, given: &Given<'_>) -> Result<(), Problem> {
    once(given, FLAGS, "Only one of `--syn' or `--tcp-flags'  allowed")?;
    let flags = Flags { mask: TcpFlags::SYN_MASK, compared: TcpFlags::SYN };
    to.flags = Condition::new(flags, given.inverted);
    Ok(())
}

fn set_flags(to: &mut Tcp, given: &Given<'_>) -> Result<(), Problem> {
    once(given, FLAGS, "Only one of `--syn' or `--tcp-flags'  allowed")?;
    let compared = given.second.ok_or_else(|| Problem::new("--tcp-flags requires two args."))?;
    let parse = |text| TcpFlags::parse(text).map_err(|word| Problem::new(format!("Unknown TCP flag `{word}'")));
    to.flags = Condition::new(Flags { mask: parse(given.value)?, compared: parse(compared)? }, given.inverted);
    Ok(())
}

fn set_option(to: &mut Tcp, given: &Given<'_>) -> Result<(), Problem> {
    once(given, OPTION, "Only one `--tcp-option' allowed")?;
    let kind = number::parse(given.value, 1, 255)
        .ok_or_else(|| Problem::new(format!("Bad TCP option \"{}\"", given.value)))?;
    to.option = Condition::new(kind as u8, given.inverted);
    Ok(())
}

/// This match is older than the guided parser and has its own words for a repeated option.
fn once(given: &Given<'_>, slot: u64, text: &str) -> Result<(), Problem> {
    if given.seen & slot != 0 { Err(Problem::new(text)) } else { Ok(()) }
}

fn ports(text: &str) -> Result<Ports, Problem> {
    let one = |text| port::parse(text, "tcp").ok_or_else(|| Problem::new(port::invalid(text)));
    let Some((min, max)) = text.split_once(':') else {
        let port = one(text)?;
        return Ok(Ports { min: port, max: port });
    };
    let min = if min.is_empty() { 0 } else { one(min)? };
    let max = if max.is_empty() { u16::MAX } else { one(max)? };
    if min > max {
        return Err(Problem::new("invalid portrange (min > max)"));
    }
    Ok(Ports { min, max })
}

/// Positions in the option table.
const SOURCE: u64 = 0b11;
const DESTINATION: u64 = 0b1100;
const FLAGS: u64 = 0b11_0000;
const OPTION: u64 = 0b100_0000;

const INVERT_SOURCE: u8 = 1;
const INVERT_DESTINATION: u8 = 2;
const INVERT_FLAGS: u8 = 4;
const INVERT_OPTION: u8 = 8;

/// struct xt_tcp.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    source: [u16; 2],
    destination: [u16; 2],
    option: u8,
    flag_mask: u8,
    flag_compared: u8,
    invert: u8,
}

const _: () = assert!(size_of::<Info>() == 12);
