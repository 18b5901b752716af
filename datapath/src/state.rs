//! What all threads of the datapath share: the engine behind its lock, the queues, the tables of the host, the counts.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io};

use engine::effects::Event;
use engine::ext::handover::COUNTER;
use engine::ext::probe::Kind;
use engine::fingerprints::Fingerprints;
use engine::{Engine, Hook, Passes, Prepared, Refused};
use libxt::family::Af;
use nfnl::nftables::{Action, Ends, Handover, Method, Probe, Question};
use nfnl::queue::Queue;
use nfnl::route::Farewell;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::attach::{Attachment, Unattached};
use crate::config::Config;
use crate::host::{Current, Tables};
use crate::ledger::Ledger;
use crate::log::Sink;
use crate::origins::Origins;
use crate::paths::Paths;
use crate::probes::Probes;
use crate::sets::Sets;
use crate::sockets::Sockets;
use crate::stderr::complain;
use crate::store::Store;

/// Shared by all threads. Locks are taken in this order: `replacing`, `config`, `attachment`, `engine`, `ledger`,
/// `outbox`.
pub(crate) struct State {
    pub(crate) engine: Mutex<Engine>,
    /// Held from a new table to the chains that it needs.
    pub(crate) replacing: Mutex<()>,
    pub(crate) attachment: Mutex<Attachment>,
    /// Where timeout policies are kept, if they are.
    pub(crate) store: Option<Store>,
    /// Where connections are kept, if they are.
    pub(crate) ledger: Mutex<Option<Ledger>>,
    pub(crate) outbox: Outbox,
    pub(crate) queues: Vec<Queue>,
    pub(crate) counts: Vec<Counts>,
    pub(crate) host: Current,
    pub(crate) log: Sink,
    /// Asked while the engine is locked.
    pub(crate) sets: Sets,
    /// So are these.
    pub(crate) probes: Probes,
    /// And these.
    pub(crate) sockets: Sockets,
    /// And these.
    pub(crate) paths: Paths,
    pub(crate) origins: Origins,
    pub(crate) config: Mutex<Config>,
    pub(crate) stopping: AtomicBool,
    /// Devices and addresses that went away and that connections may still be bound to.
    pub(crate) gone: Mutex<Vec<Farewell>>,
    /// When devices, addresses and routes were last asked for.
    pub(crate) refreshed: Mutex<Option<Instant>>,
}

/// What one queue's worker counts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Packets taken from the kernel.
    pub(crate) received: AtomicU64,
    /// Let go on.
    pub(crate) accepted: AtomicU64,
    /// Dropped by a verdict.
    pub(crate) dropped: AtomicU64,
    /// Kept back for now.
    pub(crate) held: AtomicU64,
    /// Written back with new bytes.
    pub(crate) rewritten: AtomicU64,
    /// Times the socket's buffer overflowed.
    pub(crate) overruns: AtomicU64,
    /// Verdicts that the kernel refused.
    pub(crate) refused: AtomicU64,
    /// Packets at which the engine failed; they were dropped.
    pub(crate) panics: AtomicU64,
    /// Packets that could not be written back, being longer than the kernel hands over; they were dropped.
    pub(crate) truncated: AtomicU64,
    /// Packets of our own that could not be sent.
    pub(crate) unsent: AtomicU64,
    /// Times the queue was empty and all its packets had their verdicts.
    pub(crate) drained: AtomicU64,
}

/// Connection events on their way to who listens, in the order in which they happened.
#[derive(Debug)]
pub(crate) struct Outbox {
    events: Mutex<VecDeque<Event>>,
    lost: AtomicBool,
    bell: EventFd,
}

