//! Netlink messages: an iterator over a datagram, and a builder that writes into a reusable buffer.

use std::net::IpAddr;

use netlink_packet_core::NetlinkBuffer;

use crate::attr::{Attributes, HEADER, Malformed, NESTED, align};

/// Flags of `nlmsghdr.nlmsg_flags`.
pub mod flag {
    pub use netlink_packet_core::{
        NLM_F_ACK as ACK, NLM_F_ACK_TLVS as ACK_TLVS, NLM_F_APPEND as APPEND, NLM_F_CAPPED as CAPPED,
        NLM_F_CREATE as CREATE, NLM_F_DUMP as DUMP, NLM_F_DUMP_FILTERED as DUMP_FILTERED, NLM_F_DUMP_INTR as DUMP_INTR,
        NLM_F_ECHO as ECHO, NLM_F_EXCL as EXCL, NLM_F_MULTIPART as MULTI, NLM_F_NONREC as NONREC,
        NLM_F_REPLACE as REPLACE, NLM_F_REQUEST as REQUEST,
    };
}

/// Message types that every netlink family shares.
pub mod kind {
    /// `NLMSG_NOOP`.
    pub const NOOP: u16 = 1;
    /// `NLMSG_ERROR`: an errno, or 0 for an acknowledgement.
    pub const ERROR: u16 = 2;
    /// `NLMSG_DONE`: the end of a dump.
    pub const DONE: u16 = 3;
    /// `NLMSG_OVERRUN`: messages were lost.
    pub const OVERRUN: u16 = 4;
    /// `NLMSG_MIN_TYPE`: types below are control messages.
    pub const MIN: u16 = 16;
}

/// `NFNL_SUBSYS_*`, the upper byte of a netfilter message's type.
pub mod subsystem {
    /// Connection tracking.
    pub const CTNETLINK: u8 = 1;
    /// Expectations.
    pub const CTNETLINK_EXP: u8 = 2;
    /// Packet queues.
    pub const QUEUE: u8 = 3;
    /// Packet logging.
    pub const ULOG: u8 = 4;
    /// Named counters.
    pub const ACCT: u8 = 7;
    /// Timeout policies.
    pub const CTNETLINK_TIMEOUT: u8 = 8;
    /// Helpers that are programs.
    pub const CTHELPER: u8 = 9;
    /// nf_tables.
    pub const NFTABLES: u8 = 10;
    /// Extensions for nf_tables' compat expressions.
    pub const NFT_COMPAT: u8 = 11;
}

/// `nlmsghdr` without its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The type; for netfilter the subsystem in the upper byte.
    pub kind: u16,
    /// [`flag`] bits.
    pub flags: u16,
    /// Chosen by who asks and repeated in the answer.
    pub sequence: u32,
    /// The netlink port of who asks; 0 is the kernel.
    pub port: u32,
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its header.
    pub header: Header,
    /// What follows the header, without padding.
    pub payload: &'a [u8],
}

/// `struct nfgenmsg`, with which every netfilter payload begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nfgen {
    /// `AF_INET`, `AF_INET6` or 0 for either.
    pub family: u8,
    /// `NFNETLINK_V0` or, for messages that need it, 1.
    pub version: u8,
    /// A number whose meaning depends on the subsystem: a CPU, a queue.
    pub resource: u16,
}

/// The messages of a datagram. A length that does not fit is an error, after which nothing follows.
#[derive(Clone, Copy, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

/// Writes one message behind what the buffer holds.
#[derive(Debug)]
pub struct Builder<'v> {
    out: &'v mut Vec<u8>,
    start: usize,
    fits: bool,
}

/// The type of a netfilter message.
pub const fn netfilter(subsystem: u8, message: u8) -> u16 {
    u16::from_be_bytes([subsystem, message])
}

impl<'a> Messages<'a> {
    /// The messages of these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Ok(buffer) = NetlinkBuffer::new_checked(self.rest) else {
            self.rest = &[];
            return Some(Err(Malformed { what: "nlmsg_len" }));
        };
        let header = Header {
            kind: buffer.message_type(),
            flags: buffer.flags(),
            sequence: buffer.sequence_number(),
            port: buffer.port_number(),
        };
        let len = buffer.length() as usize;
        let Some(payload) = self.rest.get(NLMSG_HEADER..len) else {
            self.rest = &[];
            return Some(Err(Malformed { what: "nlmsg_len" }));
        };
        self.rest = self.rest.get(align(len)..).unwrap_or(&[]);
        Some(Ok(Message { header, payload }))
    }
}

