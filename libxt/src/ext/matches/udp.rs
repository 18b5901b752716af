//! `-m udp`: compares ports of the UDP header.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::port::Ports;

/// Both conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Udp {
    /// The source port.
    pub source: Condition<Ports>,
    /// The destination port.
    pub destination: Condition<Ports>,
}

impl Extension for Udp {
    const NAME: &'static str = "udp";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("source-port", " port[:port]", "the source port, or a range of them", set_source).invertible(),
        Opt::new("sport", " port[:port]", "the same", set_source).invertible().alias_of("source-port"),
        Opt::new("destination-port", " port[:port]", "the destination port, or a range of them", set_destination)
            .invertible(),
        Opt::new("dport", " port[:port]", "the same", set_destination).invertible().alias_of("destination-port"),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("udp"))?;
        let ports = |[min, max]: [u16; 2], bit| Condition::new(Ports { min, max }, info.invert & bit != 0);
        Ok(Self { source: ports(info.source, INVERT_SOURCE), destination: ports(info.destination, INVERT_DESTINATION) })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bit = |inverted, bit| if inverted { bit } else { 0 };
        let bytes = Info {
            source: [self.source.value.min, self.source.value.max],
            destination: [self.destination.value.min, self.destination.value.max],
            invert: bit(self.source.inverted, INVERT_SOURCE) | bit(self.destination.inverted, INVERT_DESTINATION),
            pad: 0,
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("udp"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        for (option, ports) in [(" --sport ", self.source), (" --dport ", self.destination)] {
            if ports.value != Ports::ALL {
                w.write_str(ports.not())?;
                w.write_str(option)?;
                ports.value.save(w)?;
            }
        }
        Ok(())
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        w.write_str(" udp")?;
        let names = (!numeric).then_some("udp");
        for (label, ports) in [("spt", self.source), ("dpt", self.destination)] {
            if ports.value != Ports::ALL || ports.inverted {
                ports.value.listed(w, label, ports.inverted, names)?;
            }
        }
        Ok(())
    }
}

fn set_source(to: &mut Udp, given: &Given<'_>) -> Result<(), Problem> {
    to.source = Condition::new(given.ports()?, given.inverted);
    Ok(())
}

fn set_destination(to: &mut Udp, given: &Given<'_>) -> Result<(), Problem> {
    to.destination = Condition::new(given.ports()?, given.inverted);
    Ok(())
}

const INVERT_SOURCE: u8 = 1;
const INVERT_DESTINATION: u8 = 2;

/// struct xt_udp.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    source: [u16; 2],
    destination: [u16; 2],
    invert: u8,
    pad: u8,
}

const _: () = assert!(size_of::<Info>() == 10);
