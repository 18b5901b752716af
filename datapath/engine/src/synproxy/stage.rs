//! What SYNPROXY does to the packets of a connection that it opened, right before tracking's last stage in INPUT and
//! POSTROUTING. As ipv4_synproxy_hook() and ipv6_synproxy_hook().

use super::offer::Offer;
use super::{accept, segments};
use crate::Hook;
use crate::conntrack::{ConnId, Direction, Phase, Tracked};
use crate::ext::Scene;
use crate::helper::sequence::put;
use crate::notes::Answer;
use crate::packet::{Checksum, Verdict};
use crate::wire::tcp::{Options, Tcp, flag, option};
use crate::wire::{tcp, u32_at};

/// The verdict on a packet; one that is taken over is dropped.
pub(crate) fn stand_in(scene: &mut Scene<'_, '_>) -> Verdict {
    let Tracked::Of { id, direction, .. } = scene.tracked else { return Verdict::Accept };
    let Some(phase) = scene.tracker.phase(id) else { return Verdict::Accept };
    let looped = scene.hook == Hook::Input && scene.packet.in_device.is_some_and(|device| device.loopback);
    if looped || scene.headers.protocol != TCP {
        return Verdict::Accept;
    }
    let Some(header) = Tcp::parse(scene.segment()) else { return Verdict::Drop };
    let (syn, acks) = (header.flags & flag::SYN != 0, header.flags & flag::ACK != 0);
    let verdict = match phase {
        Phase::Close if header.flags & flag::RST != 0 && direction == Direction::Reply => {
            // The server refuses: its reset must be the next that the client waits for.
            let expected = scene.tracker.proxied(id).map_or(0, |proxied| proxied.number.wrapping_add(1));
            scene.tracker.move_numbers(id, Direction::Reply, expected.wrapping_sub(header.sequence));
            Some(Verdict::Accept)
        }
        Phase::Close if !syn || acks || direction == Direction::Reply => Some(Verdict::Accept),
        Phase::Close => {
            if let Some(proxied) = scene.tracker.proxied_mut(id) {
                proxied.offset = 0;
            }
            scene.stores.openings.reopened = scene.stores.openings.reopened.wrapping_add(1);
            opening(scene, id, direction, &header)
        }
        Phase::SynSent => opening(scene, id, direction, &header),
        Phase::SynRecv if syn && acks => Some(answered(scene, id, direction, &header).unwrap_or(Verdict::Drop)),
        Phase::SynRecv | Phase::Other => Some(Verdict::Accept),
    };
    let verdict = verdict.unwrap_or(Verdict::Drop);
    if verdict == Verdict::Accept {
        // What the server sends next may look the same.
        if scene.answer == Some(Answer::Moved) && scene.packet.in_device.is_none() {
            scene.tracker.tell_of_moved(id);
        }
        adjust(scene, id, direction);
    }
    verdict
}

/// The server has not answered yet.
fn opening(scene: &mut Scene<'_, '_>, id: ConnId, direction: Direction, header: &Tcp) -> Option<Verdict> {
    let offer = Offer::of(header, scene.segment())?;
    let (syn, acks) = (header.flags & flag::SYN != 0, header.flags & flag::ACK != 0);
    if !syn && acks && direction == Direction::Original {
        // The client asks again, one number back, as who keeps a connection alive does.
        if accept(header, header.sequence.wrapping_add(1), scene)? {
            scene.stores.openings.again = scene.stores.openings.again.wrapping_add(1);
        }
        return Some(Verdict::Drop);
    }
    let proxied = scene.tracker.proxied_mut(id)?;
    proxied.number = header.acknowledgement;
    if let Some([_, echo]) = offer.times {
        proxied.time = echo;
    }
    Some(Verdict::Accept)
}

/// The server's SYN-ACK: it is confirmed, and the client's window opened, by segments of our own.
fn answered(scene: &mut Scene<'_, '_>, id: ConnId, direction: Direction, header: &Tcp) -> Option<Verdict> {
    let offer = Offer::of(header, scene.segment())?;
    let window = scene.tracker.largest_window(id, Direction::Original)?;
    let proxied = scene.tracker.proxied_mut(id)?;
    if let Some([value, _]) = offer.times {
        proxied.offset = value.wrapping_sub(proxied.time);
    }
    let moved = proxied.number.wrapping_sub(header.sequence);
    let plain = Offer { times: offer.times, ..Offer::default() };
    let turned = Offer { times: offer.times.map(|[value, echo]| [echo, value]), ..Offer::default() };
    // In the kernel this one is still moved as before, which on a connection that began once more is not by nothing.
    let before = scene.tracker.shifts(id).map_or(0, |shifts| shifts[direction as usize].after.cast_unsigned());
    segments::confirm(scene, header, window as u16, moved.wrapping_sub(before), &turned);
    scene.tracker.move_numbers(id, direction, moved);
    segments::open(scene, header, offer.scale.unwrap_or(0), &plain);
    Some(Verdict::Drop)
}

/// Moves a timestamp to what the other side knows. As synproxy_tstamp_adjust().
fn adjust(scene: &mut Scene<'_, '_>, id: ConnId, direction: Direction) -> Option<()> {
    let offset = scene.tracker.proxied(id)?.offset;
    if offset == 0 {
        return None;
    }
    let segment = scene.segment();
    let options = Tcp::parse(segment)?.options(segment)?;
    let times = Options::new(options).find(|found| found.kind == option::TIMESTAMP && found.data.len() == 8)?;
    let (within, by) = match direction {
        Direction::Reply => (2, offset.wrapping_neg()),
        Direction::Original => (6, offset),
    };
    let at = tcp::HEADER + times.at + within;
    let old = u32_at(segment, at)?;
    let partial = scene.packet.checksum == Checksum::Partial;
    let headers = *scene.headers;
    put(headers.segment_mut(scene.packet.data.make_mut()), at, old.wrapping_add(by), partial);
    Some(())
}

const TCP: u8 = 6;
