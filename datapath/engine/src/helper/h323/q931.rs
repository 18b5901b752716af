//! Q.931: messages of a call, and what H.225.0 says in them. As process_q931().

use super::h225::{USER_INFORMATION, mark};
use super::per::{Found, find};
use super::{Expected, Follow, H245, Judged, Message, Q931};
use crate::Verdict;
use crate::conntrack::Address;
use crate::conntrack::tuple::protocol;
use crate::host::{Route, RouteKey};

impl Message<'_, '_, '_> {
    /// Reads a message of a call. As process_q931().
    pub(super) fn signal(&mut self) -> Judged {
        let start = self.place.start;
        let part = user_information(self.bytes()).ok_or(Verdict::Accept)?;
        self.place = start + part.start..start + part.end;
        let found = find(self.bytes(), &USER_INFORMATION).ok_or(Verdict::Accept)?;
        let is = |marks: u32| move |found: &&Found| found.marks & marks == marks;
        let forwarded = found.iter().any(|found| found.marks & mark::FORWARDED != 0);
        if forwarded {
            if let Some(found) = found.iter().find(is(mark::ALTERNATIVE)) {
                self.forward(found)?;
            }
        } else {
            if let Some(found) = found.iter().find(is(mark::H245_ADDRESS)) {
                self.expect_control(found)?;
            }
            for (place, called) in [(mark::CALLED, true), (mark::CALLING, false)] {
                if let Some(found) = found.iter().find(is(mark::SETUP | place)) {
                    self.rename_end(found, called)?;
                }
            }
            self.channels(&found, mark::FAST_START)?;
        }
        self.channels(&found, mark::TUNNELLED)
    }

    /// All channels of one list.
    fn channels(&mut self, found: &[Found], list: u32) -> Judged {
        let all: Vec<Found> = found.iter().copied().filter(|found| found.marks & list != 0).collect();
        for channel in all.chunk_by(|one, other| one.item == other.item) {
            self.channel(channel)?;
        }
        Ok(())
    }

    /// Where H.245 is awaited. As expect_h245().
    fn expect_control(&mut self, found: &Found) -> Judged {
        let Some(named) = self.own_named(found) else { return Ok(()) };
        let expected = Expected { helper: self.helper(&H245), ..self.expected(protocol::TCP, named.port) };
        if !self.is_translated() {
            return self.expect(expected);
        }
        self.expect_signalling(Expected { follow: Follow::Master, ..expected }, &named).map(drop)
    }

    /// Ends of a call are those of the connection. As the second half of process_setup().
    fn rename_end(&mut self, found: &Found, called: bool) -> Judged {
        let back = self.back();
        let (address, port) = match called {
            true => (back.source, back.source_port()),
            false => (back.destination, back.destination_port()),
        };
        match self.named(found) {
            Some(named) if named.address != address && self.is_behind_nat() => self.rename(named.at, address, port),
            _ => Ok(()),
        }
    }

    /// A call goes on with somebody else. As expect_callforwarding().
    fn forward(&mut self, found: &Found) -> Judged {
        let Some(named) = self.named(found).filter(|named| named.port != 0) else { return Ok(()) };
        let back = self.back();
        if self.call.parameters().h323_filter_forwarding && self.same_way(named.address, back.source) {
            return Ok(());
        }
        let mut expected = self.expected(protocol::TCP, named.port);
        expected.helper = self.helper(&Q931);
        expected.tuple.destination = named.address;
        if !self.is_translated() {
            return self.expect(expected);
        }
        expected.saved.0 = named.address;
        expected.tuple.destination = back.destination;
        expected.follow = Follow::Forwarding;
        self.expect_renamed(expected, &named, named.port).map(drop)
    }

    /// Whether packets to both addresses take the same next step. As callforward_do_filter().
    fn same_way(&self, one: Address, other: Address) -> bool {
        let way = |address: Address| {
            let address = address.ip(self.call.headers.af);
            let Route { device, gateway, .. } = self.call.host.route(&RouteKey::to(address))?;
            Some((device, gateway.unwrap_or(address)))
        };
        way(one).is_some_and(|first| way(other) == Some(first))
    }
}

/// Where in a message of Q.931 what H.225.0 says stands. As DecodeQ931().
fn user_information(message: &[u8]) -> Option<core::ops::Range<usize>> {
    const PROTOCOL: u8 = 8;
    const USER_USER: u8 = 0x7e;
    let &[PROTOCOL, reference, ..] = message else { return None };
    // Behind the reference of the call and the message's kind.
    let mut at = 3 + usize::from(reference);
    if *message.get(at)? & 0x80 != 0 {
        at += 1;
    }
    loop {
        let kind = *message.get(at)?;
        if kind == USER_USER {
            let &[_, high, low] = message.get(at..)?.first_chunk()?;
            let end = at + 3 + usize::from(u16::from_be_bytes([high, low]));
            // A protocol stands in front.
            return (end <= message.len() && at + 4 < end).then_some(at + 4..end);
        }
        at += 2 + usize::from(*message.get(at + 1)?);
    }
}
