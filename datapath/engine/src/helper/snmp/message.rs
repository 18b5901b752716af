//! SNMP messages of versions 1 and 2c as far as addresses may stand in them, in BER. As nf_nat_snmp_basic.asn1, read by
//! asn1_ber_decoder().

/// Calls `visit` with each address of a message and its place; `None` if it is none that is known.
pub(super) fn read(message: &mut [u8], mut visit: impl FnMut(usize, &mut [u8; 4])) -> Option<()> {
    let mut reader = Reader { end: message.len(), bytes: message, at: 0 };
    let whole = reader.open(tag::SEQUENCE)?;
    let version = reader.leaf(tag::INTEGER)?;
    if !matches!(reader.bytes.get(version)?, [0 | 1]) {
        return None;
    }
    reader.leaf(tag::OCTETS)?;
    let mut matched = true;
    for kind in tag::UNITS {
        if reader.at == reader.end {
            // What is missing was there.
            continue;
        }
        matched = reader.is_next(|found| (found ^ kind) & !tag::HOLDS == 0)?;
        if matched {
            reader.unit(kind, &mut visit)?;
        }
    }
    if !matched {
        return None;
    }
    reader.close(whole)
}

/// A place in a message.
struct Reader<'a> {
    bytes: &'a mut [u8],
    at: usize,
    /// Where what is being read ends at the latest.
    end: usize,
}

/// Something that holds others: where what it stands in ends, and whether it says its own length.
struct Level {
    outer: usize,
    definite: bool,
}

impl Reader<'_> {
    /// A tag and a length. As the beginning of asn1_ber_decoder()'s loop.
    fn header(&mut self, wanted: impl Fn(u8) -> bool) -> Option<Option<usize>> {
        let &[tag, length, ..] = self.bytes.get(self.at..self.end)? else { return None };
        if !wanted(tag) {
            return None;
        }
        self.at += 2;
        let length = match length {
            0..0x80 => usize::from(length),
            // It ends where two zeros stand.
            0x80 if tag & tag::HOLDS != 0 && self.end - self.at >= 2 => return Some(None),
            0x81 | 0x82 => {
                let number = self.bytes.get(self.at..self.end)?.get(..usize::from(length & 0x7f))?;
                self.at += number.len();
                number.iter().fold(0, |all, &byte| all << 8 | usize::from(byte))
            }
            _ => return None,
        };
        (length <= self.end - self.at).then_some(Some(length))
    }

    /// Whether such a tag is next.
    fn is_next(&self, wanted: impl Fn(u8) -> bool) -> Option<bool> {
        let &[tag, _, ..] = self.bytes.get(self.at..self.end)? else { return None };
        Some(wanted(tag))
    }

    /// Goes into something that holds others; whether its tag says that it does is not looked at.
    fn open(&mut self, tag: u8) -> Option<Level> {
        let length = self.header(|found| (found ^ tag) & !tag::HOLDS == 0)?;
        let outer = self.end;
        if let Some(length) = length {
            self.end = self.at + length;
        }
        Some(Level { outer, definite: length.is_some() })
    }

    /// Whether more of the same is in it. As ASN1_OP_END_SEQ_OF.
    fn has_more(&self, level: &Level) -> Option<bool> {
        match level.definite {
            true => Some(self.at != self.end),
            false => self.is_next(|found| found != 0),
        }
    }

    fn close(&mut self, level: Level) -> Option<()> {
        if !level.definite {
            if self.bytes.get(self.at..self.end)?.get(..2)? != [0, 0] {
                return None;
            }
            self.at += 2;
        } else if self.at != self.end {
            return None;
        }
        self.end = level.outer;
        Some(())
    }

    /// Steps over a value; where it stands.
    fn leaf(&mut self, tag: u8) -> Option<core::ops::Range<usize>> {
        let place = self.header(|found| found == tag)?.map(|length| self.at..self.at + length)?;
        self.at = place.end;
        Some(place)
    }

    /// A message without its wrapping: three numbers and a list of bindings, which has one at least.
    fn unit(&mut self, kind: u8, visit: &mut impl FnMut(usize, &mut [u8; 4])) -> Option<()> {
        let unit = self.open(kind)?;
        for _ in 0..3 {
            self.leaf(tag::INTEGER)?;
        }
        let list = self.open(tag::SEQUENCE)?;
        loop {
            self.binding(visit)?;
            if !self.has_more(&list)? {
                break;
            }
        }
        self.close(list)?;
        self.close(unit)
    }

    /// A name and its value. Of the kinds of values one may follow another, as the original has it, and none is enough.
    fn binding(&mut self, visit: &mut impl FnMut(usize, &mut [u8; 4])) -> Option<()> {
        let binding = self.open(tag::SEQUENCE)?;
        self.leaf(tag::NAME)?;
        let mut matched = true;
        for (kind, always) in tag::VALUES {
            if matched && !always || self.at == self.end {
                continue;
            }
            matched = self.is_next(|found| found == kind)?;
            if !matched {
                continue;
            }
            let at = self.leaf(kind)?;
            if kind == tag::ADDRESS {
                visit(at.start, self.bytes.get_mut(at)?.try_into().ok()?);
            }
        }
        if !matched {
            return None;
        }
        self.close(binding)
    }
}

