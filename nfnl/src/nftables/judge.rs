//! The chain in which the kernel judges packets that are sent to it for that alone: none leaves it.
//!
//! `sendto` tells the answer: who drops a packet in OUTPUT makes it fail with EPERM, and a packet that a queue does not take is
//! gone without a word. A queue takes none until its reader says what of them it wants to see.
//!
//! What a target makes of a packet's mark and priority, another queue tells. xt_set.c takes such rules in a table called `mangle`
//! alone, so that chain stands there, in front of this one; iptables-nft(8) leaves it alone.

use super::expression::{
    NF_ACCEPT, NF_DROP, OP_DIFFERS, OP_EQUAL, any_protocol, clear_source, compare, extension, verdict,
};
use super::{Action, Method, QueueRange, RULE_EXPRESSIONS, ask};
use crate::message::Builder;

/// Something that the kernel judges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Its number in [`word`].
    pub number: u8,
    /// A match or a target.
    pub action: Action,
    /// A target that gives packets a mark or a priority.
    pub maps: bool,
}

/// The queues to which packets go that were judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// One that takes nothing: a match's answer is yes.
    pub sink: u16,
    /// One whose reader sees what became of mark and priority.
    pub seen: u16,
    /// How rules name a queue.
    pub method: Method,
}

/// The `skb->priority` of a packet that is sent for a probe; its source may be one that IPv4's sockets do not send, 0.0.0.0.
pub const fn word(number: u8, nowhere: bool) -> u32 {
    WORD | (number as u32) << 4 | nowhere as u32
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// What does not carry a word passes.
    Pass,
    /// A source that could not be sent is put in.
    Source,
    /// A probe, by its place: what its match takes is gone, what its target gave something is seen.
    Judge(usize),
    /// All others are dropped.
    Drop,
}

/// All rules in their order: of the chain in the table `mangle` those that map, of the other one the rest.
pub(super) fn rules(family: u8, probes: &[Probe], maps: bool) -> Vec<Rule> {
    if probes.is_empty() {
        return Vec::new();
    }
    let source = (family == NFPROTO_IPV4).then_some(Rule::Source);
    let first = [Rule::Pass].into_iter().chain(source);
    let places = probes.iter().enumerate().filter(|(_, probe)| probe.maps == maps).map(|(place, _)| place);
    // Where the table `mangle` was taken away, nothing that would be mapped gets on either.
    first.chain(places.map(Rule::Judge)).chain((!maps).then_some(Rule::Drop)).collect()
}

impl Rule {
    pub(super) fn put(self, builder: &mut Builder<'_>, probes: &[Probe], ends: Ends) {
        let mut compat = false;
        builder.nest(RULE_EXPRESSIONS, |list| match self {
            Self::Pass => {
                compare(list, MASK, OP_DIFFERS, WORD);
                verdict(list, NF_ACCEPT);
            }
            Self::Source => {
                compare(list, 1, OP_EQUAL, 1);
                clear_source(list);
            }
            Self::Judge(place) => {
                let Some(Probe { number, action, maps }) = probes.get(place) else { return };
                compare(list, word(u8::MAX, false) & !WORD, OP_EQUAL, word(*number, false) & !WORD);
                compat = true;
                let queue = |first| QueueRange { first, total: 1, bypass: false, cpu_fanout: false, long: None };
                match action {
                    Action::Match { name, revision, info } => {
                        extension(list, "match", name, *revision, info);
                        ask::put_queue(list, queue(ends.sink), ends.method);
                    }
                    Action::Target { name, revision, info } => {
                        extension(list, "target", name, *revision, info);
                        if *maps {
                            ask::put_queue(list, queue(ends.seen), ends.method);
                        }
                    }
                    Action::Proxy { .. } => {}
                }
            }
            Self::Drop => verdict(list, NF_DROP),
        });
        if compat {
            any_protocol(builder);
        }
    }
}

/// The name of a chain that comes and goes in a trial.
pub(super) const PROBE: &str = "xt_datapath-probe";
/// Its name.
pub(super) const NAME: &str = "judge";
/// The table in which mappings stand, and the chain's name there.
pub(super) const MAPPING_TABLE: &str = "mangle";
pub(super) const MAPPING_NAME: &str = "xt_datapath";
/// In front of everybody's, mappings first: `NF_INET_LOCAL_OUT`, `NF_IP_PRI_FIRST`.
pub(super) const HOOK: u8 = 3;
pub(super) const PRIORITY: i32 = i32::MIN + 1;
pub(super) const MAPPING_PRIORITY: i32 = i32::MIN;

/// The bits that say that it is such a word: a class of traffic control by this number would be 5c3a:.
const MASK: u32 = 0xffff_0000;
const WORD: u32 = 0x5c3a_0000;
const NFPROTO_IPV4: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_carries_a_word_is_judged_and_none_of_it_gets_on() {
        let action = Action::Match { name: "set", revision: 4, info: Vec::new() };
        let probes = [(1, false), (2, true), (3, false)];
        let probes = probes.map(|(number, maps)| Probe { number, action: action.clone(), maps });
        let wanted = [Rule::Pass, Rule::Source, Rule::Judge(0), Rule::Judge(2), Rule::Drop];
        assert_eq!(rules(2, &probes, false), wanted);
        assert_eq!(rules(10, &probes, true), [Rule::Pass, Rule::Judge(1)]);
        assert!(rules(2, &[], false).is_empty());
    }

    #[test]
    fn a_word_has_room_for_every_number() {
        assert_eq!(word(255, true), WORD | 0xff1);
        assert_eq!(word(0, false) & MASK, WORD);
        assert!(!super::super::tag::is(word(7, false)));
    }
}
