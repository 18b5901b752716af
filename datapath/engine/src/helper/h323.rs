//! H.323: registration with gatekeepers (RAS), calls (Q.931 with H.225.0) and their media (H.245). As nf_conntrack_h323_main.c
//! and nf_nat_h323.c.
//!
//! Addresses are rewritten in place, so nothing ever becomes longer.

mod h225;
mod h245;
mod media;
mod per;
mod q931;
mod ras;

use core::ops::Range;

use libxt::family::Af;

use super::{About, Call, Helper, HelperId, Memory, Policy, find};
use crate::Verdict;
use crate::conntrack::expect::{Expected, Follow};
use crate::conntrack::tuple::{Ports, protocol};
use crate::conntrack::{Address, Relation, Tuple};
use crate::wire::u16_at;
use per::{Found, What};

pub(crate) struct Ras;

pub(crate) struct Q931;

/// It is given to connections that Q.931 announces. Rules find it for UDP alone, as the original's, where it hears nothing.
pub(crate) struct H245;

/// Pairs of media ports of a connection that are kept in mind (`H323_RTP_CHANNEL_MAX`).
const CHANNELS: usize = 4;

/// What is kept in mind of a connection, by direction: `struct nf_ct_h323_master`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    /// Ports where calls or H.245 are awaited, as this direction and as the other names them.
    signalling: [u16; 2],
    /// The same of media.
    media: [[u16; 2]; CHANNELS],
    /// Octets of the message whose header came alone.
    announced: [u16; 2],
    /// Seconds that a registration was asked for.
    seconds: u32,
}

/// One message of a packet.
struct Message<'c, 'a, 'p> {
    call: &'c mut Call<'a, 'p>,
    /// Where it stands in the payload.
    place: Range<usize>,
}

/// An address that a message names.
#[derive(Clone, Copy)]
struct Named {
    /// Where in the message.
    at: usize,
    address: Address,
    port: u16,
}

/// What becomes of a packet, as far as it is known: `Err` ends the reading.
type Judged = Result<(), Verdict>;

const DROPPED: Judged = Err(Verdict::Drop);
const FAMILIES: &[Af] = &[Af::V4, Af::V6];
/// Octets of TPKT's header (RFC 1006).
const TPKT: usize = 4;

impl Helper for Ras {
    fn about(&self) -> &'static About {
        &About {
            name: "RAS",
            protocols: &[protocol::UDP],
            families: FAMILIES,
            policies: &[Policy { most: 32, timeout: 240 }],
        }
    }

    fn help(&self, call: &mut Call<'_, '_>) -> Verdict {
        let length = call.payload().len();
        match (Message { call, place: 0..length }).register() {
            Ok(()) => Verdict::Accept,
            Err(verdict) => verdict,
        }
    }
}

impl Helper for Q931 {
    fn about(&self) -> &'static About {
        &About {
            name: "Q.931",
            protocols: &[protocol::TCP],
            families: FAMILIES,
            policies: &[Policy { most: CHANNELS as u8 * 4 + 4, timeout: 240 }],
        }
    }

    fn help(&self, call: &mut Call<'_, '_>) -> Verdict {
        each(call, |message| message.signal())
    }
}

impl Helper for H245 {
    fn about(&self) -> &'static About {
        &About {
            name: "H.245",
            protocols: &[protocol::UDP],
            families: FAMILIES,
            policies: &[Policy { most: CHANNELS as u8 * 4 + 2, timeout: 240 }],
        }
    }

    fn help(&self, call: &mut Call<'_, '_>) -> Verdict {
        each(call, |message| message.control())
    }
}

/// Reads every message of a segment that is whole; after one that cannot be read no other is. As get_tpkt_data() and its
/// callers.
fn each(call: &mut Call<'_, '_>, read: impl Fn(&mut Message<'_, '_, '_>) -> Judged) -> Verdict {
    if call.relation != Relation::Established || call.headers.protocol != protocol::TCP {
        return Verdict::Accept;
    }
    let direction = call.direction as usize;
    let Some(session) = session(call) else { return Verdict::Accept };
    let announced = usize::from(core::mem::take(&mut session.announced[direction]));
    let mut next = match framed(call.payload(), 0) {
        Framed::Message(place) => place,
        Framed::Header(length) => {
            if let Some(session) = self::session(call) {
                session.announced[direction] = length;
            }
            return Verdict::Accept;
        }
        Framed::Nothing if announced > 0 && announced <= call.payload().len() => 0..announced,
        Framed::Nothing | Framed::Part => return Verdict::Accept,
    };
    loop {
        let end = next.end;
        if let Err(verdict) = read(&mut Message { call: &mut *call, place: next }) {
            return verdict;
        }
        // Of a header alone behind other messages the original takes no notice.
        match framed(call.payload(), end) {
            Framed::Message(place) if call.payload().len() - end > TPKT => next = place,
            _ => return Verdict::Accept,
        }
    }
}

/// What stands at a place of a stream.
enum Framed {
    /// A message, there.
    Message(Range<usize>),
    /// The header of one of so many octets, and nothing else.
    Header(u16),
    /// Some of a message.
    Part,
    /// No header.
    Nothing,
}

fn framed(payload: &[u8], at: usize) -> Framed {
    let rest = payload.get(at..).unwrap_or_default();
    let Some(&[3, 0, high, low]) = rest.first_chunk::<TPKT>() else { return Framed::Nothing };
    let length = u16::from_be_bytes([high, low]);
    match (usize::from(length).checked_sub(TPKT), rest.len()) {
        (None, _) => Framed::Part,
        (Some(inner), there) if inner + TPKT <= there => Framed::Message(at + TPKT..at + TPKT + inner),
        (Some(inner), TPKT) => Framed::Header(inner as u16),
        _ => Framed::Part,
    }
}

/// What is kept in mind of a connection.
fn session<'c>(call: &'c mut Call<'_, '_>) -> Option<&'c mut Session> {
    let memory = call.memory()?;
    if !matches!(memory, Memory::H323(_)) {
        *memory = Memory::H323(Box::default());
    }
    match memory {
        Memory::H323(session) => Some(session),
        _ => None,
    }
}

