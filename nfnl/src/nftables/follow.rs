//! The rules of the chain behind: each asks the word in `skb->priority` for one number in one slot.

use super::{
    Action, COMPAT_FLAGS, COMPAT_PROTOCOL, EXPRESSION_DATA, EXPRESSION_NAME, Handover, LIST_ELEMENT, RULE_COMPAT,
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
    /// A packet that found no socket is dropped: a handover, by its place, that did not take its slot's number away.
    Miss(usize, u32),
    /// A packet that is to be dropped is.
    Drop,
    /// The packet gets its own priority back.
    Restore,
}

/// All rules at a hook in their order: what comes last in a packet's way follows the drop.
pub(super) fn rules(handovers: &[Handover], hook: u8) -> Vec<Rule> {
    let of = |wanted: Turn| {
        let places = handovers.iter().enumerate().filter(move |(_, handover)| Turn::of(handover) == wanted);
        places.flat_map(|(place, _)| (0..tag::SLOTS).map(move |slot| (place, slot)))
    };
    let hand = |(place, slot)| Rule::Hand(place, slot);
    let proxies = of(Turn::Proxy).filter(|_| hook == PREROUTING);
    let proxies = proxies.flat_map(|(place, slot)| [Rule::Hand(place, slot), Rule::Miss(place, slot)]);
    let first = [Rule::Pass].into_iter().chain(of(Turn::Passing).map(hand)).chain([Rule::Drop]);
    first.chain(proxies).chain(of(Turn::Last).map(hand)).chain([Rule::Restore]).collect()
}

/// When a handover has its turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// First, for packets that are to be dropped as well.
    Passing,
    /// Behind the drop: the packet may be dropped yet.
    Proxy,
    /// At the end.
    Last,
}

impl Turn {
    fn of(handover: &Handover) -> Self {
        match handover {
            Handover { action: Action::Proxy { .. }, .. } => Self::Proxy,
            Handover { last: true, .. } => Self::Last,
            Handover { last: false, .. } => Self::Passing,
        }
    }
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
                let Some(Handover { number, action, last }) = handovers.get(place) else { return };
                compare(list, tag::slot(slot, u8::MAX), OP_EQUAL, tag::slot(slot, *number));
                match action {
                    Action::Target { name, revision, info } => {
                        if *last {
                            keep(list, tag::OWN);
                        }
                        expression(list, "target", |data| {
                            data.text(TARGET_NAME, name).be32(TARGET_REVISION, (*revision).into());
                            data.put(TARGET_INFO, info);
                        });
                        compat = true;
                    }
                    Action::Match { name, revision, info } => {
                        expression(list, "match", |data| {
                            data.text(TARGET_NAME, name).be32(TARGET_REVISION, (*revision).into());
                            data.put(TARGET_INFO, info);
                        });
                        compat = true;
                    }
                    Action::Proxy { family, address, port } => {
                        proxy(list, *family, address.as_deref(), *port);
                        keep(list, !tag::slot(slot, u8::MAX));
                    }
                }
            }
            Self::Miss(place, slot) => {
                let Some(handover) = handovers.get(place) else { return };
                compare(list, tag::slot(slot, u8::MAX), OP_EQUAL, tag::slot(slot, handover.number));
                verdict(list, NF_DROP);
            }
            Self::Drop => {
                compare(list, tag::MASK, OP_EQUAL, tag::DROP);
                verdict(list, NF_DROP);
            }
            Self::Restore => keep(list, tag::OWN),
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

/// The priority keeps only some bits.
fn keep(list: &mut Builder<'_>, mask: u32) {
    masked(list, mask);
    expression(list, "meta", |data| {
        data.be32(META_KEY, META_PRIORITY).be32(META_SREG, REGISTER);
    });
}

