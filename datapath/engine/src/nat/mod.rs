//! Address translation as nf_nat does it: a connection's first packet binds each side once, every packet is rewritten by
//! the binding.

mod choose;
#[cfg(test)]
mod properties;
mod range;
mod rewrite;
#[cfg(test)]
mod tests;

pub(crate) use range::Target;
pub use range::{Manip, Range, flags};

use std::net::IpAddr;

use libxt::family::Af;

use crate::conntrack::error::ERROR_HEADER;
use crate::conntrack::{Address, ConnId, Connection, Direction, Relation, Tracked, Tracker, status};
use crate::packet::Checksum;
use crate::wire::{Headers, ipv4, ipv6};
use crate::{Effects, Hook, Now, Packet, Verdict};

/// Which side a hook translates: destination before routing (PREROUTING, OUTPUT), source after it (INPUT, POSTROUTING);
/// FORWARD none. As HOOK2MANIP().
pub const fn manip(hook: Hook) -> Option<Manip> {
    match hook {
        Hook::Prerouting | Hook::Output => Some(Manip::Destination),
        Hook::Input | Hook::Postrouting => Some(Manip::Source),
        Hook::Forward => None,
    }
}

/// Whether the nat rules must still decide one side of a connection. They are asked for packets that are not ESTABLISHED.
pub fn needs_binding(tracker: &Tracker, id: ConnId, manip: Manip) -> bool {
    tracker.get(id).is_some_and(|connection| !connection.bound(manip))
}

/// Binds one side of a new connection into a range. As nf_nat_setup_info().
pub fn setup(tracker: &mut Tracker, id: ConnId, range: &Range, manip: Manip, now: Now) -> Verdict {
    let Some(connection) = tracker.unconfirmed(id) else { return Verdict::Accept };
    if connection.bound(manip) {
        return Verdict::Drop;
    }
    let Some(current) = connection.leaving(Direction::Original) else { return Verdict::Drop };
    let chosen = choose::unique_tuple(tracker, id, &current, range, manip, now);
    tracker.bind(id, manip, &chosen);
    Verdict::Accept
}

/// Binds one side to what it is, when no rule matched; a port may still change if the tuple is taken. As
/// nf_nat_alloc_null_binding().
pub fn null_binding(tracker: &mut Tracker, id: ConnId, manip: Manip, now: Now) -> Verdict {
    let Some(connection) = tracker.unconfirmed(id) else { return Verdict::Accept };
    let reply = connection.tuple(Direction::Reply);
    let address = match manip {
        Manip::Source => reply.destination,
        Manip::Destination => reply.source,
    };
    let range = Range { flags: flags::MAP_IPS, min_address: address, max_address: address, ..Range::default() };
    setup(tracker, id, &range, manip, now)
}

/// As [`setup`] for the source, by MASQUERADE: the connection dies when the device or the address goes.
pub fn masquerade(tracker: &mut Tracker, id: ConnId, range: &Range, device: u32, now: Now) -> Verdict {
    tracker.bind_device(id, device);
    setup(tracker, id, range, Manip::Source, now)
}

/// Rewrites a packet for its hook: addresses, ports, ids; for an ICMP error the quoted packet as well. Checksums follow.
/// Drops a packet that cannot be rewritten, a redirect of a translated connection, and one of a masqueraded connection
/// that leaves by another device than before. As nf_nat_packet() and nf_nat_icmp_reply_translation().
///
/// The headers are made to say what the packet then says.
pub fn translate(
    tracker: &mut Tracker,
    tracked: Tracked,
    packet: &mut Packet<'_>,
    headers: &mut Headers,
    now: Now,
    out: &mut Effects,
) -> Verdict {
    let (Tracked::Of { id, direction, relation }, Some(manip)) = (tracked, manip(packet.hook)) else {
        return Verdict::Accept;
    };
    let Some(connection) = tracker.get(id) else { return Verdict::Accept };
    if relation == Relation::Related && rewrite::is_error(headers, packet.data.bytes()) {
        return error(connection, direction, manip, packet, headers);
    }
    if packet.hook == Hook::Postrouting
        && direction == Direction::Original
        && connection.masquerade != 0
        && packet.out_device.is_some_and(|device| device.index != connection.masquerade)
    {
        tracker.end(id, now, out);
        return Verdict::Drop;
    }
    if !connection.rewrites(manip, direction) {
        return Verdict::Accept;
    }
    let target = connection.target(direction, manip);
    let end = headers.end;
    let part = rewrite::Part {
        af: headers.af,
        protocol: headers.protocol,
        transport: headers.transport,
        partial: packet.checksum == Checksum::Partial,
    };
    packet.data.pull(rewrite::writes(part, end));
    if rewrite::differs(headers, packet.data.bytes(), target, manip) {
        let Some(bytes) = packet.data.make_mut().get_mut(..end) else { return Verdict::Drop };
        if rewrite::rewrite(bytes, part, target, manip).is_none() {
            return Verdict::Drop;
        }
        note(headers, target, manip);
    }
    Verdict::Accept
}

/// An address went from a device, or with `None` the device went down: the connections that MASQUERADE bound to it die, piece
/// by piece while the engine [ages](crate::Engine::expire).
pub fn address_gone(tracker: &mut Tracker, device: u32, address: Option<IpAddr>) {
    tracker.forsake(device, address.map(Address::from));
}

/// Rewrites an ICMP error and the packet it quotes.
fn error(
    connection: &Connection,
    direction: Direction,
    manip: Manip,
    packet: &mut Packet<'_>,
    headers: &mut Headers,
) -> Verdict {
    const NAT: u32 = status::SRC_NAT | status::DST_NAT;
    const DONE: u32 = status::SRC_NAT_DONE | status::DST_NAT_DONE;
    let redirect = match headers.af {
        Af::V4 => 5,
        Af::V6 => 137,
    };
    let quoted_header = match headers.af {
        Af::V4 => ipv4::HEADER,
        Af::V6 => ipv6::HEADER,
    };
    let quote = headers.transport + ERROR_HEADER;
    packet.data.pull(quote + quoted_header);
    let kind = packet.data.bytes().get(headers.transport).copied();
    if kind == Some(redirect) && (connection.status() & DONE != DONE || connection.status() & NAT != 0) {
        // The two would talk past the translation.
        return Verdict::Drop;
    }
    // Tracking sums up only what arrives: a program on this machine may have sent anything, of which the queue says nothing.
    let trusted = packet.checksum == Checksum::Verified && packet.in_device.is_some();
    if !trusted && !rewrite::error_adds_up(headers, packet.data.bytes()) {
        return Verdict::Drop;
    }
    if !connection.rewrites(manip, direction) {
        return Verdict::Accept;
    }
    let (target, quoted) = (connection.target(direction, manip), connection.tuple(direction.opposite()));
    let (end, outline) = (headers.end, *headers);
    if let Some(part) = rewrite::quoted(headers, packet.data.bytes()) {
        packet.data.pull(quote + rewrite::writes(part, end.saturating_sub(quote)));
    }
    let Some(bytes) = packet.data.make_mut().get_mut(..end) else { return Verdict::Drop };
    if rewrite::error(bytes, &outline, target, &quoted, manip).is_none() {
        return Verdict::Drop;
    }
    note(headers, target, manip);
    Verdict::Accept
}

/// The headers follow the packet.
fn note(headers: &mut Headers, target: Target, manip: Manip) {
    match manip {
        Manip::Source => headers.source = target.address,
        Manip::Destination => headers.destination = target.address,
    }
}
