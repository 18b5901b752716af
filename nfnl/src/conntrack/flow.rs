//! A flow, as entry, event, template or request.

use super::attribute::{cta, nest};
use super::nat::NatRange;
use super::protocol::ProtocolInfo;
use super::tuple::Tuple;
use crate::attr::{Attribute, Attributes, Malformed};
use crate::message::{Builder, Message, Nfgen};

/// Everything that ctnetlink says of a connection. `None` is «not said».
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// `AF_INET` or `AF_INET6`; 0 if nothing told.
    pub family: u8,
    /// As the first packet travels.
    pub original: Tuple,
    /// As answers travel.
    pub reply: Tuple,
    /// The original tuple of the connection that expected this one.
    pub master: Option<Tuple>,
    /// The zone of both directions.
    pub zone: Option<u16>,
    /// `IPS_*` bits.
    pub status: Option<u32>,
    /// Seconds left.
    pub timeout: Option<u32>,
    /// The mark.
    pub mark: Option<u32>,
    /// Bits of the mark to change, in requests.
    pub mark_mask: Option<u32>,
    /// `CTA_SECMARK`, which only old kernels send.
    pub secmark: Option<u32>,
    /// The name of the security context.
    pub security_context: Option<Vec<u8>>,
    /// 128 bits; bit 0 is the lowest of the first byte.
    pub labels: Option<u128>,
    /// Bits of the labels to change, in requests.
    pub labels_mask: Option<u128>,
    /// Packets and bytes, original and reply.
    pub counters: [Option<Traffic>; 2],
    /// Nanoseconds since 1970: start.
    pub start: Option<u64>,
    /// Nanoseconds since 1970: stop, in the event of its end.
    pub stop: Option<u64>,
    /// Nanoseconds since 1970 at which the event happened.
    pub event_time: Option<u64>,
    /// The protocol's own state.
    pub protocol: Option<ProtocolInfo>,
    /// The helper's name.
    pub helper: Option<Vec<u8>>,
    /// A number that stays with the entry for its life.
    pub id: Option<u32>,
    /// References.
    pub uses: Option<u32>,
    /// Sequence adjustment, original and reply.
    pub adjustments: [Option<Adjustment>; 2],
    /// Source NAT to set up.
    pub source_nat: Option<NatRange>,
    /// Destination NAT to set up.
    pub destination_nat: Option<NatRange>,
}

/// What went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes, from the network header on.
    pub bytes: u64,
}

/// `struct nf_ct_seqadj`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adjustment {
    /// The sequence number from which the second offset holds.
    pub position: u32,
    /// What is added before it.
    pub before: i32,
    /// What is added after it.
    pub after: i32,
}

impl Flow {
    /// Reads a message's payload behind `nlmsghdr`.
    pub fn read(message: &Message<'_>) -> Result<Self, Malformed> {
        let (nfgen, attributes) = message.netfilter()?;
        Self::parse(nfgen, attributes)
    }

    /// Reads a message's attributes. A later attribute of the same type wins.
    pub fn parse(nfgen: Nfgen, attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut flow = Self { family: nfgen.family, ..Self::default() };
        for attribute in attributes {
            flow.take(&attribute?)?;
        }
        Ok(flow)
    }

    /// Writes all that is known, in the order of ctnetlink_fill_info().
    pub fn emit(&self, b: &mut Builder<'_>) {
        self.original.emit(cta::TUPLE_ORIG, b);
        self.reply.emit(cta::TUPLE_REPLY, b);
        if let Some(zone) = self.zone {
            b.be16(cta::ZONE, zone);
        }
        put(b, cta::STATUS, self.status);
        put(b, cta::TIMEOUT, self.timeout);
        for (kind, traffic) in [cta::COUNTERS_ORIG, cta::COUNTERS_REPLY].into_iter().zip(self.counters) {
            if let Some(traffic) = traffic {
                b.nest(kind, |b| {
                    b.be64(nest::COUNTERS_PACKETS, traffic.packets).be64(nest::COUNTERS_BYTES, traffic.bytes);
                });
            }
        }
        if self.start.is_some() || self.stop.is_some() {
            b.nest(cta::TIMESTAMP, |b| {
                for (kind, time) in [(nest::TIMESTAMP_START, self.start), (nest::TIMESTAMP_STOP, self.stop)] {
                    if let Some(time) = time {
                        b.be64(kind, time);
                    }
                }
            });
        }
        if let Some(protocol) = &self.protocol {
            b.nest(cta::PROTOINFO, |b| protocol.emit(b));
        }
        if let Some(helper) = &self.helper {
            b.nest(cta::HELP, |b| {
                b.nul_terminated(nest::HELP_NAME, helper);
            });
        }
        put(b, cta::MARK, self.mark);
        put(b, cta::MARK_MASK, self.mark_mask);
        put(b, cta::SECMARK, self.secmark);
        if let Some(context) = &self.security_context {
            b.nest(cta::SECCTX, |b| {
                b.nul_terminated(nest::SECCTX_NAME, context);
            });
        }
        for (kind, labels) in [(cta::LABELS, self.labels), (cta::LABELS_MASK, self.labels_mask)] {
            if let Some(labels) = labels {
                b.put(kind, &labels.to_le_bytes());
            }
        }
        put(b, cta::ID, self.id);
        put(b, cta::USE, self.uses);
        if let Some(master) = &self.master {
            master.emit(cta::TUPLE_MASTER, b);
        }
        for (kind, adjustment) in [cta::SEQ_ADJ_ORIG, cta::SEQ_ADJ_REPLY].into_iter().zip(self.adjustments) {
            if let Some(adjustment) = adjustment {
                b.nest(kind, |b| adjustment.emit(b));
            }
        }
        for (kind, range) in [(cta::NAT_SRC, &self.source_nat), (cta::NAT_DST, &self.destination_nat)] {
            if let Some(range) = range {
                b.nest(kind, |b| range.emit(b));
            }
        }
        if let Some(time) = self.event_time {
            b.be64(cta::TIMESTAMP_EVENT, time);
        }
    }

