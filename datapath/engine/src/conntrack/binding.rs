//! What NAT asks of the table while it binds a connection that is not confirmed yet.

use super::connection::{Connection, Place, Traits, done_bit};
use super::proto::State;
use super::table::SOURCE;
use super::{ConnId, Direction, Tracker, Tuple, status};
use crate::nat::Manip;
use crate::{Effects, Now};

impl Tracker {
    /// A connection that may still be bound.
    pub(crate) fn unconfirmed(&self, id: ConnId) -> Option<&Connection> {
        self.table.get(id).filter(|connection| connection.place == Place::Unconfirmed)
    }

    /// Decides one side: packets leave as `leaving` says. As the end of nf_nat_setup_info().
    pub(crate) fn bind(&mut self, id: ConnId, manip: Manip, leaving: &Tuple) {
        let Some(connection) = self.unconfirmed(id) else { return };
        if let Some(reply) = leaving.inverse()
            && !connection.pair.is(Direction::Reply, &reply)
        {
            self.table.set_reply(id.index, reply);
            self.table.at_mut(id.index).gain(match manip {
                Manip::Source => status::SRC_NAT,
                Manip::Destination => status::DST_NAT,
            });
            self.table.link_between(id.index);
            let connection = self.table.at_mut(id.index);
            if !connection.tells_direction() {
                connection.traits.set(Traits::ALIKE, true);
            }
            self.make_shiftable(id.index);
            self.keymap.follow(self.table.at(id.index), id);
        }
        self.table.at_mut(id.index).gain(done_bit(manip));
        if manip == Manip::Source {
            self.table.link(id.index, SOURCE);
        }
    }

    /// Notes the device that MASQUERADE took the address of.
    pub(crate) fn bind_device(&mut self, id: ConnId, device: u32) {
        if self.unconfirmed(id).is_some() {
            self.table.at_mut(id.index).masquerade = device;
        }
    }

    /// The connection that already has the answers to such packets; the one that is being bound does not count, nor one of
    /// the very same packets. As nf_conntrack_tuple_taken().
    pub(crate) fn taken(&self, leaving: &Tuple, id: ConnId, now: Now) -> Option<ConnId> {
        let reply = leaving.inverse()?;
        let own = self.table.get(id)?;
        let [_, answers] = own.zones;
        self.table
            // The kernel seeks among the hashes of this zone only.
            .seek(&reply, answers, |index, kind, other| {
                index != id.index
                    && kind < 2
                    && other.place == Place::Table
                    && other.zones[usize::from(kind)] == own.zones[usize::from(kind)]
                    && other.zones[usize::from(kind)] == answers
                    && !other.expired(now)
                    && !(other.tuple(Direction::Original) == own.tuple(Direction::Original) && other.zones == own.zones)
            })
            .map(|(index, _)| self.table.id(index))
    }

    /// A connection of the table with a tuple or its answers. As nf_conntrack_find_get() for both.
    pub(crate) fn clashing(&self, tuple: &Tuple, zones: [u16; 2]) -> Option<&Connection> {
        let found = self.table.find(tuple, zones).or_else(|| self.table.find(&tuple.inverse()?, zones));
        found.map(|(index, _)| self.table.at(index))
    }

    /// As [`Self::taken`], but a translated TCP connection that is over makes way for a SYN that is further on in its numbers. As
    /// nf_nat_used_tuple_harder().
    pub(crate) fn taken_by_force(&mut self, leaving: &Tuple, id: ConnId, now: Now) -> bool {
        const SYN_SENT: u8 = 1;
        const TIME_WAIT: u8 = 7;
        let Some(other) = self.taken(leaving, id, now) else { return false };
        let over = match (self.table.get(other), self.table.get(id)) {
            (Some(old), Some(new)) => match (&old.state, &new.state) {
                (State::Tcp(was), State::Tcp(is)) => {
                    is.state == SYN_SENT
                        && was.state >= TIME_WAIT
                        && leaving.inverse().is_some_and(|reply| old.pair.is(Direction::Reply, &reply))
                        && old.has(status::SRC_NAT)
                        && !old.has(status::FIXED_TIMEOUT | status::DYING)
                        && is.end().wrapping_sub(was.end()).cast_signed() > 0
                }
                _ => false,
            },
            _ => false,
        };
        if over && let Some(connection) = self.table.get(other) {
            // It has expired as of now, and goes before anything else of the packet is told.
            self.evicted.push((other, connection.deadline));
            self.table.set_deadline(other.index, now.monotonic);
        }
        !over
    }

    /// Ends what made way, with the time that it had left. As nf_ct_kill() in nf_nat_used_tuple_harder().
    pub(super) fn end_evicted(&mut self, now: Now, out: &mut Effects) {
        while let Some((id, deadline)) = self.evicted.pop() {
            if self.table.get(id).is_some_and(|connection| connection.place == Place::Table) {
                self.table.set_deadline(id.index, deadline);
                self.retire(id.index, 0, now, out);
            }
        }
    }

    /// What a packet of this source became in another connection, if `fits` takes it. As find_appropriate_src().
    pub(crate) fn source_mapping(&self, tuple: &Tuple, zone: u16, fits: impl Fn(&Tuple) -> bool) -> Option<Tuple> {
        let mut mapped = None;
        self.table.same_source(tuple, zone, |connection| {
            let Some(leaving) = connection.leaving(Direction::Original) else { return false };
            let candidate = leaving.with_destination_of(tuple);
            let fit = fits(&candidate);
            if fit {
                mapped = Some(candidate);
            }
            fit
        });
        mapped
    }

    /// The next number that nobody outside can guess.
    pub(crate) fn random(&mut self) -> u64 {
        self.table.random()
    }

    /// A keyed hash of bytes.
    pub(crate) fn digest(&self, bytes: &[u8]) -> u64 {
        self.table.digest(bytes)
    }

    /// Ends a connection whose packets must go another way now. As nf_ct_kill().
    pub(crate) fn end(&mut self, id: ConnId, now: Now, out: &mut Effects) {
        if self.table.get(id).is_some() {
            self.retire(id.index, 0, now, out);
        }
    }
}
