//! Messages about connections.

use std::net::IpAddr;

use lab::random::Random;
use nfnl::conntrack::attribute::{cta, ip, nest, proto, protoinfo, tuple};
use nfnl::conntrack::message;
use nfnl::message::{Builder, Header, Nfgen, flag, subsystem};

use super::{Request, spoil};

/// One about a few connections, so that they meet; every fourth is spoiled somewhere.
pub(super) fn draw(random: &mut Random) -> Request {
    let number = random.choose(&[
        message::NEW,
        message::NEW,
        message::NEW,
        message::NEW,
        message::GET,
        message::GET,
        message::DELETE,
        message::GET_CTRZERO,
        message::GET_DYING,
        message::GET_UNCONFIRMED,
    ]);
    let mut flags = match number {
        message::NEW => random.choose(&[flag::CREATE | flag::EXCL, flag::CREATE, 0, flag::REPLACE, flag::EXCL]),
        message::GET | message::GET_CTRZERO => random.choose(&[0, flag::DUMP]),
        message::DELETE => 0,
        _ => flag::DUMP,
    };
    if random.one_in(40) {
        flags ^= random.choose(&[flag::DUMP, flag::CREATE, flag::EXCL, flag::REPLACE]);
    }
    let v6 = random.one_in(4);
    let family = if random.one_in(30) {
        random.choose(&[0, 7, 2, 10])
    } else if v6 {
        10
    } else {
        2
    };
    let version = if random.one_in(8) { random.choose(&[1, 2]) } else { 0 };
    let mut attributes = Vec::new();
    Draft { random, v6 }.connection(number, &mut attributes);
    let spoiled = random.one_in(4);
    if spoiled {
        spoil(random, &mut attributes);
    }
    Request {
        subsystem: subsystem::CTNETLINK,
        number,
        flags,
        nfgen: Nfgen { family, version, resource: 0 },
        attributes,
        spoiled,
    }
}

/// The attributes of one connection.
struct Draft<'r> {
    random: &'r mut Random,
    v6: bool,
}

