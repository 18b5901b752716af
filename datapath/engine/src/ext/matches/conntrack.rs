//! `-m conntrack` and `-m state`: what tracking knows of the packet and its connection.

use libxt::ext::Families;
use libxt::ext::matches::conntrack::{Conntrack, Direction as Way, State};
use libxt::value::condition::Condition;

use super::Match;
use crate::Now;
use crate::conntrack::{Address, Connection, Direction, Relation, Tracked, status};
use crate::ext::{Maker, Scene};

pub(super) const MAKER: Maker<Match> = Maker::of::<Conntrack>(Families::Both, |revision, info, site| {
    let wanted: Conntrack = site.decode(revision, info)?;
    Ok(match wanted.state {
        Some(state) if !asks_more(&wanted) && !state.value.meets(TRANSLATED) => Match::State(state),
        _ => Match::Conntrack(Box::new(wanted)),
    })
})
.tracks();

/// As conntrack_mt(). Without a connection only `--ctstate` can match, inverted or not.
pub(super) fn matches(wanted: &Conntrack, scene: &Scene<'_, '_>) -> bool {
    let af = scene.af();
    let connection = scene.connection();
    let mut state = state(scene);
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
    let direction = connection.map_or(Direction::Original, |(_, direction)| direction);
    let facts = match connection {
        Some((connection, _)) => Facts::of(connection, scene.now),
        // As xt_ct_tg_check() makes it.
        None if scene.has_template() => Facts { status: status::CONFIRMED, ..Facts::default() },
        None => return wanted.state.is_some(),
    };
    let fits = |way| match way {
        Way::Original => direction == Direction::Original,
        Way::Reply => direction == Direction::Reply,
    };
    if wanted.direction.is_some_and(|way| !fits(way)) {
        return false;
    }
    let [original, reply] = facts.addresses;
    for (network, address) in [
        (&wanted.orig_source, original[0]),
        (&wanted.orig_destination, original[1]),
        (&wanted.reply_source, reply[0]),
        (&wanted.reply_destination, reply[1]),
    ] {
        if network.as_ref().is_some_and(|network| !network.holds(network.value.contains(&address.0, af))) {
            return false;
        }
    }
    if fails(&wanted.protocol, |protocol| *protocol == u16::from(facts.protocol)) {
        return false;
    }
    let [(orig_source, orig_destination), (reply_source, reply_destination)] = facts.ports;
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
    if fails(&wanted.status, |bits| u32::from(bits.0) & facts.status != 0) {
        return false;
    }
    !fails(&wanted.expires, |range| (range.0..=range.1).contains(&facts.seconds_left))
}

/// `--ctstate` alone, as most rules have it: the packet tells.
#[inline]
pub(super) fn state_matches(wanted: &Condition<State>, scene: &Scene<'_, '_>) -> bool {
    wanted.holds(wanted.value.meets(state(scene)))
}

/// How a packet stands to its connection, if not how that is translated.
#[inline]
fn state(scene: &Scene<'_, '_>) -> State {
    match scene.tracked {
        Tracked::Of { relation: Relation::Established, .. } => State::ESTABLISHED,
        Tracked::Of { relation: Relation::Related, .. } => State::RELATED,
        Tracked::Of { relation: Relation::New, .. } => State::NEW,
        Tracked::Untracked => State::UNTRACKED,
        // Until tracking looks at the packet the template is its connection, a new one.
        Tracked::Unseen if scene.has_template() => State::NEW,
        Tracked::Invalid | Tracked::Unseen => State::INVALID,
    }
}

/// What the connection is asked for.
const TRANSLATED: State = State(State::SNAT.0 | State::DNAT.0);

/// Whether anything but the state is asked for, which most rules do not.
fn asks_more(wanted: &Conntrack) -> bool {
    wanted.direction.is_some()
        || wanted.orig_source.is_some()
        || wanted.orig_destination.is_some()
        || wanted.reply_source.is_some()
        || wanted.reply_destination.is_some()
        || wanted.protocol.is_some()
        || wanted.orig_source_port.is_some()
        || wanted.orig_destination_port.is_some()
        || wanted.reply_source_port.is_some()
        || wanted.reply_destination_port.is_some()
        || wanted.status.is_some()
        || wanted.expires.is_some()
}

/// What can be asked of a connection; of a template, most of it zero.
#[derive(Default)]
struct Facts {
    /// Source and destination, of the original and the reply direction.
    addresses: [[Address; 2]; 2],
    ports: [(u16, u16); 2],
    protocol: u8,
    status: u32,
    seconds_left: u32,
}

impl Facts {
    fn of(connection: &Connection, now: Now) -> Self {
        let tuples = [Direction::Original, Direction::Reply].map(|direction| connection.tuple(direction));
        let status = connection.status();
        // An unconfirmed connection's timeout is still a span: taken for a time, it is long over.
        let confirmed = status & status::CONFIRMED != 0;
        Self {
            addresses: tuples.map(|tuple| [tuple.source, tuple.destination]),
            ports: tuples.map(|tuple| tuple.ports.ends()),
            protocol: tuples[0].protocol,
            status,
            seconds_left: if confirmed { connection.seconds_left(now) } else { 0 },
        }
    }
}

fn fails<T>(condition: &Option<Condition<T>>, fits: impl Fn(&T) -> bool) -> bool {
    condition.as_ref().is_some_and(|condition| !condition.holds(fits(&condition.value)))
}
