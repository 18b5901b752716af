//! SIP (RFC 3261): calls and registrations, over UDP and TCP. As nf_conntrack_sip.c.
//!
//! As the kernel's with its usual parameters: media are expected of the other end alone, and only for the speaker's own
//! address (`sip_direct_media`); so are calls to who registered (`sip_direct_signalling`).

mod media;
mod rename;
mod text;

use libxt::family::Af;

use super::{About, Call, Helper, Memory, Policy};
use crate::Verdict;
use crate::conntrack::expect::{Expected, flag};
use crate::conntrack::tuple::{Ports, protocol};
use crate::conntrack::{Relation, Tuple, status};
use text::{Found, begins, header, header_uri, unsigned};

pub(crate) struct Sip;

/// What was asked last: `struct nf_ct_sip_master`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    register: u32,
    invite: u32,
    /// Where a phone wants its answers that asks from another port.
    answers_to: Option<u16>,
}

/// Classes of what is expected.
mod class {
    pub(super) const SIGNALLING: u8 = 0;
    pub(super) const AUDIO: u8 = 1;
    pub(super) const VIDEO: u8 = 2;
    pub(super) const IMAGE: u8 = 3;
}

/// One message of a packet.
struct Message<'c, 'a, 'p> {
    call: &'c mut Call<'a, 'p>,
    /// Where it begins in the payload.
    start: usize,
    length: usize,
}

/// What becomes of a packet, as far as it is known: `Err` ends the reading.
type Judged = Result<(), Verdict>;

const DROPPED: Judged = Err(Verdict::Drop);

const ANSWER: &[u8] = b"SIP/2.0 ";
/// Bytes of the shortest message that is looked at.
const SHORTEST: usize = 11;

impl Helper for Sip {
    fn about(&self) -> &'static About {
        &About {
            name: "sip",
            protocols: &[protocol::UDP, protocol::TCP],
            families: &[Af::V4, Af::V6],
            policies: &[
                Policy { most: 1, timeout: 180 },
                Policy { most: 4, timeout: 180 },
                Policy { most: 4, timeout: 180 },
                Policy { most: 2, timeout: 180 },
            ],
        }
    }

    fn mistakes_errors(&self) -> bool {
        true
    }

    fn help(&self, call: &mut Call<'_, '_>) -> Verdict {
        let stream = call.tuple(call.direction).protocol == protocol::TCP;
        if stream && call.relation != Relation::Established || call.payload().is_empty() {
            return Verdict::Accept;
        }
        call.refresh(call.parameters().sip);
        let end = call.headers.end;
        call.packet.data.pull(end);
        // What an error quotes does not begin as a message.
        let error = call.headers.protocol != protocol::UDP && !stream;
        if error || call.payload().len() < SHORTEST {
            return Verdict::Accept;
        }
        if stream {
            return segment(call);
        }
        let length = call.payload().len();
        match (Message { call, start: 0, length }).judge() {
            Ok(()) => Verdict::Accept,
            Err(verdict) => verdict,
        }
    }
}

/// All messages of a segment that are whole. As sip_help_tcp().
fn segment(call: &mut Call<'_, '_>) -> Verdict {
    let (mut start, mut grown) = (0, 0_i64);
    let mut sequence = None;
    while let Some(length) = call.payload().get(start..).and_then(|rest| whole(rest, call.headers.af)) {
        if call.payload().len() - start < length {
            // Sequence numbers stay as they are, as in the original.
            return Verdict::Accept;
        }
        let mut message = Message { call: &mut *call, start, length };
        if let Err(verdict) = message.judge() {
            return verdict;
        }
        let after = message.length;
        grown += after as i64 - length as i64;
        start += after;
    }
    if call.translated() && grown != 0 {
        sequence = crate::wire::u32_at(call.segment(), 4);
    }
    if let Some(sequence) = sequence {
        call.tracker.shift(call.id, call.direction, sequence, grown as i32);
    }
    Verdict::Accept
}

