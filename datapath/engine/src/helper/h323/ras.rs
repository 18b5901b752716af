//! RAS: endpoints and their gatekeeper. As process_ras().

use super::h225::{RAS, mark};
use super::per::{Found, What, find};
use super::{Expected, Follow, Judged, Message, Named, Q931, Ras, session};
use crate::conntrack::expect::flag;
use crate::conntrack::tuple::{Ports, protocol};
use crate::conntrack::{Address, Tuple, status};

/// Seconds for the answer to one that leaves.
const LEAVING: u32 = 30;

impl Message<'_, '_, '_> {
    /// Reads a message of RAS. As process_ras().
    pub(super) fn register(&mut self) -> Judged {
        let Some(found) = find(self.bytes(), &RAS) else { return Ok(()) };
        let Some(kind) = found.first().map(|first| first.marks & 0xffff_0000) else { return Ok(()) };
        let all = |marks: u32| found.iter().filter(move |found| found.marks & marks != 0).copied().collect::<Vec<_>>();
        let (called, calling, ras) = (all(mark::CALLED), all(mark::CALLING), all(mark::RAS));
        let seconds = found.iter().find_map(|found| match found.what {
            What::Seconds(seconds) => Some(seconds),
            _ => None,
        });
        match kind {
            mark::GATEKEEPER_REQUEST | mark::LOCATION_REQUEST => self.rename_ras(&ras),
            mark::GATEKEEPER_CONFIRM => self.expect_registration(&ras),
            mark::REGISTRATION_REQUEST => {
                self.expect_calls(&called)?;
                self.rename_ras(&ras)?;
                let usual = self.call.parameters().h323_registration;
                if let Some(session) = session(self.call) {
                    session.seconds = seconds.unwrap_or(usual);
                }
                Ok(())
            }
            mark::REGISTRATION_CONFIRM => {
                self.rename_calls(&called)?;
                self.registered(seconds);
                Ok(())
            }
            mark::UNREGISTRATION_REQUEST => {
                self.rename_calls(&called)?;
                self.leave();
                Ok(())
            }
            mark::ADMISSION_REQUEST => self.admit(&called, &calling),
            mark::ADMISSION_CONFIRM => self.admitted(&called),
            mark::LOCATION_CONFIRM => self.expect_call(&called),
            mark::INFORMATION => {
                self.rename_ras(&ras)?;
                self.rename_calls(&called)
            }
            _ => Ok(()),
        }
    }

    /// The first of many that is the connection's own source becomes what the other side sees. As set_ras_addr().
    fn rename_ras(&mut self, all: &[Found]) -> Judged {
        let (own, back) = (self.own(), self.back());
        let ours = |named: &Named| (named.address, named.port) == (own.source, own.source_port());
        match all.iter().filter_map(|found| self.named(found)).find(ours) {
            Some(named) if self.is_behind_nat() => self.rename(named.at, back.destination, back.destination_port()),
            _ => Ok(()),
        }
    }

    /// The first of many at which calls are awaited becomes what the other side knows. As set_sig_addr().
    fn rename_calls(&mut self, all: &[Found]) -> Judged {
        if !self.is_behind_nat() {
            return Ok(());
        }
        let (own, back) = (self.own(), self.back());
        let [here, there] = self.signalling();
        for found in all {
            let Some(named) = self.named(found) else { continue };
            if (named.address, named.port) == (own.source, here) {
                let at = self.loopback(all, found).map_or(named.at, |first| first.at);
                return self.rename(at, back.destination, there);
            }
            if (named.address, named.port) == (own.destination, here) {
                return self.rename(named.at, back.source, there);
            }
        }
        Ok(())
    }

    /// Some name an address of their own machine before the right one.
    fn loopback(&self, all: &[Found], right: &Found) -> Option<Named> {
        let first = all.iter().find(|found| found.item == 0 && right.item > 0)?;
        self.named(first).filter(|named| named.address.0[0] == 127)
    }

    /// The gatekeeper is registered with elsewhere. As process_gcf().
    fn expect_registration(&mut self, all: &[Found]) -> Judged {
        let Some(named) = all.first().and_then(|found| self.named(found)) else { return Ok(()) };
        let own = self.own();
        let same = (named.address, named.port) == (own.source, own.source_port());
        // One who was expected expects no other, or that would never end.
        if same || self.call.connection().status() & status::EXPECTED != 0 {
            return Ok(());
        }
        let helper = self.helper(&Ras);
        let expected = self.elsewhere(protocol::UDP, &named);
        self.expect(Expected { helper, ..expected })
    }

    /// Calls to who registers come from the gatekeeper. As expect_q931().
    fn expect_calls(&mut self, all: &[Found]) -> Judged {
        let ours = all.iter().find_map(|found| Some((found, self.own_named(found)?)));
        let Some((found, named)) = ours else { return Ok(()) };
        let helper = self.helper(&Q931);
        let gatekeeper = self.call.parameters().h323_gatekeeper_only.then(|| self.back().source);
        let tuple = self.expected(protocol::TCP, named.port).tuple;
        let expected = Expected { helper, flags: flag::PERMANENT, ..Expected::new(gatekeeper, None, tuple) };
        if !self.is_behind_nat() {
            self.expect(expected)?;
            let [_, other] = self.signalling();
            self.set_signalling([named.port, other]);
            return Ok(());
        }
        let port = self.expect_signalling(Expected { follow: Follow::Call, ..expected }, &named)?;
        if let (Some(port), Some(first)) = (port, self.loopback(all, found)) {
            let outer = self.back().destination;
            let _ = self.rename(first.at, outer, port);
        }
        Ok(())
    }

    /// The registration lives as long as was agreed. As the second half of process_rcf().
    fn registered(&mut self, seconds: Option<u32>) {
        let [_, there] = self.signalling();
        let Some(session) = session(self.call) else { return };
        if let Some(seconds) = seconds {
            session.seconds = seconds;
        }
        let seconds = session.seconds;
        if seconds == 0 {
            return;
        }
        self.call.refresh(seconds);
        let own = self.own();
        let tuple = Tuple {
            source: Address::default(),
            protocol: protocol::TCP,
            ports: Ports::Ports { source: 0, destination: there },
            ..own
        };
        let zone = self.call.connection().zones()[0];
        let now = self.call.now;
        // As the original asks, without a source: where calls come from the gatekeeper alone, nothing is found.
        let found = self.call.tracker.expected_like(&tuple, zone, now);
        if found.is_some_and(|(master, _)| master == self.call.id) {
            self.call.tracker.change_expectation(&tuple, zone, Some(seconds), now);
        }
    }

    /// Nobody calls any more. As the second half of process_urq().
    fn leave(&mut self) {
        let all: Vec<u32> = self.call.tracker.expected_by(self.call.id).map(|(at, _)| at).collect();
        for at in all {
            self.call.tracker.unexpect_at(at, self.call.now, self.call.out);
        }
        self.set_signalling([0; 2]);
        self.call.refresh(LEAVING);
    }

    /// As process_arq().
    fn admit(&mut self, called: &[Found], calling: &[Found]) -> Judged {
        if !self.is_behind_nat() {
            return Ok(());
        }
        let (own, outer) = (self.own().source, self.back().destination);
        let [here, there] = self.signalling();
        let first = |all: &[Found]| all.first().and_then(|found| self.named(found));
        let (called, calling) = (first(called), first(calling));
        if let Some(named) = called.filter(|named| (named.address, named.port) == (own, here)) {
            return self.rename(named.at, outer, there);
        }
        match calling.filter(|named| named.address == own) {
            Some(named) => self.rename(named.at, outer, named.port),
            None => Ok(()),
        }
    }

    /// As process_acf().
    fn admitted(&mut self, called: &[Found]) -> Judged {
        let Some(named) = called.first().and_then(|found| self.named(found)) else { return Ok(()) };
        if named.address == self.own().destination { self.rename_calls(called) } else { self.expect_call(called) }
    }

    /// Who asked will call there. As process_lcf().
    fn expect_call(&mut self, called: &[Found]) -> Judged {
        let Some(named) = called.first().and_then(|found| self.named(found)) else { return Ok(()) };
        let helper = self.helper(&Q931);
        let expected = self.elsewhere(protocol::TCP, &named);
        self.expect(Expected { helper, flags: flag::PERMANENT, ..expected })
    }

    /// A connection from the other end to an address that was named.
    fn elsewhere(&self, protocol: u8, named: &Named) -> Expected {
        let mut expected = self.expected(protocol, named.port);
        expected.tuple.destination = named.address;
        expected
    }
}
