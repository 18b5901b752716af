//! Questions to a whole network: its hosts answer from addresses of their own. As nf_conntrack_broadcast.c.

use libxt::family::Af;

use super::Call;
use crate::conntrack::expect::{Expected, flag};
use crate::conntrack::{Address, Direction};

impl Call<'_, '_> {
    /// If the packet is this machine's own and goes to a broadcast address, expects answers of that network from `port`, as
    /// many as come, for so many seconds. As nf_conntrack_broadcast_help().
    pub(super) fn await_answers(&mut self, port: u16, seconds: u32) {
        // A broadcast is also looped back: that copy is of no socket.
        if self.direction != Direction::Original || self.packet.owner.is_none() {
            return;
        }
        let (None, Some(device)) = (self.packet.in_device, self.packet.out_device) else { return };
        let destination = self.headers.destination.ip(Af::V4);
        let Some(prefix) = self.host.broadcast_network(destination, device.index).filter(|&prefix| prefix != 0) else {
            return;
        };
        let back = self.tuple(Direction::Reply);
        let mask = u32::MAX << 32_u8.saturating_sub(prefix).min(31);
        let mut source_mask = Address::default();
        source_mask.0[..4].copy_from_slice(&mask.to_be_bytes());
        let expected = Expected {
            tuple: back.with_source_port(port),
            source_mask,
            port_mask: u16::MAX,
            flags: flag::PERMANENT,
            ..Expected::new(None, None, back)
        };
        let _ = self.expect(expected);
        self.refresh(seconds);
    }
}
