//! The header of a rule: addresses, interfaces, protocol and flags, in either family.

use super::interface::Interface;
use crate::ext::Surroundings;
use crate::family::Af;

/// What `struct ipt_ip` or `struct ip6t_ip6` says.
///
/// IPv4 addresses and masks stand in the first four bytes, the rest is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// The family.
    pub af: Af,
    /// `-s`.
    pub source: Range,
    /// `-d`.
    pub destination: Range,
    /// `-i`.
    pub input: Interface,
    /// `-o`.
    pub output: Interface,
    /// `-p`, 0 for any.
    pub protocol: u16,
    /// IPv6 traffic class; no option sets it.
    pub tos: u8,
    /// `F_*` below.
    pub flags: u8,
    /// `INV_*` below.
    pub inversions: u8,
}

/// An address and the bits of it that count, in network order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Range {
    /// The address, already masked.
    pub address: [u8; 16],
    /// The mask, not necessarily contiguous.
    pub mask: [u8; 16],
}

impl Header {
    /// A header that matches every packet of `af`.
    pub fn any(af: Af) -> Self {
        Self {
            af,
            source: Range::default(),
            destination: Range::default(),
            input: Interface::default(),
            output: Interface::default(),
            protocol: 0,
            tos: 0,
            flags: 0,
            inversions: 0,
        }
    }

    /// Whether it matches every packet without a look, as `unconditional()` in ip_tables.c.
    pub fn is_any(&self) -> bool {
        *self == Self::any(self.af)
    }

    /// Whether the flag bits are all known to the kernel, as `ip_checkentry()` and `ip6_checkentry()`.
    pub fn has_valid_flags(&self) -> bool {
        let (flags, inversions) = match self.af {
            Af::V4 => (0x03, 0x7f),
            Af::V6 => (0x07, 0x7f),
        };
        self.flags & !flags == 0 && self.inversions & !inversions == 0
    }

    /// What extensions may want to know of it.
    pub fn surroundings(&self) -> Surroundings {
        Surroundings { af: self.af, protocol: self.protocol, protocol_inverted: self.inversions & INV_PROTOCOL != 0 }
    }

    /// Whether the rule's jump is a `-g`.
    pub fn is_goto(&self) -> bool {
        let goto = match self.af {
            Af::V4 => F_GOTO_V4,
            Af::V6 => F_GOTO_V6,
        };
        self.flags & goto != 0
    }
}

/// `IPT_F_FRAG`: only later fragments.
pub const F_FRAGMENT_V4: u8 = 0x01;
/// `IPT_F_GOTO`.
pub const F_GOTO_V4: u8 = 0x02;
/// `IP6T_F_PROTO`: the protocol counts.
pub const F_PROTOCOL_V6: u8 = 0x01;
/// `IP6T_F_TOS`.
pub const F_TOS_V6: u8 = 0x02;
/// `IP6T_F_GOTO`.
pub const F_GOTO_V6: u8 = 0x04;
/// `IPT_INV_VIA_IN`.
pub const INV_INPUT: u8 = 0x01;
/// `IPT_INV_VIA_OUT`.
pub const INV_OUTPUT: u8 = 0x02;
/// `IPT_INV_TOS`.
pub const INV_TOS: u8 = 0x04;
/// `IPT_INV_SRCIP`.
pub const INV_SOURCE: u8 = 0x08;
/// `IPT_INV_DSTIP`.
pub const INV_DESTINATION: u8 = 0x10;
/// `IPT_INV_FRAG`.
pub const INV_FRAGMENT: u8 = 0x20;
/// `XT_INV_PROTO`.
pub const INV_PROTOCOL: u8 = 0x40;
