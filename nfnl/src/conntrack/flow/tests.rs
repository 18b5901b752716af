//! Round trips of arbitrary flows, arbitrary bytes, and a message that a kernel sent.

use std::net::IpAddr;

use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::conntrack::Filter;
use crate::conntrack::filter::TupleFilter;
use crate::message::{Header, Messages};

fn tuple(protocol: u8, v6: bool) -> BoxedStrategy<Tuple> {
    let address = move || {
        of(if v6 {
            any::<[u8; 16]>().prop_map(IpAddr::from).boxed()
        } else {
            any::<[u8; 4]>().prop_map(IpAddr::from).boxed()
        })
    };
    let ports = (of(any::<u16>()), of(any::<u16>()));
    let icmp = (of(any::<u8>()), of(any::<u8>()), of(any::<u16>()));
    (address(), address(), ports, icmp, of(any::<u16>()))
        .prop_map(move |(source, destination, ports, icmp, zone)| Tuple {
            source,
            destination,
            protocol: Some(protocol),
            source_port: ports.0,
            destination_port: ports.1,
            icmp_type: icmp.0,
            icmp_code: icmp.1,
            icmp_id: icmp.2,
            zone,
        })
        .boxed()
}

fn protocol() -> impl Strategy<Value = ProtocolInfo> {
    prop_oneof![
        (of(any::<u8>()), any::<[Option<u8>; 2]>(), any::<[Option<(u8, u8)>; 2]>())
            .prop_map(|(state, scales, flags)| ProtocolInfo::Tcp { state, scales, flags }),
        (of(any::<u8>()), of(any::<u8>()), of(any::<u64>())).prop_map(|(state, role, handshake)| ProtocolInfo::Dccp {
            state,
            role,
            handshake
        }),
        (of(any::<u8>()), any::<[Option<u32>; 2]>()).prop_map(|(state, tags)| ProtocolInfo::Sctp { state, tags }),
    ]
}

fn flow() -> BoxedStrategy<Flow> {
    let tuples = (any::<u8>(), any::<bool>())
        .prop_flat_map(|(number, v6)| (Just(v6), tuple(number, v6), tuple(number, v6), of(tuple(number, v6))));
    let numbers = any::<[Option<u32>; 7]>();
    let wide = (any::<[Option<u64>; 3]>(), any::<[Option<u128>; 2]>(), any::<[Option<(u64, u64)>; 2]>());
    let rest = (of(protocol()), of("[a-z]{1,15}"), of(any::<u16>()), any::<[Option<(u32, i32, i32)>; 2]>());
    let nat = of((any::<[u8; 4]>(), of(any::<(u16, u16)>())));
    (tuples.boxed(), numbers.boxed(), wide.boxed(), rest.boxed(), nat.boxed())
        .prop_map(|((v6, original, reply, master), numbers, (times, labels, traffic), rest, nat)| Flow {
            family: if v6 { 10 } else { 2 },
            original,
            reply,
            master,
            zone: rest.2,
            status: numbers[0],
            timeout: numbers[1],
            mark: numbers[2],
            mark_mask: numbers[3],
            secmark: numbers[4],
            security_context: rest.1.clone().map(String::into_bytes),
            labels: labels[0],
            labels_mask: labels[1],
            counters: traffic.map(|t| t.map(|(packets, bytes)| Traffic { packets, bytes })),
            start: times[0],
            stop: times[1],
            event_time: times[2],
            protocol: rest.0,
            helper: rest.1.map(String::into_bytes),
            id: numbers[5],
            uses: numbers[6],
            adjustments: rest.3.map(|a| a.map(|(position, before, after)| Adjustment { position, before, after })),
            source_nat: nat.map(|(min, ports)| NatRange { min: Some(min.into()), max: None, ports }),
            destination_nat: nat.map(|(min, ports)| NatRange { min: None, max: Some(min.into()), ports }),
        })
        .boxed()
}

fn write(flow: &Flow) -> Vec<u8> {
    let mut out = Vec::new();
    let mut builder = Builder::netfilter(Header::default(), Nfgen::of(flow.family), &mut out);
    flow.emit(&mut builder);
    builder.finish().unwrap();
    out
}

