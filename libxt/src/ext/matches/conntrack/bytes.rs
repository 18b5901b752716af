//! Revisions 1 to 3 of `conntrack`: ranges of ports since 3, state and status sets of 16 bits since 2.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::flags::{State, Status};
use super::{Conntrack, Direction};
use crate::ext::Malformed;
use crate::value::condition::Condition;
use crate::value::network::Network;
use crate::value::port::Ports;

/// Bytes of struct xt_conntrack_mtinfo1.
pub(super) const SIZE_1: usize = 152;
/// Bytes of struct xt_conntrack_mtinfo2.
pub(super) const SIZE_2: usize = 156;
/// Bytes of struct xt_conntrack_mtinfo3.
pub(super) const SIZE_3: usize = 164;

pub(super) fn fits(value: &Conntrack, revision: u8) -> bool {
    let single = |ports: Option<Condition<Ports>>| ports.is_none_or(|ports| ports.value.min == ports.value.max);
    let ports =
        [value.orig_source_port, value.orig_destination_port, value.reply_source_port, value.reply_destination_port];
    let narrow = value.state.is_none_or(|state| state.value.0 < 256);
    match revision {
        3 => true,
        2 => ports.into_iter().all(single),
        _ => narrow && ports.into_iter().all(single),
    }
}

pub(super) fn decode(revision: u8, info: &[u8]) -> Result<Conntrack, Malformed> {
    let (head, rest) = Head::read_from_prefix(info).map_err(malformed)?;
    let (state, status, ports) = match revision {
        1 => {
            let ([state, status], _) = <[u8; 2]>::read_from_prefix(rest).map_err(malformed)?;
            (state.into(), status.into(), head.ports.map(single))
        }
        2 => {
            let ([state, status], _) = <[u16; 2]>::read_from_prefix(rest).map_err(malformed)?;
            (state, status, head.ports.map(single))
        }
        3 => {
            let (tail, _) = Tail3::read_from_prefix(rest).map_err(malformed)?;
            let mut ports = head.ports.map(host);
            for (ports, high) in ports.iter_mut().zip(tail.high) {
                ports.max = high;
            }
            (tail.state, tail.status, ports)
        }
        _ => return Err(malformed(())),
    };
    let inverted = |bit| head.invert & bit != 0;
    let network = |index: usize, bit| {
        (head.flags & bit != 0).then(|| Condition::new(head.networks[index].network(), inverted(bit)))
    };
    let port = |index: usize, bit| (head.flags & bit != 0).then(|| Condition::new(ports[index], inverted(bit)));
    let [first, last] = head.expires.map(u32::from_ne_bytes);
    let expires = (first, last);
    let direction = if inverted(DIRECTION) { Direction::Reply } else { Direction::Original };
    Ok(Conntrack {
        state: (head.flags & STATE != 0).then(|| Condition::new(State(state), inverted(STATE))),
        protocol: (head.flags & PROTOCOL != 0).then(|| Condition::new(head.protocol, inverted(PROTOCOL))),
        orig_source: network(0, ORIG_SOURCE),
        orig_destination: network(1, ORIG_DESTINATION),
        reply_source: network(2, REPLY_SOURCE),
        reply_destination: network(3, REPLY_DESTINATION),
        orig_source_port: port(0, ORIG_SOURCE_PORT),
        orig_destination_port: port(1, ORIG_DESTINATION_PORT),
        reply_source_port: port(2, REPLY_SOURCE_PORT),
        reply_destination_port: port(3, REPLY_DESTINATION_PORT),
        status: (head.flags & STATUS != 0).then(|| Condition::new(Status(status), inverted(STATUS))),
        expires: (head.flags & EXPIRES != 0).then(|| Condition::new(expires, inverted(EXPIRES))),
        direction: (head.flags & DIRECTION != 0).then_some(direction),
        alias: head.flags & ALIAS != 0,
    })
}

