//! `-m multiport`: compares ports with up to 15 ports and ranges.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::port::{self, Ports, Shown};

/// A port of the packet is among `ports`, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multiport {
    /// Which of the packet's ports are looked at.
    pub which: Which,
    /// Single ports (`min == max`) and ranges; a range takes two of the 15 places.
    pub ports: Vec<Ports>,
    /// `!`.
    pub inverted: bool,
}

/// The ports of a packet that `multiport` looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// `--source-ports`.
    #[default]
    Source,
    /// `--destination-ports`.
    Destination,
    /// `--ports`: one of both is enough.
    Either,
}

impl Extension for Multiport {
    const NAME: &'static str = "multiport";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(1, size_of::<Info1>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("source-ports", " port[,port:port...]", "the source port is one of these", set_source)
            .invertible()
            .excludes(&["destination-ports", "ports"]),
        Opt::new("sports", " port[,port:port...]", "the same", set_source).invertible().alias_of("source-ports"),
        Opt::new("destination-ports", " port[,port:port...]", "the destination port is one of these", set_destination)
            .invertible()
            .excludes(&["source-ports", "ports"]),
        Opt::new("dports", " port[,port:port...]", "the same", set_destination)
            .invertible()
            .alias_of("destination-ports"),
        Opt::new("ports", " port[,port:port...]", "the source or the destination port is one of these", set_either)
            .invertible()
            .excludes(&["source-ports", "destination-ports"]),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 { Err(Problem::new("multiport expection an option")) } else { Ok(()) }
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info1::read_from_prefix(info).map_err(|_| Malformed("multiport"))?;
        let which = match info.flags {
            0 => Which::Source,
            1 => Which::Destination,
            2 => Which::Either,
            _ => return Err(Malformed("multiport.flags")),
        };
        let used = usize::from(info.count);
        let (Some(numbers), Some(starts)) = (info.ports.get(..used), info.starts_range.get(..used)) else {
            return Err(Malformed("multiport.count"));
        };
        let mut ports = Vec::with_capacity(used);
        let mut places = numbers.iter().zip(starts);
        while let Some((min, starts_range)) = places.next() {
            let max = match starts_range {
                0 => min,
                _ => places.next().map(|(max, _)| max).ok_or(Malformed("multiport.pflags"))?,
            };
            ports.push(Ports { min: *min, max: *max });
        }
        Ok(Self { which, ports, inverted: info.invert != 0 })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let mut bytes = Info1 {
            flags: self.which as u8,
            count: 0,
            ports: [0; PLACES],
            starts_range: [0; PLACES],
            invert: self.inverted.into(),
        };
        let mut used = 0;
        for ports in &self.ports {
            let is_range = ports.min != ports.max;
            let last = used + usize::from(is_range);
            let starts_range = bytes.starts_range.get_mut(used).ok_or(Malformed("multiport.ports"))?;
            *starts_range = is_range.into();
            *bytes.ports.get_mut(last).ok_or(Malformed("multiport.ports"))? = ports.max;
            *bytes.ports.get_mut(used).ok_or(Malformed("multiport.ports"))? = ports.min;
            used = last + 1;
        }
        bytes.count = used as u8;
        bytes.write_to_prefix(info).map_err(|_| Malformed("multiport"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        let not = if self.inverted { " !" } else { "" };
        write!(w, "{not} --{}", self.which.word())?;
        for (index, ports) in self.ports.iter().enumerate() {
            w.write_str(if index == 0 { " " } else { "," })?;
            ports.save(w)?;
        }
        Ok(())
    }

    fn print(&self, w: &mut dyn Write, around: &Surroundings, numeric: bool) -> fmt::Result {
        let protocol = if numeric { None } else { protocol_name(around.protocol) };
        write!(w, " multiport {}", self.which.word())?;
        w.write_str(if self.inverted { "  !" } else { " " })?;
        for (index, ports) in self.ports.iter().enumerate() {
            write!(w, "{}{}", if index == 0 { "" } else { "," }, Shown { port: ports.min, protocol })?;
            if ports.max != ports.min {
                write!(w, ":{}", Shown { port: ports.max, protocol })?;
            }
        }
        Ok(())
    }
}

impl Which {
    const fn word(self) -> &'static str {
        match self {
            Self::Source => "sports",
            Self::Destination => "dports",
            Self::Either => "ports",
        }
    }
}

fn set_source(to: &mut Multiport, given: &Given<'_>) -> Result<(), Problem> {
    set(to, given, Which::Source)
}

fn set_destination(to: &mut Multiport, given: &Given<'_>) -> Result<(), Problem> {
    set(to, given, Which::Destination)
}

fn set_either(to: &mut Multiport, given: &Given<'_>) -> Result<(), Problem> {
    set(to, given, Which::Either)
}

fn set(to: &mut Multiport, given: &Given<'_>, which: Which) -> Result<(), Problem> {
    let Surroundings { protocol, protocol_inverted, .. } = given.around;
    if protocol_inverted {
        return Err(Problem::new(WRONG_PROTOCOL));
    }
    let Some(protocol) = protocol_name(protocol) else {
        return Err(Problem::new(if protocol == 0 { NO_PROTOCOL } else { WRONG_PROTOCOL }));
    };
    *to = Multiport { which, ports: parse(given.value, protocol)?, inverted: given.inverted };
    Ok(())
}

fn parse(text: &str, protocol: &str) -> Result<Vec<Ports>, Problem> {
    let one = |text| port::parse(text, protocol).ok_or_else(|| Problem::new(port::invalid(text)));
    let mut ports = Vec::new();
    let mut used = 0;
    for word in text.split(',') {
        let range = word.split_once(':');
        used += if range.is_some() { 2 } else { 1 };
        if used > PLACES {
            return Err(Problem::new("too many ports specified"));
        }
        ports.push(match range {
            None => one(word).map(|port| Ports { min: port, max: port })?,
            Some((min, max)) => {
                let (min, max) = (one(min)?, one(max)?);
                if min >= max {
                    return Err(Problem::new("invalid portrange specified"));
                }
                Ports { min, max }
            }
        });
    }
    Ok(ports)
}

fn protocol_name(protocol: u16) -> Option<&'static str> {
    match protocol {
        6 => Some("tcp"),
        17 => Some("udp"),
        33 => Some("dccp"),
        132 => Some("sctp"),
        136 => Some("udplite"),
        _ => None,
    }
}

const NO_PROTOCOL: &str = "multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'";
const WRONG_PROTOCOL: &str = "multiport only works with TCP, UDP, UDPLITE, SCTP and DCCP";

/// XT_MULTI_PORTS.
const PLACES: usize = 15;

/// struct xt_multiport_v1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    flags: u8,
    count: u8,
    ports: [u16; PLACES],
    starts_range: [u8; PLACES],
    invert: u8,
}

const _: () = assert!(size_of::<Info1>() == 48);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Af;

    #[test]
    fn a_range_that_starts_in_the_last_place_is_malformed() {
        let mut info = [0u8; 48];
        (info[1], info[32 + 1]) = (2, 1);
        assert_eq!(Multiport::decode(1, &info, &Surroundings::new(Af::V4)), Err(Malformed("multiport.pflags")));
        info[1] = 16;
        assert_eq!(Multiport::decode(1, &info, &Surroundings::new(Af::V4)), Err(Malformed("multiport.count")));
    }
}