proptest! {
    #[test]
    fn what_is_written_is_read(flow in flow()) {
        let bytes = write(&flow);
        let message = Messages::new(&bytes).next().unwrap().unwrap();
        prop_assert_eq!(Flow::read(&message).unwrap(), flow);
    }

    #[test]
    fn a_filter_that_is_written_is_read(
        mark in of(any::<(u32, u32)>()), status in of(any::<(u32, u32)>()), zone in of(any::<u16>()),
        tuples in of((tuple(6, true), tuple(6, true), any::<[u32; 2]>())),
    ) {
        let tuples = tuples.map(|(one, two, flags)| Box::new(TupleFilter { tuples: [one, two], flags }));
        let filter = Filter { family: 10, mark, status, zone, tuples };
        let mut out = Vec::new();
        let mut builder = Builder::netfilter(Header::default(), Nfgen::of(10), &mut out);
        filter.emit(&mut builder);
        builder.finish().unwrap();
        let (nfgen, attributes) = Messages::new(&out).next().unwrap().unwrap().netfilter().unwrap();
        prop_assert_eq!(Filter::parse(nfgen, attributes).unwrap(), filter);
    }

    #[test]
    fn changed_bytes_are_read_or_refused(flow in flow(), changes in proptest::collection::vec(any::<(u16, u8)>(), 1..9)) {
        let mut bytes = write(&flow);
        for (place, value) in changes {
            let place = 16 + usize::from(place) % (bytes.len() - 16);
            bytes[place] = value;
        }
        for message in Messages::new(&bytes).flatten() {
            let _ = Flow::read(&message);
            let _ = message.netfilter().and_then(|(nfgen, attributes)| Filter::parse(nfgen, attributes));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Flow::parse(Nfgen::default(), Attributes::new(&bytes));
        let _ = crate::conntrack::CpuStats::parse(Attributes::new(&bytes));
        let _ = crate::conntrack::GlobalStats::parse(Attributes::new(&bytes));
    }
}

/// The request of `conntrack -I -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 --state ESTABLISHED -t 300 -m 5`
/// (1.4.7), from strace: the original tuple and the protocol's state.
#[test]
fn a_request_of_the_original_tool_is_understood() {
    let bytes = b"\x34\x00\x01\x80\x14\x00\x01\x80\x08\x00\x01\x00\x01\x01\x01\x01\x08\x00\x02\x00\x02\x02\x02\x02\
        \x1c\x00\x02\x80\x05\x00\x01\x00\x06\x00\x00\x00\x06\x00\x02\x00\x00\x01\x00\x00\x06\x00\x03\x00\x00\x02\x00\x00\
        \x20\x00\x04\x80\x1c\x00\x01\x80\x05\x00\x01\x00\x03\x10\x00\x00\x06\x00\x04\x00\x0a\x0a\x00\x00\
        \x06\x00\x05\x00\x0a\x0a\x00\x00";
    let flow = Flow::parse(Nfgen::of(2), Attributes::new(bytes)).unwrap();
    assert_eq!(flow.original.source, Some(IpAddr::from([1, 1, 1, 1])));
    assert_eq!((flow.original.source_port, flow.original.destination_port), (Some(1), Some(2)));
    let flags = [Some((10, 10)); 2];
    assert_eq!(flow.protocol, Some(ProtocolInfo::Tcp { state: Some(3), scales: [None; 2], flags }));
}

#[test]
fn the_way_back_of_the_way_back_is_the_way() {
    let ping = Tuple {
        source: Some([1, 1, 1, 1].into()),
        destination: Some([2, 2, 2, 2].into()),
        protocol: Some(1),
        icmp_type: Some(8),
        icmp_code: Some(0),
        icmp_id: Some(7),
        ..Tuple::default()
    };
    assert_eq!(ping.inverse().icmp_type, Some(0));
    assert_eq!(ping.inverse().inverse(), ping);
}

/// Found by fuzzing: a reply tuple that names a port and no protocol came out as an empty attribute.
#[test]
fn a_tuple_with_ports_and_no_protocol_is_written_as_it_was_read() {
    let reply = Tuple { source_port: Some(7), ..Tuple::default() };
    let flow = Flow { family: 2, reply, ..Flow::default() };
    let bytes = write(&flow);
    let message = Messages::new(&bytes).next().unwrap().unwrap();
    assert_eq!(Flow::read(&message).unwrap().reply, flow.reply);
}
