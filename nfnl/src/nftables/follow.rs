//! The rules of the chain behind: each asks the word in `skb->priority` for one number in one slot.

use super::expression::{
    NF_ACCEPT, NF_DROP, OP_DIFFERS, OP_EQUAL, any_protocol, compare, extension, keep, proxy, verdict,
};
use super::{Action, Handover, RULE_EXPRESSIONS, tag};
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
                        extension(list, "target", name, *revision, info);
                        compat = true;
                    }
                    Action::Match { name, revision, info } => {
                        extension(list, "match", name, *revision, info);
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
            any_protocol(builder);
        }
    }
}

/// `NF_INET_PRE_ROUTING`.
const PREROUTING: u8 = 0;

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
