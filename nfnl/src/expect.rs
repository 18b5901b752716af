//! Expectations over netlink: message numbers, the expectation as a value, and statistics.

use crate::attr::{Attributes, Malformed};
use crate::conntrack::Tuple;
use crate::message::{Builder, Message, Nfgen};

/// `IPCTNL_MSG_EXP_NEW`.
pub const NEW: u8 = 0;
/// `IPCTNL_MSG_EXP_GET`.
pub const GET: u8 = 1;
/// `IPCTNL_MSG_EXP_DELETE`.
pub const DELETE: u8 = 2;
/// `IPCTNL_MSG_EXP_GET_STATS_CPU`.
pub const GET_STATS_CPU: u8 = 3;

/// A connection that a helper, or somebody by hand, said would come: `struct nf_conntrack_expect`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// `AF_INET` or `AF_INET6`.
    pub family: u8,
    /// The connection that it belongs to.
    pub master: Tuple,
    /// What is expected.
    pub tuple: Tuple,
    /// Which bits of that count.
    pub mask: Tuple,
    /// Seconds left.
    pub timeout: Option<u32>,
    /// Its number.
    pub id: Option<u32>,
    /// The helper's name.
    pub helper: Option<Vec<u8>>,
    /// The zone.
    pub zone: Option<u16>,
    /// `NF_CT_EXPECT_*`.
    pub flags: Option<u32>,
    /// Which of the helper's classes.
    pub class: Option<u32>,
    /// The direction of its master in which it goes, and where it comes from before translation.
    pub nat: Option<(u32, Tuple)>,
    /// What is done to the connection that comes.
    pub function: Option<Vec<u8>>,
}

impl Expectation {
    /// Reads a message.
    pub fn read(message: &Message<'_>) -> Result<Self, Malformed> {
        let (nfgen, attributes) = message.netfilter()?;
        Self::parse(nfgen, attributes)
    }

    /// Reads a message's attributes.
    pub fn parse(nfgen: Nfgen, attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut all = Self { family: nfgen.family, ..Self::default() };
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                attribute::MASTER => all.master = Tuple::parse(attribute.attributes())?,
                attribute::TUPLE => all.tuple = Tuple::parse(attribute.attributes())?,
                attribute::MASK => all.mask = Tuple::parse(attribute.attributes())?,
                attribute::TIMEOUT => all.timeout = Some(attribute.be32()?),
                attribute::ID => all.id = Some(attribute.be32()?),
                attribute::HELP_NAME => all.helper = Some(attribute.text().to_vec()),
                attribute::ZONE => all.zone = Some(attribute.be16()?),
                attribute::FLAGS => all.flags = Some(attribute.be32()?),
                attribute::CLASS => all.class = Some(attribute.be32()?),
                attribute::NAT => {
                    let (mut direction, mut tuple) = (0, Tuple::default());
                    for inner in attribute.attributes() {
                        let inner = inner?;
                        match inner.kind {
                            attribute::NAT_DIR => direction = inner.be32()?,
                            attribute::NAT_TUPLE => tuple = Tuple::parse(inner.attributes())?,
                            _ => {}
                        }
                    }
                    all.nat = Some((direction, tuple));
                }
                attribute::FN => all.function = Some(attribute.text().to_vec()),
                _ => {}
            }
        }
        Ok(all)
    }

    /// Writes all that is known, in the order of ctnetlink_exp_dump_expect().
    pub fn emit(&self, b: &mut Builder<'_>) {
        self.tuple.emit(attribute::TUPLE, b);
        self.mask.emit(attribute::MASK, b);
        self.master.emit(attribute::MASTER, b);
        if let Some((direction, tuple)) = &self.nat {
            b.nest(attribute::NAT, |b| {
                b.be32(attribute::NAT_DIR, *direction);
                tuple.emit(attribute::NAT_TUPLE, b);
            });
        }
        for (kind, value) in [
            (attribute::TIMEOUT, self.timeout),
            (attribute::ID, self.id),
            (attribute::FLAGS, self.flags),
            (attribute::CLASS, self.class),
        ] {
            if let Some(value) = value {
                b.be32(kind, value);
            }
        }
        if let Some(helper) = &self.helper {
            b.nul_terminated(attribute::HELP_NAME, helper);
        }
        if let Some(function) = &self.function {
            b.nul_terminated(attribute::FN, function);
        }
        if let Some(zone) = self.zone {
            b.be16(attribute::ZONE, zone);
        }
    }

    /// The head of a message about it.
    pub fn nfgen(&self) -> Nfgen {
        Nfgen::of(self.family)
    }
}

/// `enum ctattr_expect`.
pub mod attribute {
    #![allow(missing_docs, reason = "the header's own names")]
    pub const MASTER: u16 = 1;
    pub const TUPLE: u16 = 2;
    pub const MASK: u16 = 3;
    pub const TIMEOUT: u16 = 4;
    pub const ID: u16 = 5;
    pub const HELP_NAME: u16 = 6;
    pub const ZONE: u16 = 7;
    pub const FLAGS: u16 = 8;
    pub const CLASS: u16 = 9;
    pub const NAT: u16 = 10;
    pub const FN: u16 = 11;
    /// Inside `NAT`.
    pub const NAT_DIR: u16 = 1;
    /// Inside `NAT`.
    pub const NAT_TUPLE: u16 = 2;
}

/// `enum ctattr_expect_stats`: what a CPU has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// Expectations that came true.
    pub new: u32,
    /// Expectations made.
    pub create: u32,
    /// Expectations that ended.
    pub delete: u32,
}

impl CpuStats {
    /// Reads the attributes of a `GET_STATS_CPU` answer.
    pub fn parse(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut stats = Self::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                1 => stats.new = attribute.be32()?,
                2 => stats.create = attribute.be32()?,
                3 => stats.delete = attribute.be32()?,
                _ => {}
            }
        }
        Ok(stats)
    }

    /// Writes them.
    pub fn emit(&self, builder: &mut Builder<'_>) {
        for (kind, value) in [(1, self.new), (2, self.create), (3, self.delete)] {
            builder.be32(kind, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Header, Messages};

    #[test]
    fn what_was_written_is_read_again() {
        let end = |port| Tuple { protocol: Some(17), source_port: Some(port), ..Tuple::default() };
        let expectation = Expectation {
            family: 2,
            master: end(1),
            tuple: end(2),
            mask: end(0xffff),
            timeout: Some(300),
            id: Some(7),
            helper: Some(b"tftp".to_vec()),
            zone: Some(4),
            flags: Some(1),
            class: Some(0),
            nat: Some((1, end(9))),
            function: Some(b"nat-follow-master".to_vec()),
        };
        let mut bytes = Vec::new();
        let mut builder = Builder::netfilter(Header::default(), expectation.nfgen(), &mut bytes);
        expectation.emit(&mut builder);
        builder.finish().unwrap();
        let message = Messages::new(&bytes).next().unwrap().unwrap();
        assert_eq!(Expectation::read(&message), Ok(expectation));
    }
}
