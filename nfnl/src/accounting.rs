//! The kernel's named counters (`linux/netfilter/nfnetlink_acct.h`), which `-m nfacct` counts in.

use std::io;
use std::ops::ControlFlow;

use crate::message::{Builder, Header, Nfgen, netfilter, subsystem};
use crate::request::{Error, Requester};
use crate::transport::Kernel;

/// A counter as it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// It has a limit beyond which it tells listeners and rules match.
    pub limited: bool,
}

/// The kernel's counter of a name in this network namespace; `None` if there is none.
pub fn find(name: &[u8]) -> io::Result<Option<Counter>> {
    let mut requester = Requester::new(Kernel::open()?, 0);
    let mut found = None;
    let asked = requester.ask(
        Header { kind: netfilter(subsystem::ACCT, GET), ..Header::default() },
        |header, out| {
            let mut b = Builder::netfilter(header, Nfgen::default(), out);
            b.nul_terminated(attribute::NAME, name);
            b.finish()
        },
        |message| {
            let mut counter = Counter::default();
            for attribute in message.netfilter().into_iter().flat_map(|(_, attributes)| attributes).flatten() {
                match attribute.kind {
                    attribute::PACKETS => counter.packets = attribute.be64().unwrap_or(0),
                    attribute::BYTES => counter.bytes = attribute.be64().unwrap_or(0),
                    attribute::FLAGS => counter.limited = attribute.be32().unwrap_or(0) & LIMITED != 0,
                    _ => {}
                }
            }
            found = Some(counter);
            ControlFlow::Break(())
        },
    );
    match asked {
        Ok(()) => Ok(found),
        Err(Error::Refused { errno: libc::ENOENT, .. }) => Ok(None),
        Err(error) => Err(io::Error::from_raw_os_error(error.errno().unwrap_or(libc::EIO))),
    }
}

/// `NFNL_MSG_ACCT_GET`.
const GET: u8 = 1;
/// `NFACCT_F_QUOTA_PKTS`, `NFACCT_F_QUOTA_BYTES`.
const LIMITED: u32 = 3;

/// `enum nfnl_acct_type`.
mod attribute {
    pub(super) const NAME: u16 = 1;
    pub(super) const PACKETS: u16 = 2;
    pub(super) const BYTES: u16 = 3;
    pub(super) const FLAGS: u16 = 5;
}