/// How long a stream's first message is, if it says so.
fn whole(text: &[u8], af: Af) -> Option<usize> {
    let Found::At(at, _) = header(text, 0, &header::CONTENT_LENGTH, af) else { return None };
    let (length, digits) = unsigned(text, at)?;
    let end = at + digits;
    let blank = text.get(end..)?.windows(4).position(|window| window == b"\r\n\r\n")?;
    (end + blank + 4).checked_add(usize::try_from(length).ok()?)
}

impl Message<'_, '_, '_> {
    fn text(&self) -> &[u8] {
        self.call.payload().get(self.start..self.start + self.length).unwrap_or_default()
    }

    fn af(&self) -> Af {
        self.call.headers.af
    }

    fn protocol(&self) -> u8 {
        self.call.headers.protocol
    }

    /// How packets of this direction arrive.
    fn own(&self) -> Tuple {
        self.call.tuple(self.call.direction)
    }

    /// How packets of the other direction arrive.
    fn back(&self) -> Tuple {
        self.call.tuple(self.call.direction.opposite())
    }

    fn asked(&mut self) -> Option<&mut Asked> {
        let memory = self.call.memory()?;
        if !matches!(memory, Memory::Sip(_)) {
            *memory = Memory::Sip(Asked::default());
        }
        match memory {
            Memory::Sip(asked) => Some(asked),
            _ => None,
        }
    }

    fn header(&self, kind: &text::Header) -> Found {
        header(self.text(), 0, kind, self.af())
    }

    /// As process_sip_msg().
    fn judge(&mut self) -> Judged {
        if begins(self.text(), 0, ANSWER) {
            self.answer()?
        } else {
            self.request()?
        }
        if self.call.translated() { self.rename() } else { Ok(()) }
    }

    /// As process_sip_request().
    fn request(&mut self) -> Judged {
        let own = self.own();
        let via = header_uri(self.text(), 0, &header::VIA_UDP, &mut false, self.af());
        if let Ok(Some(via)) = via
            && via.port != own.source_port()
            && via.address == own.source
            && let Some(asked) = self.asked()
        {
            asked.answers_to = Some(via.port);
        }
        const METHODS: [&[u8]; 6] = [b"INVITE", b"UPDATE", b"ACK", b"PRACK", b"BYE", b"REGISTER"];
        let text = self.text();
        let is = |method: &&&[u8]| {
            let behind = text.get(method.len()..method.len() + 2);
            begins(text, 0, method) && behind.is_some_and(|behind| behind[0] == b' ' && behind[1].is_ascii_alphabetic())
        };
        let Some(method) = METHODS.iter().find(is) else { return Ok(()) };
        let (number, _) = self.sequence()?;
        match *method {
            b"INVITE" => {
                self.flush(true);
                self.media()?;
                if let Some(asked) = self.asked() {
                    asked.invite = number;
                }
                Ok(())
            }
            b"BYE" => {
                self.flush(true);
                Ok(())
            }
            b"REGISTER" => self.register(number),
            _ => self.media(),
        }
    }

    /// As process_sip_response().
    fn answer(&mut self) -> Judged {
        let text = self.text();
        if text.len() < SHORTEST {
            return Ok(());
        }
        let (code, _) = unsigned(text, ANSWER.len()).filter(|&(code, _)| code != 0).ok_or(Verdict::Drop)?;
        let (number, behind) = self.sequence()?;
        const METHODS: [&[u8]; 4] = [b"INVITE", b"UPDATE", b"PRACK", b"REGISTER"];
        match METHODS.iter().find(|method| begins(self.text(), behind, method)) {
            None => Ok(()),
            Some(&b"REGISTER") => self.registered(number, code),
            Some(_) if (100..300).contains(&code) => self.media(),
            Some(_) => {
                if self.asked().map(|asked| asked.invite).unwrap_or(0) == number {
                    self.flush(true);
                }
                Ok(())
            }
        }
    }

    /// The number of CSeq, and where the method stands behind it.
    fn sequence(&self) -> Result<(u32, usize), Verdict> {
        let Found::At(at, length) = self.header(&header::CSEQ) else { return Err(Verdict::Drop) };
        let (number, _) = unsigned(self.text(), at).ok_or(Verdict::Drop)?;
        Ok((number, at + length + 1))
    }

    /// What `Expires` says, 0 if it is not there.
    fn expires(&self) -> u32 {
        match self.header(&header::EXPIRES) {
            Found::At(at, _) => unsigned(self.text(), at).map_or(0, |(expires, _)| expires),
            _ => 0,
        }
    }

    /// Who registers shall be called; it is known once the registrar agrees. As process_register_request().
    fn register(&mut self, sequence: u32) -> Judged {
        if self.call.connection().status() & status::EXPECTED != 0 {
            return Ok(());
        }
        let mut expires = self.expires();
        let contact = header_uri(self.text(), 0, &header::CONTACT, &mut false, self.af());
        // One that cannot be read is none, as the kernel has it now.
        let Ok(Some(contact)) = contact else { return Ok(()) };
        let behind = contact.at + contact.length;
        // Nobody registers others.
        if contact.address != self.own().source || !text::is_transport(self.text(), behind, self.protocol()) {
            return Ok(());
        }
        if let Some((_, _, said)) = text::number_parameter(self.text(), behind, b"expires=") {
            expires = said;
        }
        if expires != 0 {
            let registrar = self.call.parameters().sip_registrar_only.then(|| self.back().source);
            let tuple = Tuple {
                destination: contact.address,
                ports: Ports::Ports { source: 0, destination: contact.port },
                ..self.back()
            };
            let expected = Expected {
                class: class::SIGNALLING,
                helper: self.call.tracker.helper_id(self.call.id),
                flags: flag::PERMANENT | flag::INACTIVE,
                ..Expected::new(registrar, None, tuple)
            };
            if self.call.translated() {
                self.expect_renamed(expected, contact.at, contact.length)?;
            } else if self.call.expect(expected).is_err() {
                return DROPPED;
            }
        }
        if let Some(asked) = self.asked() {
            asked.register = sequence;
        }
        Ok(())
    }

    /// As process_register_response().
    fn registered(&mut self, sequence: u32, code: u32) -> Judged {
        if self.asked().map(|asked| asked.register).unwrap_or(0) != sequence || (100..200).contains(&code) {
            return Ok(());
        }
        if (200..300).contains(&code) {
            let (expires, own, af) = (self.expires(), self.own().destination, self.af());
            let (mut from, mut inside) = (0, false);
            while let Some(contact) =
                header_uri(self.text(), from, &header::CONTACT, &mut inside, af).map_err(|()| Verdict::Drop)?
            {
                from = contact.end;
                let behind = contact.at + contact.length;
                if contact.address != own || !text::is_transport(self.text(), behind, self.protocol()) {
                    continue;
                }
                let said = text::number_parameter(self.text(), behind, b"expires=");
                let expires = said.map_or(expires, |(_, _, said)| said);
                if expires == 0 {
                    break;
                }
                if self.activate(&contact, expires) {
                    return Ok(());
                }
            }
        }
        self.flush(false);
        Ok(())
    }

    /// As refresh_signalling_expectation().
    fn activate(&mut self, contact: &text::Uri, seconds: u32) -> bool {
        let protocol = self.protocol();
        let found = self.call.tracker.expected_by(self.call.id).find(|(_, expected)| {
            let tuple = &expected.tuple;
            expected.class == class::SIGNALLING
                && (tuple.destination, tuple.protocol, tuple.destination_port())
                    == (contact.address, protocol, contact.port)
        });
        let Some((at, _)) = found else { return false };
        self.call.tracker.activate(at, seconds, self.call.now);
        true
    }

    /// Forgets the media that are expected, or else one call. As flush_expectations().
    fn flush(&mut self, media: bool) {
        let Call { tracker, id, now, out, .. } = &mut *self.call;
        loop {
            let mut all = tracker.expected_by(*id);
            let Some((at, _)) = all.find(|(_, expected)| (expected.class != class::SIGNALLING) == media) else { break };
            drop(all);
            tracker.unexpect_at(at, *now, out);
            if !media {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests;
