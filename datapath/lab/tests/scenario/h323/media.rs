//! Messages of H.245: channels that are opened.

use std::net::SocketAddr;

use super::per::{Writer, media_transport, value};

/// What kind of data flows forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Data {
    #[default]
    G711,
    G723,
    H263,
    T120,
    /// T.120 over something else than a network.
    Buffered,
    /// A vendor's own.
    Own,
}

/// What an OpenLogicalChannel, or its acknowledgement, says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Channel {
    pub(crate) data: Data,
    pub(crate) media: Option<SocketAddr>,
    pub(crate) control: Option<SocketAddr>,
    /// Media and control of the reverse channel, if there is one.
    pub(crate) reverse: Option<[Option<SocketAddr>; 2]>,
    pub(crate) stack: Option<SocketAddr>,
    /// With optional fields that nobody looks at.
    pub(crate) rich: bool,
}

/// A channel of audio with both addresses.
pub(crate) fn audio(place: SocketAddr) -> Channel {
    let next = SocketAddr::new(place.ip(), place.port() | 1);
    Channel { media: Some(place), control: Some(next), ..Channel::default() }
}

impl Channel {
    /// As an element of a fast start.
    pub(crate) fn open(&self) -> Vec<u8> {
        value(|w| self.open_in(w))
    }

    /// As a message.
    pub(crate) fn request(&self) -> Vec<u8> {
        value(|w| {
            w.bits(0, 3);
            w.bits(3, 5);
            self.open_in(w);
        })
    }

    /// As the answer.
    pub(crate) fn acknowledge(&self) -> Vec<u8> {
        value(|w| {
            w.bits(1, 3);
            w.bits(5, 6);
            self.acknowledge_in(w);
        })
    }

    fn open_in(&self, w: &mut Writer) {
        w.there(&[self.stack.is_some(), self.reverse.is_some()]);
        w.word(101);
        w.there(&[false, self.rich]);
        if self.rich {
            w.word(77);
        }
        self.data_type(w);
        w.bits(1, 1);
        w.bits(0, 7);
        w.enclosed(&parameters([self.media, self.control], self.rich));
        if let Some(places) = self.reverse {
            w.there(&[false, true]);
            self.data_type(w);
            w.bits(1, 1);
            w.bits(0, 7);
            w.enclosed(&parameters(places, self.rich));
        }
        if self.stack.is_some() {
            w.additions(&[self.stack_value()]);
        }
    }

    fn acknowledge_in(&self, w: &mut Writer) {
        let forward = self.media.or(self.control).is_some();
        w.there(&[forward || self.stack.is_some(), self.reverse.is_some()]);
        w.word(101);
        if let Some(places) = self.reverse {
            w.there(&[false, self.rich, true]);
            w.word(102);
            if self.rich {
                w.word(77);
            }
            w.bits(1, 1);
            w.bits(0, 7);
            w.enclosed(&parameters(places, self.rich));
        }
        if forward || self.stack.is_some() {
            let answer = value(|w| {
                w.bits(0, 1);
                w.there(&[false, false, self.rich, self.media.is_some(), self.control.is_some(), false]);
                w.bits(1, if self.rich { 8 } else { 0 });
                [self.media, self.control].into_iter().flatten().for_each(|place| media_transport(w, place));
            });
            w.additions(&[self.stack_value(), Some(answer).filter(|_| forward)]);
        }
    }

    fn stack_value(&self) -> Option<Vec<u8>> {
        self.stack.map(|place| {
            value(|w| {
                w.there(&[false, self.rich, false]);
                if self.rich {
                    w.bits(0, 2);
                }
                w.bits(2, 3);
                media_transport(w, place);
                w.bits(0, 1);
            })
        })
    }

    fn data_type(&self, w: &mut Writer) {
        w.bits(0, 1);
        match self.data {
            Data::G711 => {
                w.bits(3, 3);
                w.bits(3, 5);
                w.octets(&[19]);
            }
            Data::G723 => {
                w.bits(3, 3);
                w.bits(8, 5);
                w.octets(&[0]);
                w.bits(1, 1);
            }
            Data::H263 => {
                w.bits(2, 3);
                w.bits(3, 4);
                w.there(&[false, false, true, true, false, false, true, false]);
                w.bits(1, 5);
                w.bits(1, 5);
                // A rate in two octets.
                w.bits(1, 2);
                w.word(3840);
                w.bits(0, 5);
                w.bits(0, 2);
                w.octets(&[9]);
            }
            Data::T120 | Data::Buffered => {
                w.bits(4, 3);
                w.bits(0, 1);
                w.bits(1, 5);
                if self.data == Data::T120 {
                    w.bits(1, 1);
                    w.bits(3, 7);
                    w.enclosed(&[0]);
                } else {
                    w.bits(1, 4);
                }
                w.bits(1, 2);
                w.word(640);
            }
            Data::Own => {
                w.bits(0, 3);
                w.bits(1, 1);
                w.octets(&[0xb5, 0, 0x12, 0x34]);
                w.enclosed(b"own");
            }
        }
    }
}

/// H2250LogicalChannelParameters.
fn parameters([media, control]: [Option<SocketAddr>; 2], rich: bool) -> Vec<u8> {
    value(|w| {
        w.bits(0, 1);
        w.there(&[rich, rich, media.is_some(), rich, control.is_some(), false, rich, false, false, false]);
        if rich {
            w.length(1);
            w.bits(0, 1);
            w.octets(&[2, 0x88, 0x37]);
            w.enclosed(b"x");
        }
        w.octets(&[1]);
        if rich {
            w.bits(1, 8);
        }
        if let Some(place) = media {
            media_transport(w, place);
        }
        if rich {
            w.bits(0, 1);
        }
        if let Some(place) = control {
            media_transport(w, place);
        }
        if rich {
            w.bits(1, 1);
        }
    })
}