impl Draft<'_> {
    fn connection(&mut self, number: u8, out: &mut Vec<u8>) {
        let mut builder = Builder::new(Header::default(), out);
        let header = builder.len();
        let protocol = self.random.choose(&[6, 6, 6, 17, 17, 1, 47, 132, 99, 136]);
        let protocol = if protocol == 1 && self.v6 { 58 } else { protocol };
        let [here, there] = [self.random.below(2) as u8, 2 + self.random.below(2) as u8];
        let ports = [100 + self.random.below(2) as u16, 200];
        let all = number == message::NEW || self.random.one_in(3);
        if !(self.random.one_in(20) || number == message::DELETE && self.random.one_in(12)) {
            self.tuple(&mut builder, cta::TUPLE_ORIG, protocol, [here, there], ports);
        }
        let back = if self.random.one_in(6) { [ports[1], 900] } else { [ports[1], ports[0]] };
        if all && !self.random.one_in(20) {
            self.tuple(&mut builder, cta::TUPLE_REPLY, protocol, [there, here], back);
        }
        if number == message::NEW && !self.random.one_in(12) {
            builder.be32(cta::TIMEOUT, self.random.choose(&[300, 300, 600, 0, 100_000]));
        }
        if self.random.one_in(3) {
            let status = self.random.choose(&[0, 8, 8, 10, 14, 2, 4, 12, 1 << 10, 8 | 1 << 13, 1 << 9, 0x18, 0x1ff, 1]);
            builder.be32(cta::STATUS, status);
            if self.random.one_in(6) {
                builder.be32(cta::STATUS_MASK, self.random.choose(&[status, 0, 2, 4]));
            }
        }
        if self.random.one_in(3) {
            builder.be32(cta::MARK, self.random.choose(&[0, 1, 2, 0xff]));
            if self.random.one_in(3) {
                builder.be32(cta::MARK_MASK, self.random.choose(&[0, 1, 0xff, u32::MAX]));
            }
        }
        if self.random.one_in(8) {
            builder.be16(cta::ZONE, self.random.choose(&[0, 1, 2]));
        }
        if protocol == 6 && (number == message::NEW || self.random.one_in(6)) && !self.random.one_in(8) {
            self.tcp(&mut builder);
        }
        if protocol == 132 && self.random.one_in(2) {
            let state = self.random.choose(&[0, 3, 4, 7, 9, 200]);
            let vtags = self.random.one_in(2);
            builder.nest(cta::PROTOINFO, |inside| {
                inside.nest(protoinfo::SCTP, |inside| {
                    inside.u8(protoinfo::SCTP_STATE, state);
                    if vtags {
                        inside.be32(protoinfo::SCTP_VTAG_ORIGINAL, 1).be32(protoinfo::SCTP_VTAG_REPLY, 2);
                    }
                });
            });
        }
        if self.random.one_in(10) {
            let kind = self.random.choose(&[cta::NAT_SRC, cta::NAT_DST]);
            let low = self.address(4);
            let (least, port) = (if self.v6 { nest::NAT_V6_MINIP } else { nest::NAT_V4_MINIP }, self.random.one_in(2));
            builder.nest(kind, |inside| {
                inside.address(least, low);
                if port {
                    inside.nest(nest::NAT_PROTO, |inside| {
                        inside.be16(nest::PROTONAT_PORT_MIN, 4000).be16(nest::PROTONAT_PORT_MAX, 4000);
                    });
                }
            });
        }
        if self.random.one_in(12) {
            let words = 1 + self.random.below(4) as usize;
            builder.put(cta::LABELS, &vec![self.random.choose(&[0, 1, 0x80]); 4 * words]);
            if self.random.one_in(2) {
                builder.put(cta::LABELS_MASK, &vec![self.random.choose(&[0, 0xff]); 4 * words]);
            }
        }
        if self.random.one_in(16) {
            builder.nest(cta::HELP, |inside| {
                inside.nul_terminated(nest::HELP_NAME, b"ftp");
            });
        }
        if self.random.one_in(30) {
            builder.be32(cta::ID, 12345);
        }
        if builder.finish().is_ok() {
            out.drain(..header);
        }
    }

    fn address(&self, host: u8) -> IpAddr {
        if self.v6 { IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(host)]) } else { IpAddr::from([10, 9, 0, host]) }
    }

    fn tuple(&mut self, builder: &mut Builder<'_>, kind: u16, number: u8, hosts: [u8; 2], ports: [u16; 2]) {
        let kinds = if self.v6 { [ip::V6_SRC, ip::V6_DST] } else { [ip::V4_SRC, ip::V4_DST] };
        let [from, to] = hosts.map(|host| self.address(host));
        let reply = kind == cta::TUPLE_REPLY;
        let zone = self.random.one_in(16).then(|| self.random.choose(&[0, 1, 2]));
        // What is forgotten: nothing, mostly.
        let forgotten = self.random.below(60);
        builder.nest(kind, |inside| {
            inside.nest(tuple::IP, |inside| {
                if forgotten != 1 {
                    inside.address(kinds[0], from);
                }
                if forgotten != 2 {
                    inside.address(kinds[1], to);
                }
            });
            inside.nest(tuple::PROTO, |inside| {
                if forgotten != 3 {
                    inside.u8(proto::NUM, number);
                }
                match number {
                    1 if forgotten != 4 => {
                        let kind = if reply { 0 } else { 8 };
                        inside.be16(proto::ICMP_ID, 77).u8(proto::ICMP_TYPE, kind).u8(proto::ICMP_CODE, 0);
                    }
                    58 if forgotten != 4 => {
                        let kind = if reply { 129 } else { 128 };
                        inside.be16(proto::ICMPV6_ID, 77).u8(proto::ICMPV6_TYPE, kind).u8(proto::ICMPV6_CODE, 0);
                    }
                    6 | 17 | 132 | 136 | 47 => {
                        if forgotten != 5 {
                            inside.be16(proto::SRC_PORT, ports[0]);
                        }
                        if forgotten != 6 {
                            inside.be16(proto::DST_PORT, ports[1]);
                        }
                    }
                    _ => {}
                }
            });
            if let Some(zone) = zone {
                inside.be16(tuple::ZONE, zone);
            }
        });
    }

    fn tcp(&mut self, builder: &mut Builder<'_>) {
        let state = self.random.choose(&[1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15]);
        let (flags, scale) = (self.random.one_in(2), self.random.one_in(3));
        builder.nest(cta::PROTOINFO, |inside| {
            inside.nest(protoinfo::TCP, |inside| {
                inside.u8(protoinfo::TCP_STATE, state);
                if flags {
                    inside
                        .put(protoinfo::TCP_FLAGS_ORIGINAL, &[0x0a, 0x0a])
                        .put(protoinfo::TCP_FLAGS_REPLY, &[0x08, 0xff]);
                }
                if scale {
                    inside.u8(protoinfo::TCP_WSCALE_ORIGINAL, 7).u8(protoinfo::TCP_WSCALE_REPLY, 20);
                }
            });
        });
    }
}
