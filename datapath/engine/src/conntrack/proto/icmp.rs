//! ICMP and ICMPv6 queries: what may open a connection. Errors are looked at in [`super::super::error`].

use super::super::connection::Connection;
use super::super::{Direction, Settings, tuple::Ports};
use super::{Judgement, seconds};

/// Echo, timestamp, information and address mask requests.
const REQUESTS_V4: [u8; 4] = [8, 13, 15, 17];
/// Echo and node information requests.
const REQUESTS_V6: [u8; 2] = [128, 139];

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
