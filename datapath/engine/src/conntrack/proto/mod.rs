//! What each transport protocol makes of a packet: whether it is sound, what it does to the connection's state, and how
//! long the connection then lives.

pub(super) mod gre;
pub(super) mod icmp;
pub(super) mod sctp;
pub(super) mod tcp;
pub(super) mod udp;

use libxt::family::Af;

use super::complaint::Complaints;
use super::connection::{Connection, SECOND};
use super::tuple::protocol;
use super::{Address, Direction, ProtocolState, Settings};
use crate::helper::sequence::Shift;
use crate::packet::Checksum;
use crate::wire::checksum::{Sum, verify};
use crate::wire::{Headers, ipv6};
use crate::{Hook, Now, Packet};

/// A packet as its protocol looks at it.
#[derive(Clone, Debug)]
pub(super) struct View<'a> {
    pub(super) af: Af,
    pub(super) protocol: u8,
    pub(super) source: Address,
    pub(super) destination: Address,
    /// From the transport header to the packet's end.
    pub(super) transport: &'a [u8],
    /// The whole packet's length, from the network header on.
    pub(super) length: usize,
    /// Whether the transport checksum must be looked at.
    pub(super) verify: bool,
    /// What the log says if it does not fit.
    pub(super) complaints: Complaints,
}

impl<'a> View<'a> {
    /// `None` if there is no transport header to look at: a later fragment, or an outline that does not fit the bytes.
    pub(super) fn of(packet: &'a Packet<'_>, headers: &Headers, settings: &Settings) -> Option<Self> {
        if headers.fragment.is_some_and(|fragment| fragment.offset != 0) {
            return None;
        }
        // ipv6_skip_exthdr() finds no transport header behind a chain that says so, or that is cut.
        if headers.af == Af::V6 && (headers.protocol == ipv6::NONE || headers.cut) {
            return None;
        }
        let transport = packet.data.bytes().get(headers.transport..headers.end)?;
        // As nf_checksum(): only what arrives is checked, and only if nobody did before; also a first fragment of IPv6 that is
        // put together with nothing.
        let verify = settings.checksum && packet.hook == Hook::Prerouting && packet.checksum == Checksum::Unverified;
        Some(Self {
            af: headers.af,
            protocol: headers.protocol,
            source: headers.source,
            destination: headers.destination,
            transport,
            length: headers.end,
            verify,
            complaints: Complaints::of(headers.protocol, settings.log_invalid),
        })
    }

    /// Whether the first `length` bytes of the transport packet add up with the pseudo-header.
    fn adds_up(&self, length: usize) -> bool {
        let start = Sum::default().pseudo_header(self.af, self.source, self.destination, self.protocol, length);
        self.transport.get(..length).is_some_and(|bytes| verify(start, bytes))
    }
}

/// What becomes of a packet and its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It belongs to the connection, which lives so many nanoseconds from now on.
    Refresh(u64),
    /// It passes and changes no timeout and no count.
    Pass,
    /// It does not belong: INVALID.
    Invalid,
    /// It ends the connection, and passes.
    Kill,
    /// It is the first of a new connection that takes the place of this one (`NF_REPEAT`).
    Reopen,
}

/// The part of a connection that only its protocol knows. `union nf_conntrack_proto`.
#[derive(Clone, Debug)]
pub(super) enum State {
    Stateless,
    /// Monotonic nanoseconds after which it counts as a stream, the lower half first: a `u64` would widen every connection.
    Udp([u32; 2]),
    /// Seconds that GRE lives before and after it was answered.
    Gre([u32; 2]),
    Tcp(tcp::Tcp),
    Sctp(sctp::Sctp),
}

impl State {
    /// Whether the end has begun, so that it may go before its time. As `can_early_drop` of the protocols.
    pub(super) fn is_closing(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_closing(),
            Self::Sctp(sctp) => sctp.is_closing(),
            Self::Stateless | Self::Udp(_) | Self::Gre(_) => false,
        }
    }

    /// UDP that counts as a stream after so many monotonic nanoseconds.
    pub(super) fn udp(stream: u64) -> Self {
        Self::Udp([stream as u32, (stream >> 32) as u32])
    }

    /// GRE that lives as [`Self::stream`] says.
    pub(super) fn gre(stream: u64) -> Self {
        Self::Gre([stream as u32, (stream >> 32) as u32])
    }

    /// When UDP counts as a stream, in monotonic nanoseconds, at once for others; how long GRE lives.
    pub(super) fn stream(&self) -> u64 {
        match self {
            Self::Udp([low, high]) | Self::Gre([low, high]) => u64::from(*low) | u64::from(*high) << 32,
            _ => 0,
        }
    }

    pub(super) fn protocol(&self) -> ProtocolState {
        match self {
            Self::Stateless | Self::Udp(_) | Self::Gre(_) => ProtocolState::Stateless,
            Self::Tcp(tcp) => tcp.protocol(),
            Self::Sctp(sctp) => sctp.protocol(),
        }
    }
}

/// A packet of a connection; `fresh` says that it is the connection's first, `moved` how sequence numbers of the other
/// direction are. As nf_conntrack_handle_packet().
pub(super) fn packet(
    connection: &mut Connection,
    direction: Direction,
    view: &View<'_>,
    fresh: bool,
    settings: &Settings,
    moved: Option<Shift>,
    now: Now,
) -> Judgement {
    match (view.af, view.protocol) {
        (_, protocol::TCP) => tcp::packet(connection, direction, view, fresh, &settings.tcp, moved, now),
        (_, protocol::UDP | protocol::UDPLITE) => udp::packet(connection, view, fresh, settings, now),
        (Af::V4, protocol::ICMP) => icmp::packet_v4(connection, settings),
        (Af::V6, protocol::ICMPV6) => icmp::packet_v6(connection, settings),
        // The other family's control messages belong to nothing.
        (_, protocol::ICMP | protocol::ICMPV6) => Judgement::Invalid,
        (_, protocol::SCTP) => sctp::packet(connection, direction, view, fresh, settings),
        (_, protocol::GRE) => gre::packet(connection, settings),
        _ => Judgement::Refresh(seconds(settings.generic)),
    }
}

/// Seconds as nanoseconds.
pub(super) fn seconds(seconds: u32) -> u64 {
    u64::from(seconds) * SECOND
}