    fn take(&mut self, attribute: &Attribute<'_>) -> Result<(), Malformed> {
        match attribute.kind {
            cta::TUPLE_ORIG => self.original = Tuple::parse(attribute.attributes())?,
            cta::TUPLE_REPLY => self.reply = Tuple::parse(attribute.attributes())?,
            cta::TUPLE_MASTER => self.master = Some(Tuple::parse(attribute.attributes())?),
            cta::ZONE => self.zone = Some(attribute.be16()?),
            cta::STATUS => self.status = Some(attribute.be32()?),
            cta::TIMEOUT => self.timeout = Some(attribute.be32()?),
            cta::MARK => self.mark = Some(attribute.be32()?),
            cta::MARK_MASK => self.mark_mask = Some(attribute.be32()?),
            cta::SECMARK => self.secmark = Some(attribute.be32()?),
            cta::SECCTX => {
                self.security_context =
                    attribute.attributes().find(nest::SECCTX_NAME)?.map(|name| name.text().to_vec());
            }
            cta::LABELS => self.labels = Some(labels(attribute)),
            cta::LABELS_MASK => self.labels_mask = Some(labels(attribute)),
            cta::COUNTERS_ORIG => self.counters[0] = Some(Traffic::parse(attribute.attributes())?),
            cta::COUNTERS_REPLY => self.counters[1] = Some(Traffic::parse(attribute.attributes())?),
            cta::TIMESTAMP => {
                for time in attribute.attributes() {
                    let time = time?;
                    match time.kind {
                        nest::TIMESTAMP_START => self.start = Some(time.be64()?),
                        nest::TIMESTAMP_STOP => self.stop = Some(time.be64()?),
                        _ => {}
                    }
                }
            }
            cta::TIMESTAMP_EVENT => self.event_time = Some(attribute.be64()?),
            cta::PROTOINFO => self.protocol = ProtocolInfo::parse(attribute.attributes())?,
            cta::HELP => {
                self.helper = attribute.attributes().find(nest::HELP_NAME)?.map(|name| name.text().to_vec());
            }
            cta::ID => self.id = Some(attribute.be32()?),
            cta::USE => self.uses = Some(attribute.be32()?),
            cta::SEQ_ADJ_ORIG => self.adjustments[0] = Some(Adjustment::parse(attribute.attributes())?),
            cta::SEQ_ADJ_REPLY => self.adjustments[1] = Some(Adjustment::parse(attribute.attributes())?),
            cta::NAT_SRC => self.source_nat = Some(NatRange::parse(attribute.attributes())?),
            cta::NAT_DST => self.destination_nat = Some(NatRange::parse(attribute.attributes())?),
            _ => {}
        }
        Ok(())
    }
}

impl Traffic {
    fn parse(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut traffic = Self::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                nest::COUNTERS_PACKETS => traffic.packets = attribute.be64()?,
                nest::COUNTERS_BYTES => traffic.bytes = attribute.be64()?,
                _ => {}
            }
        }
        Ok(traffic)
    }
}

impl Adjustment {
    fn parse(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut adjustment = Self::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                nest::SEQADJ_CORRECTION_POS => adjustment.position = attribute.be32()?,
                nest::SEQADJ_OFFSET_BEFORE => adjustment.before = attribute.be32()?.cast_signed(),
                nest::SEQADJ_OFFSET_AFTER => adjustment.after = attribute.be32()?.cast_signed(),
                _ => {}
            }
        }
        Ok(adjustment)
    }

    fn emit(&self, b: &mut Builder<'_>) {
        b.be32(nest::SEQADJ_CORRECTION_POS, self.position)
            .be32(nest::SEQADJ_OFFSET_BEFORE, self.before.cast_unsigned())
            .be32(nest::SEQADJ_OFFSET_AFTER, self.after.cast_unsigned());
    }
}

fn put(b: &mut Builder<'_>, kind: u16, value: Option<u32>) {
    if let Some(value) = value {
        b.be32(kind, value);
    }
}

/// Up to 16 bytes; missing ones are zero, as are those that no label can name.
fn labels(attribute: &Attribute<'_>) -> u128 {
    let mut bytes = [0; 16];
    for (place, &byte) in bytes.iter_mut().zip(attribute.payload) {
        *place = byte;
    }
    u128::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests;