/// Tags of BER.
mod tag {
    /// The bit of those that hold others.
    pub(super) const HOLDS: u8 = 0x20;
    pub(super) const INTEGER: u8 = 2;
    pub(super) const OCTETS: u8 = 4;
    pub(super) const NAME: u8 = 6;
    pub(super) const SEQUENCE: u8 = 0x30;
    /// `IpAddress`.
    pub(super) const ADDRESS: u8 = 0x40;
    /// Kinds of messages in the order in which they are looked for, one after the other: all but the traps of version 1,
    /// which look otherwise.
    pub(super) const UNITS: [u8; 8] = [0xa0, 0xa1, 0xa5, 0xa2, 0xa3, 0xa6, 0xa7, 0xa8];
    /// Kinds of values in their order, and which of them are looked for although one was found just before.
    pub(super) const VALUES: [(u8, bool); 13] = [
        (INTEGER, true),
        (OCTETS, false),
        (NAME, false),
        (ADDRESS, true),
        (0x41, true),
        (0x43, true),
        (0x44, true),
        (0x46, true),
        (0x42, true),
        (5, false),
        (0x80, false),
        (0x81, false),
        (0x82, false),
    ];
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A set request of version 2c with one value.
    fn request(value: &[u8]) -> Vec<u8> {
        let held = |tag: u8, what: &[u8]| [&[tag, u8::try_from(what.len()).unwrap()], what].concat();
        let binding = held(0x30, &[b"\x06\x01\x2b", value].concat());
        let unit = held(0xa3, &[b"\x02\x01\x07\x02\x01\0\x02\x01\0", &held(0x30, &binding)[..]].concat());
        held(0x30, &[b"\x02\x01\x01\x04\x06public", &unit[..]].concat())
    }

    fn addresses(message: &mut [u8]) -> Option<Vec<[u8; 4]>> {
        let mut all = Vec::new();
        read(message, |_, address| all.push(*address))?;
        Some(all)
    }

    #[test]
    fn an_address_is_visited_where_it_stands() {
        let mut message = request(b"\x40\x04\x0a\0\0\x02");
        let at = message.len() - 4;
        read(&mut message, |place, address| {
            assert_eq!((place, *address), (at, [10, 0, 0, 2]));
            *address = [1, 2, 3, 4];
        })
        .unwrap();
        assert!(message.ends_with(&[1, 2, 3, 4]));
    }

    /// CVE-2019-9162: lengths that nobody looked at before four bytes were read.
    #[test]
    fn an_address_of_another_length_or_an_empty_version_is_no_message() {
        assert_eq!(addresses(&mut request(b"\x40\x03\x0a\0\0")), None);
        assert_eq!(addresses(&mut request(b"\x40\x00")), None);
        assert_eq!(addresses(&mut request(b"\x40\x7f\x0a\0\0\x02")), None);
        assert_eq!(addresses(&mut b"\x30\x02\x02\x00".to_owned()), None);
    }

    #[test]
    fn a_trap_of_version_1_is_no_message_that_is_known() {
        let mut message = request(b"\x05\0");
        message[13] = 0xa4;
        assert_eq!(addresses(&mut message), None);
        message[13] = 0xa7;
        assert_eq!(addresses(&mut message), Some(vec![]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(
            cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), length in any::<prop::sample::Index>()
        ) {
            let mut message = request(b"\x40\x04\x0a\0\0\x02");
            for (at, byte) in cuts {
                let at = at.index(message.len());
                message[at] = byte;
            }
            message.truncate(length.index(message.len() + 1));
            let _ = addresses(&mut message);
        }
    }
}
