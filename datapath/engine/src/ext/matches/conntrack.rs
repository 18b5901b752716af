//! `-m conntrack` and `-m state`: what tracking knows of the packet and its connection.

use libxt::ext::Families;
use libxt::ext::matches::conntrack::{Conntrack, Direction as Way, State};
use libxt::value::condition::Condition;

use super::Match;
use crate::conntrack::{Direction, Relation, Tracked, status};
use crate::ext::{Maker, Scene};

pub(super) const MAKER: Maker<Match> = Maker::of::<Conntrack>(Families::Both, |revision, info, site| {
    Ok(Match::Conntrack(Box::new(site.decode(revision, info)?)))
})
.tracks();

/// As conntrack_mt(). Without a connection only `--ctstate` can match, inverted or not.
pub(super) fn matches(wanted: &Conntrack, scene: &Scene<'_, '_>) -> bool {
    let af = scene.af();
    let connection = scene.connection();
    let mut state = match scene.tracked {
        Tracked::Of { relation: Relation::Established, .. } => State::ESTABLISHED,
        Tracked::Of { relation: Relation::Related, .. } => State::RELATED,
        Tracked::Of { relation: Relation::New, .. } => State::NEW,
        Tracked::Untracked => State::UNTRACKED,
        // Until tracking looks at the packet the template is its connection, a new one.
        Tracked::Unseen if scene.template.is_some() => State::NEW,
        Tracked::Invalid | Tracked::Unseen => State::INVALID,
    };
    if let Some((connection, _)) = connection {
        if connection.status() & status::SRC_NAT != 0 {
            state.0 |= State::SNAT.0;
        }
        if connection.status() & status::DST_NAT != 0 {
            state.0 |= State::DNAT.0;
        }
    }
    if wanted.state.is_some_and(|wanted| !wanted.holds(wanted.value.meets(state))) {
        return false;
    }
    let Some((connection, direction)) = connection else { return wanted.state.is_some() };
    let fits = |way| match way {
        Way::Original => direction == Direction::Original,
        Way::Reply => direction == Direction::Reply,
    };
    if wanted.direction.is_some_and(|way| !fits(way)) {
        return false;
    }
    let (original, reply) = (connection.tuple(Direction::Original), connection.tuple(Direction::Reply));
    for (network, address) in [
        (&wanted.orig_source, original.source),
        (&wanted.orig_destination, original.destination),
        (&wanted.reply_source, reply.source),
        (&wanted.reply_destination, reply.destination),
    ] {
        if network.as_ref().is_some_and(|network| !network.holds(network.value.contains(&address.0, af))) {
            return false;
        }
    }
    if fails(&wanted.protocol, |protocol| *protocol == u16::from(original.protocol)) {
        return false;
    }
    let ((orig_source, orig_destination), (reply_source, reply_destination)) =
        (original.ports.ends(), reply.ports.ends());
    for (ports, port) in [
        (&wanted.orig_source_port, orig_source),
        (&wanted.orig_destination_port, orig_destination),
        (&wanted.reply_source_port, reply_source),
        (&wanted.reply_destination_port, reply_destination),
    ] {
        if fails(ports, |ports| (ports.min..=ports.max).contains(&port)) {
            return false;
        }
    }
    if fails(&wanted.status, |bits| u32::from(bits.0) & connection.status() != 0) {
        return false;
    }
    // An unconfirmed connection's timeout is still a span: taken for a time, it is long over.
    let confirmed = connection.status() & status::CONFIRMED != 0;
    let left = if confirmed { connection.seconds_left(scene.now) } else { 0 };
    !fails(&wanted.expires, |range| (range.0..=range.1).contains(&left))
}

fn fails<T>(condition: &Option<Condition<T>>, fits: impl Fn(&T) -> bool) -> bool {
    condition.as_ref().is_some_and(|condition| !condition.holds(fits(&condition.value)))
}
