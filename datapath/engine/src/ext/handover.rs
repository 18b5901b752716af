//! What only the kernel itself can carry out: AUDIT, IDLETIMER, NFLOG, NFQUEUE, TEE, TPROXY, and counting for `-m nfacct`.
//!
//! A rule notes its number with the packet. Once the packet has its verdict, a chain behind the datapath's own, at the same
//! hook, does what the number stands for with the kernel's own target: after all tables of that hook, with the packet as they
//! left it.

use std::ops::{Range, RangeInclusive};

use libxt::family::Af;

use super::stores::Stores;
use super::targets::Outcome;
use super::{Scene, Site};
use crate::packet::Verdict;
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

/// One of the kernel's targets with its info.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The family.
    pub af: Af,
    /// The target's name.
    pub target: &'static str,
    /// Its revision.
    pub revision: u8,
    /// The info, with the kernel's own fields zero.
    pub info: Vec<u8>,
    /// The packet's way through the rules ends with it, as NFQUEUE's does.
    pub last: bool,
}

impl Handover {
    /// Where TPROXY looks for a socket: the address, unless it is that of the device, and the port, 0 for the packet's own.
    pub fn socket(&self) -> Option<(Option<Vec<u8>>, u16)> {
        let (address, port) = match self.revision {
            0 => (self.info.get(8..12)?, self.info.get(12..14)?),
            _ => (self.info.get(8..24)?.get(..if self.af == Af::V4 { 4 } else { 16 })?, self.info.get(24..26)?),
        };
        let given = address.iter().any(|byte| *byte != 0);
        let port = port.first_chunk().filter(|_| self.target == PROXY)?;
        Some((given.then(|| address.to_vec()), u16::from_be_bytes(*port)))
    }

    /// Whether it is a timer by the name of another that is not of its type. As idletimer_tg_checkentry_v1().
    fn contradicts(&self, newer: &Self) -> bool {
        let label = |handover: &Self| handover.info.get(LABEL).map(<[u8]>::to_vec);
        let alarm = |handover: &Self| handover.revision == 1 && handover.info.get(TIMER_TYPE) == Some(&1);
        self.target == TIMER
            && newer.target == TIMER
            && newer.revision == 1
            && label(self) == label(newer)
            && alarm(self) != alarm(newer)
    }

    /// The queues that it names, if it is an NFQUEUE.
    pub fn queues(&self) -> Option<RangeInclusive<u16>> {
        let word = |at: usize| self.info.get(at..)?.first_chunk().map(|word| u16::from_ne_bytes(*word));
        let first = word(0).filter(|_| self.target == QUEUE)?;
        let total = if self.revision == 0 { 1 } else { word(2)? };
        Some(first..=first.saturating_add(total.saturating_sub(1)))
    }

    /// An NFQUEUE's info with other queues, of which there are less than 65,536.
    pub fn with_queues(&self, queues: &RangeInclusive<u16>) -> Vec<u8> {
        let mut info = self.info.clone();
        let total = queues.end().saturating_sub(*queues.start()).saturating_add(1);
        let words = [queues.start().to_ne_bytes(), total.to_ne_bytes()].concat();
        let wanted = if self.revision == 0 { 2 } else { 4 };
        if let (Some(info), Some(words)) = (info.get_mut(..wanted), words.get(..wanted)) {
            info.copy_from_slice(words);
        }
        info
    }
}

/// A rule's use of it.
#[derive(Debug)]
pub struct Rule {
    handover: Handover,
    index: Option<usize>,
}

impl Rule {
    /// A rule with this target, of whose info the kernel keeps what follows `kept` bytes for itself.
    pub(crate) fn new(
        target: &'static str,
        revision: u8,
        info: &[u8],
        kept: usize,
        last: bool,
        site: &Site<'_>,
    ) -> Self {
        let mut info = info.to_vec();
        if let Some(tail) = info.get_mut(kept..) {
            tail.fill(0);
        }
        Self { handover: Handover { af: site.af, target, revision, info, last }, index: None }
    }

    /// Has a program asked, without which packets go on. As nfnl_userspace_cthelper().
    pub(crate) fn asking(af: Af, queue: u16) -> Self {
        // struct xt_NFQ_info_v3 as the kernel aligns it: the first queue, how many, the flag of a bypass.
        let [number, one] = [queue, 1].map(u16::to_ne_bytes);
        let info = [number, one, one, [0; 2]].concat();
        Self { handover: Handover { af, target: QUEUE, revision: 3, info, last: true }, index: None }
    }

    /// Its number, once the kernel is ready.
    pub(crate) fn number(&self, handing: &[bool]) -> Option<u8> {
        self.index.filter(|index| handing.get(*index).copied().unwrap_or(false)).and_then(number)
    }

    /// The queues that an NFQUEUE names.
    pub(crate) fn queues(&self) -> Option<RangeInclusive<u16>> {
        self.handover.queues()
    }

