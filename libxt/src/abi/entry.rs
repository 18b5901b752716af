//! An entry and its parts: the header, the 32 bytes before every match and target, the two built-in targets.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Counters, EXTENSION_NAME_LEN, FUNCTION_NAME_LEN, Offsets};
use crate::family::Af;
use crate::value::header::{Header, Range};
use crate::value::interface::Interface;

/// An entry struct of either family, read and written as one header value.
pub trait EntryHead: Sized {
    /// The struct for a header value.
    fn new(header: &Header, offsets: &Offsets) -> Self;
    /// The header value in it.
    fn header(&self) -> Header;
    /// Everything else in it.
    fn offsets(&self) -> Offsets;
}

/// struct ipt_ip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Ip {
    /// Source address, network order.
    pub src: [u8; 4],
    /// Destination address, network order.
    pub dst: [u8; 4],
    /// Source mask, network order.
    pub smsk: [u8; 4],
    /// Destination mask, network order.
    pub dmsk: [u8; 4],
    /// Input interface's name.
    pub iniface: [u8; 16],
    /// Output interface's name.
    pub outiface: [u8; 16],
    /// Which bytes of `iniface` count.
    pub iniface_mask: [u8; 16],
    /// Which bytes of `outiface` count.
    pub outiface_mask: [u8; 16],
    /// Protocol, 0 for any.
    pub proto: u16,
    /// `IPT_F_*`.
    pub flags: u8,
    /// `IPT_INV_*`.
    pub invflags: u8,
}

/// struct ip6t_ip6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Ip6 {
    /// Source address, network order.
    pub src: [u8; 16],
    /// Destination address, network order.
    pub dst: [u8; 16],
    /// Source mask, network order.
    pub smsk: [u8; 16],
    /// Destination mask, network order.
    pub dmsk: [u8; 16],
    /// Input interface's name.
    pub iniface: [u8; 16],
    /// Output interface's name.
    pub outiface: [u8; 16],
    /// Which bytes of `iniface` count.
    pub iniface_mask: [u8; 16],
    /// Which bytes of `outiface` count.
    pub outiface_mask: [u8; 16],
    /// Upper-layer protocol, 0 for any; looked at only with `IP6T_F_PROTO`.
    pub proto: u16,
    /// Traffic class; looked at only with `IP6T_F_TOS`.
    pub tos: u8,
    /// `IP6T_F_*`.
    pub flags: u8,
    /// `IP6T_INV_*`.
    pub invflags: u8,
    /// Zero.
    pub pad: [u8; 3],
}

/// struct ipt_entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct IptEntry {
    /// What the rule's header matches.
    pub ip: Ip,
    /// Read by nothing.
    pub nfcache: u32,
    /// Where the target begins.
    pub target_offset: u16,
    /// Where the next entry begins.
    pub next_offset: u16,
    /// The kernel's own note.
    pub comefrom: u32,
    /// Packets and bytes.
    pub counters: Counters,
}

/// struct ip6t_entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Ip6tEntry {
    /// What the rule's header matches.
    pub ipv6: Ip6,
    /// Read by nothing.
    pub nfcache: u32,
    /// Where the target begins.
    pub target_offset: u16,
    /// Where the next entry begins.
    pub next_offset: u16,
    /// The kernel's own note.
    pub comefrom: u32,
    /// Zero.
    pub pad: u32,
    /// Packets and bytes.
    pub counters: Counters,
}

/// struct xt_entry_match and struct xt_entry_target: the 32 bytes before an extension's info.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct TargetHead {
    /// Bytes of this header and the info together, a multiple of 8.
    pub size: u16,
    /// The extension's name.
    pub name: [u8; EXTENSION_NAME_LEN],
    /// The extension's revision.
    pub revision: u8,
}

/// struct xt_standard_target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct StandardTarget {
    /// Name [`super::STANDARD_TARGET`].
    pub head: TargetHead,
    /// Negative: `-verdict - 1`. Otherwise the offset to jump to.
    pub verdict: i32,
    /// Zero.
    pub pad: u32,
}

