//! Verdicts of a batch: written one behind the other, sent together, with payloads that stay where they are.

use std::io::IoSlice;
use std::ops::Range;

use super::{ACCEPT, COPY_RANGE, DROP, MSG_VERDICT, NFQA_MARK, NFQA_PAYLOAD, NFQA_PRIORITY, NFQA_VERDICT_HDR, start};
use crate::attr::align;
use crate::message::{Builder, flag};

/// Verdicts of a batch, one message behind the other, for one send. Payloads may stay where they are until then.
#[derive(Debug, Default)]
pub struct Verdicts {
    pub(super) bytes: Vec<u8>,
    count: usize,
    pub(super) apart: Vec<Apart>,
    apart_len: usize,
}

/// What a verdict changes of a packet besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// `skb->mark`.
    pub mark: Option<u32>,
    /// `skb->priority`; kernels before 5.18 leave it as it is.
    pub priority: Option<u32>,
}

/// A payload that is not among the bytes.
#[derive(Debug)]
pub(super) struct Apart {
    /// Before which of the bytes it belongs.
    at: usize,
    /// Where it lies in what [`Queue::send`](super::Queue::send) is given.
    place: Range<usize>,
}

impl Verdicts {
    /// Forgets all, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
        self.apart.clear();
        self.apart_len = 0;
    }

    /// How many verdicts there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes are sent, with the payloads that lie apart.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.apart_len
    }

    /// Whether no more payloads that lie apart fit in one send.
    pub fn is_full(&self) -> bool {
        self.apart.len() >= APART_MAX
    }

    /// Adds a verdict ([`ACCEPT`] or [`DROP`]) on packet `id` of `queue`. `payload` replaces the packet from the
    /// network header on and may be no longer than [`COPY_RANGE`]; a longer one makes the packet drop.
    pub fn push(&mut self, queue: u16, id: u32, verdict: u32, changes: Changes, payload: Option<&[u8]>) {
        let oversized = payload.is_some_and(|payload| payload.len() > COPY_RANGE as usize);
        let verdict = if oversized { DROP } else { verdict };
        let mut message = begin(queue, id, verdict, changes, &mut self.bytes);
        if let (Some(payload), true) = (payload, verdict != DROP) {
            message.put(NFQA_PAYLOAD, payload);
        }
        if message.finish().is_ok() {
            self.count += 1;
        }
    }

    /// As [`push`](Self::push) to accept with a payload, which is not copied: it lies at `place` of the room that
    /// [`Queue::send`](super::Queue::send) is given.
    pub fn push_apart(&mut self, queue: u16, id: u32, changes: Changes, place: Range<usize>) {
        let payload = place.len();
        if payload > COPY_RANGE as usize {
            return self.push(queue, id, DROP, Changes::default(), None);
        }
        let first = self.bytes.len();
        let mut message = begin(queue, id, ACCEPT, changes, &mut self.bytes);
        let ([a, b], [c, d]) = ((4 + payload as u16).to_ne_bytes(), NFQA_PAYLOAD.to_ne_bytes());
        message.raw(&[a, b, c, d]);
        if message.finish().is_err() {
            return;
        }
        let at = self.bytes.len();
        if let Some(field) = self.bytes.get_mut(first..first + 4) {
            field.copy_from_slice(&((at - first + align(payload)) as u32).to_ne_bytes());
        }
        self.apart.push(Apart { at, place });
        self.apart_len += align(payload);
        self.count += 1;
    }

    /// All that is sent, in order. A payload that is not in the room is empty, and the kernel refuses its message.
    pub(super) fn pieces<'a>(&'a self, room: &'a [u8]) -> Vec<IoSlice<'a>> {
        const PADDING: [u8; 3] = [0; 3];
        let mut pieces = Vec::with_capacity(3 * self.apart.len() + 1);
        let mut from = 0;
        for Apart { at, place } in &self.apart {
            pieces.push(IoSlice::new(self.bytes.get(from..*at).unwrap_or(&[])));
            pieces.push(IoSlice::new(room.get(place.clone()).unwrap_or(&[])));
            pieces.push(IoSlice::new(&PADDING[..align(place.len()) - place.len()]));
            from = *at;
        }
        pieces.push(IoSlice::new(self.bytes.get(from..).unwrap_or(&[])));
        pieces
    }
}

/// Opens a verdict's message and writes all but its payload.
fn begin(queue: u16, id: u32, verdict: u32, changes: Changes, out: &mut Vec<u8>) -> Builder<'_> {
    let mut message = start(MSG_VERDICT, flag::REQUEST, id, queue, out);
    let ([a, b, c, d], [e, f, g, h]) = (verdict.to_be_bytes(), id.to_be_bytes());
    message.put(NFQA_VERDICT_HDR, &[a, b, c, d, e, f, g, h]);
    for (kind, value) in [(NFQA_MARK, changes.mark), (NFQA_PRIORITY, changes.priority)] {
        if let (Some(value), true) = (value, verdict != DROP) {
            message.be32(kind, value);
        }
    }
    message
}

/// Payloads in one send: with the bytes between them far fewer pieces than the kernel takes (`UIO_MAXIOV`, 1024).
const APART_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Messages;

    #[test]
    fn verdicts_follow_one_another_in_one_batch() {
        let mut verdicts = Verdicts::default();
        for id in 0..5 {
            verdicts.push(3, id, DROP, Changes { mark: Some(1), ..Changes::default() }, Some(b"never sent"));
        }
        assert_eq!((verdicts.len(), verdicts.bytes.len()), (5, 5 * 32));
        assert_eq!(Messages::new(&verdicts.bytes).count(), 5);
    }

    #[test]
    fn a_payload_that_no_attribute_holds_drops_the_packet() {
        let mut verdicts = Verdicts::default();
        verdicts.push(1, 2, ACCEPT, Changes::default(), Some(&[0; 0x1_0000]));
        assert_eq!(verdicts.bytes.len(), 32);
        assert_eq!(verdicts.bytes[24..28], DROP.to_be_bytes());
    }

    #[test]
    fn payloads_that_lie_apart_are_sent_as_if_they_had_been_copied() {
        let room: Vec<u8> = (0..200).collect();
        let (mut apart, mut copied) = (Verdicts::default(), Verdicts::default());
        for (id, place) in [10..15, 15..15, 100..164, 3..200].into_iter().enumerate() {
            let changes = Changes { mark: (id % 2 == 0).then_some(7), ..Changes::default() };
            apart.push_apart(4, id as u32, changes, place.clone());
            copied.push(4, id as u32, ACCEPT, changes, Some(&room[place]));
            for verdicts in [&mut apart, &mut copied] {
                verdicts.push(4, 90, DROP, Changes::default(), None);
            }
        }
        let sent: Vec<u8> = apart.pieces(&room).iter().flat_map(|piece| piece.iter().copied()).collect();
        assert_eq!(sent, copied.bytes);
        assert_eq!((apart.size(), apart.len()), (copied.size(), copied.len()));
    }

    #[test]
    fn a_payload_apart_that_no_attribute_holds_drops_the_packet() {
        let mut verdicts = Verdicts::default();
        verdicts.push_apart(1, 2, Changes::default(), 0..0x1_0000);
        assert_eq!((verdicts.size(), verdicts.pieces(&[]).len()), (32, 1));
    }
}
