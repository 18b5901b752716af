//! Writing aligned PER, as far as messages of H.323 need it.

use std::net::{IpAddr, SocketAddr};

/// A message that grows bit by bit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    /// Bits of the last octet that are written, 0 if all.
    bit: u32,
}

impl Writer {
    /// The lowest bits of a value, the highest of them first.
    pub(crate) fn bits(&mut self, value: u32, count: u32) {
        for at in (0..count).rev() {
            if self.bit == 0 {
                self.bytes.push(0);
            }
            let bit = (value >> at & 1) as u8;
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << (7 - self.bit);
            }
            self.bit = (self.bit + 1) % 8;
        }
    }

    /// A bit for each, set if it is there.
    pub(crate) fn there(&mut self, all: &[bool]) {
        for there in all {
            self.bits(u32::from(*there), 1);
        }
    }

    /// Whole octets from the next octet on.
    pub(crate) fn octets(&mut self, octets: &[u8]) {
        self.bit = 0;
        self.bytes.extend(octets);
    }

    pub(crate) fn word(&mut self, word: u16) {
        self.octets(&word.to_be_bytes());
    }

    /// Octets with their length in front.
    pub(crate) fn enclosed(&mut self, octets: &[u8]) {
        self.length(octets.len());
        self.octets(octets);
    }

    pub(crate) fn length(&mut self, length: usize) {
        let length = u16::try_from(length).expect("it is short");
        if length < 128 { self.octets(&[length as u8]) } else { self.word(0x8000 | length) }
    }

    /// The additions of a sequence, the first first.
    pub(crate) fn additions(&mut self, all: &[Option<Vec<u8>>]) {
        self.bits(all.len() as u32 - 1, 7);
        for addition in all {
            self.bits(u32::from(addition.is_some()), 1);
        }
        self.octets(&[]);
        for addition in all.iter().flatten() {
            self.enclosed(addition);
        }
    }

    /// What was written; a value of its own has an octet at least.
    pub(crate) fn done(mut self) -> Vec<u8> {
        if self.bytes.is_empty() {
            self.bytes.push(0);
        }
        self.bytes
    }
}

/// A value of its own.
pub(crate) fn value(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    write(&mut writer);
    writer.done()
}

/// SEQUENCE OF OCTET STRING.
pub(crate) fn strings(all: &[Vec<u8>]) -> Option<Vec<u8>> {
    let write = |w: &mut Writer| {
        w.length(all.len());
        all.iter().for_each(|one| w.enclosed(one));
    };
    (!all.is_empty()).then(|| value(write))
}

/// The address and port of an H.225.0 TransportAddress.
pub(crate) fn transport(w: &mut Writer, place: SocketAddr) {
    match place.ip() {
        IpAddr::V4(ip) => {
            w.bits(0, 4);
            w.octets(&ip.octets());
        }
        IpAddr::V6(ip) => {
            w.bits(3, 4);
            w.bits(0, 1);
            w.octets(&ip.octets());
        }
    }
    w.word(place.port());
}

/// The same of an H.245 TransportAddress.
pub(crate) fn media_transport(w: &mut Writer, place: SocketAddr) {
    w.bits(0, 2);
    match place.ip() {
        IpAddr::V4(ip) => {
            w.bits(0, 5);
            w.octets(&ip.octets());
        }
        IpAddr::V6(ip) => {
            w.bits(2 << 1, 5);
            w.octets(&ip.octets());
        }
    }
    w.word(place.port());
}

/// The identifier of H.225.0's fourth version.
pub(crate) fn protocol(w: &mut Writer) {
    w.octets(&[6, 0, 8, 0x91, 0x4a, 0, 4]);
}

/// An EndpointType: a terminal of a vendor, or a gateway with prefixes.
pub(crate) fn endpoint(w: &mut Writer, gateway: bool) {
    w.bits(0, 1);
    w.there(&[false, true, false, gateway, false, !gateway]);
    vendor(w);
    if gateway {
        w.there(&[false, true, false]);
        w.length(2);
        // Voice, with an addition, and H.323.
        w.bits(7, 5);
        w.there(&[true, false]);
        w.additions(&[None, Some(vec![0])]);
        w.bits(5, 5);
        w.there(&[false, true]);
        non_standard(w);
    } else {
        w.bits(0, 2);
    }
    // Neither a controller nor undefined.
    w.bits(0, 2);
}

/// A VendorIdentifier with a product's name.
pub(crate) fn vendor(w: &mut Writer) {
    w.there(&[false, true, false]);
    w.bits(0, 1);
    w.octets(&[0xb5, 0, 0x12, 0x34]);
    w.octets(&[4]);
    w.octets(b"phone");
}

/// A NonStandardParameter of H.225.0.
pub(crate) fn non_standard(w: &mut Writer) {
    w.bits(0, 2);
    w.octets(&[2, 0x88, 0x37]);
    w.enclosed(b"own data");
}

/// A list of aliases: digits, a name, an address.
pub(crate) fn aliases(w: &mut Writer) {
    w.length(3);
    w.bits(0, 2);
    w.bits(4 - 1, 7);
    w.octets(&[0x12, 0x34]);
    w.bits(1, 2);
    w.octets(&[1]);
    w.octets(b"\0m\0e");
    w.bits(1, 1);
    w.bits(0, 7);
    w.enclosed(&value(|w| {
        w.octets(&[0, 2]);
        w.octets(b"sip");
    }));
}

/// A name of two characters, with its length in seven bits.
pub(crate) fn name(w: &mut Writer) {
    w.bits(1, 7);
    w.octets(b"\0g\0k");
}

/// A list of addresses.
pub(crate) fn transports(w: &mut Writer, all: &[SocketAddr]) {
    w.length(all.len());
    all.iter().for_each(|place| transport(w, *place));
}
