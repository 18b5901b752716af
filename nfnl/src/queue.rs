//! NFQUEUE: a queue's socket and settings, packet messages read without a copy, verdicts written into one reused batch.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBufForce, SndBufForce};

use crate::attr::{Attributes, Malformed, align};
use crate::message::{Builder, Header, Messages, Nfgen, flag, kind, netfilter, subsystem};

mod ends;
mod verdicts;

pub use ends::{Glance, Sink};
pub use verdicts::{Changes, Verdicts};

/// Bytes of a packet the kernel can hand over at most: what a netlink attribute holds.
pub const COPY_RANGE: u32 = 0xffff - 4;

/// Room for one packet message: the longest payload, and all other attributes with the longest security context.
pub const MESSAGE_ROOM: usize = 0xffff + 0x1000;

/// How a queue is asked to behave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Packets the kernel holds for us at most (`NFQA_CFG_QUEUE_MAXLEN`).
    pub length: u32,
    /// Bytes of each packet to copy, at most [`COPY_RANGE`].
    pub copy_range: u32,
    /// Take super-packets whole (`NFQA_CFG_F_GSO`); their checksums are then not filled in.
    pub gso: bool,
    /// Tell a local packet's owner (`NFQA_CFG_F_UID_GID`).
    pub owner: bool,
    /// A full queue lets packets pass instead of dropping them (`NFQA_CFG_F_FAIL_OPEN`).
    pub fail_open: bool,
    /// Receive buffer of the socket in bytes, as far as the kernel grants it.
    pub receive_buffer: usize,
    /// Send buffer of the socket in bytes, as far as the kernel grants it.
    pub send_buffer: usize,
    /// Hear of a full receive buffer as `ENOBUFS`. The kernel then drops everything until the buffer is empty; without
    /// it drops only what does not fit, and counts that in `/proc/net/netfilter/nfnetlink_queue`.
    pub report_overruns: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            length: 4096,
            copy_range: COPY_RANGE,
            gso: true,
            owner: true,
            fail_open: false,
            receive_buffer: 16 << 20,
            send_buffer: 8 << 20,
            report_overruns: false,
        }
    }
}

/// A netlink socket that is bound to one queue of this network namespace.
#[derive(Debug)]
pub struct Queue {
    socket: Socket,
    number: u16,
    batch_limit: usize,
    has_all: bool,
}

/// A packet message's fields. Ranges are places in the message it was parsed from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PacketMessage {
    /// The queue's number (`nfgenmsg.res_id`).
    pub queue: u16,
    /// `NFPROTO_*` of the hook it was taken at.
    pub family: u8,
    /// `nfqnl_msg_packet_hdr.packet_id`, which the verdict names.
    pub id: u32,
    /// The EtherType, 0 for a local packet.
    pub hw_protocol: u16,
    /// `NF_INET_*`.
    pub hook: u8,
    /// `skb->mark`, 0 if the message has none.
    pub mark: u32,
    /// `skb->priority` (`NFQA_PRIORITY`, Linux 6.0), 0 if it is not told.
    pub priority: u32,
    /// The input device's index, 0 if there is none.
    pub in_device: u32,
    /// The output device's index, 0 if there is none.
    pub out_device: u32,
    /// The bridge port it came in by, 0 if there is none.
    pub in_port: u32,
    /// The bridge port it leaves by, 0 if there is none.
    pub out_port: u32,
    /// The sender's link-layer address.
    pub source_address: Range<usize>,
    /// The whole link-layer header.
    pub link_header: Range<usize>,
    /// VLAN protocol and TCI, if the packet came with a tag.
    pub vlan: Option<(u16, u16)>,
    /// User id of the sending socket.
    pub uid: Option<u32>,
    /// Group id of the sending socket.
    pub gid: Option<u32>,
    /// `NFQA_SKB_*`.
    pub skb_info: u32,
    /// The packet's length before it was cut to the copy range, if it was cut.
    pub whole_length: Option<u32>,
    /// The packet's bytes from the network header on.
    pub payload: Range<usize>,
    /// Whether nothing follows the payload, so that it may grow in place.
    pub payload_is_last: bool,
}