impl State {
    /// The engine, alone. A panic elsewhere does not take it away.
    pub(crate) fn engine(&self) -> MutexGuard<'_, Engine> {
        lock(&self.engine)
    }

    /// Takes packets where the tables in force need it. Call it after every change of a table.
    pub(crate) fn reattach(&self) -> Result<(), Unattached> {
        let all = lock(&self.config).all_hooks;
        let mut attachment = lock(&self.attachment);
        let needed = self.needed();
        attachment.apply(&needed, all, &self.questions())?;
        self.hand(&mut attachment)
    }

    /// How often each worker found its queue empty.
    pub(crate) fn drained(&self) -> Vec<u64> {
        self.counts.iter().map(|counts| counts.drained.load(Ordering::Acquire)).collect()
    }

    /// Has the kernel do what packets are handed over for; only then are they.
    fn hand(&self, attachment: &mut Attachment) -> Result<(), Unattached> {
        let (wanted, numbers) = {
            let engine = self.engine();
            let own = self.own_queues();
            let wanted = [Af::V4, Af::V6].map(|af| {
                let handovers = engine.handovers(af).into_iter();
                (af, handovers.map(|(number, handover)| handed(number, handover, own.as_ref())).collect())
            });
            let numbers = [Af::V4, Af::V6]
                .map(|af| engine.handovers(af).into_iter().map(|(number, _)| number).collect::<Vec<_>>());
            (wanted, numbers)
        };
        attachment.hand(wanted.into())?;
        self.engine().set_handing(numbers.concat());
        self.judge(attachment)
    }

    /// Has the kernel judge what is left to it; only then is it asked.
    fn judge(&self, attachment: &mut Attachment) -> Result<(), Unattached> {
        let wanted = {
            let engine = self.engine();
            [Af::V4, Af::V6]
                .map(|af| (af, engine.probes(af).into_iter().map(|(number, probe)| judged(number, probe)).collect()))
        };
        let numbers: Vec<_> =
            wanted.iter().flat_map(|(_, probes): &(_, Vec<_>)| probes).map(|probe| probe.number).collect();
        let Some(ends) = self.ends(attachment.method()) else { return Ok(()) };
        for (af, _) in wanted.iter().filter(|(_, probes)| !probes.is_empty()) {
            if let Err(error) = self.probes.open(*af, ends) {
                complain(&format!("{error}: rules that the kernel is asked about match nothing"));
            }
        }
        attachment.judge(wanted.into(), ends)?;
        self.engine().set_probing(numbers);
        Ok(())
    }

    /// Whether the kernel judges what would be left to it. As the checks of its matches and targets.
    pub(crate) fn check_probes(&self, prepared: &Prepared) -> Result<(), Refused> {
        let mut attachment = lock(&self.attachment);
        for probe in prepared.probes() {
            let none = Refused::new(libc::EBUSY, "no queue is left for it, see the datapath's --queue-base");
            let ends = self.ends(attachment.method()).ok_or(none.of(probe.name))?;
            self.probes.open(probe.af, ends).map_err(|error| match error.raw_os_error() {
                Some(libc::EPERM | libc::EBUSY) => {
                    let why = "a queue that it needs belongs to another program, see the datapath's --queue-base";
                    Refused::new(libc::EBUSY, why).of(probe.name)
                }
                errno => {
                    let why = "the kernel cannot be asked (no raw sockets?)";
                    Refused::new(errno.unwrap_or(libc::EIO), why).of(probe.name)
                }
            })?;
            attachment.can_judge(probe.af, judged(1, probe), ends).map_err(|errno| {
                Refused::new(errno, "the kernel refuses it (no nft_compat, match or target?)").of(probe.name)
            })?;
        }
        Ok(())
    }

    /// The two queues behind all others, for packets that the kernel has judged.
    fn ends(&self, method: Method) -> Option<Ends> {
        let sink = self.queues.first()?.number().checked_add(SHARES.checked_mul(self.total())?)?;
        Some(Ends { sink, seen: sink.checked_add(1)?, method })
    }

    /// What rules ask the kernel, each at the hooks where packets that it concerns are taken.
    fn questions(&self) -> Vec<Question> {
        let engine = self.engine();
        let of = |af: Af| {
            let passes = engine.passes(af);
            let asked = engine.questions(af).map(move |(bit, question)| {
                let concerned = |hook: &Hook| u32::from(passes.at(*hook).bits()) & question.hooks != 0;
                let hooks = Hook::ALL.into_iter().filter(concerned).fold(0, |all, hook| all | 1 << hook as u32);
                asked(af, bit, hooks, question)
            });
            asked.collect::<Vec<_>>()
        };
        [of(Af::V4), of(Af::V6)].concat()
    }

    /// Whether the kernel answers what rules are to ask. As the checks of its matches.
    pub(crate) fn check_questions(&self, prepared: &Prepared) -> Result<(), Refused> {
        let mut attachment = lock(&self.attachment);
        for question in prepared.questions() {
            if !self.queues.iter().all(Queue::has_all) {
                let why = "the queues that tell of it belong to another program, see the datapath's --queue-base";
                return Err(Refused::new(libc::EBUSY, why).of(question.name));
            }
            attachment.can_ask(asked(prepared.af(), 0, question.hooks, question)).map_err(|errno| {
                let why = "the kernel refuses it (no such control group, object or match?)";
                Refused::new(errno, why).of(question.name)
            })?;
        }
        Ok(())
    }

    /// The queues that packets come from.
    pub(crate) fn own_queues(&self) -> Option<RangeInclusive<u16>> {
        let first = self.queues.first()?.number();
        Some(first..=first.saturating_add(SHARES.saturating_mul(self.total()).saturating_add(1)))
    }

    /// The worker of a queue, by its place behind the first one; the answers with which its packets come are the number of
    /// its share.
    pub(crate) fn worker_of(&self, place: u16) -> usize {
        usize::from(place % self.total())
    }

    /// Whether a worker takes the packets of a queue, by its number.
    pub(crate) fn is_of(&self, worker: usize, number: u16) -> bool {
        let first = self.queues.first().map_or(0, Queue::number);
        let shared = |place: &u16| *place < SHARES.saturating_mul(self.total());
        number.checked_sub(first).filter(shared).is_some_and(|place| self.worker_of(place) == worker)
    }

    /// A queue's place behind the first one.
    pub(crate) fn place_of(&self, number: u16) -> u16 {
        number.saturating_sub(self.queues.first().map_or(0, Queue::number))
    }

    /// The number of a queue, by its place.
    pub(crate) fn number_of(&self, place: u16) -> u16 {
        self.queues.first().map_or(0, Queue::number).saturating_add(place)
    }

    /// The answers of the packets of a queue, by its place.
    pub(crate) fn answers_of(&self, place: u16) -> u8 {
        (place / self.total() % LONG) as u8
    }

    /// Queues of each share.
    fn total(&self) -> u16 {
        self.queues.len().max(1) as u16
    }

    /// Attaches from the beginning, after somebody else deleted our chains.
    pub(crate) fn restore_chains(&self) -> Result<(), Unattached> {
        let all = lock(&self.config).all_hooks;
        let mut attachment = lock(&self.attachment);
        let needed = self.needed();
        let questions = self.questions();
        if let Err(error) = attachment.take_over(&needed, all, &questions) {
            if questions.is_empty() {
                return Err(error);
            }
            // A control group may be gone since the rule was loaded; the other rules go on.
            complain(&format!("{error}\nrules that ask the kernel match nothing"));
            attachment.take_over(&needed, all, &[])?;
        }
        self.hand(&mut attachment)
    }

    /// Writes down what changed among the connections. Call it while the engine is locked.
    pub(crate) fn keep(&self, engine: &mut Engine) {
        self.origins.note(engine);
        let mut ledger = lock(&self.ledger);
        let Some(written) = ledger.as_mut().map(|ledger| ledger.follow(engine)) else { return };
        if let Err(error) = written {
            complain(&format!("connections are no longer kept for a crash: {error}"));
            engine.tracker_mut().set_keeping(false);
            if let Some(useless) = ledger.take() {
                useless.forget();
            }
        }
    }

    /// Writes all timeout policies down. Call it while the engine is locked.
    pub(crate) fn keep_policies(&self, engine: &Engine) {
        let Some(store) = &self.store else { return };
        if let Err(error) = store.keep_policies(engine) {
            complain(&format!("timeout policies are not kept for a crash: {error}"));
        }
    }

    /// Writes all helpers that are programs down. Call it while the engine is locked.
    pub(crate) fn keep_helpers(&self, engine: &Engine) {
        let Some(store) = &self.store else { return };
        if let Err(error) = store.keep_helpers(engine) {
            complain(&format!("helpers are not kept for a crash: {error}"));
        }
    }

    /// Where the tables in force need packets taken.
    pub(crate) fn needed(&self) -> [(Af, Passes); 2] {
        let engine = self.engine();
        [Af::V4, Af::V6].map(|af| (af, engine.passes(af)))
    }

    /// Reads what `-m osf` compares with; a file that is not there knows no system.
    pub(crate) fn read_fingerprints(&self) {
        let path = lock(&self.config).fingerprints.clone();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    complain(&format!("fingerprints: {}: {error}", path.display()));
                }
                Vec::new()
            }
        };
        let fingerprints = Fingerprints::read(&text);
        self.engine().set_fingerprints(fingerprints);
    }

    /// Asks the kernel for devices, addresses and routes, unless it was asked just now.
    pub(crate) fn refresh_host(&self) {
        let mut last = lock(&self.refreshed);
        if last.is_some_and(|last| last.elapsed() < REFRESH) {
            return;
        }
        if let Ok(tables) = Tables::take() {
            self.put_host(tables);
        }
        *last = Some(Instant::now());
    }

    /// Puts new devices, addresses and routes in force, and notes what went away with the old ones.
    pub(crate) fn put_host(&self, tables: Tables) {
        let gone = self.host.replace(tables);
        lock(&self.gone).extend(gone);
    }

    /// Whether the datapath is to end.
    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

