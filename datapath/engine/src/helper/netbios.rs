//! NetBIOS name service (RFC 1002): names asked of a whole network. As nf_conntrack_netbios_ns.c.

use libxt::family::Af;

use super::{About, Call, Helper, Parameters, Policy};
use crate::Verdict;
use crate::conntrack::tuple::protocol;

pub(crate) struct NetBios;

const PORT: u16 = 137;
/// Seconds that answers are waited for, as a rule.
const PATIENCE: u32 = 3;

impl Helper for NetBios {
    fn about(&self) -> &'static About {
        &About {
            name: "netbios-ns",
            protocols: &[protocol::UDP],
            families: &[Af::V4],
            policies: &[Policy { most: 1, timeout: PATIENCE }],
        }
    }

    fn policy(&self, class: usize, parameters: &Parameters) -> Option<Policy> {
        let policy = self.about().policies.get(class)?;
        Some(Policy { timeout: parameters.netbios, ..*policy })
    }

    fn help(&self, call: &mut Call<'_, '_>) -> Verdict {
        call.await_answers(PORT, call.parameters().netbios);
        Verdict::Accept
    }
}
