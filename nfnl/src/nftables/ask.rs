//! The rules of a chain that queues: one for each set of answers to questions, and for packets that are too long to be handed
//! over whole, which pick their queues.

use super::{
    EXPRESSION_DATA, EXPRESSION_NAME, LIST_ELEMENT, Method, QUEUE_FLAGS, QUEUE_NUMBER, QUEUE_TOTAL, QueueChain,
    QueueRange, RULE_CHAIN, RULE_EXPRESSIONS, RULE_TABLE, TARGET_INFO, TARGET_NAME, TARGET_REVISION, expression,
};
use crate::message::Builder;
use crate::queue::COPY_RANGE;

/// What one of the kernel's x_tables matches is asked of packets before they are queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    pub family: u8,
    /// Where it is asked: bit *n* for `NF_INET_*` number *n*.
    pub hooks: u32,
    /// The bit of its answer: a packet with the answers *a* comes over the queues from `first + a * total` on.
    pub bit: u8,
    /// The match's name.
    pub name: &'static str,
    /// Its revision.
    pub revision: u8,
    /// Its info, `XT_ALIGN`ed.
    pub info: Vec<u8>,
}

impl Question {
    /// Whether it is asked in a chain.
    pub fn concerns(&self, chain: QueueChain) -> bool {
        self.family == chain.family && self.hooks >> chain.hook & 1 != 0
    }
}

/// A rule that queues packets.
pub(super) struct Rule<'q> {
    /// The questions that are answered with yes.
    pub(super) yes: Vec<&'q Question>,
    /// It takes only what is longer than can be handed over.
    pub(super) long: bool,
}

/// The rules of a chain. Of all sets of answers the larger ones come first, and of each set the long packets, so that a packet
/// meets its own rule before any that asks less.
pub(super) fn rules<'q>(questions: &'q [Question], chain: QueueChain, range: QueueRange) -> Vec<Rule<'q>> {
    let lengths = || [true, false].into_iter().filter(move |&long| !long || range.long.is_some());
    let sets = answers(questions, chain).into_iter();
    sets.flat_map(|yes| lengths().map(move |long| Rule { yes: yes.clone(), long })).collect()
}

fn answers(questions: &[Question], chain: QueueChain) -> Vec<Vec<&Question>> {
    let asked: Vec<_> = questions.iter().filter(|question| question.concerns(chain)).collect();
    let chosen = |set: u32| {
        let places = asked.iter().enumerate().filter(move |(place, _)| set >> place & 1 != 0);
        places.map(|(_, question)| *question).collect()
    };
    (0..1u32.checked_shl(asked.len() as u32).unwrap_or(1)).rev().map(chosen).collect()
}

impl Rule<'_> {
    /// Appends the rule's attributes.
    pub(super) fn put(
        &self,
        builder: &mut Builder<'_>,
        (table, chain): (&str, &str),
        range: QueueRange,
        method: Method,
    ) {
        let bit = |question: &&Question| 1u16.checked_shl(question.bit.into()).unwrap_or(0);
        let set = self.yes.iter().map(bit).fold(0, |set, bit| set | bit);
        let behind = range.long.filter(|_| self.long).unwrap_or(0);
        let first = range.first.saturating_add(behind).saturating_add(set.saturating_mul(range.total));
        builder.text(RULE_TABLE, table).text(RULE_CHAIN, chain);
        builder.nest(RULE_EXPRESSIONS, |list| {
            if self.long {
                expression::longer(list, COPY_RANGE);
            }
            for question in &self.yes {
                expression::extension(list, "match", question.name, question.revision, &question.info);
            }
            put_queue(list, QueueRange { first, ..range }, method);
        });
        if method == Method::Compat || !self.yes.is_empty() {
            expression::any_protocol(builder);
        }
    }
}

/// What hands a packet to a queue.
pub(super) fn put_queue(list: &mut Builder<'_>, range: QueueRange, method: Method) {
    let flags = u16::from(range.bypass) | u16::from(range.cpu_fanout) << 1;
    list.nest(LIST_ELEMENT, |expression| match method {
        Method::Native => {
            expression.text(EXPRESSION_NAME, "queue").nest(EXPRESSION_DATA, |data| {
                data.be16(QUEUE_NUMBER, range.first).be16(QUEUE_TOTAL, range.total).be16(QUEUE_FLAGS, flags);
            });
        }
        Method::Compat => {
            // struct xt_NFQ_info_v3, XT_ALIGNed.
            let mut info = [0; 8];
            info[..2].copy_from_slice(&range.first.to_ne_bytes());
            info[2..4].copy_from_slice(&range.total.to_ne_bytes());
            info[4..6].copy_from_slice(&flags.to_ne_bytes());
            expression.text(EXPRESSION_NAME, "target").nest(EXPRESSION_DATA, |data| {
                data.text(TARGET_NAME, "NFQUEUE").be32(TARGET_REVISION, 3).put(TARGET_INFO, &info);
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_meets_the_rule_of_its_own_answers_before_those_of_fewer() {
        let question = |bit, hooks| Question { family: 2, hooks, bit, name: "cpu", revision: 0, info: Vec::new() };
        let questions = [question(0, 8), question(1, 1), question(2, 9)];
        let bits = |hook| {
            let sets = answers(&questions, QueueChain { family: 2, hook, priority: 0 });
            sets.iter().map(|set| set.iter().map(|one| one.bit).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert_eq!(bits(3), [vec![0, 2], vec![2], vec![0], vec![]]);
        assert_eq!(bits(1), [vec![]]);
        assert!(answers(&questions, QueueChain { family: 10, hook: 3, priority: 0 }).iter().all(Vec::is_empty));
        let range = QueueRange { first: 0, total: 1, bypass: false, cpu_fanout: false, long: Some(16) };
        let rules = rules(&questions, QueueChain { family: 2, hook: 3, priority: 0 }, range);
        let kinds: Vec<_> = rules.iter().map(|rule| (rule.yes.len(), rule.long)).collect();
        assert_eq!(kinds[..4], [(2, true), (2, false), (1, true), (1, false)]);
        assert_eq!(kinds[6..], [(0, true), (0, false)]);
    }
}