impl Outbox {
    pub(crate) fn new() -> nix::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Self { events: Mutex::default(), lost: AtomicBool::new(false), bell })
    }

    /// Takes over events. Call it while the engine is still locked, so that they keep their order.
    pub(crate) fn post(&self, events: &mut Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let mut waiting = lock(&self.events);
        if waiting.len() + events.len() > LIMIT {
            self.lost.store(true, Ordering::Release);
            events.clear();
        }
        waiting.extend(events.drain(..));
        drop(waiting);
        // The bell can only be full of rings already.
        let _ = self.bell.write(1);
    }

    /// Hands all events over and says whether some were lost before them.
    pub(crate) fn take(&self, into: &mut VecDeque<Event>) -> bool {
        let _ = self.bell.read();
        std::mem::swap(&mut *lock(&self.events), into);
        self.lost.swap(false, Ordering::AcqRel)
    }

    /// Readable while events wait.
    pub(crate) fn bell(&self) -> &EventFd {
        &self.bell
    }
}

/// What the kernel is asked to do: an NFQUEUE over many queues leaves out the datapath's own.
fn handed(number: u8, handover: &engine::ext::handover::Handover, own: Option<&RangeInclusive<u16>>) -> Handover {
    let engine::ext::handover::Handover { af, target, revision, last, .. } = handover;
    let apart = own.zip(handover.queues()).and_then(|(own, wanted)| queues_apart(&wanted, own));
    let info = || apart.map_or_else(|| handover.info.clone(), |queues| handover.with_queues(&queues));
    let action = match handover.socket() {
        Some((address, port)) => Action::Proxy { family: af.number(), address, port },
        None if *target == COUNTER => Action::Match { name: target, revision: *revision, info: info() },
        None => Action::Target { name: target, revision: *revision, info: info() },
    };
    Handover { number, action, last: *last }
}

