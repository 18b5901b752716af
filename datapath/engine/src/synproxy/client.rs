//! The client's side, of which nothing is kept: its SYN, and the ACK that brings the cookie back.

use libxt::ext::targets::synproxy::Synproxy;

use super::offer::Offer;
use super::{cookie, segments};
use crate::conntrack::{Direction, Relation, Tracked};
use crate::ext::Scene;
use crate::wire::tcp::{Tcp, flag};

/// Answers a client's SYN. As the part of synproxy_tg4() for it.
pub(crate) fn answer(with: &Synproxy, syn: &Tcp, scene: &mut Scene<'_, '_>) -> Option<()> {
    let mut offered = Offer::of(syn, scene.segment())?;
    scene.stores.openings.received = scene.stores.openings.received.wrapping_add(1);
    offered.congestion = syn.flags & (flag::ECE | flag::CWR) == flag::ECE | flag::CWR;
    let (number, sizes) = (cookie::Flow::of(scene.headers, syn), offered.size.unwrap_or(0));
    let cookie = number.cookie(scene.stores.key, syn.sequence, sizes, scene.now);
    let answer = offered.answered(with, scene.now);
    segments::to_client(scene, syn, cookie, &answer)
}

/// Takes the ACK of a client that brings a cookie, and opens the connection to the server: `false` if there is none in it.
/// `sequence` is the client's number behind its SYN. As synproxy_recv_client_ack().
pub(crate) fn accept(ack: &Tcp, sequence: u32, scene: &mut Scene<'_, '_>) -> Option<bool> {
    let mut offered = Offer::of(ack, scene.segment())?;
    let flow = cookie::Flow::of(scene.headers, ack);
    let (brought, began) = (ack.acknowledgement.wrapping_sub(1), ack.sequence.wrapping_sub(1));
    let size = flow.check(scene.stores.key, began, brought, scene.now);
    let statistics = &mut scene.stores.openings;
    let count = if size.is_some() { &mut statistics.valid } else { &mut statistics.invalid };
    *count = count.wrapping_add(1);
    let Some(size) = size else { return Some(false) };
    offered.size = Some(size);
    offered.recall();
    segments::to_server(scene, ack, sequence.wrapping_sub(1), &offered);
    Some(true)
}

/// How tracking takes a segment to the client: as one of the connection of the packet at hand, from the server.
pub(super) fn from_server(scene: &Scene<'_, '_>) -> Tracked {
    match scene.tracked {
        Tracked::Of { id, .. } => Tracked::Of { id, direction: Direction::Reply, relation: Relation::Established },
        _ => Tracked::Unseen,
    }
}
