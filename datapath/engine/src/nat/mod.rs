//! Address translation as nf_nat does it: a connection's first packet binds each side once, every packet is rewritten by
//! the binding.

mod range;

pub use range::{Manip, Range, flags};

use std::net::IpAddr;

use crate::conntrack::{ConnId, Tracked, Tracker};
use crate::wire::Headers;
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

/// Whether the nat rules must still decide one side of a connection: it is new and that side is not bound.
pub fn needs_binding(tracker: &Tracker, id: ConnId, manip: Manip) -> bool {
    let _ = (tracker, id, manip);
    todo!()
}

/// Binds one side of a new connection into a range. As nf_nat_setup_info().
pub fn setup(tracker: &mut Tracker, id: ConnId, range: &Range, manip: Manip, now: Now) -> Verdict {
    let _ = (tracker, id, range, manip, now);
    todo!()
}

/// Binds one side to what it is, when no rule matched; a port may still change if the tuple is taken. As
/// nf_nat_alloc_null_binding().
pub fn null_binding(tracker: &mut Tracker, id: ConnId, manip: Manip, now: Now) -> Verdict {
    let _ = (tracker, id, manip, now);
    todo!()
}

/// As [`setup`] for the source, by MASQUERADE: the connection dies when the device or the address goes.
pub fn masquerade(tracker: &mut Tracker, id: ConnId, range: &Range, device: u32, now: Now) -> Verdict {
    let _ = (tracker, id, range, device, now);
    todo!()
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
    let _ = (tracker, tracked, packet, headers, now, out);
    todo!()
}

/// An address went from a device, or with `None` the device went down: masqueraded connections of it die.
pub fn address_gone(tracker: &mut Tracker, device: u32, address: Option<IpAddr>, now: Now, out: &mut Effects) {
    let _ = (tracker, device, address, now, out);
    todo!()
}
