//! The kernel's ctnetlink, answered from the engine's table: requests, dumps, events.
//!
//! The frames and the clients are [`nfnl::transport::Server`]'s; [`answers`] knows what the messages mean, [`convert`]
//! turns entries into messages and back. A dump is written in parts, each with the engine locked for a moment, and an
//! event once for all who listen.

mod answers;
pub(crate) mod convert;
mod expect;
pub(crate) mod helper;
#[cfg(test)]
mod tests;
pub(crate) mod timeout;
mod validate;

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::MutexGuard;

use engine::Engine;
use engine::effects::{Event, EventKind, Subject};
use nfnl::transport::group::{
    CONNTRACK_DESTROY, CONNTRACK_EXP_DESTROY, CONNTRACK_EXP_NEW, CONNTRACK_EXP_UPDATE, CONNTRACK_NEW, CONNTRACK_UPDATE,
};
use nfnl::transport::server::{PART, Server};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use self::answers::Answers;
use crate::state::{Outbox, State};
use crate::stderr::complain;

/// Where the engine is, and where its events go.
pub(crate) trait Home {
    /// The engine, locked.
    fn engine(&self) -> MutexGuard<'_, Engine>;
    /// Takes events over; called while the engine is locked.
    fn post(&self, events: &mut Vec<Event>);
    /// Timeout policies changed; called while the engine is locked.
    fn keep_policies(&self, _: &Engine) {}
    /// Helpers that are programs changed; called while the engine is locked.
    fn keep_helpers(&self, _: &Engine) {}
    /// Has the kernel hand over what the engine now wants handed over; called while nobody has it locked.
    fn hand_over(&self) -> Result<(), ()> {
        Ok(())
    }
    /// Whether packets come to us by this queue.
    fn is_own_queue(&self, _: u16) -> bool {
        false
    }
}

impl Home for State {
    fn engine(&self) -> MutexGuard<'_, Engine> {
        Self::engine(self)
    }

    fn post(&self, events: &mut Vec<Event>) {
        self.outbox.post(events);
    }

    fn keep_policies(&self, engine: &Engine) {
        Self::keep_policies(self, engine);
    }

    fn keep_helpers(&self, engine: &Engine) {
        Self::keep_helpers(self, engine);
    }

    fn hand_over(&self) -> Result<(), ()> {
        self.reattach().map_err(|why| complain(&format!("helpers: {why}")))
    }

    fn is_own_queue(&self, number: u16) -> bool {
        self.own_queues().is_some_and(|own| own.contains(&number))
    }
}

/// The server with its clients.
#[derive(Debug)]
pub(crate) struct Ctnetlink {
    server: Server,
    answers: Answers,
    /// Somebody listens to connections, to expectations.
    listening: [bool; 2],
    frame: Vec<u8>,
    parts: Vec<(u32, Range<usize>)>,
}

impl Ctnetlink {
    /// Listens in the run folder.
    pub(crate) fn bind(folder: &Path) -> io::Result<Self> {
        let server = Server::bind(folder)?;
        Ok(Self { server, answers: Answers::default(), listening: [false; 2], frame: Vec::new(), parts: Vec::new() })
    }

    /// Answers whoever asked; never waits. Call it when the descriptor is readable.
    pub(crate) fn poll(&mut self, home: &dyn Home) -> io::Result<()> {
        self.server.poll(&mut self.answers.at(home))?;
        let listening = [&CONNECTIONS, &EXPECTATIONS].map(|groups| self.server.has_listeners(groups));
        if listening != self.listening {
            self.listening = listening;
            let mut engine = home.engine();
            engine.tracker_mut().set_listening(listening[0]);
            engine.tracker_mut().set_awaiting_news(listening[1]);
        }
        Ok(())
    }

    /// Writes events, each once, to all who listen.
    pub(crate) fn publish<'e>(&mut self, events: impl IntoIterator<Item = &'e Event>) {
        for event in events {
            let start = self.frame.len();
            if convert::event(event, &mut self.frame).is_ok() {
                self.parts.push((group(event), start..self.frame.len()));
            }
            if self.frame.len() >= PART {
                self.send();
            }
        }
        self.send();
    }

    /// Tells all who listen that events were lost.
    pub(crate) fn lose(&mut self) {
        self.server.lose(&CONNECTIONS);
        self.server.lose(&EXPECTATIONS);
    }

    fn send(&mut self) {
        if !self.parts.is_empty() {
            self.server.publish_all(&self.frame, &self.parts);
        }
        self.frame.clear();
        self.parts.clear();
    }
}

impl AsFd for Ctnetlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.server.as_fd()
    }
}

/// Serves until the datapath ends.
pub(crate) fn serve(mut server: Ctnetlink, state: &State) -> io::Result<()> {
    let mut events = VecDeque::new();
    while !state.stopping() {
        let outbox: &Outbox = &state.outbox;
        let mut fds =
            [PollFd::new(server.as_fd(), PollFlags::POLLIN), PollFd::new(outbox.bell().as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(PATIENCE)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [asked, rung] = fds.map(|fd| fd.any().unwrap_or(false));
        if rung {
            if outbox.take(&mut events) {
                server.lose();
            }
            server.publish(&events);
            events.clear();
        }
        if asked {
            server.poll(state)?;
        }
    }
    Ok(())
}

/// Milliseconds after which the thread looks whether it is to end.
const PATIENCE: u16 = 200;

/// The groups that hear of connections.
const CONNECTIONS: [u32; 3] = [CONNTRACK_NEW, CONNTRACK_UPDATE, CONNTRACK_DESTROY];
/// The groups that hear of expectations.
const EXPECTATIONS: [u32; 3] = [CONNTRACK_EXP_NEW, CONNTRACK_EXP_UPDATE, CONNTRACK_EXP_DESTROY];

fn group(event: &Event) -> u32 {
    match (&event.subject, event.kind) {
        (Subject::Connection { .. }, EventKind::New) => CONNTRACK_NEW,
        (Subject::Connection { .. }, EventKind::Update) => CONNTRACK_UPDATE,
        (Subject::Connection { .. }, EventKind::Destroy) => CONNTRACK_DESTROY,
        (Subject::Expectation(_), EventKind::New) => CONNTRACK_EXP_NEW,
        (Subject::Expectation(_), EventKind::Update) => CONNTRACK_EXP_UPDATE,
        (Subject::Expectation(_), EventKind::Destroy) => CONNTRACK_EXP_DESTROY,
    }
}