impl<'a> Message<'a> {
    /// The netfilter header and the attributes behind it.
    pub fn netfilter(&self) -> Result<(Nfgen, Attributes<'a>), Malformed> {
        let (&[family, version, high, low], rest) =
            self.payload.split_first_chunk().ok_or(Malformed { what: "nfgenmsg" })?;
        Ok((Nfgen { family, version, resource: u16::from_be_bytes([high, low]) }, Attributes::new(rest)))
    }

    /// The subsystem and the message number of a netfilter message's type.
    pub const fn netfilter_kind(&self) -> (u8, u8) {
        let [subsystem, message] = self.header.kind.to_be_bytes();
        (subsystem, message)
    }
}

impl Nfgen {
    /// A header that names a family and nothing else.
    pub const fn of(family: u8) -> Self {
        Self { family, version: 0, resource: 0 }
    }
}

impl<'v> Builder<'v> {
    /// Starts a message behind what `out` holds; it is padded to four bytes before.
    pub fn new(header: Header, out: &'v mut Vec<u8>) -> Self {
        pad(out);
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&header.kind.to_ne_bytes());
        out.extend_from_slice(&header.flags.to_ne_bytes());
        out.extend_from_slice(&header.sequence.to_ne_bytes());
        out.extend_from_slice(&header.port.to_ne_bytes());
        Self { out, start, fits: true }
    }

    /// Starts a netfilter message.
    pub fn netfilter(header: Header, nfgen: Nfgen, out: &'v mut Vec<u8>) -> Self {
        let mut builder = Self::new(header, out);
        let [high, low] = nfgen.resource.to_be_bytes();
        builder.raw(&[nfgen.family, nfgen.version, high, low]);
        builder
    }

    /// Bytes as they are, padded behind: a family's header.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        pad(self.out);
        self.out.extend_from_slice(bytes);
        self
    }

    /// An attribute. One that is longer than an attribute can say makes the whole message fail.
    pub fn put(&mut self, kind: u16, payload: &[u8]) -> &mut Self {
        let Ok(len) = u16::try_from(payload.len().saturating_add(HEADER)) else {
            self.fits = false;
            return self;
        };
        pad(self.out);
        self.out.extend_from_slice(&len.to_ne_bytes());
        self.out.extend_from_slice(&kind.to_ne_bytes());
        self.out.extend_from_slice(payload);
        pad(self.out);
        self
    }

    /// An attribute of one byte.
    pub fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.put(kind, &[value])
    }

    /// An attribute of two bytes in host order.
    pub fn u16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// An attribute of four bytes in host order.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// An attribute of two bytes in network order.
    pub fn be16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// An attribute of four bytes in network order.
    pub fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// An attribute of eight bytes in network order.
    pub fn be64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// An address; which family it is shows from its length or from the attribute's type.
    pub fn address(&mut self, kind: u16, value: IpAddr) -> &mut Self {
        match value {
            IpAddr::V4(address) => self.put(kind, &address.octets()),
            IpAddr::V6(address) => self.put(kind, &address.octets()),
        }
    }

    /// A string with its NUL.
    pub fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        self.nul_terminated(kind, value.as_bytes())
    }

    /// Bytes with a NUL behind.
    pub fn nul_terminated(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let Ok(len) = u16::try_from(value.len().saturating_add(HEADER + 1)) else {
            self.fits = false;
            return self;
        };
        pad(self.out);
        self.out.extend_from_slice(&len.to_ne_bytes());
        self.out.extend_from_slice(&kind.to_ne_bytes());
        self.out.extend_from_slice(value);
        self.out.push(0);
        pad(self.out);
        self
    }

    /// An attribute that holds what `inside` writes.
    pub fn nest(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) -> &mut Self {
        pad(self.out);
        let at = self.out.len();
        self.out.extend_from_slice(&[0; 2]);
        self.out.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        inside(self);
        match (u16::try_from(self.out.len() - at), self.out.get_mut(at..at + 2)) {
            (Ok(len), Some(place)) => place.copy_from_slice(&len.to_ne_bytes()),
            _ => self.fits = false,
        }
        self
    }

    /// Bytes written so far, header included.
    pub fn len(&self) -> usize {
        self.out.len() - self.start
    }

    /// Never: there is a header.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Writes the length. An error, and the buffer as it was before, if some attribute did not fit its length field.
    pub fn finish(self) -> Result<(), Malformed> {
        let len = u32::try_from(self.out.len() - self.start).ok().filter(|_| self.fits);
        match (len, self.out.get_mut(self.start..self.start + 4)) {
            (Some(len), Some(place)) => {
                place.copy_from_slice(&len.to_ne_bytes());
                Ok(())
            }
            _ => {
                self.out.truncate(self.start);
                Err(Malformed { what: "attribute too long" })
            }
        }
    }

    /// Takes the message back.
    pub fn cancel(self) {
        self.out.truncate(self.start);
    }
}