/// What a queue's socket handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A packet that waits for its verdict.
    Packet(PacketMessage),
    /// The kernel refused something we sent: the errno, and the sequence number of what it refused.
    Refused(i32, u32),
    /// Anything else, which is of no concern.
    Other,
}

/// `NF_DROP`.
pub const DROP: u32 = 0;
/// `NF_ACCEPT`.
pub const ACCEPT: u32 = 1;

/// `NFQA_SKB_CSUMNOTREADY`: the transport checksum is not filled in yet.
pub const SKB_CHECKSUM_NOT_READY: u32 = 1;
/// `NFQA_SKB_GSO`: a super-packet.
pub const SKB_GSO: u32 = 2;
/// `NFQA_SKB_CSUM_NOTVERIFIED`: nobody has verified the checksum.
pub const SKB_CHECKSUM_NOT_VERIFIED: u32 = 4;

impl Queue {
    /// Binds queue `number`, and before it the queues `also`, whose packets come over the same socket, each with options of
    /// its own, of which those of the socket do not count; see [`has_all`](Self::has_all).
    ///
    /// # Errors
    /// `EPERM` if another socket has the queue or the caller may not bind one; `EOPNOTSUPP` if the kernel does not know
    /// an option; `EPROTONOSUPPORT` or `EINVAL` if it has no nfnetlink_queue at all.
    pub fn open<'o>(
        number: u16,
        also: impl IntoIterator<Item = (u16, &'o Options)>,
        options: &Options,
    ) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        // Fewer bytes of our own verdicts come back with each refusal.
        let _ = socket.set_cap_ack(true);
        socket.set_no_enobufs(!options.report_overruns)?;
        let granted = enlarge(&socket, options.receive_buffer, options.send_buffer)?;
        let mut queue = Self { socket, number, batch_limit: granted, has_all: true };
        queue.has_all = also.into_iter().all(|(number, options)| queue.bind(number, options).is_ok());
        queue.bind(number, options)?;
        Ok(queue)
    }

    fn claim(&self, number: u16) -> io::Result<()> {
        let mut config = Vec::with_capacity(64);
        let mut bind = start(MSG_CONFIG, flag::REQUEST | flag::ACK, 1, number, &mut config);
        bind.put(CFG_CMD, &[CMD_BIND, 0, 0, 0]);
        bind.finish().map_err(io::Error::other)?;
        self.transact(&config, 1)
    }

    fn bind(&self, number: u16, options: &Options) -> io::Result<()> {
        self.claim(number)?;
        let mut config = Vec::with_capacity(64);
        let mut flags = 0;
        for (wanted, flag) in
            [(options.fail_open, CFG_F_FAIL_OPEN), (options.gso, CFG_F_GSO), (options.owner, CFG_F_UID_GID)]
        {
            flags |= if wanted { flag } else { 0 };
        }
        let [a, b, c, d] = options.copy_range.min(COPY_RANGE).to_be_bytes();
        let mut set = start(MSG_CONFIG, flag::REQUEST | flag::ACK, 2, number, &mut config);
        set.put(CFG_PARAMS, &[a, b, c, d, COPY_PACKET])
            .be32(CFG_QUEUE_MAXLEN, options.length)
            .be32(CFG_FLAGS, flags)
            .be32(CFG_MASK, CFG_F_FAIL_OPEN | CFG_F_GSO | CFG_F_UID_GID);
        set.finish().map_err(io::Error::other)?;
        self.transact(&config, 2)
    }

    /// Whether it was given all the other queues, too.
    pub fn has_all(&self) -> bool {
        self.has_all
    }

    /// The queue's number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Bytes of verdicts that one [`send`](Self::send) takes at most.
    pub fn batch_limit(&self) -> usize {
        self.batch_limit
    }

    /// Sends verdicts; `room` holds the payloads that lie apart. The kernel acts on them before this returns; what it
    /// refuses comes back as [`Message::Refused`].
    pub fn send(&self, verdicts: &Verdicts, room: &[u8]) -> io::Result<()> {
        if verdicts.is_empty() {
            return Ok(());
        }
        loop {
            let sent = if verdicts.apart.is_empty() {
                self.socket.send(&verdicts.bytes, 0)
            } else {
                socket2::SockRef::from(&self.socket).send_vectored(&verdicts.pieces(room))
            };
            match sent {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a request with `F_ACK` and waits for its answer; the queue hands over no packet yet, or they are dropped
    /// with the socket if the request fails.
    fn transact(&self, request: &[u8], sequence: u32) -> io::Result<()> {
        self.socket.send(request, 0)?;
        let mut answer = Vec::with_capacity(MESSAGE_ROOM);
        loop {
            answer.clear();
            self.socket.recv(&mut answer, 0)?;
            match Message::parse(&answer) {
                Message::Refused(0, number) if number == sequence => return Ok(()),
                Message::Refused(errno, number) if number == sequence => {
                    return Err(io::Error::from_raw_os_error(errno));
                }
                _ => {}
            }
        }
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Message {
    /// Reads one datagram of a queue's socket. It never fails: what is malformed is [`Message::Other`].
    pub fn parse(datagram: &[u8]) -> Self {
        Self::parse_whole(datagram).unwrap_or(Self::Other)
    }

    fn parse_whole(datagram: &[u8]) -> Result<Self, Malformed> {
        let Some(message) = Messages::new(datagram).next().transpose()? else { return Ok(Self::Other) };
        if message.header.kind == kind::ERROR {
            return Ok(refusal(message.payload).unwrap_or(Self::Other));
        }
        if message.header.kind != netfilter(subsystem::QUEUE, MSG_PACKET) {
            return Ok(Self::Other);
        }
        let (nfgen, attributes) = message.netfilter()?;
        let mut packet = PacketMessage { queue: nfgen.resource, family: nfgen.family, ..PacketMessage::default() };
        let mut has_header = false;
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                NFQA_PACKET_HDR => {
                    let [a, b, c, d, e, f, hook] = attribute.array()?;
                    packet.id = u32::from_be_bytes([a, b, c, d]);
                    packet.hw_protocol = u16::from_be_bytes([e, f]);
                    packet.hook = hook;
                    has_header = true;
                }
                NFQA_MARK => packet.mark = attribute.be32()?,
                NFQA_PRIORITY => packet.priority = attribute.be32()?,
                NFQA_IFINDEX_INDEV => packet.in_device = attribute.be32()?,
                NFQA_IFINDEX_OUTDEV => packet.out_device = attribute.be32()?,
                NFQA_IFINDEX_PHYSINDEV => packet.in_port = attribute.be32()?,
                NFQA_IFINDEX_PHYSOUTDEV => packet.out_port = attribute.be32()?,
                NFQA_HWADDR => {
                    let length = usize::from(attribute.be16()?);
                    let address = attribute.payload.get(4..4 + length.min(8)).unwrap_or(&[]);
                    packet.source_address = place(address, datagram);
                }
                NFQA_PAYLOAD => {
                    packet.payload = place(attribute.payload, datagram);
                    packet.payload_is_last = align(packet.payload.end) >= datagram.len();
                }
                NFQA_CAP_LEN => packet.whole_length = Some(attribute.be32()?),
                NFQA_SKB_INFO => packet.skb_info = attribute.be32()?,
                NFQA_UID => packet.uid = Some(attribute.be32()?),
                NFQA_GID => packet.gid = Some(attribute.be32()?),
                NFQA_L2HDR => packet.link_header = place(attribute.payload, datagram),
                NFQA_VLAN => packet.vlan = parse_vlan(attribute.attributes())?,
                _ => {}
            }
        }
        Ok(if has_header { Self::Packet(packet) } else { Self::Other })
    }
}

/// Asks for buffers as large as given, by privilege or as far as the system's limits allow; says how many bytes one
/// send may have.
fn enlarge(socket: &Socket, receive: usize, send: usize) -> io::Result<usize> {
    let sizes = socket2::SockRef::from(socket);
    // Without privilege in the first user namespace the limits of rmem_max and wmem_max cut these down silently.
    if setsockopt(socket, RcvBufForce, &receive).is_err() {
        sizes.set_recv_buffer_size(receive)?;
    }
    if setsockopt(socket, SndBufForce, &send).is_err() {
        sizes.set_send_buffer_size(send)?;
    }
    // netlink_sendmsg() refuses what exceeds sk_sndbuf - 32.
    Ok(sizes.send_buffer_size()?.saturating_sub(32))
}

fn parse_vlan(attributes: Attributes<'_>) -> Result<Option<(u16, u16)>, Malformed> {
    let (mut protocol, mut tci) = (0, None);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            VLAN_PROTO => protocol = attribute.be16()?,
            VLAN_TCI => tci = Some(attribute.be16()?),
            _ => {}
        }
    }
    Ok(tci.map(|tci| (protocol, tci)))
}

