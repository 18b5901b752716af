//! `-m conntrack` and its old form `-m state`: compares what connection tracking knows of the packet.

use std::fmt::{self, Write};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::network::Network;
use crate::value::port::Ports;

mod bytes;
mod flags;
mod state;

pub use flags::{State, Status};
pub use state::StateAlias;

/// Conditions that must all hold; `None` asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conntrack {
    /// `--ctstate`.
    pub state: Option<Condition<State>>,
    /// `--ctproto`: the protocol of the original tuple.
    pub protocol: Option<Condition<u16>>,
    /// `--ctorigsrc`.
    pub orig_source: Option<Condition<Network>>,
    /// `--ctorigdst`.
    pub orig_destination: Option<Condition<Network>>,
    /// `--ctreplsrc`.
    pub reply_source: Option<Condition<Network>>,
    /// `--ctrepldst`.
    pub reply_destination: Option<Condition<Network>>,
    /// `--ctorigsrcport`.
    pub orig_source_port: Option<Condition<Ports>>,
    /// `--ctorigdstport`.
    pub orig_destination_port: Option<Condition<Ports>>,
    /// `--ctreplsrcport`.
    pub reply_source_port: Option<Condition<Ports>>,
    /// `--ctrepldstport`.
    pub reply_destination_port: Option<Condition<Ports>>,
    /// `--ctstatus`; an empty set asks for a connection with none of the named bits.
    pub status: Option<Condition<Status>>,
    /// `--ctexpire`: seconds until the entry times out, first and last.
    pub expires: Option<Condition<(u32, u32)>>,
    /// `--ctdir`: the direction in which the packet goes.
    pub direction: Option<Direction>,
    /// Written as `-m state --state`.
    pub alias: bool,
}

/// A direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// As the first packet went.
    Original,
    /// The other way.
    Reply,
}

impl Extension for Conntrack {
    const NAME: &'static str = "conntrack";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(3, bytes::SIZE_3), Revision::new(2, bytes::SIZE_2), Revision::new(1, bytes::SIZE_1)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new(
            "ctstate",
            " state[,state...]",
            "INVALID, NEW, ESTABLISHED, RELATED, UNTRACKED, or NATed: SNAT, DNAT",
            set_state,
        )
        .invertible(),
        Opt::new("ctproto", " protocol", "the connection's protocol, by name or number", set_protocol).invertible(),
        Opt::new("ctorigsrc", " address[/mask]", "source address, as the connection began", set_orig_source)
            .invertible(),
        Opt::new("ctorigdst", " address[/mask]", "destination address, as the connection began", set_orig_destination)
            .invertible(),
        Opt::new("ctreplsrc", " address[/mask]", "source address of replies", set_reply_source).invertible(),
        Opt::new("ctrepldst", " address[/mask]", "destination address of replies", set_reply_destination).invertible(),
        Opt::new("ctorigsrcport", " port[:port]", "source port, as the connection began", set_orig_source_port)
            .invertible(),
        Opt::new(
            "ctorigdstport",
            " port[:port]",
            "destination port, as the connection began",
            set_orig_destination_port,
        )
        .invertible(),
        Opt::new("ctreplsrcport", " port[:port]", "source port of replies", set_reply_source_port).invertible(),
        Opt::new("ctrepldstport", " port[:port]", "destination port of replies", set_reply_destination_port)
            .invertible(),
        Opt::new("ctstatus", " status[,status...]", "NONE, EXPECTED, SEEN_REPLY, ASSURED, CONFIRMED", set_status)
            .invertible(),
        Opt::new("ctexpire", " time[:time]", "seconds left until the connection is forgotten", set_expires)
            .invertible(),
        Opt::new("ctdir", " direction", "ORIGINAL or REPLY: which way the packet goes", set_direction),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 { Err(Problem::new("conntrack: At least one option is required")) } else { Ok(()) }
    }

    fn fits(&self, number: u8) -> bool {
        bytes::fits(self, number)
    }

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        bytes::decode(revision, info)
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        bytes::encode(self, revision, info)
    }

    fn shown_name(&self) -> &'static str {
        if self.alias { "state" } else { Self::NAME }
    }

    fn save(&self, w: &mut dyn Write, around: &Surroundings) -> fmt::Result {
        if let Some(state) = self.state {
            w.write_str(state.not())?;
            let option = if self.alias { "state" } else { "ctstate" };
            write!(w, " --{option} {}", state.value)?;
        }
        if self.alias { Ok(()) } else { self.write_rest(w, around, "--", true) }
    }

    fn print(&self, w: &mut dyn Write, around: &Surroundings, numeric: bool) -> fmt::Result {
        if let Some(state) = self.state {
            let word = if self.alias { "state" } else { "ctstate" };
            write!(w, "{} {word} {}", state.not(), state.value)?;
        }
        if self.alias { Ok(()) } else { self.write_rest(w, around, "", numeric) }
    }
}

