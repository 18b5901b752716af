//! Numbered datagrams from the clients to the server, as many as the router takes: none may be lost, none come twice.
//!
//! A flow has a few datagrams on their way at a time and sends the next when one arrived, so no queue overflows, however slow
//! the machine is.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lab::namespace::Namespace;

use super::site::Site;

/// Flows that run until they are ended.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    received: Arc<AtomicU64>,
    threads: Vec<JoinHandle<io::Result<Flow>>>,
}

/// What became of one flow.
pub(crate) struct Flow {
    pub(crate) sent: u64,
    /// The longest time between two datagrams that arrived one after the other.
    pub(crate) gap: Duration,
}

/// Bytes of each datagram with its headers.
pub(crate) const LENGTH: u64 = 60;
/// Datagrams of a flow on their way at once, after the first, which goes alone: two that come before their connection is in
/// the table have one each, and the nat rules see both, in the kernel as here.
const WINDOW: u64 = 64;
/// A datagram that did not arrive within this time is lost.
const PATIENCE: Duration = Duration::from_secs(20);

impl Load {
    /// So many flows, the `n`th from `10.1.0.(10+n)` to port `7000+n` of the server.
    pub(crate) fn start(site: &Site, flows: u8) -> io::Result<Self> {
        let (stop, received) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut threads = Vec::new();
        for flow in 0..flows {
            let (sender, receiver) = ends(site, flow)?;
            let (stop, received) = (Arc::clone(&stop), Arc::clone(&received));
            threads.push(std::thread::spawn(move || talk(&sender, &receiver, &stop, &received)));
        }
        Ok(Self { stop, received, threads })
    }

    /// Datagrams of all flows that arrived so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Whether fewer than so many have arrived and more will.
    pub(crate) fn is_short_of(&self, packets: u64) -> bool {
        self.received() < packets && !self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Waits until so many have arrived, or none will.
    pub(crate) fn wait_for(&self, packets: u64) {
        while self.is_short_of(packets) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends no more, waits for what is on its way, and tells of each flow.
    ///
    /// # Errors
    /// A datagram that was lost, or that came twice.
    pub(crate) fn finish(self) -> io::Result<Vec<Flow>> {
        self.stop.store(true, Ordering::Relaxed);
        let ended =
            self.threads.into_iter().map(|thread| thread.join().map_err(|_| io::Error::other("a flow panicked"))?);
        ended.collect()
    }
}

/// A datagram socket of a client and one of the server, for each other.
fn ends(site: &Site, flow: u8) -> io::Result<(UdpSocket, UdpSocket)> {
    let bind = |namespace: &Namespace, address: String| namespace.within(|| UdpSocket::bind(address))?;
    let (from, to) = (format!("10.1.0.{}:4000", 10 + flow), format!("10.2.0.2:{}", 7000 + u16::from(flow)));
    let receiver = bind(&site.chain.server, to.clone())?;
    receiver.set_read_timeout(Some(PATIENCE))?;
    let sender = bind(&site.chain.client, from)?;
    sender.connect(to)?;
    Ok((sender, receiver))
}

fn talk(sender: &UdpSocket, receiver: &UdpSocket, stop: &AtomicBool, all: &AtomicU64) -> io::Result<Flow> {
    let mut seen: Vec<bool> = Vec::new();
    let (mut received, mut gap, mut last) = (0, Duration::ZERO, Instant::now());
    loop {
        let window = if received == 0 { 1 } else { WINDOW };
        while !stop.load(Ordering::Relaxed) && (seen.len() as u64) - received < window {
            let mut datagram = [0; LENGTH as usize - 28];
            datagram[..8].copy_from_slice(&(seen.len() as u64).to_be_bytes());
            sender.send(&datagram)?;
            seen.push(false);
        }
        let sent = seen.len() as u64;
        if received == sent {
            // A second one of the last may still come.
            receiver.set_read_timeout(Some(Duration::from_millis(200)))?;
        }
        let mut room = [0; 100];
        match receiver.recv(&mut room) {
            Ok(_) => {}
            Err(_) if received == sent => return Ok(Flow { sent, gap }),
            Err(error) => {
                return Err(io::Error::other(format!("{} of {sent} datagrams were lost: {error}", sent - received)));
            }
        }
        let number = room.first_chunk().map_or(u64::MAX, |number| u64::from_be_bytes(*number));
        match seen.get_mut(number as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(io::Error::other(format!("datagram {number} came twice"))),
        }
        received += 1;
        all.fetch_add(1, Ordering::Relaxed);
        gap = gap.max(last.elapsed());
        last = Instant::now();
    }
}
