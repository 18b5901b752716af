//! `-m dccp`: compares ports, type and options of the DCCP header.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::port::Ports;

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dccp {
    /// The source port.
    pub source: Option<Condition<Ports>>,
    /// The destination port.
    pub destination: Option<Condition<Ports>>,
    /// Bit *n* for the packet type *n*.
    pub types: Option<Condition<u16>>,
    /// An option that is present.
    pub option: Option<Condition<u8>>,
}

/// The bits and the name of each type.
pub(crate) const TYPES: [(u16, &str); 11] = [
    (1, "REQUEST"),
    (1 << 1, "RESPONSE"),
    (1 << 2, "DATA"),
    (1 << 3, "ACK"),
    (1 << 4, "DATAACK"),
    (1 << 5, "CLOSEREQ"),
    (1 << 6, "CLOSE"),
    (1 << 7, "RESET"),
    (1 << 8, "SYNC"),
    (1 << 9, "SYNCACK"),
    (0xfc00, "INVALID"),
];

impl Extension for Dccp {
    const NAME: &'static str = "dccp";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("source-port", " port[:port]", "the source port, or a range of them", set_source).invertible(),
        Opt::new("sport", " port[:port]", "the same", set_source).invertible().alias_of("source-port"),
        Opt::new("destination-port", " port[:port]", "the destination port, or a range of them", set_destination)
            .invertible(),
        Opt::new("dport", " port[:port]", "the same", set_destination).invertible().alias_of("destination-port"),
        Opt::new("dccp-types", " type[,type...]", "the packet is of one of these types", set_types).invertible(),
        Opt::new("dccp-option", " number", "the header carries this option, 1 to 255", set_option).invertible(),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("dccp"))?;
        let inverted = |bit| info.invert & bit != 0;
        let given = |bit| info.flags & bit != 0;
        let ports = |[min, max]: [u16; 2], bit| given(bit).then(|| Condition::new(Ports { min, max }, inverted(bit)));
        Ok(Self {
            source: ports(info.source, SOURCE),
            destination: ports(info.destination, DESTINATION),
            types: given(TYPE).then(|| Condition::new(info.types, inverted(TYPE))),
            option: given(OPTION).then(|| Condition::new(info.option, inverted(OPTION))),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let mut bytes = Info { destination: [0; 2], source: [0; 2], flags: 0, invert: 0, types: 0, option: 0, pad: 0 };
        let mut set = |bit, inverted| {
            bytes.flags |= bit;
            bytes.invert |= if inverted { bit } else { 0 };
        };
        let none = Condition::new(Ports { min: 0, max: 0 }, false);
        let source = self.source.inspect(|source| set(SOURCE, source.inverted)).unwrap_or(none).value;
        let destination = self.destination.inspect(|port| set(DESTINATION, port.inverted)).unwrap_or(none).value;
        let types = self.types.inspect(|types| set(TYPE, types.inverted)).unwrap_or_default().value;
        let option = self.option.inspect(|option| set(OPTION, option.inverted)).unwrap_or_default().value;
        bytes.source = [source.min, source.max];
        bytes.destination = [destination.min, destination.max];
        bytes.types = types;
        bytes.option = option;
        bytes.write_to_prefix(info).map_err(|_| Malformed("dccp"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        for (name, ports) in [("sport", self.source), ("dport", self.destination)] {
            if let Some(ports) = ports {
                write!(w, "{} --{name} {}", ports.not(), ports.value)?;
            }
        }
        if let Some(types) = self.types {
            write!(w, "{} --dccp-types ", types.not())?;
            write_types(w, types.value, false)?;
        }
        match self.option {
            Some(option) => write!(w, "{} --dccp-option {}", option.not(), option.value),
            None => Ok(()),
        }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        w.write_str(" dccp")?;
        let names = (!numeric).then_some("dccp");
        for (label, ports) in [("spt", self.source), ("dpt", self.destination)] {
            if let Some(ports) = ports
                && (ports.value != Ports::ALL || ports.inverted)
            {
                ports.value.listed(w, label, ports.inverted, names)?;
            }
        }
        if let Some(types) = self.types {
            write!(w, "{} ", types.not())?;
            write_types(w, types.value, numeric)?;
        }
        match self.option {
            Some(option) => write!(w, " option={}{}", if option.inverted { "!" } else { "" }, option.value),
            None => Ok(()),
        }
    }
}

/// Names with commas between them, or the numbers of all bits.
fn write_types(w: &mut dyn Write, types: u16, numeric: bool) -> fmt::Result {
    let mut comma = "";
    if numeric {
        for number in (0..16).filter(|number| types >> number & 1 != 0) {
            write!(w, "{comma}{number}")?;
            comma = ",";
        }
        return Ok(());
    }
    for (bits, name) in TYPES {
        if types & bits != 0 {
            write!(w, "{comma}{name}")?;
            comma = ",";
        }
    }
    Ok(())
}

fn set_source(to: &mut Dccp, given: &Given<'_>) -> Result<(), Problem> {
    to.source = Some(Condition::new(given.ports()?, given.inverted));
    Ok(())
}

fn set_destination(to: &mut Dccp, given: &Given<'_>) -> Result<(), Problem> {
    to.destination = Some(Condition::new(given.ports()?, given.inverted));
    Ok(())
}

fn set_types(to: &mut Dccp, given: &Given<'_>) -> Result<(), Problem> {
    let mut types = 0;
    for part in given.value.split(',').filter(|part| !part.is_empty()) {
        let found = TYPES.iter().find(|(_, name)| name.eq_ignore_ascii_case(part));
        types |= found.ok_or_else(|| Problem::new(format!("Unknown DCCP type `{part}'")))?.0;
    }
    to.types = Some(Condition::new(types, given.inverted));
    Ok(())
}

fn set_option(to: &mut Dccp, given: &Given<'_>) -> Result<(), Problem> {
    to.option = Some(Condition::new(given.byte(1, u8::MAX)?, given.inverted));
    Ok(())
}

/// XT_DCCP_*.
const SOURCE: u16 = 1;
const DESTINATION: u16 = 2;
const TYPE: u16 = 4;
const OPTION: u16 = 8;

/// struct xt_dccp_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    destination: [u16; 2],
    source: [u16; 2],
    flags: u16,
    invert: u16,
    types: u16,
    option: u8,
    pad: u8,
}
