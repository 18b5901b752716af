//! One direction of a flow: addresses, protocol, ports.

use std::net::IpAddr;

use super::attribute::{ip, proto, tuple};
use crate::attr::{Attributes, Malformed};
use crate::message::Builder;

/// `IPPROTO_ICMPV6`, whose types travel in attributes of their own.
const ICMPV6: u8 = 58;

/// `struct nf_conntrack_tuple`, each part of which may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuple {
    /// Where it comes from.
    pub source: Option<IpAddr>,
    /// Where it goes.
    pub destination: Option<IpAddr>,
    /// The transport protocol's number.
    pub protocol: Option<u8>,
    /// Source port, or GRE's source key.
    pub source_port: Option<u16>,
    /// Destination port, or GRE's destination key.
    pub destination_port: Option<u16>,
    /// Type of ICMP or ICMPv6.
    pub icmp_type: Option<u8>,
    /// Code of ICMP or ICMPv6.
    pub icmp_code: Option<u8>,
    /// Identifier of ICMP or ICMPv6.
    pub icmp_id: Option<u16>,
    /// The zone, if it is this direction's alone.
    pub zone: Option<u16>,
}

impl Tuple {
    /// Reads the attributes inside a `CTA_TUPLE_*`.
    pub fn parse(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut all = Self::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                tuple::IP => all.parse_addresses(attribute.attributes())?,
                tuple::PROTO => all.parse_protocol(attribute.attributes())?,
                tuple::ZONE => all.zone = Some(attribute.be16()?),
                _ => {}
            }
        }
        Ok(all)
    }

    /// Writes it as the attribute of this type, if it holds anything.
    pub fn emit(&self, kind: u16, builder: &mut Builder<'_>) {
        if self.is_empty() {
            return;
        }
        builder.nest(kind, |b| {
            if self.source.is_some() || self.destination.is_some() {
                b.nest(tuple::IP, |b| {
                    if let Some(source) = self.source {
                        b.address(if source.is_ipv4() { ip::V4_SRC } else { ip::V6_SRC }, source);
                    }
                    if let Some(destination) = self.destination {
                        b.address(if destination.is_ipv4() { ip::V4_DST } else { ip::V6_DST }, destination);
                    }
                });
            }
            let addressed =
                Self { source: self.source, destination: self.destination, zone: self.zone, ..Self::default() };
            if *self != addressed {
                b.nest(tuple::PROTO, |b| self.emit_protocol(b));
            }
            if let Some(zone) = self.zone {
                b.be16(tuple::ZONE, zone);
            }
        });
    }

    /// Whether nothing is known of it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The way back: ends exchanged, ICMP requests turned into their replies (`nf_ct_invert_tuple`). The zone stays
    /// behind.
    pub fn inverse(&self) -> Self {
        let answer = |kind: u8| match (self.protocol, kind) {
            (Some(ICMPV6), 128) => 129,
            (Some(ICMPV6), 129) => 128,
            (Some(ICMPV6), 139) => 140,
            (Some(ICMPV6), 140) => 139,
            (Some(ICMPV6), other) => other,
            (_, 8) => 0,
            (_, 0) => 8,
            (_, 13) => 14,
            (_, 14) => 13,
            (_, 15) => 16,
            (_, 16) => 15,
            (_, 17) => 18,
            (_, 18) => 17,
            (_, other) => other,
        };
        Self {
            source: self.destination,
            destination: self.source,
            protocol: self.protocol,
            source_port: self.destination_port,
            destination_port: self.source_port,
            icmp_type: self.icmp_type.map(answer),
            icmp_code: self.icmp_code,
            icmp_id: self.icmp_id,
            zone: None,
        }
    }

    fn parse_addresses(&mut self, attributes: Attributes<'_>) -> Result<(), Malformed> {
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                ip::V4_SRC => self.source = Some(attribute.ipv4()?),
                ip::V4_DST => self.destination = Some(attribute.ipv4()?),
                ip::V6_SRC => self.source = Some(attribute.ipv6()?),
                ip::V6_DST => self.destination = Some(attribute.ipv6()?),
                _ => {}
            }
        }
        Ok(())
    }

    fn parse_protocol(&mut self, attributes: Attributes<'_>) -> Result<(), Malformed> {
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                proto::NUM => self.protocol = Some(attribute.u8()?),
                proto::SRC_PORT => self.source_port = Some(attribute.be16()?),
                proto::DST_PORT => self.destination_port = Some(attribute.be16()?),
                proto::ICMP_ID | proto::ICMPV6_ID => self.icmp_id = Some(attribute.be16()?),
                proto::ICMP_TYPE | proto::ICMPV6_TYPE => self.icmp_type = Some(attribute.u8()?),
                proto::ICMP_CODE | proto::ICMPV6_CODE => self.icmp_code = Some(attribute.u8()?),
                _ => {}
            }
        }
        Ok(())
    }

    fn emit_protocol(&self, b: &mut Builder<'_>) {
        if let Some(protocol) = self.protocol {
            b.u8(proto::NUM, protocol);
        }
        if let Some(port) = self.source_port {
            b.be16(proto::SRC_PORT, port);
        }
        if let Some(port) = self.destination_port {
            b.be16(proto::DST_PORT, port);
        }
        let six = self.protocol == Some(ICMPV6);
        if let Some(id) = self.icmp_id {
            b.be16(if six { proto::ICMPV6_ID } else { proto::ICMP_ID }, id);
        }
        if let Some(kind) = self.icmp_type {
            b.u8(if six { proto::ICMPV6_TYPE } else { proto::ICMP_TYPE }, kind);
        }
        if let Some(code) = self.icmp_code {
            b.u8(if six { proto::ICMPV6_CODE } else { proto::ICMP_CODE }, code);
        }
    }
}
