//! SANE's network protocol: the answer to NET_START names the port of the scanned data. As nf_conntrack_sane.c.

use libxt::family::Af;

use super::{About, Call, Helper, Memory, Policy};
use crate::Verdict;
use crate::conntrack::expect::Expected;
use crate::conntrack::tuple::{Ports, protocol};
use crate::conntrack::{Direction, Relation, Tuple};
use crate::wire::{u16_at, u32_at};

pub(crate) struct Sane;

/// `SANE_NET_START`.
const NET_START: u32 = 7;
/// Bytes of a request, which comes alone.
const HEADER: usize = 8;

impl Helper for Sane {
    fn about(&self) -> &'static About {
        &About {
            name: "sane",
            protocols: &[protocol::TCP],
            families: &[Af::V4, Af::V6],
            policies: &[Policy { most: 1, timeout: 300 }],
        }
    }

    fn help(&self, call: &mut Call<'_, '_>) -> Verdict {
        if call.relation != Relation::Established {
            return Verdict::Accept;
        }
        let payload = call.payload();
        let (length, word) = (payload.len(), u32_at(payload, 0));
        let (zero, port) = (u16_at(payload, 4), u16_at(payload, 6));
        if call.direction == Direction::Original {
            if length == HEADER
                && let Some(memory) = call.memory()
            {
                *memory = if word == Some(NET_START) { Memory::Sane } else { Memory::Nothing };
            }
            return Verdict::Accept;
        }
        // One answer is looked at, whatever it is.
        if length == 0 || !matches!(call.memory().map(core::mem::take), Some(Memory::Sane)) {
            return Verdict::Accept;
        }
        let (Some(0), Some(0), Some(port)) = (word, zero, port) else { return Verdict::Accept };
        let asked = call.tuple(Direction::Original);
        let tuple = Tuple { ports: Ports::Ports { source: 0, destination: port }, ..asked };
        match call.expect(Expected::new(Some(asked.source), None, tuple)) {
            Ok(()) => Verdict::Accept,
            Err(_) => Verdict::Drop,
        }
    }
}