impl Conntrack {
    /// Everything after the state, each option with `dashes` before its name.
    fn write_rest(&self, w: &mut dyn Write, around: &Surroundings, dashes: &str, numeric: bool) -> fmt::Result {
        if let Some(protocol) = self.protocol {
            write!(w, "{} {dashes}ctproto {}", protocol.not(), protocol.value)?;
        }
        for (name, network) in [
            ("ctorigsrc", &self.orig_source),
            ("ctorigdst", &self.orig_destination),
            ("ctreplsrc", &self.reply_source),
            ("ctrepldst", &self.reply_destination),
        ] {
            if let Some(network) = network {
                write!(w, "{} {dashes}{name} ", network.not())?;
                network.value.listed(w, around.af, numeric)?;
            }
        }
        for (name, ports) in [
            ("ctorigsrcport", self.orig_source_port),
            ("ctorigdstport", self.orig_destination_port),
            ("ctreplsrcport", self.reply_source_port),
            ("ctrepldstport", self.reply_destination_port),
        ] {
            if let Some(ports) = ports {
                let Ports { min, max } = ports.value;
                write!(w, "{} {dashes}{name} {min}", ports.not())?;
                // As dump_ports(), for which a range that ends with 0 has no end.
                if max != 0 && max != min {
                    write!(w, ":{max}")?;
                }
            }
        }
        if let Some(status) = self.status {
            write!(w, "{} {dashes}ctstatus {}", status.not(), status.value)?;
        }
        if let Some(expires) = self.expires {
            let (min, max) = expires.value;
            write!(w, "{} {dashes}ctexpire {min}", expires.not())?;
            if max != min {
                write!(w, ":{max}")?;
            }
        }
        match self.direction {
            Some(Direction::Original) => write!(w, " {dashes}ctdir ORIGINAL"),
            Some(Direction::Reply) => write!(w, " {dashes}ctdir REPLY"),
            None => Ok(()),
        }
    }
}

fn set_state(to: &mut Conntrack, given: &Given<'_>) -> Result<(), Problem> {
    let state = State::parse(given.value).map_err(|word| Problem::new(format!("Bad ctstate \"{word}\"")))?;
    to.state = Some(Condition::new(state, given.inverted));
    Ok(())
}

fn set_protocol(to: &mut Conntrack, given: &Given<'_>) -> Result<(), Problem> {
    to.protocol = Some(Condition::new(given.protocol()?.into(), given.inverted));
    Ok(())
}

fn set_orig_source(to: &mut Conntrack, given: &Given<'_>) -> Result<(), Problem> {
    to.orig_source = Some(Condition::new(given.network()?, given.inverted));
    Ok(())
}

fn set_orig_destination(to: &mut Conntrack, given: &Given<'_>) -> Result<(), Problem> {
    to.orig_destination = Some(Condition::new(given.network()?, given.inverted));
    Ok(())
}

fn set_reply_source(to: &mut Conntrack, given: &Given<'_>) -> Result<(), Problem> {
    to.reply_source = Some(Condition::new(given.network()?, given.inverted));
    Ok(())
}

fn set_reply_destination(to: &mut Conntrack, given: &Given<'_>) -> Result<(), Problem> {
    to.reply_destination = Some(Condition::new(given.network()?, given.inverted));
    Ok(())
}

fn set_orig_source_port(to: &mut Conntrack, given: &Given<'_>) -> Result<(), Problem> {
    to.orig_source_port = Some(Condition::new(given.ports()?, given.inverted));
    Ok(())
}

fn set_orig_destination_port(to: &mut Conntrack, given: &Given<'_>) -> Result<(), Problem> {
    to.orig_destination_port = Some(Condition::new(given.ports()?, given.inverted));
    Ok(())
}

fn set_reply_source_port(to: &mut Conntrack, given: &Given<'_>) -> Result<(), Problem> {
    to.reply_source_port = Some(Condition::new(given.ports()?, given.inverted));
    Ok(())
}

fn set_reply_destination_port(to: &mut Conntrack, given: &Given<'_>) -> Result<(), Problem> {
    to.reply_destination_port = Some(Condition::new(given.ports()?, given.inverted));
    Ok(())
}

fn set_status(to: &mut Conntrack, given: &Given<'_>) -> Result<(), Problem> {
    let status = Status::parse(given.value).map_err(|word| Problem::new(format!("Bad ctstatus \"{word}\"")))?;
    to.status = Some(Condition::new(status, given.inverted));
    Ok(())
}

fn set_expires(to: &mut Conntrack, given: &Given<'_>) -> Result<(), Problem> {
    let (min, max) = given.range(u32::MAX.into())?;
    to.expires = Some(Condition::new((min as u32, max as u32), given.inverted));
    Ok(())
}

fn set_direction(to: &mut Conntrack, given: &Given<'_>) -> Result<(), Problem> {
    to.direction = Some(match given.value {
        word if word.eq_ignore_ascii_case("ORIGINAL") => Direction::Original,
        word if word.eq_ignore_ascii_case("REPLY") => Direction::Reply,
        word => return Err(given.bad_param(word)),
    });
    Ok(())
}
