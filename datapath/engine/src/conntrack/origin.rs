//! Connections that destination NAT led to a socket of this machine. Its program may ask the kernel where the peer wanted to go
//! (`SO_ORIGINAL_DST`), which answers from its own table alone: so whoever runs the engine is told of them.

use super::connection::{Place, Traits};
use super::tuple::protocol;
use super::{Direction, Relation, Tracked, Tracker, Tuple, status};

/// Such a connection begins, or it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// As the peer sends, and as the socket answers.
    pub tuples: [Tuple; 2],
    /// Whether it begins.
    pub begins: bool,
}

impl Tracker {
    /// A packet goes to a socket. Programs get a connection with the peer's second packet, and getorigdst() knows the default
    /// zone, TCP and SCTP.
    pub(crate) fn arrive(&mut self, tracked: Tracked) {
        let Tracked::Of { id, direction: Direction::Original, relation: Relation::Established } = tracked else {
            return;
        };
        let Some(connection) = self.table.get_mut(id) else { return };
        if connection.has(status::DST_NAT)
            && !connection.traits.has(Traits::ORIGIN)
            && !connection.is_zoned()
            && connection.place == Place::Table
        {
            let tuples = connection.pair.tuples();
            if matches!(tuples[0].protocol, protocol::TCP | protocol::SCTP) {
                connection.traits.set(Traits::ORIGIN, true);
                self.origins.push(Origin { tuples, begins: true });
            }
        }
    }

    /// A connection leaves the table.
    pub(super) fn part(&mut self, index: u32) {
        let connection = self.table.at_mut(index);
        if connection.traits.has(Traits::ORIGIN) {
            connection.traits.set(Traits::ORIGIN, false);
            let tuples = connection.pair.tuples();
            self.origins.push(Origin { tuples, begins: false });
        }
    }

    /// What began and ended since somebody emptied it, in its order.
    pub fn origins(&mut self) -> &mut Vec<Origin> {
        &mut self.origins
    }
}
