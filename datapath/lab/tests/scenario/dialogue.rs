//! A TCP connection through the router whose ends speak of what they see: addresses as they arrive, numbers as they count.

use std::{io, net::IpAddr};

use lab::{
    frame::{Ip, Tcp, View},
    twin::{Crossing, Side},
};

use super::{Stage, arrives, fail};

/// Both ends of a connection. Bytes of either side are sent in order and acknowledged by what the other side says next.
#[derive(Debug)]
pub(crate) struct Dialogue {
    asker: End,
    answerer: End,
}

/// One end: how the connection looks from there.
#[derive(Clone, Debug)]
struct End {
    side: Side,
    own: IpAddr,
    own_port: u16,
    other: IpAddr,
    other_port: u16,
    /// What it sends next.
    next: u32,
    /// What it expects next.
    seen: u32,
}

impl Dialogue {
    /// Opens a connection from a side and shakes hands.
    pub(crate) fn open(s: &mut Stage, side: Side, ip: &Ip, from: u16, to: u16) -> io::Result<Self> {
        let mut asker =
            End { side, own: ip.source, own_port: from, other: ip.destination, other_port: to, next: 1000, seen: 0 };
        let left = s.send(vec![asker.segment(Tcp::SYN, b"")])?;
        let one = arrives(&left)?;
        let Some((view, tcp)) = View::of(&one.packet).and_then(|view| Some((view, view.tcp()?))) else {
            return fail("no SYN left");
        };
        let mut answerer = End {
            side: one.side,
            own: view.destination,
            own_port: tcp.destination,
            other: view.source,
            other_port: tcp.source,
            next: 5000,
            seen: tcp.seq.wrapping_add(1),
        };
        asker.next += 1;
        let left = s.send(vec![answerer.segment(Tcp::SYN | Tcp::ACK, b"")])?;
        arrives(&left)?;
        answerer.next += 1;
        asker.seen = answerer.next;
        arrives(&s.send(vec![asker.segment(Tcp::ACK, b"")])?)?;
        Ok(Self { asker, answerer })
    }

    /// The end that opened says something, which must arrive; what then is heard comes back.
    pub(crate) fn says(&mut self, s: &mut Stage, text: &[u8]) -> io::Result<Vec<u8>> {
        let heard = self.asker.send(s, text)?;
        self.answerer.hears(&heard)
    }

    /// The other end says something.
    pub(crate) fn answers(&mut self, s: &mut Stage, text: &[u8]) -> io::Result<Vec<u8>> {
        let heard = self.answerer.send(s, text)?;
        self.asker.hears(&heard)
    }

    /// One end says something that may be dropped, and then was not said; the one that answers, if `back`.
    pub(crate) fn tries(&mut self, s: &mut Stage, back: bool, text: &[u8]) -> io::Result<()> {
        let (from, to) =
            if back { (&mut self.answerer, &mut self.asker) } else { (&mut self.asker, &mut self.answerer) };
        let left = s.send(vec![from.segment(Tcp::ACK | Tcp::PSH, text)])?;
        let Some(one) = left.first() else { return Ok(()) };
        from.next = from.next.wrapping_add(u32::try_from(text.len()).unwrap_or(0));
        to.hears(one).map(drop)
    }
}

impl End {
    fn segment(&self, flags: u8, text: &[u8]) -> Crossing {
        let tcp = Tcp::segment(self.own_port, self.other_port, flags, self.next, self.seen);
        Crossing { side: self.side, packet: Ip::between(self.own, self.other).tcp(&tcp, text) }
    }

    fn send(&mut self, s: &mut Stage, text: &[u8]) -> io::Result<Crossing> {
        let left = s.send(vec![self.segment(Tcp::ACK | Tcp::PSH, text)])?;
        self.next = self.next.wrapping_add(u32::try_from(text.len()).unwrap_or(0));
        arrives(&left).cloned()
    }

    fn hears(&mut self, heard: &Crossing) -> io::Result<Vec<u8>> {
        let view = View::of(&heard.packet).and_then(|view| Some((view, view.tcp()?)));
        let Some((view, tcp)) = view else { return fail("no segment arrived") };
        if tcp.seq != self.seen {
            return fail(format!("numbers do not follow: {} after {}", tcp.seq, self.seen));
        }
        let text = view.payload.get(20 + tcp.options.len()..).unwrap_or_default().to_vec();
        self.seen = self.seen.wrapping_add(u32::try_from(text.len()).unwrap_or(0));
        Ok(text)
    }
}
