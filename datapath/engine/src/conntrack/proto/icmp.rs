//! ICMP and ICMPv6: whether a message is sound, and what queries may open a connection. What errors quote is read in
//! [`super::super::error`].

use libxt::family::Af;

use super::super::connection::Connection;
use super::super::error::{self, Message};
use super::super::tuple::protocol;
use super::super::{Direction, Settings, tuple::Ports};
use super::{Judgement, View, seconds};
use crate::wire::checksum::{Sum, verify};

/// Echo, timestamp, information and address mask requests.
const REQUESTS_V4: [u8; 4] = [8, 13, 15, 17];
/// Echo and node information requests.
const REQUESTS_V6: [u8; 2] = [128, 139];

/// What kind of message it is to tracking, checksum and all. As the first half of nf_conntrack_icmpv4_error() and
/// nf_conntrack_icmpv6_error().
pub(in super::super) fn classify(view: &View<'_>) -> Message {
    let message = error::classify(view.af, view.protocol, view.transport);
    let (start, wrong) = match (view.af, view.protocol) {
        (Af::V4, protocol::ICMP) => (Sum::default(), "bad hw icmp checksum"),
        (Af::V6, protocol::ICMPV6) => {
            let length = view.transport.len();
            let start = Sum::default().pseudo_header(view.af, view.source, view.destination, view.protocol, length);
            (start, "ICMPv6 checksum failed")
        }
        _ => return message,
    };
    let refuse = |words| {
        view.complaints.plain(words);
        Message::Invalid
    };
    if view.transport.len() < error::ERROR_HEADER {
        return refuse("short packet");
    }
    if view.verify && !verify(start, view.transport) {
        return refuse(wrong);
    }
    if message == Message::Invalid { refuse("invalid icmp type") } else { message }
}

/// As nf_conntrack_icmp_packet().
pub(super) fn packet_v4(connection: &Connection, settings: &Settings) -> Judgement {
    judge(connection, &REQUESTS_V4, settings.icmp)
}

/// As nf_conntrack_icmpv6_packet().
pub(super) fn packet_v6(connection: &Connection, settings: &Settings) -> Judgement {
    judge(connection, &REQUESTS_V6, settings.icmpv6)
}

fn judge(connection: &Connection, requests: &[u8], timeout: u32) -> Judgement {
    match connection.tuple(Direction::Original).ports {
        Ports::Icmp { kind, .. } if requests.contains(&kind) => Judgement::Refresh(seconds(timeout)),
        _ => Judgement::Invalid,
    }
}
