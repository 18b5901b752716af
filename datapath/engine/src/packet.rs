//! A packet at a hook, as NFQUEUE hands it over, and what can become of it.

use libxt::family::Af;

/// A netfilter hook (`NF_INET_*`), the number of which is the index into hook arrays of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Hook {
    /// Everything that arrives, before routing.
    Prerouting = 0,
    /// What is for this host.
    Input = 1,
    /// What passes through.
    Forward = 2,
    /// What this host sends.
    Output = 3,
    /// Everything that leaves, after routing.
    Postrouting = 4,
}

impl Hook {
    /// All five, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Prerouting, Self::Input, Self::Forward, Self::Output, Self::Postrouting];

    /// The hook of a `NF_INET_*` number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Prerouting),
            1 => Some(Self::Input),
            2 => Some(Self::Forward),
            3 => Some(Self::Output),
            4 => Some(Self::Postrouting),
            _ => None,
        }
    }
}

/// A network device as rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// The interface index, never 0.
    pub index: u32,
    /// The name, filled up with NUL to `IFNAMSIZ`.
    pub name: [u8; 16],
    /// Whether it is a loopback device (`IFF_LOOPBACK`).
    pub loopback: bool,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Its group (`-m devgroup`).
    pub group: u32,
    /// The ARP hardware type (`ARPHRD_*`), as LOG and `-m mac` need it.
    pub hardware: u16,
}

/// What the kernel still owes a packet's transport checksum (`NFQA_SKB_INFO`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// The bytes hold the sender's checksum, which nobody has verified.
    #[default]
    Unverified,
    /// The device or the kernel verified it.
    Verified,
    /// Not computed yet (`NFQA_SKB_CSUMNOTREADY`): the field holds the pseudo-header's sum.
    Partial,
}

/// The owner of the socket a local packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// The link-layer header of an arriving packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkHeader {
    /// The bytes (`NFQA_L2HDR`, or the source address alone from `NFQA_HWADDR`).
    pub bytes: [u8; 32],
    /// How many of them are the header's; 0 if it is unknown.
    pub len: u8,
}

impl LinkHeader {
    /// Whether an Ethernet frame was for more than one station.
    pub const fn is_to_many(&self) -> bool {
        self.len == 14 && self.bytes[0] & 1 != 0
    }
}

/// A packet at a hook.
///
/// The engine changes `data`, `mark` and `priority` in place; whoever took the packet from the kernel writes back what changed.
#[derive(Debug)]
pub struct Packet<'a> {
    /// The kernel's number of it, which a later [`effects::Release`](crate::effects::Release) names.
    pub id: PacketId,
    /// The family.
    pub af: Af,
    /// Where it was taken from the kernel.
    pub hook: Hook,
    /// The device it came in by; also set at POSTROUTING for a forwarded packet.
    pub in_device: Option<&'a Device>,
    /// The device it goes out by.
    pub out_device: Option<&'a Device>,
    /// The bridge port it came in by.
    pub in_port: Option<&'a Device>,
    /// The bridge port it goes out by.
    pub out_port: Option<&'a Device>,
    /// `skb->mark`.
    pub mark: u32,
    /// What a rule made of `skb->priority`.
    pub priority: Option<u32>,
    /// The state of the transport checksum.
    pub checksum: Checksum,
    /// Whether it is a super-packet that the kernel will segment (`NFQA_SKB_GSO`).
    pub gso: bool,
    /// Who sent it, for local packets.
    pub owner: Option<Owner>,
    /// It is a copy that the kernel's TEE made: no connection is its own.
    pub copied: bool,
    /// What the kernel's own matches say of it, by [`Engine::questions`](crate::Engine::questions): bit *n* for number *n*.
    pub answers: u8,
    /// What the kernel's own targets are to do with it once it has its verdict; the engine writes it.
    pub tasks: Tasks,
    /// The link-layer header.
    pub link: LinkHeader,
    /// The bytes.
    pub data: Buffer<'a>,
}

impl<'a> Packet<'a> {
    /// A packet of which nothing is known but its bytes: at no device, marked 0, its checksum not looked at.
    pub fn new(af: Af, hook: Hook, data: Buffer<'a>) -> Self {
        Self {
            id: PacketId::default(),
            af,
            hook,
            in_device: None,
            out_device: None,
            in_port: None,
            out_port: None,
            mark: 0,
            priority: None,
            checksum: Checksum::Unverified,
            gso: false,
            owner: None,
            copied: false,
            answers: 0,
            tasks: Tasks::default(),
            link: LinkHeader::default(),
            data,
        }
    }

