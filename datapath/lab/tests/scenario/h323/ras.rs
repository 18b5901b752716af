//! Messages of RAS.

use std::net::SocketAddr;

use super::per::{Writer, aliases, endpoint, name, non_standard, protocol, transport, transports, value, vendor};

/// A message, as far as the kernel reads it.
#[derive(Clone, Debug)]
pub(crate) enum Ras {
    GatekeeperRequest(SocketAddr),
    GatekeeperConfirm(SocketAddr),
    /// Addresses for calls, addresses for RAS, seconds.
    RegistrationRequest(Vec<SocketAddr>, Vec<SocketAddr>, Option<u32>),
    RegistrationConfirm(Vec<SocketAddr>, Option<u32>),
    UnregistrationRequest(Vec<SocketAddr>),
    /// Called and calling.
    AdmissionRequest(Option<SocketAddr>, Option<SocketAddr>),
    AdmissionConfirm(SocketAddr),
    LocationRequest(SocketAddr),
    LocationConfirm(SocketAddr),
    /// An address for RAS, addresses for calls.
    Information(SocketAddr, Vec<SocketAddr>),
    /// Any other, by its number.
    Other(u32),
}

impl Ras {
    /// The message; a rich one has optional fields that nobody looks at.
    pub(crate) fn bytes(&self, rich: bool) -> Vec<u8> {
        value(|w| {
            w.bits(0, 1);
            match self {
                Self::GatekeeperRequest(place) => {
                    w.bits(0, 5);
                    w.there(&[false, rich, false, false, rich]);
                    start(w, rich);
                    transport(w, *place);
                    endpoint(w, rich);
                    if rich {
                        aliases(w);
                    }
                }
                Self::GatekeeperConfirm(place) => {
                    w.bits(1, 5);
                    w.there(&[false, rich, rich]);
                    start(w, rich);
                    if rich {
                        name(w);
                    }
                    transport(w, *place);
                }
                Self::RegistrationRequest(called, ras, seconds) => {
                    w.bits(3, 5);
                    w.there(&[seconds.is_some(), rich, rich, rich]);
                    start(w, rich);
                    w.bits(1, 1);
                    transports(w, called);
                    transports(w, ras);
                    endpoint(w, rich);
                    if rich {
                        aliases(w);
                        name(w);
                    }
                    vendor(w);
                    live(w, *seconds, rich);
                }
                Self::RegistrationConfirm(called, seconds) => {
                    w.bits(4, 5);
                    w.there(&[seconds.is_some(), rich, rich, rich]);
                    start(w, rich);
                    transports(w, called);
                    if rich {
                        aliases(w);
                        name(w);
                    }
                    name(w);
                    live(w, *seconds, rich);
                }
                Self::UnregistrationRequest(called) => {
                    w.bits(6, 5);
                    w.there(&[false, rich, false, false]);
                    w.word(7);
                    transports(w, called);
                    if rich {
                        aliases(w);
                    }
                }
                Self::AdmissionRequest(called, calling) => {
                    w.bits(9, 5);
                    w.there(&[false, rich, rich, called.is_some(), rich, calling.is_some(), false, false]);
                    w.word(7);
                    w.bits(0, 3);
                    if rich {
                        w.bits(0, 2);
                    }
                    name(w);
                    if rich {
                        aliases(w);
                    }
                    called.iter().for_each(|place| transport(w, *place));
                    if rich {
                        aliases(w);
                    }
                    aliases(w);
                    calling.iter().for_each(|place| transport(w, *place));
                    bandwidth(w);
                    w.word(1);
                    w.octets(&[7; 16]);
                    w.bits(0, 2);
                }
                Self::AdmissionConfirm(place) => {
                    w.bits(10, 5);
                    w.there(&[false, rich, false]);
                    w.word(7);
                    bandwidth(w);
                    w.bits(1, 2);
                    transport(w, *place);
                    if rich {
                        w.word(60);
                    }
                }
                Self::LocationRequest(place) => {
                    w.bits(18, 5);
                    w.there(&[false, rich, rich]);
                    w.word(7);
                    if rich {
                        name(w);
                    }
                    aliases(w);
                    if rich {
                        non_standard(w);
                    }
                    transport(w, *place);
                }
                Self::LocationConfirm(place) => {
                    w.bits(19, 5);
                    w.there(&[false, false]);
                    w.word(7);
                    transport(w, *place);
                    transport(w, *place);
                }
                Self::Information(ras, called) => {
                    w.bits(22, 5);
                    w.there(&[false, rich, false, false]);
                    if rich {
                        non_standard(w);
                    }
                    w.word(7);
                    endpoint(w, rich);
                    name(w);
                    transport(w, *ras);
                    transports(w, called);
                }
                Self::Other(number) => {
                    w.bits(*number, 5);
                    w.bits(0, 1);
                    w.word(7);
                    w.octets(&[0; 8]);
                }
            }
        })
    }
}

/// Number, protocol, and perhaps a vendor's own.
fn start(w: &mut Writer, rich: bool) {
    w.word(7);
    protocol(w);
    if rich {
        non_standard(w);
    }
}

/// How long it lives, as the second addition; a rich one has a third.
fn live(w: &mut Writer, seconds: Option<u32>, rich: bool) {
    let Some(seconds) = seconds else { return };
    let octets = (seconds - 1).to_be_bytes();
    let first = octets.iter().position(|octet| *octet != 0).unwrap_or(3);
    let time = value(|w| {
        w.bits(3 - first as u32, 2);
        w.octets(&octets[first..]);
    });
    let mut all = vec![None, Some(time)];
    if rich {
        all.push(Some(vec![0; 4]));
    }
    w.additions(&all);
}

/// 1280 units.
fn bandwidth(w: &mut Writer) {
    w.bits(1, 2);
    w.word(1280);
}
