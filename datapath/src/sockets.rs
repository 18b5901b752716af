//! Sockets of this machine, asked of the kernel for each packet and rule.

use std::sync::Mutex;

use engine::host::SocketPair;
use nfnl::request::Error;
use nfnl::sockets::Found;

use crate::state::lock;

/// The socket on which they are asked for, opened with the first question.
#[derive(Debug, Default)]
pub(crate) struct Sockets(Mutex<Option<nfnl::sockets::Sockets>>);

impl Sockets {
    /// The socket that takes a packet; where the kernel cannot be asked there is none.
    pub(crate) fn find(&self, pair: &SocketPair) -> Option<Found> {
        let mut open = lock(&self.0);
        let mut asked = match open.take() {
            Some(asked) => asked,
            None => nfnl::sockets::Sockets::open().ok()?,
        };
        let found = asked.find(pair.protocol, pair.local, pair.remote, pair.device);
        // One that failed may still have an answer to come.
        if matches!(found, Ok(_) | Err(Error::Refused { .. })) {
            *open = Some(asked);
        }
        found.ok()?
    }
}
