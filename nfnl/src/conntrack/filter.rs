//! What a dump shall hold: the filters that the other end applies (`ctnetlink_filter_match`).

use super::attribute::{cta, nest};
use super::flow::Flow;
use super::tuple::Tuple;
use crate::attr::{Attributes, Malformed};
use crate::message::{Builder, Nfgen};

/// A dump's filter; a missing part lets everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `AF_INET` or `AF_INET6`; 0 is both.
    pub family: u8,
    /// The mark's value and the bits compared.
    pub mark: Option<(u32, u32)>,
    /// Status bits and the bits compared.
    pub status: Option<(u32, u32)>,
    /// The zone, of whichever direction.
    pub zone: Option<u16>,
    /// `CTA_FILTER` with the tuples that it speaks of.
    pub tuples: Option<Box<TupleFilter>>,
}

/// Parts of the tuples to be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TupleFilter {
    /// The tuples, original and reply.
    pub tuples: [Tuple; 2],
    /// [`flag`] bits of each.
    pub flags: [u32; 2],
}

/// `CTA_FILTER_F_*`: which part of a tuple is compared.
pub mod flag {
    /// `CTA_FILTER_F_CTA_IP_SRC`.
    pub const SOURCE: u32 = 1 << 0;
    /// `CTA_FILTER_F_CTA_IP_DST`.
    pub const DESTINATION: u32 = 1 << 1;
    /// `CTA_FILTER_F_CTA_TUPLE_ZONE`.
    pub const ZONE: u32 = 1 << 2;
    /// `CTA_FILTER_F_CTA_PROTO_NUM`.
    pub const PROTOCOL: u32 = 1 << 3;
    /// `CTA_FILTER_F_CTA_PROTO_SRC_PORT`.
    pub const SOURCE_PORT: u32 = 1 << 4;
    /// `CTA_FILTER_F_CTA_PROTO_DST_PORT`.
    pub const DESTINATION_PORT: u32 = 1 << 5;
    /// `CTA_FILTER_F_CTA_PROTO_ICMP_TYPE` and `…ICMPV6_TYPE`.
    pub const ICMP_TYPE: u32 = 1 << 6 | 1 << 9;
    /// `CTA_FILTER_F_CTA_PROTO_ICMP_CODE` and `…ICMPV6_CODE`.
    pub const ICMP_CODE: u32 = 1 << 7 | 1 << 10;
    /// `CTA_FILTER_F_CTA_PROTO_ICMP_ID` and `…ICMPV6_ID`.
    pub const ICMP_ID: u32 = 1 << 8 | 1 << 11;
    /// `CTA_FILTER_F_ALL`.
    pub const ALL: u32 = (1 << 12) - 1;
}

