//! What a packet causes beyond its verdict is done here, outside the engine's lock.

use engine::effects::{Effects, Release};
use engine::packet::Tasks;
use engine::{Host, Verdict};
use nfnl::nftables::tag;
use nfnl::queue::{ACCEPT, Changes, DROP, Verdicts};

use crate::inject::Injector;
use crate::state::{Counts, State, count};

/// One thread's means of doing it.
pub(crate) struct Delivery {
    injector: Injector,
    verdicts: Verdicts,
}

impl Delivery {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { injector: Injector::open()?, verdicts: Verdicts::default() })
    }

    /// Sends and logs; events went to the outbox before, and held packets got their verdict. `worker` is whose counts
    /// are charged.
    pub(crate) fn deliver(&mut self, effects: &Effects, state: &State, worker: usize, host: &dyn Host) {
        for send in &effects.sends {
            let sent = effects.bytes.get(send.bytes.clone()).map(|bytes| self.injector.send(send, bytes, host));
            if let (false, Some(counts)) = (matches!(sent, Some(Ok(()))), state.counts.get(worker)) {
                count(&counts.unsent, 1);
            }
        }
        for log in &effects.logs {
            state.log.line(log.level, effects.bytes.get(log.text.clone()).unwrap_or(b"?"));
        }
    }

    /// Gives all held packets that are free now their verdict.
    pub(crate) fn release_all(&mut self, effects: &Effects, state: &State) {
        for release in &effects.releases {
            self.release(release, &effects.bytes, state);
        }
    }

    /// A held packet's verdict goes to the queue it came from, whichever thread found it.
    pub(crate) fn release(&mut self, release: &Release, bytes: &[u8], state: &State) {
        let index = state.worker_of(release.id.queue);
        let (Some(queue), Some(counts)) = (state.queues.get(index), state.counts.get(index)) else { return };
        self.verdicts.clear();
        push(release, bytes, state.number_of(release.id.queue), counts, &mut self.verdicts);
        if queue.send(&self.verdicts, &[]).is_err() {
            count(&counts.refused, 1);
        }
    }
}

/// The priority that a packet gets with its verdict, if it is another than it has: the word for the chain behind ours, or its
/// own again.
pub(crate) fn priority(had: u32, tasks: Tasks, verdict: Verdict, copied: bool) -> Option<u32> {
    let own = if had & tag::MASK == tag::COPY || tag::is(had) { had & tag::OWN } else { had };
    let numbers = tasks.for_verdict(verdict);
    let word = if numbers == [0; 3] {
        // A copy is one at POSTROUTING, too.
        if copied { tag::COPY | own & tag::OWN } else { own }
    } else {
        let slots = numbers.into_iter().zip(0..).fold(0, |all, (number, slot)| all | tag::slot(slot, number));
        let what = if verdict == Verdict::Drop { tag::DROP } else { tag::GO_ON };
        // A priority beyond the usual ones is lost: there is no room for it.
        what | slots | if own > tag::OWN { 0 } else { own }
    };
    (word != had).then_some(word)
}

/// Adds a held packet's verdict to a batch of its queue.
pub(crate) fn push(release: &Release, bytes: &[u8], queue: u16, counts: &Counts, verdicts: &mut Verdicts) {
    let payload = release.bytes.clone().and_then(|range| bytes.get(range));
    let accepted = release.verdict == Verdict::Accept;
    let verdict = if accepted { ACCEPT } else { DROP };
    let had = release.priority.unwrap_or(0);
    let priority = priority(had, release.tasks, release.verdict, false).or(release.priority);
    verdicts.push(queue, release.id.number, verdict, Changes { mark: release.mark, priority }, payload);
    count(if accepted { &counts.accepted } else { &counts.dropped }, 1);
}
