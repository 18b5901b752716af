//! Entries as messages and messages as entries.

use std::net::IpAddr;

use super::expect;
use engine::conntrack::tuple::Ports;
use engine::conntrack::{Address, ProtocolState, Snapshot, Tuple, status};
use engine::effects::{Event, EventKind, Subject};
use engine::nat::{Range, flags as range_flag};
use libxt::family::Af;
use nfnl::attr::Malformed;
use nfnl::conntrack::flow::{Adjustment, Traffic};
use nfnl::conntrack::{self, Flow, NatRange, ProtocolInfo, message};
use nfnl::message::{Builder, Header, Nfgen, flag, netfilter, subsystem};

/// An entry as a dump or an answer shows it. As ctnetlink_fill_info().
pub(super) fn flow(entry: &Snapshot) -> Flow {
    let mut flow = Flow {
        family: entry.tuples[0].af.number(),
        original: tuple(&entry.tuples[0]),
        reply: tuple(&entry.tuples[1]),
        master: entry.master.as_ref().map(tuple),
        status: Some(entry.status),
        timeout: entry.timeout,
        mark: Some(entry.mark),
        // As ctnetlink_dump_labels(): where none is set none is told.
        labels: entry.labels.filter(|labels| *labels != 0),
        counters: match entry.counters {
            Some(both) => both.map(|one| Some(Traffic { packets: one.packets, bytes: one.bytes })),
            None => [None; 2],
        },
        start: entry.times.map(|[start, _]| start),
        stop: entry.times.map(|[_, stop]| stop).filter(|&stop| stop != 0),
        protocol: protocol(entry.protocol),
        helper: entry.helper.map(|name| name.as_bytes().to_vec()),
        id: Some(entry.id),
        uses: Some(entry.uses),
        ..Flow::default()
    };
    match entry.zones {
        [0, 0] => {}
        [one, other] if one == other => flow.zone = Some(one),
        [one, other] => {
            flow.original.zone = Some(one).filter(|&zone| zone != 0);
            flow.reply.zone = Some(other).filter(|&zone| zone != 0);
        }
    }
    if let Some(both) = entry.adjustments {
        flow.adjustments = both.map(|(position, before, after)| Some(Adjustment { position, before, after }));
    }
    flow
}

/// Writes an event.
pub(super) fn event(event: &Event, out: &mut Vec<u8>) -> Result<(), Malformed> {
    match &event.subject {
        Subject::Connection { entry, marked } => connection_event(event, entry, *marked, out),
        Subject::Expectation(entry) => expect::event(event, entry, out),
    }
}

/// As ctnetlink_conntrack_event().
fn connection_event(event: &Event, entry: &Snapshot, marked: bool, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut flow = flow(entry);
    let (number, flags) = match event.kind {
        EventKind::New => (message::NEW, flag::CREATE | flag::EXCL),
        EventKind::Update => (message::NEW, 0),
        EventKind::Destroy => (message::DELETE, 0),
    };
    flow.uses = None;
    // A mark of zero is told only when it was set.
    if entry.mark == 0 && (!marked || event.kind == EventKind::Destroy) {
        flow.mark = None;
    }
    if event.kind == EventKind::Destroy {
        flow.timeout = flow.timeout.filter(|&seconds| seconds != 0);
        (flow.labels, flow.master, flow.helper, flow.adjustments) = (None, None, None, [None; 2]);
        if let Some(ProtocolInfo::Tcp { scales, flags, .. }) = &mut flow.protocol {
            (*scales, *flags) = ([None; 2], [None; 2]);
        }
    } else {
        flow.counters = [None; 2];
        (flow.start, flow.stop) = (None, None);
    }
    let header = Header { kind: netfilter(subsystem::CTNETLINK, number), flags, sequence: 0, port: event.port };
    write(header, &flow, out)
}

/// Writes a flow as a message.
pub(crate) fn write(header: Header, flow: &Flow, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut builder = Builder::netfilter(header, Nfgen::of(flow.family), out);
    flow.emit(&mut builder);
    builder.finish()
}

/// A tuple that a request names, or the errno. As ctnetlink_parse_tuple().
pub(super) fn key(family: u8, tuple: &conntrack::Tuple) -> Result<Tuple, i32> {
    let af = Af::from_number(family).ok_or(libc::EOPNOTSUPP)?;
    let address =
        |ip: Option<IpAddr>| ip.filter(|ip| ip.is_ipv4() == (af == Af::V4)).map(Address::from).ok_or(libc::EINVAL);
    let protocol = tuple.protocol.ok_or(libc::EINVAL)?;
    let (source, destination) = (address(tuple.source)?, address(tuple.destination)?);
    let ends = tuple.source_port.zip(tuple.destination_port).ok_or(libc::EINVAL);
    let ports = match protocol {
        6 | 17 | 132 | 136 => ends.map(|(source, destination)| Ports::Ports { source, destination })?,
        47 => ends.map(|(source, destination)| Ports::Keys { source, destination })?,
        1 | 58 => {
            let kind = tuple.icmp_type.ok_or(libc::EINVAL)?;
            let known = match protocol {
                1 => matches!(kind, 0 | 8 | 13..=18),
                _ => matches!(kind, 128..=132 | 139 | 140),
            };
            if !known {
                return Err(libc::EINVAL);
            }
            let code = tuple.icmp_code.ok_or(libc::EINVAL)?;
            Ports::Icmp { kind, code, id: tuple.icmp_id.ok_or(libc::EINVAL)? }
        }
        _ => Ports::None,
    };
    Ok(Tuple { af, protocol, source, destination, ports })
}

