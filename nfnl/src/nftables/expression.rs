//! The expressions that rules are made of.

use super::{
    COMPAT_FLAGS, COMPAT_PROTOCOL, EXPRESSION_DATA, EXPRESSION_NAME, LIST_ELEMENT, RULE_COMPAT, TARGET_INFO,
    TARGET_NAME, TARGET_REVISION,
};
use crate::message::Builder;

fn expression(list: &mut Builder<'_>, name: &str, data: impl FnOnce(&mut Builder<'_>)) {
    list.nest(LIST_ELEMENT, |element| {
        element.text(EXPRESSION_NAME, name).nest(EXPRESSION_DATA, data);
    });
}

/// Some bits of the priority against a number; a rule that does not fit ends there. Priorities are in host byte order.
pub(super) fn compare(list: &mut Builder<'_>, mask: u32, operation: u32, with: u32) {
    masked(list, mask);
    expression(list, "cmp", |data| {
        data.be32(CMP_SREG, REGISTER).be32(CMP_OP, operation).nest(CMP_DATA, |value| {
            value.put(DATA_VALUE, &with.to_ne_bytes());
        });
    });
}

/// Only packets that have more bytes, from the network header on, go on in the rule.
pub(super) fn longer(list: &mut Builder<'_>, than: u32) {
    expression(list, "meta", |data| {
        data.be32(META_DREG, REGISTER).be32(META_KEY, META_LEN);
    });
    // Numbers are compared as bytes, the first one first.
    expression(list, "byteorder", |data| {
        data.be32(BYTEORDER_SREG, REGISTER).be32(BYTEORDER_DREG, REGISTER).be32(BYTEORDER_OP, TO_NETWORK);
        data.be32(BYTEORDER_LEN, 4).be32(BYTEORDER_SIZE, 4);
    });
    expression(list, "cmp", |data| {
        data.be32(CMP_SREG, REGISTER).be32(CMP_OP, OP_GREATER).nest(CMP_DATA, |value| {
            value.put(DATA_VALUE, &than.to_be_bytes());
        });
    });
}

/// The IPv4 header's source becomes 0.0.0.0; its checksum stays.
pub(super) fn clear_source(list: &mut Builder<'_>) {
    expression(list, "immediate", |data| {
        data.be32(IMMEDIATE_DREG, REGISTER).nest(IMMEDIATE_DATA, |data| {
            data.put(DATA_VALUE, &[0; 4]);
        });
    });
    expression(list, "payload", |data| {
        data.be32(PAYLOAD_SREG, REGISTER).be32(PAYLOAD_BASE, NETWORK_HEADER);
        data.be32(PAYLOAD_OFFSET, SOURCE_ADDRESS).be32(PAYLOAD_LEN, 4);
    });
}

/// A match or target of x_tables, through nft_compat; its rule says [`any_protocol`], too.
pub(super) fn extension(list: &mut Builder<'_>, kind: &str, name: &str, revision: u8, info: &[u8]) {
    expression(list, kind, |data| {
        data.text(TARGET_NAME, name).be32(TARGET_REVISION, revision.into()).put(TARGET_INFO, info);
    });
}

/// What x_tables would know of the rule's protocol.
pub(super) fn any_protocol(builder: &mut Builder<'_>) {
    builder.nest(RULE_COMPAT, |compat| {
        compat.be32(COMPAT_PROTOCOL, 0).be32(COMPAT_FLAGS, 0);
    });
}

/// The priority's bits under a mask, in the register.
fn masked(list: &mut Builder<'_>, mask: u32) {
    expression(list, "meta", |data| {
        data.be32(META_DREG, REGISTER).be32(META_KEY, META_PRIORITY);
    });
    expression(list, "bitwise", |data| {
        data.be32(BITWISE_SREG, REGISTER).be32(BITWISE_DREG, REGISTER).be32(BITWISE_LEN, 4);
        data.nest(BITWISE_MASK, |value| {
            value.put(DATA_VALUE, &mask.to_ne_bytes());
        });
        data.nest(BITWISE_XOR, |value| {
            value.put(DATA_VALUE, &[0; 4]);
        });
    });
}

/// The priority keeps only some bits.
pub(super) fn keep(list: &mut Builder<'_>, mask: u32) {
    masked(list, mask);
    expression(list, "meta", |data| {
        data.be32(META_KEY, META_PRIORITY).be32(META_SREG, REGISTER);
    });
}

