//! `-m u32`: numbers read from the packet by a small program, and the ranges they lie in.

use libxt::ext::Families;
use libxt::ext::matches::u32::{Operation, Test, U32};

use super::Match;
use crate::ext::{Maker, Scene};
use crate::wire::u32_at;

pub(super) const MAKER: Maker<Match> =
    Maker::of::<U32>(Families::Both, |revision, info, site| Ok(Match::U32(site.decode(revision, info)?)));

/// As u32_mt().
pub(super) fn matches(value: &U32, scene: &Scene<'_, '_>) -> bool {
    let bytes = scene.packet.data.bytes();
    value.tests.iter().all(|test| holds(test, bytes)) != value.inverted
}

fn holds(test: &Test, bytes: &[u8]) -> bool {
    read(test, bytes).is_some_and(|number| test.values.iter().any(|&(min, max)| (min..=max).contains(&number)))
}

/// As u32_match_it(); `None` as soon as a step leads out of the packet. A shift by 32 or more counts modulo 32, as the
/// machine's own does.
fn read(test: &Test, bytes: &[u8]) -> Option<u32> {
    let (first, steps) = test.location.split_first()?;
    let mut number = u32_at(bytes, first.number as usize)?;
    let mut base: u32 = 0;
    for step in steps {
        match step.operation {
            Operation::And => number &= step.number,
            Operation::ShiftLeft => number = number.wrapping_shl(step.number),
            Operation::ShiftRight => number = number.wrapping_shr(step.number),
            Operation::At => {
                base = base.checked_add(number)?;
                number = u32_at(bytes, (base as usize).checked_add(step.number as usize)?)?;
            }
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use libxt::ext::matches::u32::Step;

    use super::*;

    fn test(steps: &[(Operation, u32)]) -> Test {
        let location = steps.iter().map(|&(operation, number)| Step { operation, number }).collect();
        Test { location, values: Vec::new() }
    }

    #[test]
    fn a_header_length_leads_to_the_payload() {
        // «0>>22&0x3C@0»: the first four bytes behind an IPv4 header.
        let mut packet = vec![0x46, 0, 0, 28];
        packet.resize(24, 0);
        packet.extend([0xde, 0xad, 0xbe, 0xef]);
        let steps = [(Operation::And, 0), (Operation::ShiftRight, 22), (Operation::And, 0x3c), (Operation::At, 0)];
        assert_eq!(read(&test(&steps), &packet), Some(0xdead_beef));
    }

    #[test]
    fn no_step_leaves_the_packet() {
        assert_eq!(read(&test(&[(Operation::And, 1)]), &[0; 4]), None);
        assert_eq!(read(&test(&[(Operation::And, u32::MAX)]), &[0; 4]), None);
        assert_eq!(read(&test(&[(Operation::And, 0), (Operation::At, u32::MAX)]), &[0xff; 8]), None);
        assert_eq!(read(&test(&[]), &[0; 4]), None);
    }
}