/// What a request names a connection by.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Its tuples, as far as they are given.
    pub(super) tuples: [Option<Tuple>; 2],
    /// The zone of each direction.
    pub(super) zones: [u16; 2],
}

/// The tuples that are `given`, each with a zone of its own unless there is one already, or the errno. As ctnetlink_parse_zone()
/// and ctnetlink_parse_tuple().
pub(super) fn named(flow: &Flow, given: [bool; 2]) -> Result<Named, i32> {
    let zone = flow.zone.unwrap_or(0);
    let mut named = Named { zones: [zone; 2], ..Named::default() };
    for (direction, tuple) in [&flow.original, &flow.reply].into_iter().enumerate() {
        if !given[direction] {
            continue;
        }
        named.tuples[direction] = Some(key(flow.family, tuple)?);
        if let Some(zone) = tuple.zone {
            if named.zones != [0; 2] {
                return Err(libc::EINVAL);
            }
            named.zones[direction] = zone;
        }
    }
    Ok(named)
}

/// `CTA_PROTOINFO` of a request for its protocol, or the errno; what it leaves out is as in `now`. As nlattr_to_tcp() and
/// nlattr_to_sctp().
pub(super) fn state_of(flow: &Flow, protocol: u8, now: ProtocolState) -> Result<Option<ProtocolState>, i32> {
    match (protocol, flow.protocol) {
        (6, Some(ProtocolInfo::Tcp { state, scales, flags })) => {
            if state.is_some_and(|state| state > TCP_STATE_MAX)
                || scales.iter().flatten().any(|&scale| scale > SCALE_MAX)
            {
                return Err(libc::ERANGE);
            }
            let (was, had_scales, had_flags) = match now {
                ProtocolState::Tcp { state, scales, flags } => (state, scales, flags),
                _ => (0, [0; 2], [0; 2]),
            };
            let both = [0, 1].map(|side: usize| {
                let (wanted, mask) = flags[side].unwrap_or((0, 0));
                (scales[side].unwrap_or(had_scales[side]), (had_flags[side] & !mask) | (wanted & mask))
            });
            Ok(Some(ProtocolState::Tcp {
                state: state.unwrap_or(was),
                scales: both.map(|(scale, _)| scale),
                flags: both.map(|(_, flags)| flags),
            }))
        }
        (132, Some(ProtocolInfo::Sctp { state, tags })) => match (state, tags) {
            (Some(state), _) if state > SCTP_STATE_MAX => Err(libc::ERANGE),
            (Some(state), [Some(one), Some(other)]) => Ok(Some(ProtocolState::Sctp { state, tags: [one, other] })),
            _ => Err(libc::EINVAL),
        },
        _ => Ok(None),
    }
}

/// `TCP_CONNTRACK_SYN_SENT2`, `SCTP_CONNTRACK_HEARTBEAT_SENT`: the last states that a request may name.
const TCP_STATE_MAX: u8 = 9;
const SCTP_STATE_MAX: u8 = 8;
/// `TCP_MAX_WSCALE`.
const SCALE_MAX: u8 = 14;

/// `CTA_NAT_SRC`, `CTA_NAT_DST` of a request.
pub(super) fn range(range: &NatRange) -> Range {
    let mut out = Range::default();
    if let Some(min) = range.min {
        out.flags |= range_flag::MAP_IPS;
        out.min_address = min.into();
        out.max_address = range.max.unwrap_or(min).into();
    }
    if let Some((min, max)) = range.ports {
        out.flags |= range_flag::PROTO_SPECIFIED;
        (out.min_port, out.max_port) = (min, max);
    }
    out
}

/// Whether a new entry may have this status, or the errno. As ctnetlink_change_status() on an entry that is CONFIRMED.
pub(super) fn new_status(bits: u32) -> Result<u32, i32> {
    let differs = status::CONFIRMED ^ bits;
    if differs & (status::EXPECTED | status::CONFIRMED | status::DYING) != 0 { Err(libc::EBUSY) } else { Ok(bits) }
}

pub(crate) fn tuple(tuple: &Tuple) -> conntrack::Tuple {
    let mut out = conntrack::Tuple {
        source: Some(tuple.source.ip(tuple.af)),
        destination: Some(tuple.destination.ip(tuple.af)),
        protocol: Some(tuple.protocol),
        ..conntrack::Tuple::default()
    };
    match tuple.ports {
        Ports::Ports { source, destination } | Ports::Keys { source, destination } => {
            (out.source_port, out.destination_port) = (Some(source), Some(destination));
        }
        Ports::Icmp { kind, code, id } => {
            (out.icmp_type, out.icmp_code, out.icmp_id) = (Some(kind), Some(code), Some(id));
        }
        Ports::None => {}
    }
    out
}

fn protocol(state: ProtocolState) -> Option<ProtocolInfo> {
    match state {
        ProtocolState::Stateless => None,
        ProtocolState::Tcp { state, scales, flags } => Some(ProtocolInfo::Tcp {
            state: Some(state),
            scales: scales.map(Some),
            flags: flags.map(|flags| Some((flags, 0))),
        }),
        ProtocolState::Sctp { state, tags } => Some(ProtocolInfo::Sctp { state: Some(state), tags: tags.map(Some) }),
    }
}
