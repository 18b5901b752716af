//! What the kernel learned of paths' MTUs, which only a question about one way tells: TCPMSS asks, once or twice for a SYN.

use std::sync::Mutex;

use engine::host::{Route, RouteKey};
use nfnl::request::Error;

use crate::state::lock;

/// The socket on which the kernel is asked, opened with the first question.
#[derive(Debug, Default)]
pub(crate) struct Paths(Mutex<Option<nfnl::route::Paths>>);

impl Paths {
    /// The path's MTU in bytes, if the kernel takes the very way that `route` is and knows more of it than the device.
    pub(crate) fn mtu(&self, key: &RouteKey, route: &Route) -> Option<u32> {
        let mut open = lock(&self.0);
        let mut asked = match open.take() {
            Some(asked) => asked,
            None => nfnl::route::Paths::open().ok()?,
        };
        let found = asked.find(key.destination, key.mark, key.out_device);
        // One that failed may still have an answer to come.
        if matches!(found, Ok(_) | Err(Error::Refused { .. })) {
            *open = Some(asked);
        }
        let found = found.ok()??;
        (found.device == route.device && found.mtu != 0).then_some(found.mtu)
    }
}
