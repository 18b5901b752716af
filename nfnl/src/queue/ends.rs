//! Queues at which packets end: nobody judges them.

use std::io;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::{CFG_PARAMS, Changes, DROP, MSG_CONFIG, Message, Queue, Verdicts, start};
use crate::message::flag;

/// A queue that is bound and takes no packet, for it was never said what of them to copy: the kernel frees each, and its
/// sender hears of no error.
#[derive(Debug)]
pub struct Sink {
    _queue: Queue,
}

impl Sink {
    /// Binds queue `number`.
    ///
    /// # Errors
    /// As [`Queue::open`].
    pub fn open(number: u16) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        let queue = Queue { socket, number, batch_limit: 0, has_all: true };
        queue.claim(number)?;
        Ok(Self { _queue: queue })
    }
}

/// A queue whose packets are looked at, without their bytes, and dropped at once.
#[derive(Debug)]
pub struct Glance {
    queue: Queue,
}

impl Glance {
    /// Binds queue `number`.
    ///
    /// # Errors
    /// As [`Queue::open`].
    pub fn open(number: u16) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        let _ = socket.set_cap_ack(true);
        let queue = Queue { socket, number, batch_limit: 0, has_all: true };
        queue.claim(number)?;
        let mut config = Vec::with_capacity(64);
        let mut set = start(MSG_CONFIG, flag::REQUEST | flag::ACK, 2, number, &mut config);
        set.put(CFG_PARAMS, &[0, 0, 0, 0, COPY_META]);
        set.finish().map_err(io::Error::other)?;
        queue.transact(&config, 2)?;
        queue.socket.set_non_blocking(true)?;
        Ok(Self { queue })
    }

    /// The mark and the priority of the packet that came last, if any is there.
    pub fn take(&self) -> io::Result<Option<(u32, u32)>> {
        let mut last = None;
        let mut verdicts = Verdicts::default();
        let mut message = Vec::with_capacity(GLANCE_ROOM);
        loop {
            message.clear();
            match self.queue.socket.recv(&mut message, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            if let Message::Packet(packet) = Message::parse(&message) {
                last = Some((packet.mark, packet.priority));
                verdicts.push(self.queue.number, packet.id, DROP, Changes::default(), None);
            }
        }
        self.queue.send(&verdicts, &[])?;
        Ok(last)
    }
}

/// `NFQNL_COPY_META`.
const COPY_META: u8 = 1;
/// A message without a packet's bytes, with the longest security context.
const GLANCE_ROOM: usize = 0x2000;
