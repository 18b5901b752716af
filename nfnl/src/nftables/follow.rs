//! The rules of the chain behind: each asks the word in `skb->priority` for one number in one slot.

use super::{
    COMPAT_FLAGS, COMPAT_PROTOCOL, EXPRESSION_DATA, EXPRESSION_NAME, Handover, LIST_ELEMENT, RULE_COMPAT,
    RULE_EXPRESSIONS, TARGET_INFO, TARGET_NAME, TARGET_REVISION, tag,
};
use crate::message::Builder;

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// A packet without a word passes.
    Pass,
    /// A handover, by its place, for a slot.
    Hand(usize, u32),
    /// A packet that is to be dropped is.
    Drop,
    /// The packet gets its own priority back.
    Restore,
}

/// All rules in their order: what comes last in a packet's way follows the drop.
pub(super) fn rules(handovers: &[Handover]) -> Vec<Rule> {
    let of = |last: bool| {
        let places = handovers.iter().enumerate().filter(move |(_, handover)| handover.last == last);
        places.flat_map(|(place, _)| (0..tag::SLOTS).map(move |slot| Rule::Hand(place, slot)))
    };
    [Rule::Pass].into_iter().chain(of(false)).chain([Rule::Drop]).chain(of(true)).chain([Rule::Restore]).collect()
}

impl Rule {
    pub(super) fn put(self, builder: &mut Builder<'_>, handovers: &[Handover]) {
        let mut compat = false;
        builder.nest(RULE_EXPRESSIONS, |list| match self {
            Self::Pass => {
                // 0xa and 0xb differ in one bit.
                compare(list, tag::MASK & !(tag::GO_ON ^ tag::DROP), OP_DIFFERS, tag::GO_ON);
                verdict(list, NF_ACCEPT);
            }
            Self::Hand(place, slot) => {
                let Some(handover) = handovers.get(place) else { return };
                compare(list, tag::slot(slot, u8::MAX), OP_EQUAL, tag::slot(slot, handover.number));
                if handover.last {
                    restore(list);
                }
                expression(list, "target", |data| {
                    data.text(TARGET_NAME, handover.target).be32(TARGET_REVISION, handover.revision.into());
                    data.put(TARGET_INFO, &handover.info);
                });
                compat = true;
            }
            Self::Drop => {
                compare(list, tag::MASK, OP_EQUAL, tag::DROP);
                verdict(list, NF_DROP);
            }
            Self::Restore => restore(list),
        });
        if compat {
            builder.nest(RULE_COMPAT, |compat| {
                compat.be32(COMPAT_PROTOCOL, 0).be32(COMPAT_FLAGS, 0);
            });
        }
    }
}

fn expression(list: &mut Builder<'_>, name: &str, data: impl FnOnce(&mut Builder<'_>)) {
    list.nest(LIST_ELEMENT, |element| {
        element.text(EXPRESSION_NAME, name).nest(EXPRESSION_DATA, data);
    });
}

/// Some bits of the priority against a number; a rule that does not fit ends there. Priorities are in host byte order.
fn compare(list: &mut Builder<'_>, mask: u32, operation: u32, with: u32) {
    masked(list, mask);
    expression(list, "cmp", |data| {
        data.be32(CMP_SREG, REGISTER).be32(CMP_OP, operation).nest(CMP_DATA, |value| {
            value.put(DATA_VALUE, &with.to_ne_bytes());
        });
    });
}

/// The priority's bits under a mask, in the register.
fn masked(list: &mut Builder<'_>, mask: u32) {
    expression(list, "meta", |data| {
        data.be32(META_DREG, REGISTER).be32(META_KEY, META_PRIORITY);
    });
    expression(list, "bitwise", |data| {
        data.be32(BITWISE_SREG, REGISTER).be32(BITWISE_DREG, REGISTER).be32(BITWISE_LEN, 4);
        data.nest(BITWISE_MASK, |value| {
            value.put(DATA_VALUE, &mask.to_ne_bytes());
        });
        data.nest(BITWISE_XOR, |value| {
            value.put(DATA_VALUE, &[0; 4]);
        });
    });
}

fn restore(list: &mut Builder<'_>) {
    masked(list, tag::OWN);
    expression(list, "meta", |data| {
        data.be32(META_KEY, META_PRIORITY).be32(META_SREG, REGISTER);
    });
}

fn verdict(list: &mut Builder<'_>, verdict: u32) {
    expression(list, "immediate", |data| {
        data.be32(IMMEDIATE_DREG, VERDICT_REGISTER).nest(IMMEDIATE_DATA, |value| {
            value.nest(DATA_VERDICT, |code| {
                code.be32(VERDICT_CODE, verdict);
            });
        });
    });
}

const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;
/// `NFT_REG_VERDICT`, `NFT_REG32_00`.
const VERDICT_REGISTER: u32 = 0;
const REGISTER: u32 = 8;
/// `NFT_CMP_EQ`, `NFT_CMP_NEQ`.
const OP_EQUAL: u32 = 0;
const OP_DIFFERS: u32 = 1;
const CMP_SREG: u16 = 1;
const CMP_OP: u16 = 2;
const CMP_DATA: u16 = 3;
const META_DREG: u16 = 1;
const META_KEY: u16 = 2;
const META_SREG: u16 = 3;
/// `NFT_META_PRIORITY`.
const META_PRIORITY: u32 = 2;
const BITWISE_SREG: u16 = 1;
const BITWISE_DREG: u16 = 2;
const BITWISE_LEN: u16 = 3;
const BITWISE_MASK: u16 = 4;
const BITWISE_XOR: u16 = 5;
const IMMEDIATE_DREG: u16 = 1;
const IMMEDIATE_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_that_are_dropped_meet_all_but_the_last() {
        let handover = |number, last| Handover { number, target: "X", revision: 0, info: Vec::new(), last };
        let rules = rules(&[handover(1, true), handover(2, false)]);
        let place = |wanted: Rule| rules.iter().position(|rule| *rule == wanted).unwrap();
        assert_eq!(rules.len(), 3 + 2 * tag::SLOTS as usize);
        assert!(place(Rule::Hand(1, 2)) < place(Rule::Drop) && place(Rule::Drop) < place(Rule::Hand(0, 0)));
        assert_eq!((rules[0], rules[rules.len() - 1]), (Rule::Pass, Rule::Restore));
    }

    #[test]
    fn a_word_says_what_is_left_to_do() {
        assert!(tag::is(tag::DROP | tag::slot(2, 255) | 7) && tag::is(tag::GO_ON));
        assert!(!tag::is(tag::COPY) && !tag::is(0x0001_0010));
        assert_eq!(tag::slot(0, 255) | tag::slot(1, 255) | tag::slot(2, 255), !tag::MASK & !tag::OWN);
    }
}
