//! A compiled rule: its header as numbers, its matches, where its target leads.

use std::ops::Range;

use libxt::family::Af;
use libxt::value::header::{self, Header};

use crate::ext::Scene;
use crate::packet::Verdict;

/// A rule ready to be walked.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(super) head: Head,
    /// Its matches among the table's.
    pub(super) matches: Range<u32>,
    pub(super) target: Step,
}

/// What a rule does once it matched.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// The table's verdict.
    Verdict(Verdict),
    /// `XT_RETURN`.
    Return,
    /// To this rule, and back behind this one at the end of that chain.
    Jump(u32),
    /// To this rule, for good.
    Goto(u32),
    /// The ERROR target: nothing sound leads here.
    Error,
    /// This one among the table's targets.
    Target(u32),
}

/// The header of a rule, addresses and names as numbers that are compared in one go.
#[derive(Debug)]
pub(super) struct Head {
    any: bool,
    af: Af,
    flags: u8,
    inversions: u8,
    protocol: u16,
    source: Masked,
    destination: Masked,
    input: Masked,
    output: Masked,
}

#[derive(Debug)]
struct Masked {
    value: u128,
    mask: u128,
}

impl Head {
    pub(super) fn new(header: &Header) -> Self {
        let masked = |value: &[u8; 16], mask: &[u8; 16]| Masked {
            value: u128::from_ne_bytes(*value),
            mask: u128::from_ne_bytes(*mask),
        };
        Self {
            any: header.is_any(),
            af: header.af,
            flags: header.flags,
            inversions: header.inversions,
            protocol: header.protocol,
            source: masked(&header.source.address, &header.source.mask),
            destination: masked(&header.destination.address, &header.destination.mask),
            input: masked(&header.input.name, &header.input.mask),
            output: masked(&header.output.name, &header.output.mask),
        }
    }

    /// As ip_packet_match() and ip6_packet_match().
    #[inline]
    pub(super) fn matches(&self, scene: &mut Scene<'_, '_>) -> bool {
        if self.any {
            return true;
        }
        let headers = &scene.headers;
        let inverted = |bit: u8| self.inversions & bit != 0;
        if self.source.fits(&headers.source.0) == inverted(header::INV_SOURCE)
            || self.destination.fits(&headers.destination.0) == inverted(header::INV_DESTINATION)
        {
            return false;
        }
        let name = |device: Option<&crate::Device>| device.map_or([0; 16], |device| device.name);
        if (self.input.mask != 0 || inverted(header::INV_INPUT))
            && self.input.fits(&name(scene.packet.in_device)) == inverted(header::INV_INPUT)
        {
            return false;
        }
        if (self.output.mask != 0 || inverted(header::INV_OUTPUT))
            && self.output.fits(&name(scene.packet.out_device)) == inverted(header::INV_OUTPUT)
        {
            return false;
        }
        let same = self.protocol == u16::from(headers.protocol);
        match self.af {
            Af::V4 => {
                if self.protocol != 0 && same == inverted(header::INV_PROTOCOL) {
                    return false;
                }
                let asked = self.flags & header::F_FRAGMENT_V4 != 0;
                (asked && headers.fragment_offset() == 0) == inverted(header::INV_FRAGMENT)
            }
            Af::V6 if self.flags & header::F_PROTOCOL_V6 != 0 => {
                if headers.cut {
                    scene.hotdrop = true;
                    return false;
                }
                if same {
                    return !inverted(header::INV_PROTOCOL);
                }
                self.protocol == 0 || inverted(header::INV_PROTOCOL)
            }
            Af::V6 => true,
        }
    }
}

impl Masked {
    #[inline]
    fn fits(&self, bytes: &[u8; 16]) -> bool {
        (u128::from_ne_bytes(*bytes) ^ self.value) & self.mask == 0
    }
}
