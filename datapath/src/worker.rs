//! A queue's worker: packets from the kernel in batches, through the engine, verdicts back in one send.
//!
//! The engine is locked once a batch and only while it judges. Under overload the kernel drops what does not fit the
//! queue; a batch is bounded, so verdicts always go out.

use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use engine::host::AddressKind;
use engine::packet::{Buffer, Checksum, LinkHeader, Owner, PacketId};
use engine::wire::partial;
use engine::{Effects, Engine, Hook, Host, Now, Packet, Verdict};
use libxt::family::Af;
use nfnl::nftables::tag;
use nfnl::queue::{
    ACCEPT, Changes, DROP, Message, PacketMessage, Queue, SKB_CHECKSUM_NOT_READY, SKB_CHECKSUM_NOT_VERIFIED, SKB_GSO,
    Verdicts,
};

use crate::clock;
use crate::deliver::{self, Delivery};
use crate::host::{Machine, Tables, View};
use crate::namespace::Ids;
use crate::receive::{BATCH, Ring};
use crate::state::{Counts, State, count};
use crate::sums::{self, Sum};

/// How long a worker waits for a packet before it looks whether it is to end.
pub(crate) const PATIENCE: Duration = Duration::from_millis(200);

/// The user and group ids of this user namespace, which do not change while the process runs.
static IDS: LazyLock<[Ids; 2]> = LazyLock::new(|| [Ids::read("/proc/self/uid_map"), Ids::read("/proc/self/gid_map")]);

/// One queue's worker.
pub(crate) struct Worker {
    state: Arc<State>,
    index: usize,
    ring: Ring,
    view: View,
    effects: Effects,
    verdicts: Verdicts,
    messages: [Option<PacketMessage>; BATCH],
    outcomes: [Option<Outcome>; BATCH],
    delivery: Delivery,
}

/// What became of one packet of the batch.
#[derive(Clone, Debug)]
struct Outcome {
    queue: u16,
    id: u32,
    verdict: Verdict,
    af: Af,
    changes: Changes,
    /// Accepted only for the chain behind ours, which drops it.
    handed: bool,
    /// The packet's place in its slot, if it must be written back.
    payload: Option<Range<usize>>,
    /// What makes the checksum that the kernel still owed it.
    sum: Option<Sum>,
    /// Held packets that this one set free; they go before it, as they came.
    released: Range<usize>,
}

impl Worker {
    /// The worker of queue `index`.
    pub(crate) fn new(state: Arc<State>, index: usize) -> io::Result<Self> {
        Ok(Self {
            state,
            index,
            ring: Ring::new(),
            view: View::default(),
            effects: Effects::default(),
            verdicts: Verdicts::default(),
            messages: [const { None }; BATCH],
            outcomes: [const { None }; BATCH],
            delivery: Delivery::new()?,
        })
    }