    /// All that is said of the packet, with no bytes.
    pub(crate) fn same<'b>(&self) -> Packet<'b>
    where
        'a: 'b,
    {
        Packet { data: Buffer::new(&mut [], 0), ..*self }
    }
}

/// Numbers of what the engine hands over to the kernel's own targets, see
/// [`Engine::handovers`](crate::Engine::handovers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tasks {
    numbers: [u8; 3],
    /// Which of them end the packet's way at this hook.
    last: [bool; 3],
}

impl Tasks {
    /// Adds a number that is not 0; twice the same is once. `false` if there is no room.
    pub(crate) fn add(&mut self, number: u8, last: bool) -> bool {
        for (place, is_last) in self.numbers.iter_mut().zip(&mut self.last) {
            if *place == 0 || *place == number {
                (*place, *is_last) = (number, last);
                return true;
            }
        }
        false
    }

    /// Adds a number once more, for what is done as often as it is said. `false` if there is no room.
    pub(crate) fn add_again(&mut self, number: u8) -> bool {
        let place = self.numbers.iter_mut().find(|place| **place == 0);
        place.map(|place| *place = number).is_some()
    }

    /// The numbers for a packet with this verdict: what is dropped is handed to nobody for good.
    pub fn for_verdict(self, verdict: Verdict) -> [u8; 3] {
        let mut numbers = self.numbers;
        for (number, last) in numbers.iter_mut().zip(self.last) {
            if verdict == Verdict::Drop && last {
                *number = 0;
            }
        }
        numbers
    }

    /// Whether there is nothing to do.
    pub fn is_empty(self) -> bool {
        self.numbers == [0; 3]
    }
}

/// Which queued packet: the queue's worker and the number the kernel gave it there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PacketId {
    /// The queue (an index of the caller's own).
    pub queue: u16,
    /// `nfqnl_msg_packet_hdr.packet_id`.
    pub number: u32,
}

/// A packet's bytes from the network header on, in a slice with room behind them.
#[derive(Debug)]
pub struct Buffer<'a> {
    room: &'a mut [u8],
    len: usize,
    changed: bool,
    pulled: usize,
    seams: &'a [usize],
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Accept,
    /// It is gone.
    Drop,
    /// No verdict yet: a fragment that waits for its siblings. A `Release` effect will name it, or it times out
    /// into one that drops it.
    Hold,
}

impl<'a> Buffer<'a> {
    /// The packet is the first `len` bytes of `room`; what follows may be used when it grows.
    ///
    /// # Panics
    /// If `len` is more than `room` has.
    pub fn new(room: &'a mut [u8], len: usize) -> Self {
        assert!(len <= room.len());
        Self { room, len, changed: false, pulled: 0, seams: &[] }
    }

    /// The same bytes, put together from fragments, each but the last of which ends at one of `seams`.
    #[must_use]
    pub fn joined_at(self, seams: &'a [usize]) -> Self {
        Self { seams, ..self }
    }

    /// The packet's bytes, to change. Marks the packet as changed, so that it is written back.
    pub fn make_mut(&mut self) -> &mut [u8] {
        self.changed = true;
        &mut self.room[..self.len]
    }

    /// Makes the packet `len` bytes long; new bytes hold whatever was there. `false` if there is no room.
    pub fn resize(&mut self, len: usize) -> bool {
        if len > self.room.len() {
            return false;
        }
        self.changed |= len != self.len;
        self.len = len;
        true
    }

    /// Has the first `len` bytes stand in one stretch, as whoever writes to a packet does; `false` if it is shorter. The
    /// bytes always do here: what counts is that the kernel's fragments would not look as they came any more. As
    /// pskb_may_pull().
    pub fn pull(&mut self, len: usize) -> bool {
        let there = len <= self.len;
        if there {
            self.pulled = self.pulled.max(len);
        }
        there
    }

    /// How many bytes someone had in one stretch.
    pub fn pulled(&self) -> usize {
        self.pulled
    }

    /// Where one of the kernel's buffers ends and the next begins; what someone had in one stretch is in one buffer.
    pub fn seams(&self) -> impl Iterator<Item = usize> {
        let head = self.seams.first().map(|first| self.pulled.max(*first));
        head.into_iter().chain(self.seams.iter().copied().filter(move |seam| Some(*seam) > head))
    }

    /// The packet's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.room[..self.len]
    }

    /// Whether the bytes were changed since the kernel handed them over.
    pub fn changed(&self) -> bool {
        self.changed
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
