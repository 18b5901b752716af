//! A program of the router's that is given packets by NFQUEUE and keeps them until it lets them go.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nfnl::queue::{ACCEPT, Changes, Message, Options, Queue, Verdicts};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The packets that are kept: their queues and numbers.
pub struct Held {
    queue: Queue,
    waiting: VecDeque<(u16, u32)>,
}

impl Held {
    /// Takes packets of a queue of this thread's network namespace.
    pub fn open(number: u16) -> io::Result<Self> {
        Self::open_all(number..=number)
    }

    /// Takes packets of several queues.
    pub fn open_all(numbers: RangeInclusive<u16>) -> io::Result<Self> {
        let options = Options::default();
        let queue = Queue::open(*numbers.start(), numbers.skip(1).map(|number| (number, &options)), &options)?;
        if !queue.has_all() {
            return Err(io::Error::other("somebody else has one of the queues"));
        }
        Ok(Self { queue, waiting: VecDeque::new() })
    }

    /// Waits for the next packet and keeps it.
    pub fn take(&mut self) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut room = vec![0; 1 << 17];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut polled = [PollFd::new(self.queue.as_fd(), PollFlags::POLLIN)];
            if poll(&mut polled, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX))? == 0 {
                return Err(io::Error::other("no packet comes to the queue"));
            }
            let length =
                nix::sys::socket::recv(self.queue.as_fd().as_raw_fd(), &mut room, nix::sys::socket::MsgFlags::empty())?;
            let datagram = room.get(..length).unwrap_or_default();
            if let Message::Packet(packet) = Message::parse(datagram) {
                self.waiting.push_back((packet.queue, packet.id));
                return Ok(datagram.get(packet.payload).unwrap_or_default().to_vec());
            }
        }
    }

    /// Lets all that are kept go on, in the order in which they came.
    pub fn release(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            self.answer(ACCEPT, Changes::default(), None)?;
        }
        Ok(())
    }

    /// Says what becomes of the first that is kept: `NF_*`, what changes, and other bytes from the network header on.
    pub fn answer(&mut self, verdict: u32, changes: Changes, payload: Option<&[u8]>) -> io::Result<()> {
        let Some((queue, id)) = self.waiting.pop_front() else { return Err(io::Error::other("no packet is kept")) };
        let mut verdicts = Verdicts::default();
        verdicts.push(queue, id, verdict, changes, payload);
        self.queue.send(&verdicts, &[])
    }
}
