//! SNMP (RFC 1157, RFC 3416): questions to a whole network, and addresses inside messages of translated connections. As
//! nf_conntrack_snmp.c and nf_nat_snmp_basic_main.c.

mod message;

use libxt::family::Af;

use super::{About, Call, Helper, Parameters, Policy};
use crate::Verdict;
use crate::conntrack::Direction;
use crate::conntrack::tuple::protocol;
use crate::packet::Checksum;
use crate::wire::checksum::update;
use crate::wire::{set_u16, u16_at};

/// Messages to and from an agent.
pub(crate) struct Snmp;

/// What agents say unasked.
pub(crate) struct Traps;

const PORT: u16 = 161;
const TRAP_PORT: u16 = 162;
/// Seconds that answers are waited for, as a rule.
const PATIENCE: u32 = 30;
const HEADER: usize = 8;

impl Helper for Snmp {
    fn about(&self) -> &'static About {
        &About {
            name: "snmp",
            protocols: &[protocol::UDP],
            families: &[Af::V4],
            policies: &[Policy { most: 1, timeout: PATIENCE }],
        }
    }

    fn policy(&self, class: usize, parameters: &Parameters) -> Option<Policy> {
        let policy = self.about().policies.get(class)?;
        Some(Policy { timeout: parameters.snmp, ..*policy })
    }

    fn mistakes_errors(&self) -> bool {
        true
    }

    fn help(&self, call: &mut Call<'_, '_>) -> Verdict {
        call.await_answers(PORT, call.parameters().snmp);
        translate(call)
    }
}

impl Helper for Traps {
    fn about(&self) -> &'static About {
        &About {
            name: "snmp_trap",
            protocols: &[protocol::UDP],
            families: &[Af::V4],
            policies: &[Policy { most: 0, timeout: 180 }],
        }
    }

    fn mistakes_errors(&self) -> bool {
        true
    }

    fn help(&self, call: &mut Call<'_, '_>) -> Verdict {
        translate(call)
    }
}

/// Has a message of a translated connection name the outer address where it names the inner one. What is no message that it
/// knows does not pass. As help() of nf_nat_snmp_basic_main.c.
fn translate(call: &mut Call<'_, '_>) -> Verdict {
    let segment = call.segment();
    let (source, destination, length) = (u16_at(segment, 0), u16_at(segment, 2), u16_at(segment, 4));
    let there = segment.len();
    let misplaced = match call.direction {
        Direction::Original => source == Some(PORT),
        Direction::Reply => destination == Some(TRAP_PORT),
    };
    if misplaced || !call.translated() {
        return Verdict::Accept;
    }
    if length.map(usize::from) != Some(there) {
        return Verdict::Drop;
    }
    // Either way it is the address of the one who asked.
    let (from, to) = (call.tuple(Direction::Original).source, call.tuple(Direction::Reply).destination);
    if from == to {
        return Verdict::Accept;
    }
    call.packet.data.pull(call.headers.end);
    let partial = call.packet.checksum == Checksum::Partial;
    let (transport, end) = (call.headers.transport, call.headers.end);
    let Some(segment) = call.packet.data.make_mut().get_mut(transport..end) else { return Verdict::Drop };
    let (Some(old), Some(new)) = (from.0.first_chunk::<4>(), to.0.first_chunk::<4>()) else { return Verdict::Drop };
    let mut sum = u16_at(segment, 6).filter(|&sum| sum != 0 && !partial);
    let Some(message) = segment.get_mut(HEADER..) else { return Verdict::Drop };
    let rename = |at: usize, address: &mut [u8; 4]| {
        if address != old {
            return;
        }
        *address = *new;
        // A number at an odd place counts turned round.
        sum = sum.map(|sum| match at % 2 {
            0 => update(sum, old, new),
            _ => update(sum, &turned(old), &turned(new)),
        });
    };
    if message::read(message, rename).is_none() {
        return Verdict::Drop;
    }
    if let Some(sum) = sum {
        set_u16(segment, 6, sum);
    }
    Verdict::Accept
}

/// The bytes of a number that stands at an odd place as the sum of 16-bit words has them.
const fn turned(&[a, b, c, d]: &[u8; 4]) -> [u8; 6] {
    [0, a, b, c, d, 0]
}
