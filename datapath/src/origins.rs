//! Where connections to sockets of this machine were sent at first. Programs behind REDIRECT ask the kernel (`SO_ORIGINAL_DST`),
//! which answers from its own connection table; so those connections stand there, too, for as long as they last here. Nothing
//! tracks by them: the kernel has no hooks in this network namespace unless somebody else wants them.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::Engine;
use engine::conntrack::{Origin, status};
use nfnl::conntrack::{Flow, message};
use nfnl::message::{Header, flag, netfilter, subsystem};
use nfnl::request::{Error, Requester};
use nfnl::transport::Kernel;

use crate::ctnetlink::convert;
use crate::state::lock;
use crate::stderr::complain;

/// What the kernel is to be told, and the socket on which it is.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    /// Locked before `waiting`: whoever has it tells all that waits, and who comes behind it finds that done.
    kernel: Mutex<Option<Requester<Kernel>>>,
    waiting: Mutex<Vec<Origin>>,
    waits: AtomicBool,
    /// The kernel holds some, or held some once.
    told: AtomicBool,
    complained: AtomicBool,
}

impl Origins {
    /// Takes over what the engine has to tell. Call it while the engine is locked, so that it keeps its order.
    pub(crate) fn note(&self, engine: &mut Engine) {
        let news = engine.tracker_mut().origins();
        if !news.is_empty() {
            let mut waiting = lock(&self.waiting);
            waiting.append(news);
            self.waits.store(true, Ordering::Release);
        }
    }

    /// Tells the kernel all that waits; it knows once this returns, whoever told it.
    pub(crate) fn tell(&self) {
        if !self.waits.load(Ordering::Acquire) {
            return;
        }
        let mut kernel = lock(&self.kernel);
        self.told.store(true, Ordering::Release);
        while let Some(news) = self.next() {
            for origin in news {
                let (number, flags) = match origin.begins {
                    true => (message::NEW, flag::CREATE | flag::EXCL),
                    false => (message::DELETE, 0),
                };
                self.ask(&mut kernel, number, flags, &flow(&origin));
            }
        }
    }

    /// What waits; that nothing does is said once all was told, so that nobody goes on before.
    fn next(&self) -> Option<Vec<Origin>> {
        let mut waiting = lock(&self.waiting);
        if waiting.is_empty() {
            self.waits.store(false, Ordering::Release);
            return None;
        }
        Some(std::mem::take(&mut *waiting))
    }

    /// Takes away what the kernel was told.
    pub(crate) fn forget(&self) {
        if self.told.load(Ordering::Acquire) {
            self.forget_all();
        }
    }

    /// Takes away what a datapath that crashed told; a kernel without connection tracking was told nothing.
    pub(crate) fn forget_those_of_a_crash(&self) {
        if Path::new("/proc/sys/net/netfilter/nf_conntrack_max").exists() {
            self.forget_all();
        }
    }

    fn forget_all(&self) {
        let all = Flow { mark: Some(MARK), mark_mask: Some(u32::MAX), ..Flow::default() };
        self.ask(&mut lock(&self.kernel), message::DELETE, 0, &all);
    }

    fn ask(&self, kernel: &mut Option<Requester<Kernel>>, number: u8, flags: u16, flow: &Flow) {
        let mut asked = match kernel.take() {
            Some(asked) => asked,
            None => match Kernel::open() {
                Ok(socket) => Requester::new(socket, 0),
                Err(error) => return self.complain_once(&error.to_string()),
            },
        };
        let header = Header { kind: netfilter(subsystem::CTNETLINK, number), flags, ..Header::default() };
        let done = asked.act(header, |header, out| convert::write(header, flow, out), |_| ControlFlow::Continue(()));
        match done {
            // The kernel tracks this namespace itself, for somebody else, or it ended it before us.
            Ok(()) | Err(Error::Refused { errno: libc::EEXIST | libc::ENOENT, .. }) => *kernel = Some(asked),
            Err(Error::Refused { errno, .. }) => {
                *kernel = Some(asked);
                self.complain_once(&std::io::Error::from_raw_os_error(errno).to_string());
            }
            // One that failed may still have an answer to come.
            Err(error) => self.complain_once(&error.to_string()),
        }
    }

    fn complain_once(&self, why: &str) {
        if !self.complained.swap(true, Ordering::AcqRel) {
            complain(&format!("SO_ORIGINAL_DST does not know where connections were sent: {why}"));
        }
    }
}

/// The entry, which goes by its lifetime alone and is told from others by its mark.
fn flow(origin: &Origin) -> Flow {
    let [original, reply] = origin.tuples.each_ref().map(convert::tuple);
    let family = origin.tuples[0].af.number();
    if !origin.begins {
        return Flow { family, original, ..Flow::default() };
    }
    let status = Some(status::CONFIRMED | status::SEEN_REPLY | status::ASSURED);
    Flow { family, original, reply, status, timeout: Some(LIFETIME), mark: Some(MARK), ..Flow::default() }
}

/// The mark of such entries: `xtDP`.
const MARK: u32 = u32::from_be_bytes(*b"xtDP");
/// Seconds: as long as the kernel lets an established TCP connection be silent.
const LIFETIME: u32 = 432_000;