impl Filter {
    /// Reads a dump request.
    pub fn parse(nfgen: Nfgen, attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut filter = Self { family: nfgen.family, ..Self::default() };
        let (mut mark, mut mark_mask, mut status, mut status_mask) = (None, None, None, None);
        let mut tuples = [None; 2];
        let mut flags = None;
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                cta::MARK => mark = Some(attribute.be32()?),
                cta::MARK_MASK => mark_mask = Some(attribute.be32()?),
                cta::STATUS => status = Some(attribute.be32()?),
                cta::STATUS_MASK => status_mask = Some(attribute.be32()?),
                cta::ZONE => filter.zone = Some(attribute.be16()?),
                cta::TUPLE_ORIG => tuples[0] = Some(attribute.attributes()),
                cta::TUPLE_REPLY => tuples[1] = Some(attribute.attributes()),
                cta::FILTER => {
                    let mut both = [0; 2];
                    for inner in attribute.attributes() {
                        let inner = inner?;
                        match inner.kind {
                            nest::FILTER_ORIG_FLAGS => both[0] = inner.u32()?,
                            nest::FILTER_REPLY_FLAGS => both[1] = inner.u32()?,
                            _ => {}
                        }
                    }
                    flags = Some(both);
                }
                _ => {}
            }
        }
        // As ctnetlink_filter_parse_mark() and ctnetlink_filter_parse_status().
        if mark.is_none() && mark_mask.is_some() || status.is_none() && status_mask.is_some() {
            return Err(Malformed { what: "a mask of nothing" });
        }
        filter.mark = mark.map(|mark| (mark, mark_mask.unwrap_or(u32::MAX)));
        filter.status = status.map(|status| (status, status_mask.unwrap_or(status)));
        // Without flags that say what of them counts, tuples do not filter.
        if let Some(flags) = flags {
            let tuple = |attributes: Option<_>| attributes.map_or(Ok(Tuple::default()), Tuple::parse);
            filter.tuples = Some(Box::new(TupleFilter { tuples: [tuple(tuples[0])?, tuple(tuples[1])?], flags }));
        }
        Ok(filter)
    }

    /// Writes it into a dump request whose netfilter header says the family.
    pub fn emit(&self, builder: &mut Builder<'_>) {
        if let Some((status, mask)) = self.status {
            builder.be32(cta::STATUS, status).be32(cta::STATUS_MASK, mask);
        }
        if let Some((mark, mask)) = self.mark {
            builder.be32(cta::MARK, mark).be32(cta::MARK_MASK, mask);
        }
        if let Some(zone) = self.zone {
            builder.be16(cta::ZONE, zone);
        }
        if let Some(filter) = &self.tuples {
            filter.tuples[0].emit(cta::TUPLE_ORIG, builder);
            filter.tuples[1].emit(cta::TUPLE_REPLY, builder);
            builder.nest(cta::FILTER, |b| {
                b.u32(nest::FILTER_ORIG_FLAGS, filter.flags[0]).u32(nest::FILTER_REPLY_FLAGS, filter.flags[1]);
            });
        }
    }

    /// Whether anything but the family is filtered; dumps then carry `NLM_F_DUMP_FILTERED`.
    pub fn is_filtering(&self) -> bool {
        self.mark.is_some() || self.status.is_some() || self.zone.is_some() || self.tuples.is_some()
    }

    /// Whether a flow passes. As ctnetlink_filter_match().
    pub fn matches(&self, flow: &Flow) -> bool {
        let same = |wanted: Option<(u32, u32)>, value: Option<u32>| {
            // The wanted bits are not masked: one outside the mask lets nothing through.
            wanted.is_none_or(|(wanted, mask)| value.unwrap_or(0) & mask == wanted)
        };
        // As nf_ct_zone_equal_any().
        let zone = flow.zone.or(flow.original.zone).or(flow.reply.zone);
        (self.family == 0 || self.family == flow.family)
            && same(self.mark, flow.mark)
            && same(self.status, flow.status)
            && self.zone.is_none_or(|wanted| zone.unwrap_or(0) == wanted)
            && self.tuples.as_ref().is_none_or(|filter| filter.matches(flow))
    }
}

impl TupleFilter {
    fn matches(&self, flow: &Flow) -> bool {
        let both = [(&flow.original, 0), (&flow.reply, 1)];
        both.into_iter().all(|(tuple, direction)| {
            let (Some(wanted), Some(&flags)) = (self.tuples.get(direction), self.flags.get(direction)) else {
                return true;
            };
            let on = |flag: u32| flags & flag != 0;
            (!on(flag::SOURCE) || wanted.source == tuple.source)
                && (!on(flag::DESTINATION) || wanted.destination == tuple.destination)
                && (!on(flag::ZONE) || wanted.zone.unwrap_or(0) == tuple.zone.or(flow.zone).unwrap_or(0))
                && (!on(flag::PROTOCOL) || wanted.protocol == tuple.protocol)
                && (!on(flag::SOURCE_PORT) || wanted.source_port == tuple.source_port)
                && (!on(flag::DESTINATION_PORT) || wanted.destination_port == tuple.destination_port)
                && (!on(flag::ICMP_TYPE) || wanted.icmp_type == tuple.icmp_type)
                && (!on(flag::ICMP_CODE) || wanted.icmp_code == tuple.icmp_code)
                && (!on(flag::ICMP_ID) || wanted.icmp_id == tuple.icmp_id)
        })
    }
}
