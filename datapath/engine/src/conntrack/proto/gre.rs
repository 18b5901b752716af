//! GRE: a stream once it went both ways.

use super::super::connection::{Connection, event};
use super::super::{Settings, status};
use super::{Judgement, seconds};

/// As nf_conntrack_gre_packet().
pub(super) fn packet(connection: &mut Connection, settings: &Settings) -> Judgement {
    if !connection.has(status::SEEN_REPLY) {
        return Judgement::Refresh(seconds(settings.gre));
    }
    if !connection.has(status::ASSURED | status::NAT_CLASH) {
        connection.gain(status::ASSURED);
        connection.note(event::ASSURED);
    }
    Judgement::Refresh(seconds(settings.gre_stream))
}