/// Bytes of `struct nlmsghdr`.
const NLMSG_HEADER: usize = 16;

/// Fills up to a multiple of four bytes.
fn pad(out: &mut Vec<u8>) {
    out.resize(align(out.len()), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: Header =
        Header { kind: netfilter(subsystem::CTNETLINK, 1), flags: flag::REQUEST, sequence: 7, port: 9 };

    #[test]
    fn what_is_built_is_read_and_lengths_leave_out_padding() {
        let mut out = Vec::new();
        let mut builder = Builder::netfilter(HEAD, Nfgen { family: 2, version: 0, resource: 0x0102 }, &mut out);
        builder.u8(1, 5).be16(2, 0x1234).text(3, "ftp").nest(4, |b| {
            b.be32(1, 1).nest(2, |b| {
                b.put(3, &[1, 2, 3, 4, 5]);
            });
        });
        builder.finish().unwrap();
        let message = Messages::new(&out).next().unwrap().unwrap();
        assert_eq!(message.header, HEAD);
        assert_eq!(message.netfilter_kind(), (1, 1));
        let (nfgen, attributes) = message.netfilter().unwrap();
        assert_eq!(nfgen.resource, 0x0102);
        let all: Vec<_> = attributes.map(Result::unwrap).collect();
        assert_eq!((all[0].u8(), all[1].be16(), all[2].text()), (Ok(5), Ok(0x1234), &b"ftp"[..]));
        let inner: Vec<_> = all[3].attributes().map(Result::unwrap).collect();
        assert_eq!(inner[1].attributes().next().unwrap().unwrap().payload, &[1, 2, 3, 4, 5]);
        assert_eq!(&out[20..24], &[5, 0, 1, 0], "nla_len of one byte is five");
    }

    #[test]
    fn messages_behind_one_another_are_aligned() {
        let mut out = Vec::new();
        for value in 0..3 {
            let mut builder = Builder::netfilter(HEAD, Nfgen::of(2), &mut out);
            builder.raw(&[value]);
            builder.finish().unwrap();
        }
        let values: Vec<_> = Messages::new(&out).map(|m| m.unwrap().payload[4]).collect();
        assert_eq!(values, [0, 1, 2]);
    }

    #[test]
    fn an_attribute_that_cannot_say_its_length_leaves_no_message() {
        let mut out = vec![1, 2, 3, 4];
        let mut builder = Builder::netfilter(HEAD, Nfgen::of(2), &mut out);
        builder.put(1, &vec![0; 70_000]);
        assert!(builder.finish().is_err());
        let mut builder = Builder::netfilter(HEAD, Nfgen::of(2), &mut out);
        builder.nest(1, |b| {
            b.put(1, &[0; 40_000]).put(2, &[0; 40_000]);
        });
        assert!(builder.finish().is_err());
        assert_eq!(out, [1, 2, 3, 4]);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for message in Messages::new(&bytes).flatten() {
                let _ = message.netfilter().map(|(_, attributes)| attributes.count());
            }
            prop_assert!(Messages::new(&bytes).count() <= bytes.len() / 16 + 1);
        }
    }
}
