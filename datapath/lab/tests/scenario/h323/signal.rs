//! Messages of a call: Q.931 with H.225.0 in it, and TPKT around it.

use std::net::SocketAddr;

use super::per::{Writer, aliases, endpoint, non_standard, protocol, strings, transport, value};

/// Which message it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Setup,
    Proceeding,
    Connect,
    Alerting,
    Information,
    Release,
    Facility,
    Progress,
    Empty,
}

impl Kind {
    /// All that say anything.
    pub(crate) const SPEAKING: [Self; 8] = [
        Self::Setup,
        Self::Proceeding,
        Self::Connect,
        Self::Alerting,
        Self::Information,
        Self::Release,
        Self::Facility,
        Self::Progress,
    ];
}

/// What a message of a call says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signal {
    pub(crate) kind: Kind,
    pub(crate) h245: Option<SocketAddr>,
    pub(crate) called: Option<SocketAddr>,
    pub(crate) calling: Option<SocketAddr>,
    pub(crate) alternative: Option<SocketAddr>,
    /// The reason of a facility, 1 if the call is forwarded; from 4 on an addition.
    pub(crate) reason: u32,
    pub(crate) fast_start: Vec<Vec<u8>>,
    pub(crate) tunnelled: Vec<Vec<u8>>,
    /// With optional fields that nobody looks at.
    pub(crate) rich: bool,
    /// A progress has a token.
    pub(crate) token: bool,
    /// So many additions that are not there behind the others.
    pub(crate) newer: usize,
    /// The addition of this number is there, an octet long.
    pub(crate) other: Option<usize>,
}

pub(crate) fn signal(kind: Kind) -> Signal {
    Signal { kind, ..Signal::default() }
}

