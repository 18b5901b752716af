//! `-m physdev`: compares the bridge ports that a bridged packet comes and goes by.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings, option};
use crate::value::condition::Condition;
use crate::value::interface::Interface;

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Physdev {
    /// The port it came in by.
    pub input: Option<Condition<Interface>>,
    /// The port it goes out by.
    pub output: Option<Condition<Interface>>,
    /// It came in by a bridge's port.
    pub is_in: Option<Condition<()>>,
    /// It goes out by a bridge's port.
    pub is_out: Option<Condition<()>>,
    /// It is bridged, not routed.
    pub is_bridged: Option<Condition<()>>,
}

impl Extension for Physdev {
    const NAME: &'static str = "physdev";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("physdev-in", " port[+]", "the bridge port it came in by", set_input).invertible(),
        Opt::new("physdev-out", " port[+]", "the bridge port it goes out by", set_output).invertible(),
        Opt::flag("physdev-is-in", "it came in by a bridge port", set_is_in).invertible(),
        Opt::flag("physdev-is-out", "it goes out by a bridge port", set_is_out).invertible(),
        Opt::flag("physdev-is-bridged", "it is bridged, not routed", set_is_bridged).invertible(),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 { Err(Problem::new("PHYSDEV: no physdev option specified")) } else { Ok(()) }
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("physdev"))?;
        let flag = |bit| (info.conditions & bit != 0).then(|| Condition::new((), info.invert & bit != 0));
        let port = |[name, mask]: [[u8; 16]; 2], bit| {
            flag(bit).map(|condition| Condition::new(Interface { name, mask }, condition.inverted))
        };
        Ok(Self {
            input: port(info.input, INPUT),
            output: port(info.output, OUTPUT),
            is_in: flag(IS_IN),
            is_out: flag(IS_OUT),
            is_bridged: flag(IS_BRIDGED),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let mut bytes = Info { input: [[0; 16]; 2], output: [[0; 16]; 2], invert: 0, conditions: 0 };
        let unit = |port: Option<Condition<Interface>>| port.map(|port| Condition::new((), port.inverted));
        for (condition, bit) in [
            (unit(self.input), INPUT),
            (unit(self.output), OUTPUT),
            (self.is_in, IS_IN),
            (self.is_out, IS_OUT),
            (self.is_bridged, IS_BRIDGED),
        ] {
            if let Some(condition) = condition {
                bytes.conditions |= bit;
                bytes.invert |= if condition.inverted { bit } else { 0 };
            }
        }
        if let Some(port) = self.input {
            bytes.input = [port.value.name, port.value.mask];
        }
        if let Some(port) = self.output {
            bytes.output = [port.value.name, port.value.mask];
        }
        bytes.write_to_prefix(info).map_err(|_| Malformed("physdev"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        for (is, port, name) in [(self.is_in, self.input, "in"), (self.is_out, self.output, "out")] {
            if let Some(is) = is {
                write!(w, "{} --physdev-is-{name}", is.not())?;
            }
            if let Some(port) = port {
                write!(w, "{} --physdev-{name} {}", port.not(), port.value.text())?;
            }
        }
        match self.is_bridged {
            Some(is) => write!(w, "{} --physdev-is-bridged", is.not()),
            None => Ok(()),
        }
    }

    fn print(&self, w: &mut dyn Write, around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" PHYSDEV match")?;
        self.save(w, around)
    }
}

fn set_input(to: &mut Physdev, given: &Given<'_>) -> Result<(), Problem> {
    to.input = Some(Condition::new(port(given.value)?, given.inverted));
    Ok(())
}

fn set_output(to: &mut Physdev, given: &Given<'_>) -> Result<(), Problem> {
    to.output = Some(Condition::new(port(given.value)?, given.inverted));
    Ok(())
}

fn set_is_in(to: &mut Physdev, given: &Given<'_>) -> Result<(), Problem> {
    to.is_in = Some(Condition::new((), given.inverted));
    Ok(())
}

fn set_is_out(to: &mut Physdev, given: &Given<'_>) -> Result<(), Problem> {
    to.is_out = Some(Condition::new((), given.inverted));
    Ok(())
}

fn set_is_bridged(to: &mut Physdev, given: &Given<'_>) -> Result<(), Problem> {
    to.is_bridged = Some(Condition::new((), given.inverted));
    Ok(())
}

fn port(text: &str) -> Result<Interface, Problem> {
    let long = || Problem::new(format!("interface name `{text}' must be shorter than IFNAMSIZ (15)"));
    let port = Interface::parse(text).ok_or_else(long)?;
    if text.contains(['/', ' ']) {
        option::notice(&format!(
            "Warning: weird character in interface `{text}' ('/' and ' ' are not allowed by the kernel)."
        ));
    }
    Ok(port)
}

/// XT_PHYSDEV_OP_*.
const INPUT: u8 = 0x01;
const OUTPUT: u8 = 0x02;
const IS_BRIDGED: u8 = 0x04;
const IS_IN: u8 = 0x08;
const IS_OUT: u8 = 0x10;

/// struct xt_physdev_info; each port's name with its mask.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    input: [[u8; 16]; 2],
    output: [[u8; 16]; 2],
    invert: u8,
    conditions: u8,
}
