//! Who hears that a datagram never became whole.

use libxt::family::Af;

use super::datagram::Datagram;
use crate::host::AddressKind;
use crate::icmp_error::{self, Error, Means, Subject};
use crate::wire::{Headers, icmp, icmpv6};

impl Datagram {
    /// Tells the sender, if the first fragment is here and came from a link. Of IPv4 only the destination does so, of IPv6 every
    /// machine that tracks. As ip_expire() and ip6frag_expire_frag_queue().
    pub(super) fn tell(&self, means: &mut Means<'_>) -> Option<()> {
        let first = self.pieces.iter().find(|piece| piece.offset == 0)?;
        let arrived = Some(self.arrived?);
        let bytes = [&first.head[..], &first.payload[..]].concat();
        let headers = Headers::parse(self.flow.af, &bytes)?;
        let kind = match self.flow.af {
            Af::V4 if means.host.address_kind(headers.destination.ip(Af::V4), None) != AddressKind::Local => {
                return None;
            }
            Af::V4 => icmp::kind::TIME_EXCEEDED,
            Af::V6 => icmpv6::kind::TIME_EXCEEDED,
        };
        let subject =
            Subject { headers: &headers, bytes: &bytes, delivered: false, arrived, owned: false, unfinished: None };
        icmp_error::send(&subject, Error { kind, code: REASSEMBLY, rest: 0 }, means)
    }
}

/// `ICMP_EXC_FRAGTIME` and `ICMPV6_EXC_FRAGTIME`.
const REASSEMBLY: u8 = 1;
