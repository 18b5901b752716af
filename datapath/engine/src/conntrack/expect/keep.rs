//! What of an expectation outlives the process: a record of plain numbers for each slot, and the expectations made of them
//! again. As [`keep`](crate::conntrack::keep) has it for connections.

use libxt::family::Af;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{CLASSES, Expected, Follow, Link};
use crate::Now;
use crate::conntrack::connection::Place;
use crate::conntrack::keep::kind;
use crate::conntrack::{Address, ConnId, Direction, Tracker, Tuple};
use crate::helper::HelperId;

use super::table::Entry;

/// An expectation as it is kept, in the machine's own byte order; all zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Record {
    /// Monotonic nanoseconds of its end.
    deadline: u64,
    /// How many there were before it, which makes its number.
    serial: u64,
    source: [u8; 16],
    destination: [u8; 16],
    source_mask: [u8; 16],
    saved: [u8; 16],
    /// Slot and generation.
    master: [u32; 2],
    flags: u32,
    /// As [`Tuple`]'s ports in network byte order.
    ports: [u8; 4],
    port_mask: u16,
    saved_port: u16,
    zone: u16,
    /// `AF_INET` or `AF_INET6`.
    family: u8,
    protocol: u8,
    /// Which of the kinds of ports.
    kind: u8,
    class: u8,
    /// See [`HelperId::number`].
    helper: u8,
    follow: u8,
    direction: u8,
    /// Not 0 if the slot holds an expectation: whoever writes the record writes this last.
    pub used: u8,
    unused: [u8; 2],
}

impl Record {
    /// Where [`Self::used`] stands among the record's bytes.
    pub const USED: usize = core::mem::offset_of!(Self, used);

    fn of(entry: &Entry) -> Self {
        let Expected { tuple, source_mask, port_mask, flags, class, helper, follow, direction, saved } = entry.expected;
        Self {
            deadline: entry.deadline,
            serial: entry.serial,
            source: tuple.source.0,
            destination: tuple.destination.0,
            source_mask: source_mask.0,
            saved: saved.0.0,
            master: [entry.master.index, entry.master.generation],
            flags,
            ports: tuple.port_bytes(),
            port_mask,
            saved_port: saved.1,
            zone: entry.zone,
            family: tuple.af.number(),
            protocol: tuple.protocol,
            kind: kind::of(tuple.ports),
            class,
            helper: HelperId::number(helper),
            follow: FOLLOWS.iter().position(|known| *known == follow).unwrap_or(0) as u8,
            direction: direction as u8,
            used: 1,
            unused: [0; 2],
        }
    }

    /// What was expected; `None` if the record makes no sense.
    fn expected(&self) -> Option<Expected> {
        let af = Af::from_number(self.family)?;
        let [source, destination] = [self.source, self.destination].map(Address);
        let tuple =
            Tuple { af, protocol: self.protocol, source, destination, ports: kind::ports(self.kind, self.ports)? };
        Some(Expected {
            tuple,
            source_mask: Address(self.source_mask),
            port_mask: self.port_mask,
            flags: self.flags,
            class: self.class,
            helper: HelperId::from_number(self.helper),
            follow: *FOLLOWS.get(usize::from(self.follow))?,
            direction: if self.direction == 0 { Direction::Original } else { Direction::Reply },
            saved: (Address(self.saved), self.saved_port),
        })
        .filter(|expected| usize::from(expected.class) < CLASSES)
    }
}

impl Tracker {
    /// Hands over every slot of expectations that changed since the last call, with the record of the one it holds, or `None`
    /// if it holds none.
    pub fn expectation_changes(&mut self, mut keep: impl FnMut(u32, Option<&Record>)) {
        for at in self.expectations.take_changed() {
            keep(at, self.expectations.get(at).map(Record::of).as_ref());
        }
    }

    /// Puts kept expectations back, under their old numbers, once their masters are there again. How many are there.
    pub(crate) fn restore_expectations(&mut self, records: impl IntoIterator<Item = Record>, now: Now) -> u32 {
        let mut kept: Vec<Record> =
            records.into_iter().filter(|record| record.used != 0 && record.deadline > now.monotonic).collect();
        // Each stands before its master's older ones.
        kept.sort_by_key(|record| record.serial);
        let mut taken = 0;
        for record in kept {
            let [index, generation] = record.master;
            let master = ConnId { index, generation };
            let there = self.table.get(master).is_some_and(|connection| connection.place == Place::Table);
            let Some(expected) = record.expected().filter(|_| there) else { continue };
            let Some(extra) = self.table.extra_mut(index).filter(|extra| extra.help.is_some()) else { continue };
            if self.expectations.len() >= self.settings.expect_max {
                break;
            }
            let at = self.expectations.insert(expected, master, record.zone, record.deadline, extra.expectations);
            self.expectations.number(at, record.serial);
            extra.expectations = Link(at);
            if let Some(count) = extra.expecting.get_mut(usize::from(expected.class)) {
                *count = count.saturating_add(1);
            }
            taken += 1;
        }
        taken
    }
}

