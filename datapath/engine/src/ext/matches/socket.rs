//! `-m socket`: whether this machine has a socket for the packet.

use std::net::IpAddr;

use libxt::ext::Families;
use libxt::ext::matches::socket::Socket;
use libxt::family::Af;

use super::Match;
use crate::conntrack::error::Quote;
use crate::conntrack::tuple::Ports;
use crate::conntrack::{Direction, Relation, Tracked};
use crate::ext::{Maker, Scene, bit};
use crate::host::SocketPair;
use crate::packet::Hook;
use crate::ruleset::Refused;
use crate::wire::u16_at;

pub(super) const MAKER: Maker<Match> = Maker::of::<Socket>(Families::Both, |revision, info, site| {
    // As socket_mt_v1_check() and its successors.
    if revision > 0 && info.first().is_none_or(|flags| flags >> revision != 0) {
        return Err(Refused::invalid("socket: an unknown option"));
    }
    Ok(Match::Socket(site.decode(revision, info)?))
})
.hooks(bit(Hook::Prerouting) | bit(Hook::Input))
.joins();

/// As socket_match() and socket_mt6_v1_v2_v3().
pub(super) fn matches(value: &Socket, scene: &mut Scene<'_, '_>) -> bool {
    let Some(found) = pair(scene).and_then(|pair| scene.host.socket(&pair)) else { return false };
    let wildcard = !value.nowildcard && found.full && found.wildcard;
    if wildcard || value.transparent && !found.transparent {
        return false;
    }
    if value.restore_mark && found.full {
        scene.packet.mark = found.mark;
    }
    true
}

/// Whose socket is looked for. As nf_sk_lookup_slow_v4() and nf_sk_lookup_slow_v6().
fn pair(scene: &Scene<'_, '_>) -> Option<SocketPair> {
    let headers = &scene.headers;
    let device = scene.packet.in_device?.index;
    if headers.fragment_offset() != 0 || headers.cut {
        return None;
    }
    let segment = scene.segment();
    let address = |address: crate::conntrack::Address| address.ip(headers.af);
    let icmp = matches!((headers.af, headers.protocol), (Af::V4, ICMP) | (Af::V6, ICMPV6));
    let mut pair = match headers.protocol {
        TCP | UDP => {
            let whole = if headers.protocol == TCP { 20 } else { 8 };
            let ports = segment.get(..whole)?;
            SocketPair {
                protocol: headers.protocol,
                local: (address(headers.destination), u16_at(ports, 2)?),
                remote: (address(headers.source), u16_at(ports, 0)?),
                device,
            }
        }
        _ if icmp => {
            let is_error = match headers.af {
                Af::V4 => matches!(segment.first_chunk::<8>()?, [3 | 4 | 5 | 11 | 12, ..]),
                Af::V6 => matches!(segment.first_chunk::<8>()?, [..0x80, ..]),
            };
            if !is_error {
                return None;
            }
            // What is quoted went out from here.
            let (quote, bytes) = Quote::of(headers, scene.packet.data.bytes())?;
            let ports = bytes.get(quote.transport..)?;
            SocketPair {
                protocol: Some(quote.protocol).filter(|protocol| matches!(*protocol, TCP | UDP))?,
                local: (address(quote.source), u16_at(ports, 0)?),
                remote: (address(quote.destination), u16_at(ports, 2)?),
                device,
            }
        }
        _ => return None,
    };
    if let Some(local) = translated(scene, icmp) {
        pair.local = local;
    }
    Some(pair)
}

/// Where an answer to a connection from here, whose source was translated, goes in the end.
fn translated(scene: &Scene<'_, '_>, icmp: bool) -> Option<(IpAddr, u16)> {
    let wanted = if icmp { Relation::Related } else { Relation::Established };
    match scene.tracked {
        Tracked::Of { id, direction: Direction::Reply, relation } if relation == wanted && scene.af() == Af::V4 => {
            let original = scene.tracker.get(id)?.tuple(Direction::Original);
            match original.ports {
                Ports::Ports { source, .. } => Some((original.source.ip(Af::V4), source)),
                _ => None,
            }
        }
        _ => None,
    }
}

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