    /// Works until the datapath ends. An error is the loss of the queue's socket.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        let state = Arc::clone(&self.state);
        let (Some(queue), Some(counts)) = (state.queues.get(self.index), state.counts.get(self.index)) else {
            return Ok(());
        };
        while !state.stopping() {
            match self.ring.fill(queue.as_fd()) {
                Ok(received) => {
                    self.batch(received, &state, counts)?;
                    if received < BATCH {
                        counts.drained.fetch_add(1, Ordering::Release);
                    }
                }
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => {
                        counts.drained.fetch_add(1, Ordering::Release);
                    }
                    Some(libc::EINTR) => {}
                    Some(libc::ENOBUFS) => count(&counts.overruns, 1),
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    fn batch(&mut self, received: usize, state: &State, counts: &Counts) -> io::Result<()> {
        self.view.refresh(&state.host);
        self.parse(received, state, counts);
        self.effects.clear();
        {
            let mut engine = state.engine();
            engine.tracker_mut().set_worker(self.index);
            let now = clock::now();
            for (index, message) in self.messages.iter().enumerate().take(received) {
                let Some(message) = message else { continue };
                let place = state.place_of(message.queue);
                let taken = Taken { message, place, answers: state.answers_of(place), counts };
                let (slot, _) = self.ring.slot(index);
                let State { sets, probes, sockets, paths, .. } = state;
                let machine = Machine { tables: self.view.tables(), sets, probes, sockets, paths };
                let outcome = taken.judge(slot, &mut engine, now, machine, &mut self.effects);
                if let Some(place) = self.outcomes.get_mut(index) {
                    *place = Some(outcome);
                }
            }
            engine.tracker_mut().end_batch(received < BATCH);
            state.keep(&mut engine);
            state.outbox.post(&mut self.effects.events);
        }
        // A program that is given a connection with this batch may ask at once.
        state.origins.tell();
        self.answer(received, state, counts)?;
        self.delivery.deliver(&self.effects, state, self.index, self.view.tables());
        Ok(())
    }

    /// Reads the batch's messages. A device that is not known yet is newer than the last word from the kernel.
    fn parse(&mut self, received: usize, state: &State, counts: &Counts) {
        let mut unknown = false;
        for (index, place) in self.messages.iter_mut().enumerate().take(received) {
            let (slot, length) = self.ring.slot(index);
            *place = match Message::parse(slot.get(..length).unwrap_or(&[])) {
                Message::Packet(packet) => {
                    count(&counts.received, 1);
                    unknown |= [packet.in_device, packet.out_device]
                        .into_iter()
                        .any(|device| device != 0 && self.view.tables().device(device).is_none());
                    Some(packet)
                }
                Message::Refused(0, _) | Message::Other => None,
                Message::Refused(..) => {
                    count(&counts.refused, 1);
                    None
                }
            };
        }
        if unknown {
            state.refresh_host();
            self.view.refresh(&state.host);
        }
    }

    /// Writes the batch's verdicts and sends them, in one send unless they are more than the socket takes.
    fn answer(&mut self, received: usize, state: &State, counts: &Counts) -> io::Result<()> {
        let Some(queue) = state.queues.get(self.index) else { return Ok(()) };
        self.verdicts.clear();
        for index in 0..received {
            let Some(outcome) = self.outcomes.get_mut(index).and_then(Option::take) else { continue };
            for release in self.effects.releases.get(outcome.released).unwrap_or(&[]) {
                if state.worker_of(release.id.queue) == self.index {
                    let more = VERDICT + release.bytes.as_ref().map_or(0, ExactSizeIterator::len);
                    make_room(&mut self.verdicts, more, queue, &self.ring)?;
                    let number = state.number_of(release.id.queue);
                    deliver::push(release, &self.effects.bytes, number, counts, &mut self.verdicts);
                } else {
                    self.delivery.release(release, &self.effects.bytes, state);
                }
            }
            let (accepted, verdict) = match outcome.verdict {
                Verdict::Accept => (&counts.accepted, ACCEPT),
                Verdict::Drop => (&counts.dropped, DROP),
                Verdict::Hold => {
                    count(&counts.held, 1);
                    continue;
                }
            };
            count(accepted, 1);
            if let (ACCEPT, Some(place)) = (verdict, outcome.payload) {
                if let Some(sum) = outcome.sum {
                    let (slot, _) = self.ring.slot(index);
                    sum(outcome.af, slot.get_mut(place.clone()).unwrap_or(&mut []));
                }
                count(&counts.rewritten, 1);
                make_room(&mut self.verdicts, VERDICT + place.len(), queue, &self.ring)?;
                self.verdicts.push_apart(outcome.queue, outcome.id, outcome.changes, Ring::place(index, place));
            } else {
                make_room(&mut self.verdicts, VERDICT, queue, &self.ring)?;
                let verdict = if outcome.handed { ACCEPT } else { verdict };
                self.verdicts.push(outcome.queue, outcome.id, verdict, outcome.changes, None);
            }
        }
        match queue.send(&self.verdicts, self.ring.bytes()) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN)) => {
                count(&counts.refused, self.verdicts.len() as u64);
                Ok(())
            }
            sent => sent,
        }
    }
}

