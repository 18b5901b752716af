//! `-m recent`: keeps lists of addresses that were seen, and compares with them.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::address;
use crate::value::text::Text;

/// What to do with a list of addresses, and when that is a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// What is done.
    pub action: Action,
    /// Only what was seen within so many seconds counts; 0 is no limit.
    pub seconds: u32,
    /// The address was seen at least so often; 0 asks for nothing.
    pub hits: u32,
    /// The packet's TTL equals that of the one that made the entry.
    pub ttl: bool,
    /// Entries older than `seconds` are removed on the way.
    pub reap: bool,
    /// `!`.
    pub inverted: bool,
    /// The list.
    pub name: Text<200>,
    /// The destination is looked at, not the source.
    pub destination: bool,
    /// Which bits of the address count; IPv4 uses the first four bytes.
    pub mask: [u8; 16],
}

/// What `recent` does with the address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// None was given, which the kernel refuses.
    #[default]
    None,
    /// `--set`: adds it or makes it seen again.
    Set,
    /// `--rcheck`: looks whether it is there.
    Check,
    /// `--update`: looks, and makes it seen again.
    Update,
    /// `--remove`: looks, and removes it.
    Remove,
}

/// Bit, option and listed word of each action.
const ACTIONS: [(Action, u8, &str, &str); 4] = [
    (Action::Set, 2, "set", "SET"),
    (Action::Check, 1, "rcheck", "CHECK"),
    (Action::Update, 4, "update", "UPDATE"),
    (Action::Remove, 8, "remove", "REMOVE"),
];

impl Default for Recent {
    fn default() -> Self {
        Self {
            action: Action::None,
            seconds: 0,
            hits: 0,
            ttl: false,
            reap: false,
            inverted: false,
            name: Text::cut("DEFAULT"),
            destination: false,
            mask: [0xff; 16],
        }
    }
}

impl Extension for Recent {
    const NAME: &'static str = "recent";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(1, size_of::<Info1>()), Revision::new(0, size_of::<Info0>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::flag("set", "add the address to the list", |to, given| set_action(to, given, Action::Set))
            .invertible()
            .excludes(&["rcheck", "update", "remove"]),
        Opt::flag("rcheck", "the address is in the list", |to, given| set_action(to, given, Action::Check))
            .invertible()
            .excludes(&["set", "update", "remove"]),
        Opt::flag("update", "it is in the list; count this as seen", |to, given| set_action(to, given, Action::Update))
            .invertible()
            .excludes(&["set", "rcheck", "remove"]),
        Opt::flag("remove", "it is in the list; remove it", |to, given| set_action(to, given, Action::Remove))
            .invertible()
            .excludes(&["set", "rcheck", "update"]),
        Opt::new("seconds", " n", "with --rcheck and --update: seen within so many seconds", set_seconds),
        Opt::flag("reap", "with --seconds: remove older entries", set_reap).requires(&["seconds"]),
        Opt::new("hitcount", " n", "with --rcheck and --update: seen at least so often", set_hits),
        Opt::flag("rttl", "with --rcheck and --update: the TTL is that of the first packet", set_ttl)
            .excludes(&["set", "remove"]),
        Opt::new("name", " name", "the list (DEFAULT)", set_name),
        Opt::flag("rsource", "look at the source address (default)", set_source),
        Opt::flag("rdest", "look at the destination address", set_destination),
        Opt::new("mask", " mask", "which bits of the address count", set_mask),
    ];

    fn check(&mut self, _seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if self.action == Action::None {
            return Err(Problem::new("recent: you must specify one of `--set', `--rcheck' `--update' or `--remove'"));
        }
        Ok(())
    }

    fn fits(&self, number: u8) -> bool {
        number >= 1 || self.mask == [0xff; 16]
    }

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (head, mask) = match revision {
            0 => (Info0::read_from_prefix(info).map_err(|_| Malformed("recent"))?.0, [0xff; 16]),
            _ => {
                let (info, _) = Info1::read_from_prefix(info).map_err(|_| Malformed("recent"))?;
                (info.head, info.mask)
            }
        };
        let bits = head.checks & !(TTL | REAP);
        let action = ACTIONS.iter().find(|(_, bit, ..)| *bit == bits).map(|(action, ..)| *action);
        Ok(Self {
            action: action.ok_or(Malformed("recent.check_set"))?,
            seconds: head.seconds,
            hits: head.hits,
            ttl: head.checks & TTL != 0,
            reap: head.checks & REAP != 0,
            inverted: head.invert != 0,
            name: Text(head.name),
            destination: head.side != 0,
            mask,
        })
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let action = ACTIONS.iter().find(|(action, ..)| *action == self.action).map_or(0, |(_, bit, ..)| *bit);
        let head = Info0 {
            seconds: self.seconds,
            hits: self.hits,
            checks: action | if self.ttl { TTL } else { 0 } | if self.reap { REAP } else { 0 },
            invert: self.inverted.into(),
            name: self.name.0,
            side: self.destination.into(),
            pad: 0,
        };
        let written = match revision {
            0 => head.write_to_prefix(info).is_ok(),
            _ => Info1 { head, mask: self.mask }.write_to_prefix(info).is_ok(),
        };
        if written { Ok(()) } else { Err(Malformed("recent")) }
    }

    fn save(&self, w: &mut dyn Write, around: &Surroundings) -> fmt::Result {
        let not = if self.inverted { " !" } else { "" };
        if let Some((_, _, option, _)) = ACTIONS.iter().find(|(action, ..)| *action == self.action) {
            write!(w, "{not} --{option}")?;
        }
        if self.seconds != 0 {
            write!(w, " --seconds {}", self.seconds.cast_signed())?;
        }
        if self.reap {
            w.write_str(" --reap")?;
        }
        if self.hits != 0 {
            write!(w, " --hitcount {}", self.hits)?;
        }
        if self.ttl {
            w.write_str(" --rttl")?;
        }
        let side = if self.destination { "rdest" } else { "rsource" };
        write!(w, " --name {} --mask {} --{side}", self.name, address::Text(address::to_ip(around.af, &self.mask)))
    }

    fn print(&self, w: &mut dyn Write, around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, "{} recent:", if self.inverted { " !" } else { "" })?;
        if let Some((.., word)) = ACTIONS.iter().find(|(action, ..)| *action == self.action) {
            write!(w, " {word}")?;
        }
        if self.seconds != 0 {
            write!(w, " seconds: {}", self.seconds.cast_signed())?;
        }
        if self.reap {
            w.write_str(" reap")?;
        }
        if self.hits != 0 {
            write!(w, " hit_count: {}", self.hits)?;
        }
        if self.ttl {
            w.write_str(" TTL-Match")?;
        }
        let side = if self.destination { "dest" } else { "source" };
        write!(w, " name: {} side: {side} mask: {}", self.name, address::Text(address::to_ip(around.af, &self.mask)))
    }
}

