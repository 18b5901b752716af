//! GRE: a stream once it went both ways. How long each lives is settled when the connection begins.

use super::super::connection::{Connection, event};
use super::super::{Settings, status};
use super::{Judgement, State, seconds};

/// As nf_conntrack_gre_packet().
pub(super) fn packet(connection: &mut Connection, settings: &Settings) -> Judgement {
    if !connection.confirmed() {
        connection.state = State::Gre([settings.gre, settings.gre_stream]);
    }
    // One that was made by hand has neither, and is over with its first packet.
    let [unreplied, replied] = if let State::Gre(timeouts) = connection.state { timeouts } else { [0; 2] };
    if !connection.has(status::SEEN_REPLY) {
        return Judgement::Refresh(seconds(unreplied));
    }
    if !connection.has(status::ASSURED | status::NAT_CLASH) {
        connection.gain(status::ASSURED);
        connection.note(event::ASSURED);
    }
    Judgement::Refresh(seconds(replied))
}