/// Sends what a batch holds if `more` bytes would make it longer than one send takes.
fn make_room(verdicts: &mut Verdicts, more: usize, queue: &Queue, ring: &Ring) -> io::Result<()> {
    if !verdicts.is_empty() && (verdicts.size() + more > queue.batch_limit() || verdicts.is_full()) {
        queue.send(verdicts, ring.bytes())?;
        verdicts.clear();
    }
    Ok(())
}

/// A packet that was taken, and who took it.
struct Taken<'a> {
    message: &'a PacketMessage,
    /// Its queue's place behind the first one.
    place: u16,
    answers: u8,
    counts: &'a Counts,
}

impl Taken<'_> {
    fn judge(
        &self,
        slot: &mut [u8],
        engine: &mut Engine,
        now: Now,
        machine: Machine<'_>,
        out: &mut Effects,
    ) -> Outcome {
        let (message, host) = (self.message, machine.tables);
        let before = out.releases.len();
        let pass = |verdict, af| Outcome {
            queue: message.queue,
            id: message.id,
            verdict,
            af,
            changes: Changes::default(),
            handed: false,
            payload: None,
            sum: None,
            released: before..before,
        };
        let (Some(af), Some(hook)) = (Af::from_number(message.family), Hook::from_number(message.hook)) else {
            // Nobody attached a chain of another family to our queues; whoever did wants the packet to pass.
            return pass(Verdict::Accept, Af::V4);
        };
        let link = link_header(slot, message, af, host);
        let end = if message.payload_is_last { slot.len() } else { message.payload.end };
        let start = message.payload.start;
        let length = message.payload.len();
        let Some(room) = slot.get_mut(start..end).filter(|room| room.len() >= length) else {
            return pass(Verdict::Drop, af);
        };
        let gso = message.skb_info & SKB_GSO != 0;
        let cut = gso && partial::is_cut_anew(af, room.get(..length).unwrap_or_default());
        // One that was written back for a device holds no more than it did.
        let partial = message.skb_info & SKB_CHECKSUM_NOT_READY != 0 || cut && hook != Hook::Input;
        let device = |index: u32| if index == 0 { None } else { host.device(index) };
        let mut packet = Packet {
            id: PacketId { queue: self.place, number: message.id },
            af,
            hook,
            in_device: device(message.in_device),
            out_device: device(message.out_device),
            in_port: device(message.in_port),
            out_port: device(message.out_port),
            mark: message.mark,
            priority: None,
            checksum: match message.skb_info {
                _ if partial => Checksum::Partial,
                info if info & SKB_CHECKSUM_NOT_VERIFIED != 0 => Checksum::Unverified,
                _ => Checksum::Verified,
            },
            gso,
            owner: message.uid.zip(message.gid).map(|(uid, gid)| {
                let [users, groups] = &*IDS;
                Owner { uid: users.inside(uid), gid: groups.inside(gid) }
            }),
            copied: tag::is(message.priority) || message.priority & tag::MASK == tag::COPY,
            answers: self.answers,
            tasks: engine::packet::Tasks::default(),
            link,
            data: Buffer::new(room, length),
        };
        let judged = catch_unwind(AssertUnwindSafe(|| engine.packet(&mut packet, now, &machine, out)));
        let Ok(mut verdict) = judged else {
            count(&self.counts.panics, 1);
            // What it had set free before it failed must not be forgotten.
            return Outcome { released: before..out.releases.len(), ..pass(Verdict::Drop, af) };
        };
        let copied = packet.copied && hook == Hook::Output;
        let own = packet.priority.unwrap_or(message.priority);
        let priority = deliver::priority(own, packet.tasks, verdict, copied).or(packet.priority);
        let changed = packet.data.changed();
        if changed && message.whole_length.is_some_and(|whole| whole as usize > length) && verdict == Verdict::Accept {
            // What was cut off would be lost: what is written back replaces the whole packet.
            count(&self.counts.truncated, 1);
            verdict = Verdict::Drop;
        }
        let owed = partial && changed;
        let sum = owed.then(|| sums::owed(af, hook, cut, packet.data.bytes(), host)).flatten();
        Outcome {
            queue: message.queue,
            id: message.id,
            verdict,
            af,
            changes: Changes { mark: (packet.mark != message.mark).then_some(packet.mark), priority },
            handed: verdict == Verdict::Drop && priority.is_some_and(tag::is),
            payload: changed.then(|| start..start + packet.data.len()),
            sum,
            released: before..out.releases.len(),
        }
    }
}