/// Errno and sequence number of an `NLMSG_ERROR`, behind which the refused message's header follows.
fn refusal(payload: &[u8]) -> Option<Message> {
    let errno = i32::from_ne_bytes(*payload.first_chunk()?).checked_neg()?;
    let sequence = payload.get(12..)?.first_chunk().copied().map(u32::from_ne_bytes)?;
    Some(Message::Refused(errno, sequence))
}

/// Where `part`, which was cut from `whole`, lies in it.
fn place(part: &[u8], whole: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    if part.is_empty() || start + part.len() > whole.len() { 0..0 } else { start..start + part.len() }
}

/// Opens a message of the queue subsystem.
fn start(message: u8, flags: u16, sequence: u32, queue: u16, out: &mut Vec<u8>) -> Builder<'_> {
    let header = Header { kind: netfilter(subsystem::QUEUE, message), flags, sequence, port: 0 };
    Builder::netfilter(header, Nfgen { family: 0, version: 0, resource: queue }, out)
}

const MSG_PACKET: u8 = 0;
const MSG_VERDICT: u8 = 1;
const MSG_CONFIG: u8 = 2;

const CMD_BIND: u8 = 1;
const COPY_PACKET: u8 = 2;
const CFG_CMD: u16 = 1;
const CFG_PARAMS: u16 = 2;
const CFG_QUEUE_MAXLEN: u16 = 3;
const CFG_MASK: u16 = 4;
const CFG_FLAGS: u16 = 5;
const CFG_F_FAIL_OPEN: u32 = 1 << 0;
const CFG_F_GSO: u32 = 1 << 2;
const CFG_F_UID_GID: u32 = 1 << 3;

