//! The loopback device's MTU. Its longest packets are five bytes longer than a netlink attribute holds, so that the kernel would
//! cut off their end where it hands them over; what cannot be cut into segments could then never be written back.

use nfnl::queue::COPY_RANGE;
use nfnl::route;

use crate::stderr::complain;

/// Lowers the MTU to what can be handed over while packets are taken, and gives it back afterwards. A higher one that somebody
/// else sets meanwhile is lowered at the next change of a table; a lower one stays.
pub(crate) fn fit(taking: bool) {
    let done = route::mtu(LOOPBACK).and_then(|mtu| match taking {
        true if mtu > COPY_RANGE => route::set_mtu(LOOPBACK, COPY_RANGE),
        false if mtu == COPY_RANGE => route::set_mtu(LOOPBACK, USUAL),
        _ => Ok(()),
    });
    if let Err(error) = done {
        complain(&format!("the loopback device's MTU stays as it is, its longest packets cannot be changed: {error}"));
    }
}

/// `LOOPBACK_IFINDEX`.
const LOOPBACK: u32 = 1;
/// What the kernel gives a loopback device.
const USUAL: u32 = 65_536;