/// Gives the packet to a transparent socket; where there is none, the rule ends here.
pub(super) fn proxy(list: &mut Builder<'_>, family: u8, address: Option<&[u8]>, port: u16) {
    let mut load = |register, value: &[u8]| {
        expression(list, "immediate", |data| {
            data.be32(IMMEDIATE_DREG, register).nest(IMMEDIATE_DATA, |data| {
                data.put(DATA_VALUE, value);
            });
        });
    };
    if let Some(address) = address {
        load(ADDRESS_REGISTER, address);
    }
    // The expression wants one of both to be said.
    let own = port == 0 && address.is_none();
    if port != 0 {
        load(REGISTER, &port.to_be_bytes());
    } else if own {
        expression(list, "payload", |data| {
            data.be32(PAYLOAD_DREG, REGISTER).be32(PAYLOAD_BASE, TRANSPORT_HEADER);
            data.be32(PAYLOAD_OFFSET, DESTINATION_PORT).be32(PAYLOAD_LEN, 2);
        });
    }
    expression(list, "tproxy", |data| {
        data.be32(TPROXY_FAMILY, family.into());
        if address.is_some() {
            data.be32(TPROXY_REG_ADDR, ADDRESS_REGISTER);
        }
        if port != 0 || own {
            data.be32(TPROXY_REG_PORT, REGISTER);
        }
    });
}

pub(super) fn verdict(list: &mut Builder<'_>, verdict: u32) {
    expression(list, "immediate", |data| {
        data.be32(IMMEDIATE_DREG, VERDICT_REGISTER).nest(IMMEDIATE_DATA, |value| {
            value.nest(DATA_VERDICT, |code| {
                code.be32(VERDICT_CODE, verdict);
            });
        });
    });
}

pub(super) const NF_DROP: u32 = 0;
pub(super) const NF_ACCEPT: u32 = 1;
/// `NFT_REG_VERDICT`, `NFT_REG32_00`, `NFT_REG_2`.
const VERDICT_REGISTER: u32 = 0;
const REGISTER: u32 = 8;
const ADDRESS_REGISTER: u32 = 2;
/// `NFT_CMP_EQ`, `NFT_CMP_NEQ`.
pub(super) const OP_EQUAL: u32 = 0;
pub(super) const OP_DIFFERS: u32 = 1;
const CMP_SREG: u16 = 1;
const CMP_OP: u16 = 2;
const CMP_DATA: u16 = 3;
const META_DREG: u16 = 1;
const META_KEY: u16 = 2;
const META_SREG: u16 = 3;
/// `NFT_CMP_GT`.
const OP_GREATER: u32 = 4;
/// `NFT_META_LEN`.
const META_LEN: u32 = 0;
const BYTEORDER_SREG: u16 = 1;
const BYTEORDER_DREG: u16 = 2;
const BYTEORDER_OP: u16 = 3;
const BYTEORDER_LEN: u16 = 4;
const BYTEORDER_SIZE: u16 = 5;
/// `NFT_BYTEORDER_HTON`.
const TO_NETWORK: u32 = 1;
/// `NFT_META_PRIORITY`.
const META_PRIORITY: u32 = 2;
const BITWISE_SREG: u16 = 1;
const BITWISE_DREG: u16 = 2;
const BITWISE_LEN: u16 = 3;
const BITWISE_MASK: u16 = 4;
const BITWISE_XOR: u16 = 5;
const IMMEDIATE_DREG: u16 = 1;
const IMMEDIATE_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const PAYLOAD_DREG: u16 = 1;
const PAYLOAD_BASE: u16 = 2;
const PAYLOAD_OFFSET: u16 = 3;
const PAYLOAD_LEN: u16 = 4;
const PAYLOAD_SREG: u16 = 5;
/// `NFT_PAYLOAD_NETWORK_HEADER`, and the source in IPv4's.
const NETWORK_HEADER: u32 = 1;
const SOURCE_ADDRESS: u32 = 12;
/// `NFT_PAYLOAD_TRANSPORT_HEADER`.
const TRANSPORT_HEADER: u32 = 2;
const DESTINATION_PORT: u32 = 2;
const TPROXY_FAMILY: u16 = 1;
const TPROXY_REG_ADDR: u16 = 2;
const TPROXY_REG_PORT: u16 = 3;
