//! `-j CT` and its old form `-j NOTRACK`: decides how a packet's connection will be tracked, before it is.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::number;
use crate::value::text::Text;

/// The template that a new connection is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ct {
    /// `--notrack`: no connection at all.
    pub notrack: bool,
    /// The zone.
    pub zone: Zone,
    /// Which events of the connection are reported (`1 << IPCT_*`); 0 leaves the choice to the kernel.
    pub events: u32,
    /// Which events of its expectations are reported (`1 << IPEXP_*`); 0 leaves the choice to the kernel.
    pub expectation_events: u32,
    /// The helper's name, up to 15 bytes, or empty.
    pub helper: Text<16>,
    /// The timeout policy's name, up to 31 bytes, or empty.
    pub timeout: Text<32>,
    /// Written as `-j NOTRACK`.
    pub alias: bool,
}

/// Where connections of a direction are looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// The number; of no meaning with `from_mark`.
    pub id: u16,
    /// The packet's mark is the number.
    pub from_mark: bool,
    /// The zone counts in the original direction only, or in both if `reply` says the same or neither does.
    pub original: bool,
    /// The zone counts in the reply direction only.
    pub reply: bool,
}

impl Extension for Ct {
    const NAME: &'static str = "CT";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[
        Revision::new(2, size_of::<Info1>()).user_size(64),
        Revision::new(1, size_of::<Info1>()).user_size(64),
        Revision::new(0, size_of::<Info0>()).user_size(32),
    ];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::flag("notrack", "do not track the connection", set_notrack),
        Opt::new("helper", " name", "let this helper read the connection", set_helper),
        Opt::new("timeout", " name", "use this timeout policy", set_timeout),
        Opt::new(
            "ctevents",
            " event[,event...]",
            "report only: new, related, destroy, reply, assured, protoinfo, helper, mark, natseqinfo, secmark",
            set_events,
        ),
        Opt::new(
            "expevents",
            " event[,event...]",
            "report only these of its expectations: new",
            set_expectation_events,
        ),
        Opt::new("zone-orig", " id|mark", "look up the original direction in this zone, 0 to 65535", set_zone_original),
        Opt::new("zone-reply", " id|mark", "look up the reply direction in this zone", set_zone_reply),
        Opt::new("zone", " id|mark", "look up both directions in this zone", set_zone),
    ];

    fn fits(&self, number: u8) -> bool {
        let zone = Zone { id: self.zone.id, ..Zone::default() };
        number >= 2 || (self.zone == zone && (number == 1 || self.timeout.is_empty()))
    }

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (head, timeout) = match revision {
            0 => Info0::read_from_prefix(info).map(|(info, _)| (info.head, [0; 32])).map_err(|_| Malformed("CT"))?,
            _ => {
                Info1::read_from_prefix(info).map(|(info, _)| (info.head, info.timeout)).map_err(|_| Malformed("CT"))?
            }
        };
        Ok(Self {
            notrack: head.flags & NOTRACK != 0,
            zone: Zone {
                id: head.zone,
                from_mark: head.flags & ZONE_MARK != 0,
                original: head.flags & ZONE_ORIGINAL != 0,
                reply: head.flags & ZONE_REPLY != 0,
            },
            events: head.events,
            expectation_events: head.expectation_events,
            helper: Text(head.helper),
            timeout: Text(timeout),
            alias: head.flags & ALIAS != 0,
        })
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let mut flags = 0;
        for (set, bit) in [
            (self.notrack, NOTRACK),
            (self.alias && revision >= 2, ALIAS),
            (self.zone.original, ZONE_ORIGINAL),
            (self.zone.reply, ZONE_REPLY),
            (self.zone.from_mark, ZONE_MARK),
        ] {
            flags |= if set { bit } else { 0 };
        }
        let head = Head {
            flags,
            zone: self.zone.id,
            events: self.events,
            expectation_events: self.expectation_events,
            helper: self.helper.0,
        };
        let written = match revision {
            0 => Info0 { head, pad: 0, kernel: 0 }.write_to_prefix(info).is_ok(),
            _ => Info1 { head, timeout: self.timeout.0, pad: 0, kernel: 0 }.write_to_prefix(info).is_ok(),
        };
        if written { Ok(()) } else { Err(Malformed("CT")) }
    }

    fn shown_name(&self) -> &'static str {
        if self.alias { "NOTRACK" } else { Self::NAME }
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        if self.alias { Ok(()) } else { self.write(w, "--") }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        if self.alias {
            return w.write_str(" NOTRACK");
        }
        w.write_str(" CT")?;
        self.write(w, "")
    }
}

