//! Matches that only the kernel itself can judge: cgroup, cpu, and programs of bpf that load what no queued packet tells.
//!
//! In front of handing a packet over, at the hooks where rules ask, the kernel's own match gives its answer; the packet
//! brings all answers along. So it is the packet's as it came to the hook, before any rule there changed it.

use libxt::family::Af;

use super::stores::Stores;
use super::{Scene, Site};
use crate::notes::Answer;
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

/// One of the kernel's matches with its info.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The match's name.
    pub name: &'static str,
    /// Its revision.
    pub revision: u8,
    /// The info, with the kernel's own fields zero.
    pub info: Vec<u8>,
    /// The hooks at which it is asked: bit *n* for `NF_INET_*` number *n*.
    pub hooks: u32,
}

/// A rule's use of it.
#[derive(Debug)]
pub struct Rule {
    question: Question,
    index: Option<usize>,
}

impl Rule {
    /// A rule with this match, of whose info the kernel keeps what follows `kept` bytes for itself.
    pub(crate) fn new(name: &'static str, revision: u8, info: &[u8], kept: usize, site: &Site<'_>) -> Self {
        let mut info = info.to_vec();
        if let Some(tail) = info.get_mut(kept..) {
            tail.fill(0);
        }
        Self { question: Question { name, revision, info, hooks: site.hooks }, index: None }
    }

    /// What it asks.
    pub(crate) fn question(&self) -> &Question {
        &self.question
    }

    /// Finds or takes a place among the answers.
    pub(crate) fn open(&mut self, stores: &mut Stores, af: Af) -> Result<(), Refused> {
        let Some(shelf) = stores.questions.get_mut(usize::from(af == Af::V6)) else { return Ok(()) };
        let asked = &self.question;
        let same = |one: &Question| (one.name, one.revision, &one.info) == (asked.name, asked.revision, &asked.info);
        let index = self.index.filter(|index| shelf.name(*index)).or_else(|| shelf.position(same));
        let index = index.unwrap_or_else(|| shelf.put(asked.clone()));
        shelf.name(index);
        if let Some(known) = shelf.get_mut(index) {
            known.hooks |= asked.hooks;
        }
        self.index = Some(index);
        if index < QUESTIONS { Ok(()) } else { Err(TOO_MANY) }
    }
}

/// What the kernel answered. What the datapath sends in the place of a kernel's reset, which has no socket, has one.
pub(crate) fn matches(rule: &Rule, scene: &Scene<'_, '_>) -> bool {
    let reset = scene.answer == Some(Answer::Reset) && rule.question.name == GROUP;
    !reset && rule.index.is_some_and(|index| scene.packet.answers & 1u8.checked_shl(index as u32).unwrap_or(0) != 0)
}

/// The match that asks a packet's socket.
pub(crate) const GROUP: &str = "cgroup";

/// How many different questions a family's rules may ask: each doubles the queues over which packets come.
pub const QUESTIONS: usize = 4;

const TOO_MANY: Refused = Refused::new(
    errno::ENOSPC,
    "no more than 4 different conditions of a family can be left to the kernel (cgroup, cpu, programs of bpf)",
);

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(info: u8, hooks: u32) -> Rule {
        Rule { question: Question { name: "cpu", revision: 0, info: vec![info], hooks }, index: None }
    }

    #[test]
    fn equal_questions_are_asked_once_at_all_hooks_of_their_rules() {
        let mut stores = Stores::new([0; 16]);
        let (mut first, mut second, mut other) = (rule(1, 1), rule(1, 8), rule(2, 1));
        for rule in [&mut first, &mut second, &mut other] {
            rule.open(&mut stores, Af::V4).unwrap();
        }
        assert_eq!((first.index, second.index, other.index), (Some(0), Some(0), Some(1)));
        let asked: Vec<_> = stores.questions[0].iter().map(|(_, question)| question.hooks).collect();
        assert_eq!(asked, [9, 1]);
        assert!(stores.questions[1].iter().next().is_none());
    }

    #[test]
    fn there_are_four_questions_a_family() {
        let mut stores = Stores::new([0; 16]);
        for info in 0..4 {
            rule(info, 1).open(&mut stores, Af::V4).unwrap();
        }
        assert_eq!(rule(4, 1).open(&mut stores, Af::V4).unwrap_err().errno, errno::ENOSPC);
        rule(4, 1).open(&mut stores, Af::V6).unwrap();
    }
}
