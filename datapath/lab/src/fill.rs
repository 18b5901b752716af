//! Connections made by the thousand: ctnetlink messages straight to the kernel or to a datapath, many in a datagram.

use std::{io, net::Ipv4Addr, ops::ControlFlow};

use nfnl::{
    conntrack::{Flow, Tuple, message},
    message::{Builder, Header, Nfgen, flag, netfilter, subsystem},
    request::Requester,
    transport::{Datapath, Kernel, Transport},
};

use crate::{namespace::Namespace, router::Judge};

/// Bits of the status that an entry may be made with.
pub mod status {
    /// `IPS_SEEN_REPLY`.
    pub const SEEN_REPLY: u32 = 1 << 1;
    /// `IPS_ASSURED`.
    pub const ASSURED: u32 = 1 << 2;
    /// `IPS_CONFIRMED`, which all have.
    pub const CONFIRMED: u32 = 1 << 3;
}

/// The UDP flow of a number: other ports up to 50,000, then another host of 10.9.0.0/16.
pub fn udp(number: u32) -> Flow {
    let [_, _, high, low] = (number / 50_000 + 2).to_be_bytes();
    let original = Tuple {
        source: Some(Ipv4Addr::new(10, 9, high, low).into()),
        destination: Some(Ipv4Addr::new(10, 8, 0, 1).into()),
        protocol: Some(17),
        source_port: u16::try_from(1024 + number % 50_000).ok(),
        destination_port: Some(9),
        ..Tuple::default()
    };
    Flow {
        family: 2,
        reply: Tuple {
            source: original.destination,
            destination: original.source,
            source_port: original.destination_port,
            destination_port: original.source_port,
            ..original
        },
        original,
        status: Some(status::CONFIRMED),
        timeout: Some(600),
        ..Flow::default()
    }
}

/// Makes flows in a namespace, in the table of its judge.
///
/// # Errors
/// Those of the sockets; refusals.
pub fn fill(namespace: &Namespace, judge: Judge, flows: impl Iterator<Item = Flow> + Send) -> io::Result<()> {
    namespace.within(|| match judge {
        Judge::Datapath => make(Datapath::open()?, flows),
        Judge::Kernel | Judge::OursOnKernel => make(Kernel::open()?, flows),
    })?
}

fn make(transport: impl Transport, flows: impl Iterator<Item = Flow>) -> io::Result<()> {
    /// Flows of a datagram.
    const BATCH: usize = 128;
    let mut flows = flows.peekable();
    let mut asker = Requester::new(transport, 1);
    while flows.peek().is_some() {
        let batch: Vec<Flow> = flows.by_ref().take(BATCH).collect();
        let build = |mut header: Header, out: &mut Vec<u8>| {
            // Only the last one is acknowledged; a refusal comes for each.
            let last = batch.len() - 1;
            for (at, flow) in batch.iter().enumerate() {
                header.flags = flag::REQUEST | flag::CREATE | flag::EXCL | if at == last { flag::ACK } else { 0 };
                let nfgen = Nfgen { family: flow.family, ..Nfgen::default() };
                let mut builder = Builder::netfilter(header, nfgen, out);
                flow.emit(&mut builder);
                builder.finish()?;
            }
            Ok(())
        };
        let header = Header { kind: netfilter(subsystem::CTNETLINK, message::NEW), ..Header::default() };
        asker.act(header, build, |_| ControlFlow::Continue(())).map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(())
}