/// struct xt_error_target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct ErrorTarget {
    /// Name [`super::ERROR_TARGET`].
    pub head: TargetHead,
    /// The user chain's name, or `ERROR` at the end of the table.
    pub errorname: [u8; FUNCTION_NAME_LEN],
    /// Zero.
    pub pad: [u8; 2],
}

impl EntryHead for IptEntry {
    fn new(header: &Header, offsets: &Offsets) -> Self {
        let ip = Ip {
            src: first(&header.source.address),
            dst: first(&header.destination.address),
            smsk: first(&header.source.mask),
            dmsk: first(&header.destination.mask),
            iniface: header.input.name,
            outiface: header.output.name,
            iniface_mask: header.input.mask,
            outiface_mask: header.output.mask,
            proto: header.protocol,
            flags: header.flags,
            invflags: header.inversions,
        };
        Self {
            ip,
            nfcache: offsets.nfcache,
            target_offset: offsets.target,
            next_offset: offsets.next,
            comefrom: offsets.comefrom,
            counters: offsets.counters,
        }
    }

    fn header(&self) -> Header {
        let ip = &self.ip;
        Header {
            af: Af::V4,
            source: Range { address: widened(ip.src), mask: widened(ip.smsk) },
            destination: Range { address: widened(ip.dst), mask: widened(ip.dmsk) },
            input: Interface { name: ip.iniface, mask: ip.iniface_mask },
            output: Interface { name: ip.outiface, mask: ip.outiface_mask },
            protocol: ip.proto,
            tos: 0,
            flags: ip.flags,
            inversions: ip.invflags,
        }
    }

    fn offsets(&self) -> Offsets {
        Offsets {
            nfcache: self.nfcache,
            target: self.target_offset,
            next: self.next_offset,
            comefrom: self.comefrom,
            counters: self.counters,
        }
    }
}

impl EntryHead for Ip6tEntry {
    fn new(header: &Header, offsets: &Offsets) -> Self {
        let ipv6 = Ip6 {
            src: header.source.address,
            dst: header.destination.address,
            smsk: header.source.mask,
            dmsk: header.destination.mask,
            iniface: header.input.name,
            outiface: header.output.name,
            iniface_mask: header.input.mask,
            outiface_mask: header.output.mask,
            proto: header.protocol,
            tos: header.tos,
            flags: header.flags,
            invflags: header.inversions,
            pad: [0; 3],
        };
        Self {
            ipv6,
            nfcache: offsets.nfcache,
            target_offset: offsets.target,
            next_offset: offsets.next,
            comefrom: offsets.comefrom,
            pad: 0,
            counters: offsets.counters,
        }
    }

    fn header(&self) -> Header {
        let ip = &self.ipv6;
        Header {
            af: Af::V6,
            source: Range { address: ip.src, mask: ip.smsk },
            destination: Range { address: ip.dst, mask: ip.dmsk },
            input: Interface { name: ip.iniface, mask: ip.iniface_mask },
            output: Interface { name: ip.outiface, mask: ip.outiface_mask },
            protocol: ip.proto,
            tos: ip.tos,
            flags: ip.flags,
            inversions: ip.invflags,
        }
    }

    fn offsets(&self) -> Offsets {
        Offsets {
            nfcache: self.nfcache,
            target: self.target_offset,
            next: self.next_offset,
            comefrom: self.comefrom,
            counters: self.counters,
        }
    }
}

fn first(wide: &[u8; 16]) -> [u8; 4] {
    let [a, b, c, d, ..] = *wide;
    [a, b, c, d]
}

fn widened([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    let mut wide = [0; 16];
    wide[..4].copy_from_slice(&[a, b, c, d]);
    wide
}

const _: () = assert!(size_of::<Ip>() == 84);
const _: () = assert!(size_of::<Ip6>() == 136);
const _: () = assert!(size_of::<IptEntry>() == 112);
const _: () = assert!(size_of::<Ip6tEntry>() == 168);
const _: () = assert!(size_of::<TargetHead>() == 32);
const _: () = assert!(size_of::<StandardTarget>() == 40);
const _: () = assert!(size_of::<ErrorTarget>() == 64);