impl Message<'_, '_, '_> {
    fn bytes(&self) -> &[u8] {
        self.call.payload().get(self.place.clone()).unwrap_or_default()
    }

    /// How packets of this direction arrive.
    fn own(&self) -> Tuple {
        self.call.tuple(self.call.direction)
    }

    /// How packets of the other direction arrive.
    fn back(&self) -> Tuple {
        self.call.tuple(self.call.direction.opposite())
    }

    /// Ports for signalling as this direction and as the other names them.
    fn signalling(&mut self) -> [u16; 2] {
        let (here, there) = (self.call.direction as usize, self.call.direction.opposite() as usize);
        session(self.call).map_or([0; 2], |session| [session.signalling[here], session.signalling[there]])
    }

    fn set_signalling(&mut self, [own, other]: [u16; 2]) {
        let (here, there) = (self.call.direction as usize, self.call.direction.opposite() as usize);
        if let Some(session) = session(self.call) {
            session.signalling[here] = own;
            session.signalling[there] = other;
        }
    }

    /// An address of the connection's family. As get_h225_addr() and get_h245_addr().
    fn named(&self, found: &Found) -> Option<Named> {
        let What::Address(af, at) = found.what else { return None };
        let length = match af {
            Af::V4 => 4,
            Af::V6 => 16,
        };
        let mut address = Address::default();
        address.0.get_mut(..length)?.copy_from_slice(self.bytes().get(at..at + length)?);
        let port = u16_at(self.bytes(), at + length)?;
        (af == self.call.headers.af).then_some(Named { at, address, port })
    }

    /// The same of the speaker's own, with a port.
    fn own_named(&self, found: &Found) -> Option<Named> {
        self.named(found).filter(|named| named.address == self.own().source && named.port != 0)
    }

    /// Rewrites an IPv4 address and its port. As set_addr().
    fn rename(&mut self, at: usize, address: Address, port: u16) -> Judged {
        let mut text = [0; 6];
        text[..4].copy_from_slice(&address.0[..4]);
        text[4..].copy_from_slice(&port.to_be_bytes());
        if self.call.mangle(self.place.start + at, text.len(), &text) { Ok(()) } else { DROPPED }
    }

    /// Whether packets are translated, be it at the other end.
    fn is_behind_nat(&self) -> bool {
        self.call.headers.af == Af::V4 && self.call.translated()
    }

    /// Whether this end is another on the other side.
    fn is_translated(&self) -> bool {
        self.is_behind_nat() && self.own().source != self.back().destination
    }

    /// A connection from the other end to the place where this one is reached.
    fn expected(&self, protocol: u8, port: u16) -> Expected {
        let back = self.back();
        let tuple = Tuple { protocol, ports: Ports::Ports { source: 0, destination: port }, ..back };
        Expected::new(Some(back.source), None, tuple)
    }

    /// A helper of this family's.
    fn helper(&self, which: &dyn Helper) -> Option<HelperId> {
        let about = which.about();
        find(about.name.as_bytes(), self.call.headers.af, *about.protocols.first()?)
    }

    /// Announces a connection as it is.
    fn expect(&mut self, expected: Expected) -> Judged {
        if self.call.expect(expected).is_ok() { Ok(()) } else { DROPPED }
    }

    /// Announces a connection to a port that is free, from `first` on, and has the message name where that is; which it was.
    fn expect_renamed(&mut self, expected: Expected, named: &Named, first: u16) -> Result<Option<u16>, Verdict> {
        let expected = Expected {
            saved: (expected.saved.0, named.port),
            direction: self.call.direction.opposite(),
            tuple: expected.tuple.with_destination_port(first),
            ..expected
        };
        let Some(port) = self.call.expect_somewhere(expected) else { return Ok(None) };
        let outer = self.back().destination;
        if let Err(verdict) = self.rename(named.at, outer, port) {
            self.call.unexpect(&expected.tuple.with_destination_port(port));
            return Err(verdict);
        }
        Ok(Some(port))
    }

    /// A call, or H.245, is expected at a port that the connection keeps in mind.
    fn expect_signalling(&mut self, expected: Expected, named: &Named) -> Result<Option<u16>, Verdict> {
        let [known, other] = self.signalling();
        let first = if known == named.port { other } else { named.port };
        let port = self.expect_renamed(expected, named, first)?;
        if let Some(port) = port {
            self.set_signalling([named.port, port]);
        }
        Ok(port)
    }
}

#[cfg(test)]
mod tests;
