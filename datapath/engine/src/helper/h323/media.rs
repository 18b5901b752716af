//! H.245: media and data that a channel announces. As process_olc() and process_olca().

use super::h245::{MESSAGE, mark};
use super::per::{Found, What, find};
use super::{Expected, Follow, Judged, Message, Named, session};
use crate::Verdict;
use crate::conntrack::Refusal;
use crate::conntrack::expect::flag;
use crate::conntrack::tuple::protocol;

impl Message<'_, '_, '_> {
    /// Reads a message of H.245. As process_h245().
    pub(super) fn control(&mut self) -> Judged {
        match find(self.bytes(), &MESSAGE) {
            Some(found) => self.channel(&found),
            None => Err(Verdict::Accept),
        }
    }

    /// What one channel announces.
    pub(super) fn channel(&mut self, found: &[Found]) -> Judged {
        for medium in found.iter().filter(|found| found.marks & mark::MEDIA != 0) {
            self.expect_media(medium)?;
        }
        let answer = |found: &Found| found.marks & mark::ANSWER != 0;
        let t120 = |found: &Found| found.what == What::Nothing && found.marks & mark::T120 == mark::T120;
        for stack in found.iter().filter(|found| found.marks & mark::STACK != 0) {
            if answer(stack) || found.iter().any(t120) {
                self.expect_data(stack)?;
            }
        }
        Ok(())
    }

    /// RTP at the even port and RTCP at the odd one behind it, whichever of them is named. As expect_rtp_rtcp().
    fn expect_media(&mut self, found: &Found) -> Judged {
        let Some(named) = self.own_named(found) else { return Ok(()) };
        let [rtp, rtcp] = [named.port & !1, named.port | 1].map(|port| self.expected(protocol::UDP, port));
        if self.is_translated() {
            return self.expect_media_renamed(rtp, rtcp, &named);
        }
        self.expect(rtp)?;
        self.expect(rtcp).inspect_err(|_| self.call.unexpect(&rtp.tuple))
    }

    /// The same behind NAT, at the first pair of ports that is free. As nat_rtp_rtcp().
    fn expect_media_renamed(&mut self, rtp: Expected, rtcp: Expected, named: &Named) -> Judged {
        let (here, there) = (self.call.direction as usize, self.call.direction.opposite() as usize);
        let own = named.port & !1;
        let known = session(self.call).map(|session| session.media).unwrap_or_default();
        let Some(place) = known.iter().position(|pair| pair[here] == own || pair[here] == 0) else { return Ok(()) };
        let back = self.call.direction.opposite();
        let mut pair = [rtp, rtcp].map(|expected| Expected {
            follow: Follow::Master,
            direction: back,
            saved: (expected.saved.0, expected.tuple.destination_port()),
            ..expected
        });
        let mut port = own;
        loop {
            for (expected, port) in pair.iter_mut().zip([port, port | 1]) {
                expected.tuple = expected.tuple.with_destination_port(port);
            }
            match self.expect_pair(pair) {
                Ok(()) => break,
                Err(Refusal::Busy) => {}
                Err(_) => return Ok(()),
            }
            match port.checked_add(2) {
                Some(next) => port = next,
                None => return Ok(()),
            }
        }
        let outer = self.back().destination;
        if let Err(verdict) = self.rename(named.at, outer, port | named.port & 1) {
            for expected in pair {
                self.call.unexpect(&expected.tuple);
            }
            return Err(verdict);
        }
        if let Some(known) = session(self.call).and_then(|session| session.media.get_mut(place)) {
            known[here] = own;
            known[there] = port;
        }
        Ok(())
    }

    /// Both or none.
    fn expect_pair(&mut self, [rtp, rtcp]: [Expected; 2]) -> Result<(), Refusal> {
        self.call.expect(rtp)?;
        self.call.expect(rtcp).inspect_err(|_| self.call.unexpect(&rtp.tuple))
    }

    /// T.120, which may come in several connections. As expect_t120().
    fn expect_data(&mut self, found: &Found) -> Judged {
        let Some(named) = self.own_named(found) else { return Ok(()) };
        let expected = Expected { flags: flag::PERMANENT, ..self.expected(protocol::TCP, named.port) };
        if !self.is_translated() {
            return self.expect(expected);
        }
        let expected = Expected { follow: Follow::Master, ..expected };
        self.expect_renamed(expected, &named, named.port).map(drop)
    }
}