/// The link-layer header. For IP hooks the kernel tells no more than the sender's address; what else an Ethernet header
/// holds follows from the device, the destination and the protocol.
fn link_header(slot: &[u8], message: &PacketMessage, af: Af, host: &Tables) -> LinkHeader {
    let mut link = LinkHeader::default();
    let mut fill = |parts: &[&[u8]]| {
        for (to, from) in link.bytes.iter_mut().zip(parts.iter().copied().flatten()) {
            *to = *from;
            link.len += 1;
        }
    };
    let source = slot.get(message.source_address.clone()).unwrap_or(&[]);
    match host.station(message.in_device) {
        _ if !message.link_header.is_empty() => fill(&[slot.get(message.link_header.clone()).unwrap_or(&[])]),
        Some(station) if source.len() == 6 => {
            let packet = slot.get(message.payload.clone()).unwrap_or(&[]);
            fill(&[&destination(af, packet, station, host), source, &message.hw_protocol.to_be_bytes()]);
        }
        _ => fill(&[source]),
    }
    link
}

/// Where a frame with this packet was sent: a group's address (RFC 1112, RFC 2464), everybody's, or the device's own.
fn destination(af: Af, packet: &[u8], station: [u8; 6], host: &Tables) -> [u8; 6] {
    match af {
        Af::V4 => match packet.get(16..).and_then(<[u8]>::first_chunk::<4>) {
            Some(&address) if host.address_kind(address.into(), None) == AddressKind::Broadcast => [0xff; 6],
            Some(&[224..=239, b, c, d]) => [1, 0, 0x5e, b & 0x7f, c, d],
            _ => station,
        },
        Af::V6 => match packet.get(24..).and_then(<[u8]>::first_chunk::<16>) {
            Some(&[0xff, .., a, b, c, d]) => [0x33, 0x33, a, b, c, d],
            _ => station,
        },
    }
}

/// Bytes of a verdict message without its payload, at most.
const VERDICT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_of_a_packet_to_a_group_or_to_everybody_went_there() {
        let host = Tables::default();
        let to = |to: [u8; 4]| {
            let mut packet = [0; 20];
            packet[16..].copy_from_slice(&to);
            destination(Af::V4, &packet, [2; 6], &host)
        };
        assert_eq!(to([10, 0, 0, 1]), [2; 6]);
        assert_eq!(to([224, 129, 2, 3]), [1, 0, 0x5e, 1, 2, 3]);
        assert_eq!(to([255; 4]), [0xff; 6]);
        let mut packet = [0; 40];
        packet[24] = 0xff;
        packet[36..].copy_from_slice(&[9, 8, 7, 6]);
        assert_eq!(destination(Af::V6, &packet, [2; 6], &host), [0x33, 0x33, 9, 8, 7, 6]);
        assert_eq!(destination(Af::V6, &[], [2; 6], &host), [2; 6]);
    }

    #[test]
    fn a_device_without_an_ethernet_header_tells_the_address_alone() {
        let mut message = PacketMessage { source_address: 0..4, in_device: 9, ..PacketMessage::default() };
        let link = link_header(&[1, 2, 3, 4, 5], &message, Af::V4, &Tables::default());
        assert_eq!((&link.bytes[..4], link.len), (&[1, 2, 3, 4][..], 4));
        message.link_header = 0..5;
        assert_eq!(link_header(&[1, 2, 3, 4, 5], &message, Af::V4, &Tables::default()).len, 5);
    }
}
