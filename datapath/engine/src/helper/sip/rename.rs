//! SIP behind NAT: messages name what the other side can reach. As nf_nat_sip.c.

use std::fmt::Write;

use libxt::family::Af;

use super::super::text::Text;
use super::text::{
    Found, Header, Uri, address_parameter, begins, header, header_uri, line, number_parameter, request, sdp,
};
use super::{DROPPED, Judged, Message};
use crate::conntrack::expect::{Expected, Follow};
use crate::conntrack::tuple::protocol;
use crate::conntrack::{Address, Direction, Tuple};
use crate::wire::set_u16;

impl Message<'_, '_, '_> {
    /// Replaces a part of the message. As mangle_packet().
    fn put(&mut self, at: usize, length: usize, text: &Text) -> Judged {
        let text = text.bytes();
        if at + length > self.length || self.call.replace(self.start + at, length, text).is_none() {
            return DROPPED;
        }
        self.length = self.length - length + text.len();
        Ok(())
    }

    /// As nf_nat_sip().
    pub(super) fn rename(&mut self) -> Judged {
        let af = self.af();
        let asks = !begins(self.text(), 0, b"SIP/2.0");
        if asks && let Some(uri) = request(self.text(), af) {
            self.rename_uri(&uri)?;
        }
        self.rename_via(asks)?;
        let (mut from, mut inside) = (0, false);
        while let Ok(Some(contact)) = header_uri(self.text(), from, &header::CONTACT, &mut inside, af) {
            // Where the text went on before it became longer or shorter.
            from = contact.end;
            self.rename_uri(&contact)?;
        }
        for kind in [&header::FROM, &header::TO] {
            if let Ok(Some(uri)) = header_uri(self.text(), 0, kind, &mut false, af) {
                self.rename_uri(&uri)?;
            }
        }
        self.redirect()
    }

    /// An address of either end becomes what it is on the other side. As map_addr().
    fn rename_uri(&mut self, uri: &Uri) -> Judged {
        let (own, back) = (self.own(), self.back());
        let place = (uri.address, uri.port);
        let (address, port) = if place == (own.source, own.source_port()) {
            (back.destination, back.destination_port())
        } else if place == (own.destination, own.destination_port()) {
            let answers = self.asked().and_then(|asked| asked.answers_to);
            (back.source, answers.unwrap_or(back.source_port()))
        } else {
            return Ok(());
        };
        if (address, port) == place {
            return Ok(());
        }
        self.put(uri.at, uri.length, &place_text(address, port, own.af))
    }

    /// The topmost Via, which says where answers go, and its parameters.
    fn rename_via(&mut self, asks: bool) -> Judged {
        let (own, back, af) = (self.own(), self.back(), self.af());
        let kind = if self.protocol() == protocol::TCP { header::VIA_TCP } else { header::VIA_UDP };
        let Ok(Some(via)) = header_uri(self.text(), 0, &kind, &mut false, af) else { return Ok(()) };
        let ours = match asks {
            true => (own.source, own.source_port()),
            false => (own.destination, own.destination_port()),
        };
        if (via.address, via.port) != ours {
            return Ok(());
        }
        let before = self.length;
        self.rename_uri(&via)?;
        let end = (via.at + via.length + self.length).saturating_sub(before);
        if let Some((at, length, address)) = address_parameter(self.text(), end, b"maddr=", true, af)
            && address == own.source
            && address != back.destination
        {
            self.put(at, length, &address_text(back.destination, af, true))?;
        }
        if let Some((at, length, address)) = address_parameter(self.text(), end, b"received=", false, af)
            && address == own.destination
            && address != back.source
        {
            self.put(at, length, &address_text(back.source, af, false))?;
        }
        if let Some((at, length, port)) = number_parameter(self.text(), end, b"rport=")
            && port as u16 == own.destination_port()
            && port as u16 != back.source_port()
        {
            self.put(at, length, &number_text(back.source_port()))?;
        }
        Ok(())
    }

    /// An answer to a phone that asks from another port than it listens at goes there.
    fn redirect(&mut self) -> Judged {
        let Some(port) = self.asked().and_then(|asked| asked.answers_to) else { return Ok(()) };
        if self.call.direction != Direction::Reply || self.protocol() != protocol::UDP {
            return Ok(());
        }
        let transport = self.call.headers.transport;
        set_u16(self.call.packet.data.make_mut(), transport + 2, port);
        match self.call.replace(0, 0, &[]) {
            Some(_) => Ok(()),
            None => DROPPED,
        }
    }

    /// Expects a call at the outer address, and has the contact name that. As nf_nat_sip_expect().
    pub(super) fn expect_renamed(&mut self, expected: Expected, at: usize, length: usize) -> Judged {
        let (own, back) = (self.own(), self.back());
        let inner = (expected.tuple.destination, expected.tuple.destination_port());
        let address = if own.source == back.destination { inner.0 } else { back.destination };
        let answers = self.asked().and_then(|asked| asked.answers_to);
        let same = inner.1 == answers.unwrap_or(own.source_port());
        let port = if same { back.destination_port() } else { inner.1 };
        let expected = Expected {
            saved: inner,
            tuple: Tuple { destination: address, ..expected.tuple }.with_destination_port(port),
            direction: self.call.direction.opposite(),
            follow: Follow::Sip,
            ..expected
        };
        let Some(port) = self.call.expect_somewhere(expected) else { return DROPPED };
        if (address, port) == inner {
            return Ok(());
        }
        let done = self.put(at, length, &place_text(address, port, own.af));
        if done.is_err() {
            self.call.unexpect(&expected.tuple.with_destination_port(port));
        }
        done
    }

    /// As nf_nat_sdp_port().
    pub(super) fn rename_port(&mut self, at: usize, length: usize, port: u16) -> Judged {
        self.put(at, length, &number_text(port))?;
        self.rename_length()
    }

    /// As mangle_sdp_packet(); a line that is not there is an error.
    pub(super) fn rename_line(&mut self, from: usize, kind: &Header, address: Address) -> Judged {
        let af = self.af();
        match sdp(self.text(), from, kind, Some(&line::MEDIA), af) {
            Found::At(at, length) => self.put(at, length, &address_text(address, af, false)),
            _ => DROPPED,
        }
    }

    /// As nf_nat_sdp_session().
    pub(super) fn rename_session(&mut self, from: usize, address: Address) -> Judged {
        let af = self.af();
        self.rename_line(from, &line::owner(af), address)?;
        let connection = line::connection(af);
        if let Found::At(..) = sdp(self.text(), from, &connection, Some(&line::MEDIA), af) {
            self.rename_line(from, &connection, address)?;
        }
        self.rename_length()
    }

    /// As mangle_content_len().
    pub(super) fn rename_length(&mut self) -> Judged {
        let af = self.af();
        let Found::At(description, _) = sdp(self.text(), 0, &line::VERSION, None, af) else { return DROPPED };
        let length = self.length - description + 2;
        match self.header(&header::CONTENT_LENGTH) {
            Found::At(at, old) => self.put(at, old, &number_text(length)),
            _ => DROPPED,
        }
    }
}

fn number_text(number: impl std::fmt::Display) -> Text {
    let mut text = Text::default();
    let _ = write!(text, "{number}");
    text
}

fn address_text(address: Address, af: Af, delimited: bool) -> Text {
    let mut text = Text::default();
    let ip = address.ip(af);
    let _ = if delimited && af == Af::V6 { write!(text, "[{ip}]") } else { write!(text, "{ip}") };
    text
}

fn place_text(address: Address, port: u16, af: Af) -> Text {
    let mut text = address_text(address, af, true);
    let _ = write!(text, ":{port}");
    text
}
