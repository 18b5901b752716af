//! UDP and UDPLite: unreplied, replied, and a stream once it went both ways for two seconds.

use super::super::connection::{Connection, SECOND, event};
use super::super::tuple::protocol;
use super::super::{Settings, status};
use super::{Judgement, State, View, seconds};
use crate::Now;

/// Traffic both ways for longer than this is a stream.
const STREAM_AFTER: u64 = 2 * SECOND;

/// As nf_conntrack_udp_packet() and nf_conntrack_udplite_packet().
pub(super) fn packet(
    connection: &mut Connection,
    view: &View<'_>,
    fresh: bool,
    settings: &Settings,
    now: Now,
) -> Judgement {
    if !sound(view) {
        return Judgement::Invalid;
    }
    if fresh {
        connection.state = State::udp(now.monotonic.saturating_add(STREAM_AFTER));
    }
    if !connection.has(status::SEEN_REPLY) {
        return Judgement::Refresh(seconds(settings.udp));
    }
    if view.protocol == protocol::UDPLITE {
        // What is answered is a stream.
        return stream(connection, settings);
    }
    if now.monotonic <= connection.state.stream() {
        return Judgement::Refresh(seconds(settings.udp));
    }
    stream(connection, settings)
}

fn stream(connection: &mut Connection, settings: &Settings) -> Judgement {
    if !connection.has(status::ASSURED | status::NAT_CLASH) {
        connection.gain(status::ASSURED);
        connection.note(event::ASSURED);
    }
    Judgement::Refresh(seconds(settings.udp_stream))
}

/// Length and checksum. As udp_error() and udplite_error().
fn sound(view: &View<'_>) -> bool {
    let refuse = |words| {
        view.complaints.plain(words);
        false
    };
    let Some(&[_, _, _, _, a, b, c, d]) = view.transport.first_chunk() else { return refuse("short packet") };
    let (length, sum) = (usize::from(u16::from_be_bytes([a, b])), u16::from_be_bytes([c, d]));
    let all = view.transport.len();
    if view.protocol == protocol::UDPLITE {
        // The length field is the checksum's coverage; 0 is everything (RFC 3828), and there must be a checksum.
        let covered = if length == 0 { all } else { length };
        if covered < 8 || covered > all {
            return refuse("invalid checksum coverage");
        }
        if sum == 0 {
            return refuse("checksum missing");
        }
        return !view.verify || view.covers(covered) || refuse("bad checksum");
    }
    if length < 8 || length > all {
        return refuse("truncated/malformed packet");
    }
    // What is behind a shorter length is summed up all the same, as nf_ip_checksum() does.
    sum == 0 || !view.verify || view.adds_up(all) || refuse("bad checksum")
}

impl View<'_> {
    /// A checksum over the pseudo-header with the whole length and the first `covered` bytes. The kernel's pseudo-header is
    /// that of UDP, so that what RFC 3828 calls right is wrong to it.
    fn covers(&self, covered: usize) -> bool {
        let start = crate::wire::checksum::Sum::default().pseudo_header(
            self.af,
            self.source,
            self.destination,
            protocol::UDP,
            self.transport.len(),
        );
        self.transport.get(..covered).is_some_and(|bytes| crate::wire::checksum::verify(start, bytes))
    }
}