    /// Whether it is a timer, which a new table begins anew. As idletimer_tg_checkentry().
    pub(crate) fn is_timer(&self) -> bool {
        self.handover.target == TIMER
    }

    /// Finds or takes a number.
    pub(crate) fn open(&mut self, stores: &mut Stores) -> Result<(), Refused> {
        if self.index.is_some_and(|index| stores.handovers.name(index)) {
            return Ok(());
        }
        if stores.handovers.position(|handover| handover.contradicts(&self.handover)).is_some() {
            return Err(Refused::invalid("IDLETIMER: there is a timer of this name that runs by the other clock"));
        }
        let index = match stores.handovers.position(|handover| *handover == self.handover) {
            Some(index) => {
                stores.handovers.name(index);
                index
            }
            None => {
                let index = stores.handovers.put(self.handover.clone());
                // It may have been another's.
                if let Some(ready) = stores.handing.get_mut(index) {
                    *ready = false;
                }
                index
            }
        };
        self.index = Some(index);
        number(index).map(drop).ok_or(TOO_MANY)
    }
}

/// Has the packet meet the target behind the datapath's chain.
pub(crate) fn act(rule: &Rule, scene: &mut Scene<'_, '_>) -> Outcome {
    if scene.packet.copied && rule.handover.target == TEE {
        // As nf_dup_ipv4() with nf_skb_duplicated: no copies of copies.
        return Outcome::Continue;
    }
    let noted =
        rule.number(&scene.stores.handing).is_some_and(|number| scene.packet.tasks.add(number, rule.handover.last));
    match (rule.handover.last, noted) {
        (false, _) => Outcome::Continue,
        (true, true) => Outcome::Verdict(Verdict::Accept),
        // Nobody could ask the program; the kernel drops what nobody takes.
        (true, false) => Outcome::Verdict(Verdict::Drop),
    }
}

/// Has the packet counted behind the datapath's chain, as often as rules say.
pub(crate) fn count(rule: &Rule, scene: &mut Scene<'_, '_>) -> bool {
    if let Some(number) = rule.number(&scene.stores.handing) {
        scene.packet.tasks.add_again(number);
    }
    true
}

/// The number of a place.
pub(crate) fn number(index: usize) -> Option<u8> {
    u8::try_from(index.checked_add(1)?).ok()
}

/// The target that gives packets to sockets.
pub(crate) const PROXY: &str = "TPROXY";

/// The target that winds timers up.
pub(crate) const TIMER: &str = "IDLETIMER";

/// Where a timer's label and type stand in its info.
const LABEL: Range<usize> = 4..32;
pub(crate) const TIMER_TYPE: usize = 33;

/// The match that counts in a counter of the kernel's.
pub const COUNTER: &str = "nfacct";

/// The target that makes copies.
pub(crate) const TEE: &str = "TEE";

/// The target that asks another program.
pub(crate) const QUEUE: &str = "NFQUEUE";

const TOO_MANY: Refused = Refused::new(
    errno::ENOSPC,
    "no more than 255 different ones can be handed over to the kernel (AUDIT, IDLETIMER, nfacct, NFLOG, NFQUEUE, TEE, TPROXY)",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Tasks;

    #[test]
    fn a_dropped_packet_is_logged_and_not_queued() {
        let mut tasks = Tasks::default();
        assert!(tasks.is_empty());
        assert!(tasks.add(7, false) && tasks.add(9, true) && tasks.add(7, false));
        assert_eq!(tasks.for_verdict(Verdict::Accept), [7, 9, 0]);
        assert_eq!(tasks.for_verdict(Verdict::Drop), [7, 0, 0]);
        assert!(tasks.add(1, false) && !tasks.add(2, false));
    }

    #[test]
    fn what_counts_is_done_as_often_as_it_is_said() {
        let mut tasks = Tasks::default();
        assert!(tasks.add_again(7) && tasks.add_again(7) && tasks.add(9, true) && !tasks.add_again(7));
        assert_eq!(tasks.for_verdict(Verdict::Accept), [7, 7, 9]);
        assert_eq!(tasks.for_verdict(Verdict::Drop), [7, 7, 0]);
    }

    #[test]
    fn equal_targets_share_a_number_and_there_are_255() {
        let mut stores = Stores::new([0; 16]);
        let rule = |group: u16| {
            let info = group.to_ne_bytes().to_vec();
            Rule { handover: Handover { af: Af::V4, target: "NFLOG", revision: 0, info, last: false }, index: None }
        };
        let (mut first, mut second) = (rule(1), rule(1));
        first.open(&mut stores).unwrap();
        second.open(&mut stores).unwrap();
        assert_eq!(first.index, second.index);
        for group in 2..=255 {
            rule(group).open(&mut stores).unwrap();
        }
        assert_eq!(rule(256).open(&mut stores).unwrap_err().errno, errno::ENOSPC);
    }
}
