//! The tables socket's thread: each call of a command becomes a call of the engine, large ones prepared outside its lock.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use engine::Prepared;
use libxt::backend::server::{Connection, Listener, Refused, Served, Tables};
use libxt::backend::{Counters, Get};
use libxt::family::Af;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::ctnetlink::{helper, timeout};
use crate::probes::settle;
use crate::state::{State, lock, queues_apart};
use crate::store::Store;
use crate::sysctl;

/// Answers the engine's side of the tables protocol.
pub(crate) struct Calls {
    state: Arc<State>,
    store: Option<Store>,
}

/// Serves the socket until the datapath ends.
pub(crate) fn serve(listener: &Listener, mut calls: Calls) -> io::Result<()> {
    let mut connections: Vec<Connection> = Vec::new();
    while !calls.state.stopping() {
        let readable = {
            let mut polled: Vec<_> =
                connections.iter().map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN)).collect();
            if connections.len() < CONNECTIONS {
                polled.push(PollFd::new(listener.as_fd(), PollFlags::POLLIN));
            }
            match poll(&mut polled, PollTimeout::from(200u8)) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
                other => other?,
            };
            polled.iter().map(|one| one.any().unwrap_or(false)).collect::<Vec<_>>()
        };
        let mut at = 0;
        connections.retain_mut(|connection| {
            let ready = readable.get(at).copied().unwrap_or(false);
            at += 1;
            !ready || connection.serve(&mut calls) != Served::Closed
        });
        if readable.get(at).copied().unwrap_or(false) {
            match listener.accept() {
                Ok(connection) => connections.push(connection),
                // A caller without rights, or one that is gone again, is no reason to stop.
                Err(error) if error.raw_os_error() == Some(libc::EMFILE) => connections.clear(),
                Err(_) => {}
            }
        }
    }
    Ok(())
}

impl Calls {
    /// Tables that were replaced are kept in `store`, if there is one.
    pub(crate) fn new(state: Arc<State>, store: Option<Store>) -> Self {
        Self { state, store }
    }

    /// Takes over timeout policies that rules name and only the kernel has, where `nfct` has made them.
    fn fetch_timeouts(&self, prepared: &Prepared) {
        let missing = |name: &[u8]| self.state.engine().tracker().find_policy(name).is_none();
        let wanted: Vec<&[u8]> = prepared.timeouts().filter(|name| missing(name)).collect();
        if wanted.is_empty() {
            return;
        }
        // Without an answer the names stay unknown, and the table is refused for that.
        for policy in nfnl::timeout::of_kernel().unwrap_or_default() {
            if policy.name.as_deref().is_some_and(|name| wanted.contains(&name)) {
                let mut engine = self.state.engine();
                if timeout::put(&mut engine, &policy).is_ok() {
                    self.state.keep_policies(&engine);
                }
            }
        }
    }

    /// Takes over helpers that rules name and only the kernel has, where `nfct` has made them.
    fn fetch_helpers(&self, prepared: &Prepared) {
        let known = |name, protocol| self.state.engine().tracker().find_helper(name, prepared.af(), protocol).is_some();
        let wanted: Vec<_> = prepared.helpers().filter(|(name, protocol)| !known(name, *protocol)).collect();
        if wanted.is_empty() {
            return;
        }
        // Without an answer the names stay unknown, and the table is refused for that.
        for helper in nfnl::helper::of_kernel().unwrap_or_default() {
            let named = |(name, _): &(&[u8], u8)| helper.name.as_deref() == Some(name);
            if wanted.iter().any(named) {
                let mut engine = self.state.engine();
                if helper::put(&mut engine, &helper).is_ok() {
                    self.state.keep_helpers(&engine);
                }
            }
        }
    }

    /// What a rule queues must not come back here.
    fn check_queues(&self, prepared: &Prepared) -> Result<(), Refused> {
        let Some(own) = self.state.own_queues() else { return Ok(()) };
        if prepared.queues().any(|named| queues_apart(&named, &own).is_none()) {
            return Err(Refused::new(libc::EINVAL, "NFQUEUE: this queue is the datapath's own, see its --queue-base"));
        }
        Ok(())
    }
}

/// Without a security module no packet has a mark of its, and rules that copy it have nothing to do.
fn check_security(prepared: &Prepared) -> Result<(), Refused> {
    let marking = SECURITY_MODULES.iter().any(|folder| Path::new(folder).exists());
    if marking && prepared.copies_security() {
        return Err(Refused::new(
            libc::EOPNOTSUPP,
            "CONNSECMARK: the datapath does not see the security module's marks",
        ));
    }
    Ok(())
}

impl Tables for Calls {
    fn get(&mut self, af: Af, what: Get, question: &[u8]) -> Result<Vec<u8>, Refused> {
        let mut value = question.to_vec();
        self.state.engine().get(af, what, &mut value).map_err(refused)?;
        Ok(value)
    }

    fn replace(&mut self, af: Af, blob: &[u8]) -> Result<Vec<Counters>, Refused> {
        let mut old = Vec::new();
        let mut prepared = Prepared::new(af, blob).map_err(refused)?;
        settle(&mut prepared, &self.state.sets).map_err(refused)?;
        self.fetch_timeouts(&prepared);
        self.fetch_helpers(&prepared);
        self.check_queues(&prepared)?;
        check_security(&prepared)?;
        self.state.check_questions(&prepared).map_err(refused)?;
        self.state.check_probes(&prepared).map_err(refused)?;
        if prepared.guesses() {
            self.state.read_fingerprints();
        }
        let _replacing = lock(&self.state.replacing);
        let elsewhere = self.state.engine().expect(&prepared);
        if elsewhere {
            // What is wrong is told below, where the table is in force.
            let _ = self.state.reattach();
        }
        let winds = prepared.winds();
        let mut engine = self.state.engine();
        engine.install(prepared, &mut old).map_err(refused)?;
        sysctl::switch_accounting(&mut engine);
        drop(engine);
        if let Some(store) = &self.store {
            // The table is in force; that a crash would lose it is no reason to refuse it.
            if let Err(error) = store.keep(af, blob) {
                self.state.log.line(4, format!("xt-datapath: table not kept: {error}").as_bytes());
            }
        }
        if winds {
            lock(&self.state.attachment).renew(af);
        }
        match self.state.reattach() {
            Ok(()) => Ok(old),
            Err(error) => Err(Refused::new(libc::EIO, format!("The table is loaded but sees no packets: {error}"))),
        }
    }

    fn add_counters(&mut self, af: Af, blob: &[u8]) -> Result<(), Refused> {
        self.state.engine().add_counters(af, blob).map_err(refused)
    }

    fn table_names(&mut self, af: Af) -> Result<Vec<String>, Refused> {
        Ok(self.state.engine().table_names(af).into_iter().map(str::to_owned).collect())
    }
}

fn refused(refused: engine::Refused) -> Refused {
    Refused::new(refused.errno, refused.to_string())
}

/// Where the modules that mark packets show themselves.
const SECURITY_MODULES: [&str; 2] = ["/sys/fs/selinux", "/sys/fs/smackfs"];
/// Commands at a time; more wait in the listener's queue.
const CONNECTIONS: usize = 128;
