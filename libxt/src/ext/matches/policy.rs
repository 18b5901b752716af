//! `-m policy`: compares the IPsec policy that applied to the packet or will apply to it.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::family::Af;
use crate::value::condition::Condition;
use crate::value::network::Network;
use crate::value::protocol;

/// What the policy must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The packet was decapsulated by it.
    pub input: bool,
    /// The packet will be encapsulated by it.
    pub output: bool,
    /// There is no policy.
    pub none: bool,
    /// The elements are the whole policy, not one anywhere in it.
    pub strict: bool,
    /// The elements; those from `len` on do not count.
    pub elements: [Element; 4],
    /// How many elements there are.
    pub len: u16,
}

/// One transformation of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// The tunnel's source.
    pub source: Option<Condition<Network>>,
    /// The tunnel's destination.
    pub destination: Option<Condition<Network>>,
    /// The protocol: ESP, AH or IPComp.
    pub protocol: Option<Condition<u8>>,
    /// The mode: 0 transport, 1 tunnel.
    pub mode: Option<Condition<u8>>,
    /// The security parameter index.
    pub spi: Option<Condition<u32>>,
    /// The number of the request.
    pub request: Option<Condition<u32>>,
}

impl Extension for Policy {
    const NAME: &'static str = "policy";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("dir", " in|out", "the policy it came under, or the one it goes under", set_direction),
        Opt::new("pol", " none|ipsec", "there is no policy, or there is one", set_policy),
        Opt::flag("strict", "what follows is the whole policy", set_strict),
        Opt::new("reqid", " number", "the number of the request", set_request).invertible().repeatable(),
        Opt::new("spi", " number", "the security parameter index", set_spi).invertible().repeatable(),
        Opt::new("tunnel-src", " address[/mask]", "the tunnel's source", set_source).invertible().repeatable(),
        Opt::new("tunnel-dst", " address[/mask]", "the tunnel's destination", set_destination)
            .invertible()
            .repeatable(),
        Opt::new("proto", " protocol", "ah, esp or ipcomp", set_protocol).invertible().repeatable(),
        Opt::new("mode", " mode", "transport or tunnel", set_mode).invertible().repeatable(),
        Opt::flag("next", "begin the next element of the policy", next).repeatable().requires(&["strict"]),
    ];

    fn check(&mut self, _seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if !self.input && !self.output {
            return Err(Problem::new("policy match: neither --dir in nor --dir out specified"));
        }
        if self.none {
            if self.strict {
                return Err(Problem::new("policy match: policy none but --strict given"));
            }
            if self.len != 0 {
                return Err(Problem::new("policy match: policy none but policy given"));
            }
            return Ok(());
        }
        self.len += 1;
        for (index, element) in self.elements.iter().take(self.len.into()).enumerate() {
            if self.strict && *element == Element::default() {
                return Err(Problem::new(format!(
                    "policy match: empty policy element {index}. --strict is in effect, but at least one of reqid, \
                     spi, tunnel-src, tunnel-dst, proto or mode is required."
                )));
            }
            let mode = element.mode.unwrap_or_default();
            let tunnel = (mode.value == TUNNEL) != mode.inverted;
            if (element.source.is_some() || element.destination.is_some()) && !tunnel {
                return Err(Problem::new("policy match: --tunnel-src/--tunnel-dst is only valid in tunnel mode"));
            }
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("policy"))?;
        Ok(Self {
            input: info.flags & IN != 0,
            output: info.flags & OUT != 0,
            none: info.flags & NONE != 0,
            strict: info.flags & STRICT != 0,
            elements: info.elements.map(Element::from_info),
            len: info.len,
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bit = |set, bit| if set { bit } else { 0 };
        let bytes = Info {
            elements: self.elements.map(Element::to_info),
            flags: bit(self.input, IN) | bit(self.output, OUT) | bit(self.none, NONE) | bit(self.strict, STRICT),
            len: self.len,
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("policy"))
    }

    fn save(&self, w: &mut dyn Write, around: &Surroundings) -> fmt::Result {
        self.flags(w, "--")?;
        for (index, element) in self.elements.iter().take(self.len.into()).enumerate() {
            if index != 0 {
                w.write_str(" --next")?;
            }
            element.write(w, "--", around.af, false)?;
        }
        Ok(())
    }

    fn print(&self, w: &mut dyn Write, around: &Surroundings, numeric: bool) -> fmt::Result {
        w.write_str(" policy match")?;
        self.flags(w, "")?;
        for (index, element) in self.elements.iter().take(self.len.into()).enumerate() {
            if self.strict && self.len > 1 {
                write!(w, " [{index}]")?;
            }
            element.write(w, "", around.af, numeric)?;
        }
        Ok(())
    }
}

impl Policy {
    fn flags(&self, w: &mut dyn Write, dashes: &str) -> fmt::Result {
        for (set, word) in [(self.input, "in"), (self.output, "out")] {
            if set {
                write!(w, " {dashes}dir {word}")?;
            }
        }
        write!(w, " {dashes}pol {}", if self.none { "none" } else { "ipsec" })?;
        if self.strict { write!(w, " {dashes}strict") } else { Ok(()) }
    }

    fn element(&mut self) -> Result<&mut Element, Problem> {
        self.elements.get_mut(usize::from(self.len)).ok_or_else(|| Problem::new(TOO_DEEP))
    }
}

impl Element {
    fn from_info(info: ElementInfo) -> Self {
        let inverted = |bit| info.invert & bit != 0;
        let given = |bit| info.given & bit != 0;
        let network = |[address, mask]: [[u8; 16]; 2], bit| {
            given(bit).then(|| Condition::new(Network { address, mask }, inverted(bit)))
        };
        Self {
            source: network(info.source, SOURCE),
            destination: network(info.destination, DESTINATION),
            protocol: given(PROTOCOL).then(|| Condition::new(info.protocol, inverted(PROTOCOL))),
            mode: given(MODE).then(|| Condition::new(info.mode, inverted(MODE))),
            spi: given(SPI).then(|| Condition::new(info.spi, inverted(SPI))),
            request: given(REQUEST).then(|| Condition::new(info.request, inverted(REQUEST))),
        }
    }

    fn to_info(self) -> ElementInfo {
        let (mut given, mut invert) = (0, 0);
        let mut set = |bit, inverted| {
            given |= bit;
            invert |= if inverted { bit } else { 0 };
        };
        let source = self.source.inspect(|source| set(SOURCE, source.inverted)).unwrap_or_default().value;
        let destination = self.destination.inspect(|to| set(DESTINATION, to.inverted)).unwrap_or_default().value;
        let protocol = self.protocol.inspect(|own| set(PROTOCOL, own.inverted)).unwrap_or_default().value;
        let mode = self.mode.inspect(|mode| set(MODE, mode.inverted)).unwrap_or_default().value;
        let spi = self.spi.inspect(|spi| set(SPI, spi.inverted)).unwrap_or_default().value;
        let request = self.request.inspect(|request| set(REQUEST, request.inverted)).unwrap_or_default().value;
        ElementInfo {
            source: [source.address, source.mask],
            destination: [destination.address, destination.mask],
            spi,
            request,
            protocol,
            mode,
            given,
            invert,
        }
    }

    fn write(&self, w: &mut dyn Write, dashes: &str, af: Af, numeric: bool) -> fmt::Result {
        if let Some(request) = self.request {
            write!(w, "{} {dashes}reqid {}", request.not(), request.value)?;
        }
        if let Some(spi) = self.spi {
            write!(w, "{} {dashes}spi {:#x}", spi.not(), spi.value)?;
        }
        if let Some(own) = self.protocol {
            write!(w, "{} {dashes}proto ", own.not())?;
            match protocol::name(own.value.into()).filter(|_| !numeric) {
                Some(name) => w.write_str(name)?,
                None => write!(w, "{}", own.value)?,
            }
        }
        if let Some(mode) = self.mode {
            let word = MODES.get(usize::from(mode.value)).unwrap_or(&"???");
            write!(w, "{} {dashes}mode {word}", mode.not())?;
        }
        for (name, network) in [("dst", self.destination), ("src", self.source)] {
            if let Some(network) = network {
                write!(w, "{} {dashes}tunnel-{name} {}", network.not(), network.value.shown(af))?;
            }
        }
        Ok(())
    }
}

fn set_direction(to: &mut Policy, given: &Given<'_>) -> Result<(), Problem> {
    match given.value {
        "in" => to.input = true,
        "out" => to.output = true,
        other => return Err(Problem::new(format!("policy_match: invalid dir \"{other}\""))),
    }
    Ok(())
}

fn set_policy(to: &mut Policy, given: &Given<'_>) -> Result<(), Problem> {
    match given.value {
        "none" => to.none = true,
        "ipsec" => {}
        other => return Err(Problem::new(format!("policy match: invalid policy \"{other}\""))),
    }
    Ok(())
}

fn set_strict(to: &mut Policy, _given: &Given<'_>) -> Result<(), Problem> {
    to.strict = true;
    Ok(())
}

/// Sets a field of an element that can be set once.
fn set_once<T>(field: &mut Option<Condition<T>>, value: T, given: &Given<'_>) -> Result<(), Problem> {
    if field.is_some() {
        return Err(Problem::new(format!("policy match: double --{} option", given.option)));
    }
    *field = Some(Condition::new(value, given.inverted));
    Ok(())
}

fn set_request(to: &mut Policy, given: &Given<'_>) -> Result<(), Problem> {
    set_once(&mut to.element()?.request, given.long(0, u32::MAX)?, given)
}

fn set_spi(to: &mut Policy, given: &Given<'_>) -> Result<(), Problem> {
    set_once(&mut to.element()?.spi, given.long(0, u32::MAX)?, given)
}

fn set_source(to: &mut Policy, given: &Given<'_>) -> Result<(), Problem> {
    set_once(&mut to.element()?.source, given.network()?, given)
}

fn set_destination(to: &mut Policy, given: &Given<'_>) -> Result<(), Problem> {
    set_once(&mut to.element()?.destination, given.network()?, given)
}

fn set_protocol(to: &mut Policy, given: &Given<'_>) -> Result<(), Problem> {
    let number = given.protocol()?;
    if to.element()?.protocol.is_none() && !PROTOCOLS.contains(&number) {
        return Err(Problem::new("policy match: protocol must be ah/esp/ipcomp"));
    }
    set_once(&mut to.element()?.protocol, number, given)
}

fn set_mode(to: &mut Policy, given: &Given<'_>) -> Result<(), Problem> {
    let mode = MODES.iter().position(|word| *word == given.value);
    if to.element()?.mode.is_none() && mode.is_none() {
        return Err(Problem::new(format!("policy match: invalid mode \"{}\"", given.value)));
    }
    set_once(&mut to.element()?.mode, mode.unwrap_or(0) as u8, given)
}

fn next(to: &mut Policy, _given: &Given<'_>) -> Result<(), Problem> {
    if usize::from(to.len) + 1 >= to.elements.len() {
        return Err(Problem::new(TOO_DEEP));
    }
    to.len += 1;
    Ok(())
}

const TOO_DEEP: &str = "policy match: maximum policy depth reached";

/// XT_POLICY_MODE_*.
const MODES: [&str; 2] = ["transport", "tunnel"];
const TUNNEL: u8 = 1;

/// ESP, AH, IPComp.
const PROTOCOLS: [u8; 3] = [50, 51, 108];

/// XT_POLICY_MATCH_*.
const IN: u16 = 1;
const OUT: u16 = 2;
const NONE: u16 = 4;
const STRICT: u16 = 8;

/// Bits of struct xt_policy_spec.
const SOURCE: u8 = 0x01;
const DESTINATION: u8 = 0x02;
const PROTOCOL: u8 = 0x04;
const MODE: u8 = 0x08;
const SPI: u8 = 0x10;
const REQUEST: u8 = 0x20;

/// struct xt_policy_elem; each address with its mask.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct ElementInfo {
    source: [[u8; 16]; 2],
    destination: [[u8; 16]; 2],
    spi: u32,
    request: u32,
    protocol: u8,
    mode: u8,
    given: u8,
    invert: u8,
}

/// struct xt_policy_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    elements: [ElementInfo; 4],
    flags: u16,
    len: u16,
}