/// The part of these queues before the datapath's own or, if they begin there, behind them; `None` if there is neither.
pub(crate) fn queues_apart(wanted: &RangeInclusive<u16>, own: &RangeInclusive<u16>) -> Option<RangeInclusive<u16>> {
    let before = |last: u16| *wanted.start()..=last.min(*wanted.end());
    let behind = |first: u16| first.max(*wanted.start())..=*wanted.end();
    let parts = [own.start().checked_sub(1).map(before), own.end().checked_add(1).map(behind)];
    parts.into_iter().flatten().find(|part| !part.is_empty())
}

fn asked(af: Af, bit: u8, hooks: u32, question: &engine::ext::asked::Question) -> Question {
    let engine::ext::asked::Question { name, revision, info, .. } = question;
    Question { family: af.number(), hooks, bit, name, revision: *revision, info: info.clone() }
}

fn judged(number: u8, probe: &engine::ext::probe::Probe) -> Probe {
    let engine::ext::probe::Probe { kind, name, revision, info, .. } = probe;
    let (name, revision, info) = (*name, *revision, info.clone());
    let action = match kind {
        Kind::Match => Action::Match { name, revision, info },
        Kind::Target | Kind::Mapping => Action::Target { name, revision, info },
    };
    Probe { number, action, maps: *kind == Kind::Mapping }
}

/// One more.
pub(crate) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

/// A lock whose earlier holder may have panicked: packets go on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each set of answers that packets come with has as many queues as there are workers; those with [`LONG`] are for packets that
/// the kernel could not hand over whole.
pub(crate) const SHARES: u16 = LONG << 1;
/// Behind all questions' answers.
pub(crate) const LONG: u16 = 1 << engine::ext::asked::QUESTIONS;
/// Unknown devices make the kernel be asked no more often than this.
const REFRESH: Duration = Duration::from_millis(50);
/// Events that may wait: some seconds' worth under the heaviest churn.
const LIMIT: usize = 1 << 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_leaves_out_the_datapaths_own_queues() {
        let own = 30_720..=30_723;
        let apart = |first: u16, last: u16| queues_apart(&(first..=last), &own);
        assert_eq!(apart(0, u16::MAX), Some(0..=30_719));
        assert_eq!(apart(30_721, u16::MAX), Some(30_724..=u16::MAX));
        assert_eq!(apart(30_720, 30_723), None);
        assert_eq!(apart(30_722, 30_722), None);
        assert_eq!(apart(1, 5), Some(1..=5));
        assert_eq!(apart(40_000, 40_001), Some(40_000..=40_001));
        assert_eq!(queues_apart(&(0..=3), &(0..=u16::MAX)), None);
    }
}