/// The numbers of what is done to connections that come: a crash is outlived by them, so new ones go behind the others.
const FOLLOWS: [Follow; 6] =
    [Follow::Nothing, Follow::Master, Follow::Pptp, Follow::Sip, Follow::Call, Follow::Forwarding];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conntrack::expect::tests::{answer, entries, make, router};
    use crate::conntrack::tests::Box;

    #[test]
    fn expectations_are_there_again_with_their_masters_and_numbers() {
        let mut net = Box::new();
        net.tracker.set_keeping(true);
        let [master, other, third] = [5000, 5001, 5002].map(|port| make(&mut net, port));
        for (master, port) in [(master, 5000), (other, 5001), (third, 5002)] {
            let mut expected = answer(port);
            expected.flags = super::super::flag::PERMANENT;
            net.tracker.expect(master, expected, net.now, &mut net.out).unwrap();
        }
        let (mut connections, mut expectations) = (Vec::new(), std::collections::BTreeMap::new());
        let mut follow = |net: &mut Box| {
            net.tracker.changes(|index, record| connections.extend(record.map(|record| (index, *record))));
            net.tracker.expectation_changes(|at, record| {
                expectations.insert(at, record.copied());
            });
        };
        follow(&mut net);
        let before: Vec<_> =
            (0..net.tracker.expectation_places()).filter_map(|at| net.tracker.expectation(at, net.now)).collect();
        assert_eq!(before.len(), 3);
        // One goes, and is not there again.
        let gone = before[0].expected.tuple;
        net.tracker.delete_expectation(&gone, 0, None, 0, net.now, &mut net.out).unwrap();
        follow(&mut net);

        let mut next = Box::new();
        next.tracker.set_keeping(true);
        next.now = net.now;
        next.tracker.restore(connections, next.now);
        let records: Vec<Record> = expectations.values().filter_map(|record| *record).collect();
        assert_eq!(next.tracker.restore_expectations(records.iter().copied(), next.now) as usize, before.len() - 1);
        next.tracker.check();
        let mut after: Vec<_> =
            (0..next.tracker.expectation_places()).filter_map(|at| next.tracker.expectation(at, next.now)).collect();
        let mut wanted = before[1..].to_vec();
        for list in [&mut after, &mut wanted] {
            list.sort_by_key(|found| found.id);
        }
        assert_eq!(after, wanted);
        assert_eq!(entries(&next).len(), 3);
        // They end with their masters, and numbers go on behind theirs.
        let fresh = next.tracker.expect(other, answer(6000), next.now, &mut next.out);
        assert!(fresh.is_ok());
        for id in [master, other, third] {
            assert!(next.tracker.delete(id, 0, next.now, &mut next.out));
        }
        assert!((0..next.tracker.expectation_places()).all(|at| next.tracker.expectation(at, next.now).is_none()));
    }

    #[test]
    fn records_without_a_master_or_sense_are_passed_over() {
        let mut net = Box::new();
        let record = Record { used: 1, family: 2, deadline: u64::MAX, ..Record::default() };
        for wrong in
            [record, Record { family: 7, ..record }, Record { class: 200, ..record }, Record { follow: 99, ..record }]
        {
            assert_eq!(net.tracker.restore_expectations([wrong], net.now), 0);
        }
        let (mut net, master) = router();
        let sound = Record { master: [master.index, master.generation], kind: kind::PORTS, ..record };
        for wrong in [Record { family: 7, ..sound }, Record { class: 200, ..sound }, Record { kind: 9, ..sound }] {
            assert_eq!(net.tracker.restore_expectations([wrong], net.now), 0);
        }
        assert_eq!(net.tracker.restore_expectations([Record { deadline: net.now.monotonic, ..sound }], net.now), 0);
        assert_eq!(net.tracker.restore_expectations([sound], net.now), 1);
    }
}