fn set_action(to: &mut Recent, given: &Given<'_>, action: Action) -> Result<(), Problem> {
    to.action = action;
    to.inverted |= given.inverted;
    Ok(())
}

fn set_seconds(to: &mut Recent, given: &Given<'_>) -> Result<(), Problem> {
    to.seconds = given.long(1, u32::MAX)?;
    Ok(())
}

fn set_reap(to: &mut Recent, _given: &Given<'_>) -> Result<(), Problem> {
    to.reap = true;
    Ok(())
}

fn set_hits(to: &mut Recent, given: &Given<'_>) -> Result<(), Problem> {
    to.hits = given.long(0, u32::MAX)?;
    Ok(())
}

fn set_ttl(to: &mut Recent, _given: &Given<'_>) -> Result<(), Problem> {
    to.ttl = true;
    Ok(())
}

/// The tools write the name over the default one and leave what the NUL does not cover.
fn set_name(to: &mut Recent, given: &Given<'_>) -> Result<(), Problem> {
    let name: Text<200> = given.text(0)?;
    let written = name.as_bytes().len() + 1;
    for (byte, new) in to.name.0.iter_mut().zip(name.0).take(written) {
        *byte = new;
    }
    Ok(())
}

fn set_source(to: &mut Recent, _given: &Given<'_>) -> Result<(), Problem> {
    to.destination = false;
    Ok(())
}

fn set_destination(to: &mut Recent, _given: &Given<'_>) -> Result<(), Problem> {
    to.destination = true;
    Ok(())
}

fn set_mask(to: &mut Recent, given: &Given<'_>) -> Result<(), Problem> {
    to.mask = given.host()?;
    Ok(())
}

const TTL: u8 = 0x10;
const REAP: u8 = 0x20;

/// struct xt_recent_mtinfo.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info0 {
    seconds: u32,
    hits: u32,
    checks: u8,
    invert: u8,
    name: [u8; 200],
    side: u8,
    pad: u8,
}

/// struct xt_recent_mtinfo_v1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    head: Info0,
    mask: [u8; 16],
}
