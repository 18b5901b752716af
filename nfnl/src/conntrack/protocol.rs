//! `CTA_PROTOINFO`: what only a flow's protocol knows of it.

use super::attribute::protoinfo as at;
use crate::attr::{Attributes, Malformed};
use crate::message::Builder;

/// State of a protocol that has one; each part may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolInfo {
    /// TCP.
    Tcp {
        /// `enum tcp_conntrack`.
        state: Option<u8>,
        /// Window scale, original and reply.
        scales: [Option<u8>; 2],
        /// `struct nf_ct_tcp_flags` of each direction: flags and the mask of those meant.
        flags: [Option<(u8, u8)>; 2],
    },
    /// DCCP.
    Dccp {
        /// `enum ct_dccp_states`.
        state: Option<u8>,
        /// Client (0) or server (1) in the original direction.
        role: Option<u8>,
        /// The handshake's sequence number.
        handshake: Option<u64>,
    },
    /// SCTP.
    Sctp {
        /// `enum sctp_conntrack`.
        state: Option<u8>,
        /// Verification tags, original and reply.
        tags: [Option<u32>; 2],
    },
}

impl ProtocolInfo {
    /// TCP in this state, nothing else known.
    pub const fn tcp(state: Option<u8>) -> Self {
        Self::Tcp { state, scales: [None; 2], flags: [None; 2] }
    }

    /// Reads the attributes inside `CTA_PROTOINFO`.
    pub fn parse(attributes: Attributes<'_>) -> Result<Option<Self>, Malformed> {
        let mut info = None;
        for attribute in attributes {
            let attribute = attribute?;
            info = match attribute.kind {
                at::TCP => Some(parse_tcp(attribute.attributes())?),
                at::DCCP => Some(parse_dccp(attribute.attributes())?),
                at::SCTP => Some(parse_sctp(attribute.attributes())?),
                _ => info,
            };
        }
        Ok(info)
    }

    /// Writes what is inside `CTA_PROTOINFO`.
    pub fn emit(&self, builder: &mut Builder<'_>) {
        match *self {
            Self::Tcp { state, scales, flags } => {
                builder.nest(at::TCP, |b| {
                    put_u8(b, at::TCP_STATE, state);
                    put_u8(b, at::TCP_WSCALE_ORIGINAL, scales[0]);
                    put_u8(b, at::TCP_WSCALE_REPLY, scales[1]);
                    for (kind, flags) in [at::TCP_FLAGS_ORIGINAL, at::TCP_FLAGS_REPLY].into_iter().zip(flags) {
                        if let Some((flags, mask)) = flags {
                            b.put(kind, &[flags, mask]);
                        }
                    }
                });
            }
            Self::Dccp { state, role, handshake } => {
                builder.nest(at::DCCP, |b| {
                    put_u8(b, at::DCCP_STATE, state);
                    put_u8(b, at::DCCP_ROLE, role);
                    if let Some(sequence) = handshake {
                        b.be64(at::DCCP_HANDSHAKE_SEQ, sequence);
                    }
                });
            }
            Self::Sctp { state, tags } => {
                builder.nest(at::SCTP, |b| {
                    put_u8(b, at::SCTP_STATE, state);
                    for (kind, tag) in [at::SCTP_VTAG_ORIGINAL, at::SCTP_VTAG_REPLY].into_iter().zip(tags) {
                        if let Some(tag) = tag {
                            b.be32(kind, tag);
                        }
                    }
                });
            }
        }
    }
}

fn put_u8(builder: &mut Builder<'_>, kind: u16, value: Option<u8>) {
    if let Some(value) = value {
        builder.u8(kind, value);
    }
}

fn parse_tcp(attributes: Attributes<'_>) -> Result<ProtocolInfo, Malformed> {
    let (mut state, mut scales, mut flags) = (None, [None; 2], [None; 2]);
    let pair = |[flags, mask]: [u8; 2]| (flags, mask);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            at::TCP_STATE => state = Some(attribute.u8()?),
            at::TCP_WSCALE_ORIGINAL => scales[0] = Some(attribute.u8()?),
            at::TCP_WSCALE_REPLY => scales[1] = Some(attribute.u8()?),
            at::TCP_FLAGS_ORIGINAL => flags[0] = Some(pair(attribute.array()?)),
            at::TCP_FLAGS_REPLY => flags[1] = Some(pair(attribute.array()?)),
            _ => {}
        }
    }
    Ok(ProtocolInfo::Tcp { state, scales, flags })
}

fn parse_dccp(attributes: Attributes<'_>) -> Result<ProtocolInfo, Malformed> {
    let (mut state, mut role, mut handshake) = (None, None, None);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            at::DCCP_STATE => state = Some(attribute.u8()?),
            at::DCCP_ROLE => role = Some(attribute.u8()?),
            at::DCCP_HANDSHAKE_SEQ => handshake = Some(attribute.be64()?),
            _ => {}
        }
    }
    Ok(ProtocolInfo::Dccp { state, role, handshake })
}

fn parse_sctp(attributes: Attributes<'_>) -> Result<ProtocolInfo, Malformed> {
    let (mut state, mut tags) = (None, [None; 2]);
    for attribute in attributes {
        let attribute = attribute?;
        match attribute.kind {
            at::SCTP_STATE => state = Some(attribute.u8()?),
            at::SCTP_VTAG_ORIGINAL => tags[0] = Some(attribute.be32()?),
            at::SCTP_VTAG_REPLY => tags[1] = Some(attribute.be32()?),
            _ => {}
        }
    }
    Ok(ProtocolInfo::Sctp { state, tags })
}
