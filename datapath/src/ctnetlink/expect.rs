//! Expectations: what each request about them does, and how they look as messages.

use engine::Engine;
use engine::conntrack::expect::{Snapshot, Wanted};
use engine::conntrack::{Address, ConnId, Direction, Statistics, Tuple};
use engine::effects::{Event, EventKind};
use libxt::family::Af;
use nfnl::attr::Malformed;
use nfnl::conntrack;
use nfnl::expect::{self, CpuStats, Expectation};
use nfnl::message::{Builder, Header, flag, netfilter, subsystem};
use nfnl::transport::server::{Outcome, PART, Refusal};

use super::answers::{At, ENTRY, VISITS, errno};
use super::convert;
use crate::clock;

/// Of which master a dump's expectations shall be.
pub(super) enum Of {
    /// Any.
    All,
    /// This one.
    Master(ConnId),
    /// One that has no helper.
    Nothing,
}

impl At<'_> {
    /// As ctnetlink_get_expect() and ctnetlink_dump_exp_ct() for dumps.
    pub(super) fn expectations_of(&self, asked: &Expectation) -> Result<Of, Refusal> {
        if asked.master.is_empty() {
            return Ok(Of::All);
        }
        let master = convert::key(asked.family, &asked.master).map_err(errno)?;
        let engine = self.home.engine();
        let found = engine.tracker().find(&master, asked.zone.unwrap_or(0), clock::now());
        let (id, _) = found.ok_or(errno(libc::ENOENT))?;
        Ok(if engine.tracker().has_help(id) { Of::Master(id) } else { Of::Nothing })
    }

    /// As ctnetlink_get_expect().
    pub(super) fn expectation(
        &mut self,
        request: Header,
        asked: &Expectation,
        reply: &mut Vec<u8>,
    ) -> Result<Outcome, Refusal> {
        let named = if asked.tuple.is_empty() { &asked.master } else { &asked.tuple };
        if named.is_empty() {
            return Err(errno(libc::EINVAL));
        }
        let tuple = convert::key(asked.family, named).map_err(errno)?;
        let found = self.home.engine().tracker().find_expectation(&tuple, asked.zone.unwrap_or(0), clock::now());
        let found = found.filter(|found| asked.id.is_none_or(|id| id == found.id)).ok_or(errno(libc::ENOENT))?;
        let header = Header { kind: netfilter(subsystem::CTNETLINK_EXP, expect::NEW), flags: flag::MULTI, ..request };
        write(header, &found, reply).map_err(|_| errno(libc::ENOMEM))?;
        Ok(Outcome::Done)
    }

    /// As ctnetlink_new_expect().
    pub(super) fn make_expectation(&mut self, request: Header, asked: &Expectation) -> Result<Outcome, Refusal> {
        if asked.tuple.is_empty() || asked.mask.is_empty() || asked.master.is_empty() {
            return Err(errno(libc::EINVAL));
        }
        let now = clock::now();
        let zone = asked.zone.unwrap_or(0);
        let tuple = convert::key(asked.family, &asked.tuple).map_err(errno)?;
        let there = self.home.engine().tracker().find_expectation(&tuple, zone, now).is_some();
        if there && request.flags & flag::EXCL != 0 {
            return Err(errno(libc::EEXIST));
        }
        if there {
            self.act(|engine, _| engine.tracker_mut().change_expectation(&tuple, zone, asked.timeout, now));
            return Ok(Outcome::Done);
        }
        if request.flags & flag::CREATE == 0 {
            return Err(errno(libc::ENOENT));
        }
        let mask = convert::key(asked.family, &asked.mask).map_err(errno)?;
        let nat = match &asked.nat {
            Some((direction, _)) if *direction > 1 => return Err(errno(libc::ERANGE)),
            Some((direction, tuple)) => {
                let saved = convert::key(asked.family, tuple).map_err(errno)?;
                let direction = if *direction == 0 { Direction::Original } else { Direction::Reply };
                Some((direction, saved.source, first(&saved)))
            }
            None => None,
        };
        let wanted = Wanted {
            tuple,
            mask: (mask.source, first(&mask)),
            master: convert::key(asked.family, &asked.master).map_err(errno)?,
            zone,
            flags: asked.flags.unwrap_or(0),
            class: asked.class,
            function: asked.function.as_deref(),
            nat,
        };
        let made =
            self.act(|engine, effects| engine.tracker_mut().make_expectation(&wanted, request.port, now, effects));
        made.map(|()| Outcome::Done).map_err(|refusal| errno(refusal.errno()))
    }

    /// As ctnetlink_del_expect(): one, those of a helper, or all.
    pub(super) fn delete_expectations(&mut self, request: Header, asked: &Expectation) -> Result<Outcome, Refusal> {
        let now = clock::now();
        if asked.tuple.is_empty() {
            let helper = asked.helper.as_deref();
            self.act(|engine, effects| {
                engine.tracker_mut().delete_expectations(helper, request.port, now, effects);
            });
            return Ok(Outcome::Done);
        }
        let tuple = convert::key(asked.family, &asked.tuple).map_err(errno)?;
        let zone = asked.zone.unwrap_or(0);
        let gone = self.act(|engine, effects| {
            engine.tracker_mut().delete_expectation(&tuple, zone, asked.id, request.port, now, effects)
        });
        gone.map(|()| Outcome::Done).map_err(|refusal| errno(refusal.errno()))
    }
}