impl Signal {
    /// With the header of TPKT.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        framed(&self.call())
    }

    /// The message of Q.931.
    pub(crate) fn call(&self) -> Vec<u8> {
        let number = match self.kind {
            Kind::Setup => 5,
            Kind::Proceeding => 2,
            Kind::Connect => 7,
            Kind::Alerting => 1,
            Kind::Information => 0x7b,
            Kind::Release => 0x5a,
            Kind::Facility | Kind::Empty => 0x62,
            Kind::Progress => 3,
        };
        let said = self.user_information();
        let mut message = vec![8, 2, 0x12, 0x34, number];
        if self.rich {
            // Bearer capability, display.
            message.extend([4, 3, 0x88, 0x93, 0xa5, 0x28, 3, b'm', b'e', 0]);
        }
        message.push(0x7e);
        message.extend((said.len() as u16 + 1).to_be_bytes());
        message.push(5);
        message.extend(said);
        message
    }

    fn user_information(&self) -> Vec<u8> {
        value(|w| {
            // No additions, no user-data.
            w.bits(0, 2);
            let tunnelled = !self.tunnelled.is_empty();
            w.there(&[tunnelled, self.rich]);
            self.body(w);
            if self.rich {
                non_standard(w);
            }
            if tunnelled {
                w.additions(&[None, Some(vec![0x80]), strings(&self.tunnelled)]);
            }
        })
    }

    fn body(&self, w: &mut Writer) {
        let root = match self.kind {
            Kind::Setup => 0,
            Kind::Proceeding => 1,
            Kind::Connect => 2,
            Kind::Alerting => 3,
            Kind::Information => 4,
            Kind::Release => 5,
            Kind::Facility => 6,
            Kind::Progress | Kind::Empty => {
                w.bits(1, 1);
                w.bits(u32::from(self.kind == Kind::Empty), 7);
                return w.enclosed(&value(|w| self.progress(w)));
            }
        };
        w.bits(root, 4);
        match self.kind {
            Kind::Setup => self.setup(w),
            Kind::Proceeding | Kind::Alerting => self.proceeding(w),
            Kind::Connect => self.connect(w),
            Kind::Facility => self.facility(w),
            _ => {
                // Additions, and of a release no reason.
                w.there(&[false, false][..if self.kind == Kind::Release { 2 } else { 1 }]);
                protocol(w);
            }
        }
    }

    /// Additions up to the fast start, and perhaps more.
    fn additions(&self, w: &mut Writer, mut all: Vec<Option<Vec<u8>>>) {
        if let Some(other) = self.other {
            all.resize(all.len().max(other + 1), None);
            all[other].get_or_insert_with(|| vec![0x80]);
        }
        let last = all.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        all.truncate(last);
        all.resize(last + self.newer, None);
        if !all.is_empty() {
            w.additions(&all);
        }
    }

    fn is_extended(&self, other: bool) -> bool {
        other || !self.fast_start.is_empty() || self.newer > 0 || self.other.is_some()
    }

    fn setup(&self, w: &mut Writer) {
        w.there(&[self.is_extended(self.rich || self.calling.is_some())]);
        let (rich, called) = (self.rich, self.called.is_some());
        w.there(&[self.h245.is_some(), rich, rich, called, false, rich, rich]);
        protocol(w);
        self.place(w, self.h245);
        if rich {
            aliases(w);
        }
        endpoint(w, rich);
        if rich {
            aliases(w);
        }
        self.place(w, self.called);
        if rich {
            w.length(2);
            w.word(1);
            w.word(2);
        }
        w.bits(0, 1);
        w.octets(&[7; 16]);
        // The goal is to create; services; from point to point.
        w.bits(0, 3);
        if rich {
            w.bits(0, 1 + 7);
            w.bits(0, 3);
        }
        w.bits(0, 3);
        let calling = self.calling.map(|place| value(|w| transport(w, place)));
        let identifier = Some(value(|w| {
            w.bits(0, 1);
            w.octets(&[9; 16]);
        }))
        .filter(|_| rich);
        self.additions(w, vec![calling, None, identifier, None, None, None, strings(&self.fast_start)]);
    }

    fn proceeding(&self, w: &mut Writer) {
        w.there(&[self.is_extended(false), self.h245.is_some()]);
        protocol(w);
        endpoint(w, self.rich);
        self.place(w, self.h245);
        self.additions(w, vec![None, None, None, None, strings(&self.fast_start)]);
    }

    fn connect(&self, w: &mut Writer) {
        w.there(&[self.is_extended(false), self.h245.is_some()]);
        protocol(w);
        self.place(w, self.h245);
        endpoint(w, self.rich);
        w.octets(&[7; 16]);
        self.additions(w, vec![None, None, None, None, strings(&self.fast_start)]);
    }

    fn facility(&self, w: &mut Writer) {
        w.there(&[self.is_extended(self.h245.is_some())]);
        w.there(&[self.alternative.is_some(), self.rich, self.rich]);
        protocol(w);
        self.place(w, self.alternative);
        if self.rich {
            aliases(w);
            w.octets(&[7; 16]);
        }
        if self.reason < 4 {
            w.bits(self.reason, 3);
        } else {
            w.bits(1, 1);
            w.bits(self.reason - 4, 7);
            w.enclosed(&[0]);
        }
        let h245 = self.h245.map(|place| value(|w| transport(w, place)));
        self.additions(w, vec![None, None, None, None, None, None, h245, strings(&self.fast_start)]);
    }

    fn progress(&self, w: &mut Writer) {
        if self.kind == Kind::Empty {
            return;
        }
        w.there(&[
            self.newer > 0 || self.other.is_some(),
            self.h245.is_some(),
            self.rich,
            false,
            false,
            !self.fast_start.is_empty(),
        ]);
        protocol(w);
        endpoint(w, self.rich);
        self.place(w, self.h245);
        w.bits(0, 1);
        w.octets(&[9; 16]);
        if self.rich {
            w.bits(1, 3);
        }
        if self.token {
            // One that has an identifier alone.
            w.length(1);
            w.bits(0, 9);
            w.octets(&[2, 0x88, 0x37]);
        }
        if let Some(all) = strings(&self.fast_start) {
            w.octets(&all);
        }
        self.additions(w, Vec::new());
    }

    fn place(&self, w: &mut Writer, place: Option<SocketAddr>) {
        if let Some(place) = place {
            transport(w, place);
        }
    }
}

/// A message with the header of TPKT.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let [high, low] = (message.len() as u16 + 4).to_be_bytes();
    [&[3, 0, high, low], message].concat()
}
