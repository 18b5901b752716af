//! Netlink attributes: an iterator over the bytes, and checked readings of one payload.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `NLA_F_NESTED`.
pub const NESTED: u16 = 1 << 15;
/// `NLA_F_NET_BYTEORDER`.
pub const NET_BYTE_ORDER: u16 = 1 << 14;
/// `NLA_TYPE_MASK`.
pub const KIND_MASK: u16 = !(NESTED | NET_BYTE_ORDER);
/// `NLA_HDRLEN`: bytes of an attribute's header.
pub const HEADER: usize = 4;

/// The length rounded up to the 4 bytes that netlink aligns to (`NLA_ALIGN`).
pub const fn align(len: usize) -> usize {
    len.saturating_add(3) & !3
}

/// Bytes that are not what they should be, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What was being read, in the header's own name.
    pub what: &'static str,
}

/// The attributes in a run of bytes.
///
/// Ends at the end of the bytes; fewer than four bytes left over are padding. A length that does not fit is an error,
/// after which nothing follows; [`Attributes::lenient`] ones end before it.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
    lenient: bool,
}

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The type without its two flag bits.
    pub kind: u16,
    /// Whether `NLA_F_NESTED` is set.
    pub nested: bool,
    /// The payload without padding.
    pub payload: &'a [u8],
    lenient: bool,
}

impl<'a> Attributes<'a> {
    /// The attributes of these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, lenient: false }
    }

    /// The same as the kernel reads a request (nla_parse_deprecated()): a broken length ends the attributes, also those inside
    /// another, and what is left is passed over.
    pub const fn lenient(self) -> Self {
        Self { lenient: true, ..self }
    }

    /// Whether bytes are left behind the last whole attribute.
    pub fn has_leftovers(self) -> bool {
        let mut walk = Self { lenient: false, ..self };
        loop {
            let left = walk.rest.len();
            match walk.next() {
                Some(Ok(_)) => {}
                Some(Err(_)) => return true,
                None => return left != 0,
            }
        }
    }

    /// The last attribute of this type, as `nla_parse` keeps it; errors in the bytes before the end are errors.
    pub fn find(self, kind: u16) -> Result<Option<Attribute<'a>>, Malformed> {
        let mut found = None;
        for attribute in self {
            let attribute = attribute?;
            if attribute.kind == kind {
                found = Some(attribute);
            }
        }
        Ok(found)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let (header, _) = self.rest.split_first_chunk::<HEADER>()?;
        let len = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]);
        let Some(payload) = self.rest.get(HEADER..len) else {
            self.rest = &[];
            return (!self.lenient).then_some(Err(Malformed { what: "nla_len" }));
        };
        self.rest = self.rest.get(align(len)..).unwrap_or(&[]);
        Some(Ok(Attribute { kind: kind & KIND_MASK, nested: kind & NESTED != 0, payload, lenient: self.lenient }))
    }
}

impl<'a> Attribute<'a> {
    /// The attributes inside.
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: self.payload, lenient: self.lenient }
    }

    /// The first `N` bytes of the payload.
    pub fn array<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        self.payload.first_chunk().copied().ok_or(Malformed { what: "attribute too short" })
    }

    /// A byte.
    pub fn u8(&self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A number of two bytes in host order.
    pub fn u16(&self) -> Result<u16, Malformed> {
        self.array().map(u16::from_ne_bytes)
    }

    /// A number of four bytes in host order.
    pub fn u32(&self) -> Result<u32, Malformed> {
        self.array().map(u32::from_ne_bytes)
    }

    /// A number of two bytes in network order.
    pub fn be16(&self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    /// A number of four bytes in network order.
    pub fn be32(&self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// A number of eight bytes in network order.
    pub fn be64(&self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// An IPv4 address.
    pub fn ipv4(&self) -> Result<IpAddr, Malformed> {
        self.array().map(|bytes: [u8; 4]| Ipv4Addr::from(bytes).into())
    }

    /// An IPv6 address.
    pub fn ipv6(&self) -> Result<IpAddr, Malformed> {
        self.array().map(|bytes: [u8; 16]| Ipv6Addr::from(bytes).into())
    }

    /// A string up to its NUL, or to the payload's end.
    pub fn text(&self) -> &'a [u8] {
        self.payload.split(|&byte| byte == 0).next().unwrap_or(&[])
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed netlink message ({})", self.what)
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn padding_separates_attributes_and_is_not_payload() {
        let bytes = [5, 0, 1, 0, 7, 0, 0, 0, 6, 0, 2, 0x80, 0x12, 0x34];
        let all: Vec<_> = Attributes::new(&bytes).map(Result::unwrap).collect();
        assert_eq!(all[0], Attribute { kind: 1, nested: false, payload: &[7], lenient: false });
        assert_eq!(all[1], Attribute { kind: 2, nested: true, payload: &[0x12, 0x34], lenient: false });
        assert_eq!(all.len(), 2);
        assert_eq!(all[1].be16(), Ok(0x1234));
        assert!(all[0].be16().is_err());
    }

    #[test]
    fn a_length_below_the_header_or_past_the_end_is_an_error_and_the_end() {
        for first in [0, 3, 9] {
            let bytes = [first, 0, 1, 0, 1, 2, 3, 4];
            let mut walk = Attributes::new(&bytes);
            assert!(walk.next().unwrap().is_err());
            assert!(walk.next().is_none());
        }
    }

    #[test]
    fn lenient_ones_end_before_what_is_broken() {
        let bytes = [5, 0, 1, 0, 7, 0, 0, 0, 8, 0, 2, 0x80, 9, 0, 1, 0, 99, 0, 3, 0];
        let all: Vec<_> = Attributes::new(&bytes).lenient().map(Result::unwrap).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[1].attributes().count(), 0, "so is what stands inside");
        assert!(Attributes::new(&bytes).has_leftovers());
        assert!(!Attributes::new(&bytes[..16]).has_leftovers());
        assert!(Attributes::new(&bytes[..18]).has_leftovers());
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Attributes::new(&bytes).count() <= bytes.len() / HEADER + 1);
            for attribute in Attributes::new(&bytes).flatten() {
                let _ = (attribute.u8(), attribute.be16(), attribute.be32(), attribute.be64(), attribute.ipv6());
                let _ = attribute.attributes().count();
            }
        }
    }
}
