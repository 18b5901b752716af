//! NetBIOS name service (RFC 1002): names asked of a whole network. As nf_conntrack_netbios_ns.c.

use libxt::family::Af;

use super::{Call, Helper, Policy};
use crate::Verdict;
use crate::conntrack::tuple::protocol;

pub(crate) struct NetBios;

const PORT: u16 = 137;
/// Seconds that answers are waited for.
const PATIENCE: u32 = 3;

impl Helper for NetBios {
    fn name(&self) -> &'static str {
        "netbios-ns"
    }

    fn protocols(&self) -> &'static [u8] {
        &[protocol::UDP]
    }

    fn reads(&self, af: Af) -> bool {
        af == Af::V4
    }

    fn policies(&self) -> &'static [Policy] {
        &[Policy { most: 1, timeout: PATIENCE }]
    }

    fn help(&self, call: &mut Call<'_, '_>) -> Verdict {
        call.await_answers(PORT, PATIENCE);
        Verdict::Accept
    }
}
