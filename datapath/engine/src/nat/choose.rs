//! Which address and port a connection gets: the range's, unique among all answers to expect. As get_unique_tuple().

use libxt::family::Af;

use super::{Manip, Range, flags};
use crate::Now;
use crate::conntrack::tuple::{Ports, protocol};
use crate::conntrack::{Address, ConnId, Direction, Tracker, Tuple, status};

/// Ports that one search tries (`NF_NAT_MAX_ATTEMPTS`); each next round tries half as many, down to
/// `NF_NAT_HARDER_THRESH`/2.
const ATTEMPTS: u32 = 128;
const ATTEMPTS_MIN: u32 = 16;
/// So near the end of a search, TCP connections that are over make way (`NF_NAT_HARDER_THRESH`).
const HARDER: u32 = 32;

/// What packets of the connection shall look like when they leave. If nothing is free it is a taken tuple, and the
/// connection will not enter the table.
pub(super) fn unique_tuple(
    tracker: &mut Tracker,
    id: ConnId,
    current: &Tuple,
    range: &Range,
    manip: Manip,
    now: Now,
) -> Tuple {
    let random = range.flags & flags::PROTO_RANDOM_ALL != 0;
    let zone = tracker.get(id).map_or(0, |connection| connection.zones()[0]);
    if manip == Manip::Source && !random {
        if in_range(current, range) {
            if !taken_anew(tracker, current, id, now) {
                return *current;
            }
        } else if let Some(mapped) = tracker.source_mapping(current, zone, |tuple| in_range(tuple, range))
            && tracker.taken(&mapped, id, now).is_none()
        {
            return mapped;
        }
    }
    let mut tuple = *current;
    choose_address(tracker, &mut tuple, range, manip, zone);
    if !random {
        if range.flags & flags::PROTO_SPECIFIED == 0 {
            if tracker.taken(&tuple, id, now).is_none() {
                return tuple;
            }
        } else if range.flags & flags::PROTO_OFFSET == 0
            && port_in_range(&tuple, range, manip)
            && (range.min_port == range.max_port || tracker.taken(&tuple, id, now).is_none())
        {
            return tuple;
        }
    }
    choose_port(tracker, id, tuple, range, manip, now)
}

/// Whether the unchanged tuple is taken. Two hosts that open UDP towards each other at once, neither translated, may share
/// it. As nf_nat_used_tuple_new().
fn taken_anew(tracker: &Tracker, tuple: &Tuple, id: ConnId, now: Now) -> bool {
    const TOUCHED: u32 = status::SRC_NAT | status::DST_NAT | status::SEQ_ADJUST;
    if tracker.taken(tuple, id, now).is_none() {
        return false;
    }
    let Some(own) = tracker.get(id) else { return true };
    if !matches!(tuple.protocol, protocol::UDP | protocol::UDPLITE) {
        return true;
    }
    // Which is looked for anew: between zones it may be another that is found, or none, and then this one dies in the end.
    let Some(other) = tracker.clashing(tuple, own.zones()) else { return false };
    if other.status() & TOUCHED != 0 {
        return true;
    }
    other.tuple(Direction::Original) != own.tuple(Direction::Reply)
        || other.tuple(Direction::Reply) != own.tuple(Direction::Original)
}

/// As nf_in_range(): addresses, and the source port if ports are given.
fn in_range(tuple: &Tuple, range: &Range) -> bool {
    let addresses =
        range.flags & flags::MAP_IPS == 0 || range.min_address <= tuple.source && tuple.source <= range.max_address;
    addresses && (range.flags & flags::PROTO_SPECIFIED == 0 || port_in_range(tuple, range, Manip::Source))
}

/// As l4proto_in_range().
fn port_in_range(tuple: &Tuple, range: &Range, manip: Manip) -> bool {
    let allowed = range.min_port..=range.max_port;
    match (tuple.ports, manip) {
        (Ports::Icmp { id, .. }, _) => allowed.contains(&id),
        (Ports::Ports { source, .. } | Ports::Keys { source, .. }, Manip::Source) => allowed.contains(&source),
        (Ports::Ports { destination, .. } | Ports::Keys { destination, .. }, Manip::Destination) => {
            allowed.contains(&destination)
        }
        (Ports::None, _) => true,
    }
}