/// Writes expectations from a place on until the part is full; whether these were the last.
pub(super) fn write_all(
    request: Header,
    family: u8,
    master: Option<ConnId>,
    place: &mut u32,
    engine: &Engine,
    reply: &mut Vec<u8>,
) -> bool {
    let now = clock::now();
    let tracker = engine.tracker();
    let header = Header { kind: netfilter(subsystem::CTNETLINK_EXP, expect::NEW), flags: flag::MULTI, ..request };
    for _ in 0..VISITS {
        if *place >= tracker.expectation_places() {
            return true;
        }
        let at = *place;
        *place += 1;
        let of_master = master.is_none_or(|master| tracker.is_expected_by(at, master));
        let Some(found) = tracker.expectation(at, now).filter(|_| of_master) else { continue };
        if family != 0 && found.expected.tuple.af.number() != family {
            continue;
        }
        if write(header, &found, reply).is_ok() && reply.len() >= PART - ENTRY {
            return false;
        }
    }
    false
}

/// As ctnetlink_expect_event().
pub(super) fn event(event: &Event, entry: &Snapshot, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (number, flags) = match event.kind {
        EventKind::New => (expect::NEW, flag::CREATE | flag::EXCL),
        EventKind::Update => (expect::NEW, 0),
        EventKind::Destroy => (expect::DELETE, 0),
    };
    let kind = netfilter(subsystem::CTNETLINK_EXP, number);
    write(Header { kind, flags, sequence: 0, port: event.port }, entry, out)
}

/// What was counted of them.
pub(super) fn stats(counted: &Statistics) -> CpuStats {
    CpuStats { new: counted.expect_new, create: counted.expect_create, delete: counted.expect_delete }
}

fn write(header: Header, found: &Snapshot, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let expectation = value(found);
    let mut builder = Builder::netfilter(header, expectation.nfgen(), out);
    expectation.emit(&mut builder);
    builder.finish()
}

/// As ctnetlink_exp_dump_expect().
fn value(found: &Snapshot) -> Expectation {
    let expected = &found.expected;
    let all = match expected.tuple.af {
        Af::V4 => Address::from(std::net::IpAddr::from([0xff; 4])),
        Af::V6 => Address([0xff; 16]),
    };
    let mask = convert::tuple(&Tuple { source: expected.source_mask, destination: all, ..expected.tuple });
    let whole = |part: Option<u16>| part.map(|_| u16::MAX);
    let (address, port) = expected.saved;
    let translated = (address != Address::default() || port != 0).then(|| {
        let saved = convert::tuple(&Tuple { source: address, destination: Address::default(), ..found.master });
        let saved = conntrack::Tuple {
            source_port: saved.source_port.map(|_| port),
            destination_port: saved.destination_port.map(|_| 0),
            ..saved
        };
        (expected.direction as u32, saved)
    });
    Expectation {
        family: found.master.af.number(),
        master: convert::tuple(&found.master),
        tuple: convert::tuple(&expected.tuple),
        mask: conntrack::Tuple {
            source_port: mask.source_port.map(|_| expected.port_mask),
            destination_port: whole(mask.destination_port),
            icmp_id: mask.icmp_id.map(|_| expected.port_mask),
            icmp_type: mask.icmp_type.map(|_| u8::MAX),
            icmp_code: mask.icmp_code.map(|_| u8::MAX),
            ..mask
        },
        timeout: Some(found.timeout),
        id: Some(found.id),
        helper: found.helper.map(|name| name.as_bytes().to_vec()),
        zone: None,
        flags: Some(expected.flags),
        class: Some(expected.class.into()),
        nat: translated,
        function: expected.follow.name().map(|name| name.as_bytes().to_vec()),
    }
}

/// What stands where a tuple has its source port.
fn first(tuple: &Tuple) -> u16 {
    use engine::conntrack::tuple::Ports;
    match tuple.ports {
        Ports::Ports { source, .. } | Ports::Keys { source, .. } => source,
        Ports::Icmp { id, .. } => id,
        Ports::None => 0,
    }
}