impl Ct {
    fn write(&self, w: &mut dyn Write, dashes: &str) -> fmt::Result {
        if self.notrack {
            write!(w, " {dashes}notrack")?;
        }
        for (name, text) in [("helper", self.helper.to_str()), ("timeout", self.timeout.to_str())] {
            if !text.is_empty() {
                write!(w, " {dashes}{name} {text}")?;
            }
        }
        for (name, bits, names) in
            [("ctevents", self.events, &EVENTS[..]), ("expevents", self.expectation_events, &EXPECTATION_EVENTS[..])]
        {
            if bits == 0 {
                continue;
            }
            write!(w, " {dashes}{name} ")?;
            let mut comma = "";
            for (index, name) in names.iter().enumerate() {
                if bits & (1 << index) != 0 {
                    write!(w, "{comma}{name}")?;
                    comma = ",";
                }
            }
        }
        let zone = self.zone;
        if zone.id == 0 && !zone.from_mark {
            return Ok(());
        }
        let option = match (zone.original, zone.reply) {
            (true, false) => "zone-orig",
            (false, true) => "zone-reply",
            _ => "zone",
        };
        write!(w, " {dashes}{option} ")?;
        if zone.from_mark { w.write_str("mark") } else { write!(w, "{}", zone.id) }
    }
}

/// `-j NOTRACK` while its options are read; from bytes, it is a [`Ct`] with `alias` set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notrack(
    /// What it means.
    pub Ct,
);

impl Default for Notrack {
    fn default() -> Self {
        Self(Ct { notrack: true, alias: true, ..Ct::default() })
    }
}

impl Extension for Notrack {
    const NAME: &'static str = Ct::NAME;
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = Ct::REVISIONS;
    const OPTIONS: &'static [Opt<Self>] = &[];

    fn decode(revision: u8, info: &[u8], around: &Surroundings) -> Result<Self, Malformed> {
        Ct::decode(revision, info, around).map(Self)
    }

    fn encode(&self, revision: u8, info: &mut [u8], around: &Surroundings) -> Result<(), Malformed> {
        self.0.encode(revision, info, around)
    }

    fn shown_name(&self) -> &'static str {
        "NOTRACK"
    }

    fn save(&self, w: &mut dyn Write, around: &Surroundings) -> fmt::Result {
        self.0.save(w, around)
    }

    fn print(&self, w: &mut dyn Write, around: &Surroundings, numeric: bool) -> fmt::Result {
        self.0.print(w, around, numeric)
    }
}

fn set_notrack(to: &mut Ct, _given: &Given<'_>) -> Result<(), Problem> {
    to.notrack = true;
    Ok(())
}

fn set_helper(to: &mut Ct, given: &Given<'_>) -> Result<(), Problem> {
    to.helper = given.text(0)?;
    Ok(())
}

fn set_timeout(to: &mut Ct, given: &Given<'_>) -> Result<(), Problem> {
    to.timeout = given.text(0)?;
    Ok(())
}

fn set_events(to: &mut Ct, given: &Given<'_>) -> Result<(), Problem> {
    to.events = events(given.value, &EVENTS)?;
    Ok(())
}

fn set_expectation_events(to: &mut Ct, given: &Given<'_>) -> Result<(), Problem> {
    to.expectation_events = events(given.value, &EXPECTATION_EVENTS)?;
    Ok(())
}

/// The three zone options add to each other, and the last number counts.
fn set_zone(to: &mut Ct, given: &Given<'_>) -> Result<(), Problem> {
    if given.value.eq_ignore_ascii_case("mark") {
        to.zone.from_mark = true;
        return Ok(());
    }
    let id = number::parse(given.value, 0, u16::MAX.into());
    to.zone.id = id.ok_or_else(|| Problem::new(format!("Cannot parse {} as a zone ID", given.value)))? as u16;
    Ok(())
}

fn set_zone_original(to: &mut Ct, given: &Given<'_>) -> Result<(), Problem> {
    set_zone(to, given)?;
    to.zone.original = true;
    Ok(())
}

fn set_zone_reply(to: &mut Ct, given: &Given<'_>) -> Result<(), Problem> {
    set_zone(to, given)?;
    to.zone.reply = true;
    Ok(())
}

fn events(text: &str, names: &[&str]) -> Result<u32, Problem> {
    let mut bits = 0;
    for word in text.split(',') {
        let index = names.iter().position(|name| *name == word);
        bits |= 1 << index.ok_or_else(|| Problem::new(format!("Unknown event type \"{word}\"")))?;
    }
    Ok(bits)
}

/// By bit: enum ip_conntrack_events.
const EVENTS: [&str; 10] =
    ["new", "related", "destroy", "reply", "assured", "protoinfo", "helper", "mark", "natseqinfo", "secmark"];
/// By bit: enum ip_conntrack_expect_events.
const EXPECTATION_EVENTS: [&str; 1] = ["new"];

const NOTRACK: u16 = 1;
const ALIAS: u16 = 1 << 1;
const ZONE_ORIGINAL: u16 = 1 << 2;
const ZONE_REPLY: u16 = 1 << 3;
const ZONE_MARK: u16 = 1 << 4;

/// What the revisions have in common.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Head {
    flags: u16,
    zone: u16,
    events: u32,
    expectation_events: u32,
    helper: [u8; 16],
}

/// struct xt_ct_target_info; `kernel` is the template's address.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info0 {
    head: Head,
    pad: u32,
    kernel: u64,
}

/// struct xt_ct_target_info_v1, also that of revision 2.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    head: Head,
    timeout: [u8; 32],
    pad: u32,
    kernel: u64,
}

const _: () = assert!(size_of::<Info0>() == 40 && size_of::<Info1>() == 72);
