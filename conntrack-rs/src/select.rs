//! Which entries a command means: the filters that are applied here, behind those that the table applied.

use std::net::IpAddr;

use nfnl::conntrack::{Flow, NatRange, ProtocolInfo, Tuple};

use crate::command::{Command, Template};
use crate::options::Opt;

/// `IPS_SRC_NAT_DONE`.
const SRC_NAT_DONE: u32 = 1 << 7;
/// `IPS_DST_NAT_DONE`.
const DST_NAT_DONE: u32 = 1 << 8;

/// `IPPROTO_GRE`.
const GRE: u8 = 47;

/// Options that make the original compare all of its template, the timeout with it.
const COMPARED: [Opt; 11] = [
    Opt::Protocol,
    Opt::Source,
    Opt::Destination,
    Opt::ReplySource,
    Opt::ReplyDestination,
    Opt::Mark,
    Opt::Status,
    Opt::Id,
    Opt::Zone,
    Opt::OriginalZone,
    Opt::ReplyZone,
];

/// Whether `-L`, `-D`, `-G` or `-E` means this entry.
pub(crate) fn means(command: &Command, flow: &Flow) -> bool {
    let template = &command.template;
    let wanted = &template.flow;
    nat(command, flow)
        && networks(template, flow)
        && template.mark.is_none_or(|(value, mask)| flow.mark.is_some_and(|mark| mark & mask == value))
        && labelled(template, flow)
        && (wanted.family == 0 || wanted.family == flow.family)
        && tuple(&wanted.original, &flow.original)
        && tuple(&wanted.reply, &flow.reply)
        && wanted.status.is_none_or(|bits| flow.status.unwrap_or(0) & bits == bits)
        && same(wanted.id, flow.id)
        && (!command.given.any(&COMPARED) || same(wanted.timeout, flow.timeout))
        && number(wanted.zone, flow.zone)
        // An entry that says no security mark is not compared.
        && (flow.secmark.is_none() || same(wanted.secmark, flow.secmark))
        && protocol(wanted, flow)
}

/// Whether `-U` means this entry: status, mark and state are what to change, not what to look for.
pub(crate) fn means_to_update(command: &Command, flow: &Flow) -> bool {
    let template = &command.template;
    let wanted = &template.flow;
    nat(command, flow)
        && networks(template, flow)
        && labelled(template, flow)
        && same(wanted.id, flow.id)
        && (wanted.family == 0 || wanted.family == flow.family)
        && tuple(&wanted.original, &flow.original)
        && tuple(&wanted.reply, &flow.reply)
}

fn same<T: PartialEq>(wanted: Option<T>, value: Option<T>) -> bool {
    wanted.is_none() || wanted == value
}

/// A number that an entry does not say is zero.
fn number(wanted: Option<u16>, value: Option<u16>) -> bool {
    wanted.is_none_or(|wanted| wanted == value.unwrap_or(0))
}

fn tuple(wanted: &Tuple, tuple: &Tuple) -> bool {
    // As the original: keys of GRE are said, but never compared.
    let keys = wanted.protocol == Some(GRE);
    same(wanted.source, tuple.source)
        && same(wanted.destination, tuple.destination)
        && same(wanted.protocol, tuple.protocol)
        && (keys || number(wanted.source_port, tuple.source_port))
        && (keys || number(wanted.destination_port, tuple.destination_port))
        && same(wanted.icmp_type, tuple.icmp_type)
        && same(wanted.icmp_code, tuple.icmp_code)
        && same(wanted.icmp_id, tuple.icmp_id)
        && number(wanted.zone, tuple.zone)
}

fn protocol(wanted: &Flow, flow: &Flow) -> bool {
    use ProtocolInfo::{Dccp, Sctp, Tcp};
    match (&wanted.protocol, &flow.protocol) {
        (Some(Tcp { state, .. }), Some(Tcp { state: value, .. })) => same(*state, *value),
        (Some(Dccp { state, role, .. }), Some(Dccp { state: value, role: played, .. })) => {
            same(*state, *value) && same(*role, *played)
        }
        (Some(Sctp { state, tags }), Some(Sctp { state: value, tags: carried })) => {
            same(*state, *value) && tags.iter().zip(carried).all(|(wanted, tag)| same(*wanted, *tag))
        }
        // Without a state of its own an entry is in state 0, NONE.
        (Some(Tcp { state, .. } | Dccp { state, .. } | Sctp { state, .. }), _) => state.is_none_or(|state| state == 0),
        (None, _) => true,
    }
}

fn labelled(template: &Template, flow: &Flow) -> bool {
    template.labelled.is_none_or(|bits| flow.labels.unwrap_or(0) & bits == bits)
}

fn networks(template: &Template, flow: &Flow) -> bool {
    let ends = [flow.original.source, flow.original.destination];
    template.networks.iter().zip(ends).all(|(network, end)| match (network, end) {
        (None, _) => true,
        (Some((IpAddr::V4(net), IpAddr::V4(mask))), Some(IpAddr::V4(ip))) => {
            ip.to_bits() & mask.to_bits() == net.to_bits() & mask.to_bits()
        }
        (Some((IpAddr::V6(net), IpAddr::V6(mask))), Some(IpAddr::V6(ip))) => {
            ip.to_bits() & mask.to_bits() == net.to_bits() & mask.to_bits()
        }
        _ => false,
    })
}

/// `-n`, `-g`, `-j`: whether the entry is translated, and to what was named.
fn nat(command: &Command, flow: &Flow) -> bool {
    let given = command.given;
    let wanted = &command.template.flow;
    let done = |bit: u32| flow.status.is_none_or(|status| status & bit != 0);
    let source = || {
        done(SRC_NAT_DONE)
            && translated(
                wanted.source_nat.as_ref(),
                (flow.original.source, flow.reply.destination),
                (near(&flow.original), far(&flow.reply)),
            )
    };
    let destination = || {
        done(DST_NAT_DONE)
            && translated(
                wanted.destination_nat.as_ref(),
                (flow.original.destination, flow.reply.source),
                (far(&flow.original), near(&flow.reply)),
            )
    };
    if given.has(Opt::AnyNat) {
        return source() || destination();
    }
    (!given.has(Opt::SourceNat) || source()) && (!given.has(Opt::DestinationNat) || destination())
}

/// The field that holds the source port. The original compares an ICMP identifier like one.
fn near(tuple: &Tuple) -> Option<u16> {
    tuple.source_port.or(tuple.icmp_id)
}

/// The field that holds the destination port, and of ICMP type and code: no echo is its reply's mirror there.
fn far(tuple: &Tuple) -> Option<u16> {
    let kind = || tuple.icmp_type.map(|kind| u16::from_be_bytes([kind, tuple.icmp_code.unwrap_or(0)]));
    tuple.destination_port.or_else(kind)
}

fn translated(
    wanted: Option<&NatRange>,
    (from, to): (Option<IpAddr>, Option<IpAddr>),
    (from_port, to_port): (Option<u16>, Option<u16>),
) -> bool {
    let port = wanted.and_then(|range| range.ports).map(|(port, _)| port);
    match (wanted.and_then(|range| range.min), port) {
        (None, None) => from != to || from_port != to_port,
        (address, port) => {
            address.is_none_or(|ip| from != to && to == Some(ip))
                && port.is_none_or(|port| from_port != to_port && to_port == Some(port))
        }
    }
}
