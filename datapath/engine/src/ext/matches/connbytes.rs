//! `-m connbytes`: how much a connection has carried so far.

use libxt::ext::Families;
use libxt::ext::matches::connbytes::{Connbytes, Direction, Mode};

use super::Match;
use crate::ext::{Maker, Scene};

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Connbytes>(Families::Both, |revision, info, site| Ok(Match::Connbytes(site.decode(revision, info)?)))
        .tracks()
        .accounts();

/// As connbytes_mt(); a connection from before accounting began never matches.
pub(super) fn matches(value: &Connbytes, scene: &Scene<'_, '_>) -> bool {
    let Some([original, reply]) = scene.connection().and_then(|(connection, _)| connection.counters()) else {
        return false;
    };
    let (packets, bytes) = match value.direction {
        Direction::Original => (original.packets, original.bytes),
        Direction::Reply => (reply.packets, reply.bytes),
        Direction::Both => (original.packets.wrapping_add(reply.packets), original.bytes.wrapping_add(reply.bytes)),
    };
    let carried = match value.mode {
        Mode::Packets => packets,
        Mode::Bytes => bytes,
        Mode::Average => bytes.checked_div(packets).unwrap_or(0),
    };
    (value.min..=value.max).contains(&carried) != value.inverted
}