/// An address of the range: the same for the same pair of hosts, and with PERSISTENT for the same source. As
/// find_best_ips_proto().
fn choose_address(tracker: &Tracker, tuple: &mut Tuple, range: &Range, manip: Manip, zone: u16) {
    if range.flags & flags::MAP_IPS == 0 {
        return;
    }
    let mut address = range.min_address;
    if range.min_address != range.max_address {
        let mut seed = [0; 34];
        seed[..16].copy_from_slice(&tuple.source.0);
        if range.flags & flags::PERSISTENT == 0 {
            seed[16..32].copy_from_slice(&tuple.destination.0);
            seed[32..].copy_from_slice(&zone.to_be_bytes());
        }
        let (low, high) = (number(tuple.af, range.min_address), number(tuple.af, range.max_address));
        let (low, high) = (low.min(high), low.max(high));
        let first = tracker.digest(&seed);
        let draw = u128::from(first) << 64 | u128::from(tracker.digest(&first.to_be_bytes()));
        let place = match (high - low).checked_add(1) {
            Some(span) => low + draw % span,
            None => draw,
        };
        address = from_number(tuple.af, place);
    }
    match manip {
        Manip::Source => tuple.source = address,
        Manip::Destination => tuple.destination = address,
    }
}

/// A port of the range, or without one of the port's own class, that makes the tuple unique. As
/// nf_nat_l4proto_unique_tuple().
fn choose_port(tracker: &mut Tracker, id: ConnId, mut tuple: Tuple, range: &Range, manip: Manip, now: Now) -> Tuple {
    let specified = range.flags & flags::PROTO_SPECIFIED != 0;
    let port = match (tuple.ports, manip) {
        (Ports::Icmp { id, .. }, _) => id,
        (Ports::Ports { source, .. }, Manip::Source) => source,
        (Ports::Ports { destination, .. }, Manip::Destination) => destination,
        // GRE keys are the two ends' own, but for calls of PPTP.
        (Ports::Keys { source, .. }, Manip::Source) if tracker.has_master(id) => source,
        (Ports::Keys { destination, .. }, Manip::Destination) if tracker.has_master(id) => destination,
        (Ports::Keys { .. } | Ports::None, _) => return tuple,
    };
    let keys = matches!(tuple.ports, Ports::Keys { .. });
    let icmp = matches!(tuple.ports, Ports::Icmp { .. });
    let (low, high) = match (specified, icmp) {
        (true, _) => (range.min_port.min(range.max_port), range.min_port.max(range.max_port)),
        (false, true) => (0, u16::MAX),
        (false, false) if keys => (1, u16::MAX),
        // Without a range a destination port cannot be changed.
        (false, false) if manip == Manip::Destination => return tuple,
        (false, false) => match port {
            0..512 => (1, 511),
            512..1024 => (600, 1023),
            _ => (1024, u16::MAX),
        },
    };
    let size = u32::from(high - low) + 1;
    let mut offset = if range.flags & flags::PROTO_OFFSET != 0 {
        u32::from(port.wrapping_sub(range.base_port))
    } else if range.flags & flags::PROTO_RANDOM_ALL != 0 || manip == Manip::Source {
        draw(tracker)
    } else {
        0
    };
    let mut attempts = size.min(ATTEMPTS);
    loop {
        for attempt in 0..attempts {
            let port = u32::from(low) + offset.wrapping_add(attempt) % size;
            set_port(&mut tuple, manip, u16::try_from(port).unwrap_or(high));
            let taken = if attempts - attempt <= HARDER {
                tracker.taken_by_force(&tuple, id, now)
            } else {
                tracker.taken(&tuple, id, now).is_some()
            };
            if !taken {
                return tuple;
            }
        }
        if attempts >= size || attempts < ATTEMPTS_MIN {
            return tuple;
        }
        attempts /= 2;
        offset = draw(tracker);
    }
}

fn draw(tracker: &mut Tracker) -> u32 {
    (tracker.random() >> 48) as u32
}

fn set_port(tuple: &mut Tuple, manip: Manip, port: u16) {
    match (&mut tuple.ports, manip) {
        (Ports::Icmp { id, .. }, _) => *id = port,
        (Ports::Ports { source, .. } | Ports::Keys { source, .. }, Manip::Source) => *source = port,
        (Ports::Ports { destination, .. } | Ports::Keys { destination, .. }, Manip::Destination) => {
            *destination = port;
        }
        (Ports::None, _) => {}
    }
}

fn number(af: Af, address: Address) -> u128 {
    let all = u128::from_be_bytes(address.0);
    match af {
        Af::V4 => all >> 96,
        Af::V6 => all,
    }
}

fn from_number(af: Af, number: u128) -> Address {
    Address(
        match af {
            Af::V4 => number << 96,
            Af::V6 => number,
        }
        .to_be_bytes(),
    )
}
