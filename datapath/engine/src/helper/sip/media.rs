//! Session descriptions: which media are expected where. As process_sdp() and set_expected_rtp_rtcp().

use super::text::{Found, address, line, sdp, unsigned};
use super::{DROPPED, Judged, Message, class};
use crate::conntrack::expect::{Expected, Follow};
use crate::conntrack::tuple::{Ports, protocol};
use crate::conntrack::{Address, Refusal, Tuple};
use crate::host::RouteKey;

/// Kinds of media that are known, as many as are looked at of a description (`sdp_media_types[]`).
const KINDS: [(&[u8], u8); 3] = [(b"audio ", class::AUDIO), (b"video ", class::VIDEO), (b"image ", class::IMAGE)];

/// A medium: its class, its port's place.
struct Medium {
    class: u8,
    port: u16,
    at: usize,
    length: usize,
}

/// Media are named in small letters.
fn is_there(text: &[u8], at: usize, words: &[u8]) -> bool {
    text.get(at..).is_some_and(|rest| rest.starts_with(words))
}

impl Message<'_, '_, '_> {
    /// Expects what a description announces, and has it say what the other side can reach. As process_sdp().
    pub(super) fn media(&mut self) -> Judged {
        let af = self.af();
        let Found::At(description, _) = sdp(self.text(), 0, &line::VERSION, None, af) else { return Ok(()) };
        let connection = line::connection(af);
        let session = self.sdp_address(description);
        let mut last = session;
        let mut from = description;
        let mut seen = 0;
        while seen < KINDS.len() {
            let Found::At(at, length) = sdp(self.text(), from, &line::MEDIA, None, af) else { break };
            let Some(&(kind, class)) =
                KINDS.iter().find(|(kind, _)| length >= kind.len() && is_there(self.text(), at, kind))
            else {
                from = at + length;
                continue;
            };
            let (at, length) = (at + kind.len(), length - kind.len());
            from = at;
            let port = match unsigned(self.text(), at).map_or(0, |(port, _)| port) {
                0 => continue,
                port @ 1024..=0xffff => port as u16,
                _ => return DROPPED,
            };
            let own = self.sdp_address(at);
            let Some(named) = own.or(session) else { return DROPPED };
            let named = self.expect_medium(named, &Medium { class, port, at, length })?;
            last = Some(named);
            if own.is_some() && self.call.translated() {
                self.rename_line(at, &connection, named)?;
                self.rename_length()?;
            }
            seen += 1;
        }
        match last {
            Some(last) if self.call.translated() => self.rename_session(description, last),
            _ => Ok(()),
        }
    }

    /// The address of the next connection line ahead of the next medium. As ct_sip_parse_sdp_addr().
    fn sdp_address(&self, from: usize) -> Option<Address> {
        let text = self.text();
        match sdp(text, from, &line::connection(self.af()), Some(&line::MEDIA), self.af()) {
            Found::At(at, length) => Some(address(text.get(..at + length)?, at, self.af(), false)?.0),
            _ => None,
        }
    }

    /// Expects RTP and RTCP from the other end; the address that the description is to name comes back. As
    /// set_expected_rtp_rtcp().
    fn expect_medium(&mut self, mut to: Address, medium: &Medium) -> Result<Address, crate::Verdict> {
        let back = self.back();
        let from = self.call.parameters().sip_direct_media.then_some(back.source);
        let passed_over = match from {
            // Nobody has media sent to others.
            Some(_) => to != self.own().source,
            None => self.call.parameters().sip_external_media && self.is_outside(to),
        };
        if passed_over {
            return Ok(to);
        }
        let ends = |to, port| Tuple {
            protocol: protocol::UDP,
            source: from.unwrap_or_default(),
            destination: to,
            ports: Ports::Ports { source: 0, destination: port },
            ..back
        };
        let mut tuple = ends(to, medium.port);
        let (mut direct, mut known) = (false, false);
        while !known {
            let zone = self.call.connection().zones()[0];
            let Some((master, other)) = self.call.tracker.expected_like(&tuple, zone, self.call.now) else { break };
            if master == self.call.id
                || self.call.tracker.helper_id(master) != self.call.tracker.helper_id(self.call.id)
                || other.class != medium.class
            {
                break;
            }
            let reached = (other.tuple.destination, other.tuple.destination_port());
            if !direct && other.saved != reached && self.call.translated() {
                // Both ends are behind this router, and reach each other without.
                to = other.saved.0;
                tuple = ends(to, other.saved.1);
                direct = true;
            } else {
                known = true;
            }
        }
        let port = tuple.destination_port() & !1;
        if direct {
            self.rename_port(medium.at, medium.length, port)?;
        }
        if known {
            return Ok(to);
        }
        let pair =
            [port, port + 1].map(|port| Expected { class: medium.class, ..Expected::new(from, None, ends(to, port)) });
        if self.call.translated() && !direct {
            return self.expect_outside(pair, medium.at, medium.length);
        }
        // The same may be expected for another kind of media, or because of another connection.
        let [first, second] = pair;
        let first_done = self.expect_shared(first);
        let second_done = match first_done {
            Ok(()) | Err(Refusal::Already) => self.expect_shared(second),
            Err(_) => return Err(crate::Verdict::Drop),
        };
        match second_done {
            Ok(()) | Err(Refusal::Already) => Ok(to),
            Err(_) => {
                if first_done.is_ok() {
                    self.call.unexpect(&first.tuple);
                }
                Err(crate::Verdict::Drop)
            }
        }
    }

    /// Whether packets to an address leave by the same device as this one.
    fn is_outside(&self, address: Address) -> bool {
        let route = self.call.host.route(&RouteKey::to(address.ip(self.af())));
        let way = self.call.packet.out_device.map(|device| device.index);
        route.is_some_and(|route| Some(route.device) == way)
    }

    fn expect_shared(&mut self, expected: Expected) -> Result<(), Refusal> {
        let (tracker, out) = (&mut *self.call.tracker, &mut *self.call.out);
        tracker.expect_shared(self.call.id, expected, self.call.now, out)
    }

    /// Expects media at an outer address and a pair of ports that is free there. As nf_nat_sdp_media().
    fn expect_outside(&mut self, pair: [Expected; 2], at: usize, length: usize) -> Result<Address, crate::Verdict> {
        let (own, back) = (self.own(), self.back());
        let outer = if own.source == back.destination { pair[0].tuple.destination } else { back.destination };
        let direction = self.call.direction.opposite();
        let away = |expected: Expected, port: u16| Expected {
            saved: (expected.tuple.destination, expected.tuple.destination_port()),
            tuple: Tuple { destination: outer, ..expected.tuple }.with_destination_port(port),
            direction,
            follow: Follow::Sip,
            ..expected
        };
        let first = pair[0].tuple.destination_port();
        let mut port = first;
        let [rtp, rtcp] = loop {
            let [rtp, rtcp] = [away(pair[0], port), away(pair[1], port + 1)];
            match self.expect_shared(rtp) {
                Ok(()) => match self.expect_shared(rtcp) {
                    Ok(()) => break [rtp, rtcp],
                    Err(Refusal::Busy) => self.call.unexpect(&rtp.tuple),
                    Err(_) => {
                        self.call.unexpect(&rtp.tuple);
                        return Err(crate::Verdict::Drop);
                    }
                },
                Err(Refusal::Busy) => {}
                Err(_) => return Err(crate::Verdict::Drop),
            }
            port = port.checked_add(2).ok_or(crate::Verdict::Drop)?;
        };
        if port != first
            && let Err(verdict) = self.rename_port(at, length, port)
        {
            self.call.unexpect(&rtp.tuple);
            self.call.unexpect(&rtcp.tuple);
            return Err(verdict);
        }
        Ok(outer)
    }
}