/// Gives the packet to a transparent socket; where there is none, the rule ends here.
fn proxy(list: &mut Builder<'_>, family: u8, address: Option<&[u8]>, port: u16) {
    let mut load = |register, value: &[u8]| {
        expression(list, "immediate", |data| {
            data.be32(IMMEDIATE_DREG, register).nest(IMMEDIATE_DATA, |data| {
                data.put(DATA_VALUE, value);
            });
        });
    };
    if let Some(address) = address {
        load(ADDRESS_REGISTER, address);
    }
    // The expression wants one of both to be said.
    let own = port == 0 && address.is_none();
    if port != 0 {
        load(REGISTER, &port.to_be_bytes());
    } else if own {
        expression(list, "payload", |data| {
            data.be32(PAYLOAD_DREG, REGISTER).be32(PAYLOAD_BASE, TRANSPORT_HEADER);
            data.be32(PAYLOAD_OFFSET, DESTINATION_PORT).be32(PAYLOAD_LEN, 2);
        });
    }
    expression(list, "tproxy", |data| {
        data.be32(TPROXY_FAMILY, family.into());
        if address.is_some() {
            data.be32(TPROXY_REG_ADDR, ADDRESS_REGISTER);
        }
        if port != 0 || own {
            data.be32(TPROXY_REG_PORT, REGISTER);
        }
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
/// `NF_INET_PRE_ROUTING`.
const PREROUTING: u8 = 0;
/// `NFT_REG_VERDICT`, `NFT_REG32_00`, `NFT_REG_2`.
const VERDICT_REGISTER: u32 = 0;
const REGISTER: u32 = 8;
const ADDRESS_REGISTER: u32 = 2;
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
const PAYLOAD_DREG: u16 = 1;
const PAYLOAD_BASE: u16 = 2;
const PAYLOAD_OFFSET: u16 = 3;
const PAYLOAD_LEN: u16 = 4;
/// `NFT_PAYLOAD_TRANSPORT_HEADER`.
const TRANSPORT_HEADER: u32 = 2;
const DESTINATION_PORT: u32 = 2;
const TPROXY_FAMILY: u16 = 1;
const TPROXY_REG_ADDR: u16 = 2;
const TPROXY_REG_PORT: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn handover(number: u8, last: bool) -> Handover {
        Handover { number, action: Action::Target { name: "X", revision: 0, info: Vec::new() }, last }
    }

    #[test]
    fn packets_that_are_dropped_meet_all_but_the_last() {
        let rules = rules(&[handover(1, true), handover(2, false)], 2);
        let place = |wanted: Rule| rules.iter().position(|rule| *rule == wanted).unwrap();
        assert_eq!(rules.len(), 3 + 2 * tag::SLOTS as usize);
        assert!(place(Rule::Hand(1, 2)) < place(Rule::Drop) && place(Rule::Drop) < place(Rule::Hand(0, 0)));
        assert_eq!((rules[0], rules[rules.len() - 1]), (Rule::Pass, Rule::Restore));
    }

    #[test]
    fn a_socket_is_looked_for_only_where_packets_arrive_and_what_finds_none_is_dropped_before_the_last() {
        let action = Action::Proxy { family: 2, address: None, port: 80 };
        let handovers = [handover(1, true), Handover { number: 2, action, last: true }, handover(3, false)];
        let arriving = rules(&handovers, PREROUTING);
        let place = |wanted: Rule| arriving.iter().position(|rule| *rule == wanted).unwrap();
        assert!(place(Rule::Hand(2, 2)) < place(Rule::Drop) && place(Rule::Drop) < place(Rule::Hand(1, 0)));
        assert_eq!(place(Rule::Hand(1, 0)) + 1, place(Rule::Miss(1, 0)));
        assert!(place(Rule::Miss(1, 2)) < place(Rule::Hand(0, 0)));
        assert!(rules(&handovers, 2).iter().all(|rule| !matches!(rule, Rule::Hand(1, _) | Rule::Miss(..))));
    }

    #[test]
    fn a_word_says_what_is_left_to_do() {
        assert!(tag::is(tag::DROP | tag::slot(2, 255) | 7) && tag::is(tag::GO_ON));
        assert!(!tag::is(tag::COPY) && !tag::is(0x0001_0010));
        assert_eq!(tag::slot(0, 255) | tag::slot(1, 255) | tag::slot(2, 255), !tag::MASK & !tag::OWN);
    }
}
