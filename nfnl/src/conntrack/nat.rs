//! `CTA_NAT_SRC` and `CTA_NAT_DST`: what a flow that is being made shall be translated to.

use std::net::IpAddr;

use super::attribute::nest as at;
use crate::attr::{Attributes, Malformed};
use crate::message::Builder;

/// `struct nf_nat_range2` as far as netlink carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NatRange {
    /// The lowest address; if it is missing the address stays.
    pub min: Option<IpAddr>,
    /// The highest address; if it is missing it is the lowest.
    pub max: Option<IpAddr>,
    /// The lowest and the highest port or ICMP id.
    pub ports: Option<(u16, u16)>,
}

impl NatRange {
    /// Reads the attributes inside `CTA_NAT_SRC` or `CTA_NAT_DST`.
    pub fn parse(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut range = Self::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                at::NAT_V4_MINIP => range.min = Some(attribute.ipv4()?),
                at::NAT_V4_MAXIP => range.max = Some(attribute.ipv4()?),
                at::NAT_V6_MINIP => range.min = Some(attribute.ipv6()?),
                at::NAT_V6_MAXIP => range.max = Some(attribute.ipv6()?),
                at::NAT_PROTO => range.ports = parse_ports(attribute.attributes())?,
                _ => {}
            }
        }
        Ok(range)
    }

    /// Writes what is inside `CTA_NAT_SRC` or `CTA_NAT_DST`.
    pub fn emit(&self, builder: &mut Builder<'_>) {
        if let Some(min) = self.min {
            builder.address(if min.is_ipv4() { at::NAT_V4_MINIP } else { at::NAT_V6_MINIP }, min);
        }
        if let Some(max) = self.max {
            builder.address(if max.is_ipv4() { at::NAT_V4_MAXIP } else { at::NAT_V6_MAXIP }, max);
        }
        if let Some((min, max)) = self.ports {
            builder.nest(at::NAT_PROTO, |b| {
                b.be16(at::PROTONAT_PORT_MIN, min).be16(at::PROTONAT_PORT_MAX, max);
            });
        }
    }
}

fn parse_ports(attributes: Attributes<'_>) -> Result<Option<(u16, u16)>, Malformed> {
    let (mut min, mut max) = (None, None);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            at::PROTONAT_PORT_MIN => min = Some(attribute.be16()?),
            at::PROTONAT_PORT_MAX => max = Some(attribute.be16()?),
            _ => {}
        }
    }
    Ok(min.map(|min| (min, max.unwrap_or(min))))
}