const NFQA_PACKET_HDR: u16 = 1;
const NFQA_VERDICT_HDR: u16 = 2;
const NFQA_MARK: u16 = 3;
const NFQA_IFINDEX_INDEV: u16 = 5;
const NFQA_IFINDEX_OUTDEV: u16 = 6;
const NFQA_IFINDEX_PHYSINDEV: u16 = 7;
const NFQA_IFINDEX_PHYSOUTDEV: u16 = 8;
const NFQA_HWADDR: u16 = 9;
const NFQA_PAYLOAD: u16 = 10;
const NFQA_CAP_LEN: u16 = 13;
const NFQA_SKB_INFO: u16 = 14;
const NFQA_UID: u16 = 16;
const NFQA_GID: u16 = 17;
const NFQA_VLAN: u16 = 19;
const NFQA_L2HDR: u16 = 20;
const NFQA_PRIORITY: u16 = 21;
const VLAN_PROTO: u16 = 1;
const VLAN_TCI: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet message as the kernel builds it: header, mark, input device, link-layer address, skb info, payload.
    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        let header = Header { kind: netfilter(subsystem::QUEUE, MSG_PACKET), ..Header::default() };
        let mut message = Builder::netfilter(header, Nfgen { family: 2, version: 0, resource: 7 }, &mut bytes);
        message
            .put(NFQA_PACKET_HDR, &[0, 0, 0, 9, 8, 0, 2])
            .be32(NFQA_IFINDEX_INDEV, 3)
            .be32(NFQA_MARK, 0x1234)
            .put(NFQA_HWADDR, &[0, 6, 0, 0, 2, 1, 1, 1, 1, 9, 0, 0])
            .be32(NFQA_SKB_INFO, SKB_GSO | SKB_CHECKSUM_NOT_READY)
            .be32(NFQA_UID, 1000)
            .nest(NFQA_VLAN, |vlan| {
                vlan.be16(VLAN_PROTO, 0x8100).be16(VLAN_TCI, 5);
            })
            .put(NFQA_PAYLOAD, b"packet!");
        message.finish().unwrap();
        bytes
    }

    #[test]
    fn a_packet_message_gives_all_its_fields() {
        let bytes = sample();
        let Message::Packet(packet) = Message::parse(&bytes) else { panic!("not a packet") };
        assert_eq!((packet.queue, packet.family, packet.id, packet.hook), (7, 2, 9, 2));
        assert_eq!((packet.mark, packet.in_device, packet.out_device), (0x1234, 3, 0));
        assert_eq!(&bytes[packet.source_address], &[2, 1, 1, 1, 1, 9]);
        assert_eq!(&bytes[packet.payload], b"packet!");
        assert_eq!((packet.skb_info, packet.uid, packet.gid), (3, Some(1000), None));
        assert_eq!(packet.vlan, Some((0x8100, 5)));
        assert!(packet.payload_is_last);
    }

    #[test]
    fn every_cut_of_a_message_is_read_without_a_panic() {
        let whole = sample();
        for length in 0..whole.len() {
            let mut cut = whole[..length].to_vec();
            assert_eq!(Message::parse(&cut), Message::Other);
            if let Some(field) = cut.get_mut(..4) {
                field.copy_from_slice(&(length as u32).to_ne_bytes());
                let _ = Message::parse(&cut);
            }
        }
    }

    #[test]
    fn a_refusal_tells_errno_and_sequence() {
        let mut bytes = Vec::new();
        let mut message = Builder::new(Header { kind: kind::ERROR, ..Header::default() }, &mut bytes);
        let mut body = (-1i32).to_ne_bytes().to_vec();
        body.extend_from_slice(&[32, 0, 0, 0, 1, 3, 1, 0, 77, 0, 0, 0, 0, 0, 0, 0]);
        message.raw(&body);
        message.finish().unwrap();
        assert_eq!(Message::parse(&bytes), Message::Refused(1, u32::from_ne_bytes([77, 0, 0, 0])));
    }

    #[test]
    fn the_padding_of_a_payload_is_not_counted_in_its_length() {
        let mut verdicts = Verdicts::default();
        verdicts.push(1, 2, ACCEPT, Changes { mark: Some(5), priority: Some(0x1_0002) }, Some(b"12345"));
        assert_eq!(verdicts.bytes.len() % 4, 0);
        let message = Messages::new(&verdicts.bytes).next().unwrap().unwrap();
        let (nfgen, attributes) = message.netfilter().unwrap();
        assert_eq!(nfgen.resource, 1);
        assert_eq!(attributes.find(NFQA_PAYLOAD).unwrap().unwrap().payload, b"12345");
        assert_eq!(attributes.find(NFQA_MARK).unwrap().unwrap().be32(), Ok(5));
        assert_eq!(attributes.find(NFQA_PRIORITY).unwrap().unwrap().be32(), Ok(0x1_0002));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = Message::parse(&bytes);
            let mut message = sample();
            message.truncate(20);
            message.extend_from_slice(&bytes);
            let length = message.len() as u32;
            message[..4].copy_from_slice(&length.to_ne_bytes());
            let _ = Message::parse(&message);
        }
    }
}