pub(super) fn encode(value: &Conntrack, revision: u8, info: &mut [u8]) -> Result<(), Malformed> {
    let mut flags = if value.alias { ALIAS } else { 0 };
    let mut invert = 0;
    let mut set = |bit, inverted| {
        flags |= bit;
        invert |= if inverted { bit } else { 0 };
    };
    let mut networks = [Field::default(); 4];
    for (field, (network, bit)) in networks.iter_mut().zip([
        (value.orig_source, ORIG_SOURCE),
        (value.orig_destination, ORIG_DESTINATION),
        (value.reply_source, REPLY_SOURCE),
        (value.reply_destination, REPLY_DESTINATION),
    ]) {
        if let Some(Condition { value, inverted }) = network {
            *field = Field { address: value.address, mask: value.mask };
            set(bit, inverted);
        }
    }
    let mut ports = [Ports { min: 0, max: 0 }; 4];
    for (own, (given, bit)) in ports.iter_mut().zip([
        (value.orig_source_port, ORIG_SOURCE_PORT),
        (value.orig_destination_port, ORIG_DESTINATION_PORT),
        (value.reply_source_port, REPLY_SOURCE_PORT),
        (value.reply_destination_port, REPLY_DESTINATION_PORT),
    ]) {
        if let Some(Condition { value, inverted }) = given {
            *own = value;
            set(bit, inverted);
        }
    }
    let state = value.state.inspect(|state| set(STATE, state.inverted)).unwrap_or_default().value.0;
    let protocol = value.protocol.inspect(|protocol| set(PROTOCOL, protocol.inverted)).unwrap_or_default().value;
    let status = value.status.inspect(|status| set(STATUS, status.inverted)).unwrap_or_default().value.0;
    let expires = value.expires.inspect(|expires| set(EXPIRES, expires.inverted)).unwrap_or_default().value;
    if let Some(direction) = value.direction {
        set(DIRECTION, direction == Direction::Reply);
    }
    let head = Head {
        networks,
        expires: [expires.0, expires.1].map(u32::to_ne_bytes),
        protocol,
        ports: match revision {
            3 => ports.map(|ports| ports.min.to_ne_bytes()),
            _ => ports.map(|ports| ports.min.to_be_bytes()),
        },
        flags,
        invert,
    };
    head.write_to_prefix(info).map_err(malformed)?;
    let rest = info.get_mut(size_of::<Head>()..).unwrap_or_default();
    let written = match revision {
        1 => [state as u8, status as u8].write_to_prefix(rest).is_ok(),
        2 => [state, status].write_to_prefix(rest).is_ok(),
        3 => Tail3 { state, status, high: ports.map(|ports| ports.max) }.write_to_prefix(rest).is_ok(),
        _ => false,
    };
    if written { Ok(()) } else { Err(Malformed("conntrack")) }
}

/// Revisions 1 and 2 have one port, in network order.
fn single(bytes: [u8; 2]) -> Ports {
    let port = u16::from_be_bytes(bytes);
    Ports { min: port, max: port }
}

/// Revision 3 has the first port in host order; its last stands behind the sets.
fn host(bytes: [u8; 2]) -> Ports {
    let port = u16::from_ne_bytes(bytes);
    Ports { min: port, max: port }
}

fn malformed<T>(_: T) -> Malformed {
    Malformed("conntrack")
}

const STATE: u16 = 1;
const PROTOCOL: u16 = 1 << 1;
const ORIG_SOURCE: u16 = 1 << 2;
const ORIG_DESTINATION: u16 = 1 << 3;
const REPLY_SOURCE: u16 = 1 << 4;
const REPLY_DESTINATION: u16 = 1 << 5;
const STATUS: u16 = 1 << 6;
const EXPIRES: u16 = 1 << 7;
const ORIG_SOURCE_PORT: u16 = 1 << 8;
const ORIG_DESTINATION_PORT: u16 = 1 << 9;
const REPLY_SOURCE_PORT: u16 = 1 << 10;
const REPLY_DESTINATION_PORT: u16 = 1 << 11;
const DIRECTION: u16 = 1 << 12;
const ALIAS: u16 = 1 << 13;

/// What struct xt_conntrack_mtinfo1, 2 and 3 have in common; it ends at byte 150, so its words are bytes here.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Head {
    networks: [Field; 4],
    expires: [[u8; 4]; 2],
    protocol: u16,
    ports: [[u8; 2]; 4],
    flags: u16,
    invert: u16,
}

/// An address and its mask, each a union nf_inet_addr.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Field {
    address: [u8; 16],
    mask: [u8; 16],
}

impl Field {
    const fn network(&self) -> Network {
        Network { address: self.address, mask: self.mask }
    }
}

/// The rest of struct xt_conntrack_mtinfo3.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Tail3 {
    state: u16,
    status: u16,
    high: [u16; 4],
}

const _: () = assert!(size_of::<Head>() == 150 && align_of::<Head>() == 2);
const _: () = assert!(size_of::<Head>() + size_of::<Tail3>() <= SIZE_3);
