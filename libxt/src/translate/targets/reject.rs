//! `-j REJECT`: an answer to the sender.

use crate::ext::Surroundings;
use crate::ext::targets::reject::{Reject, With};
use crate::translate::{Outcome, Statement, Translate, Untranslatable};

impl Translate for Reject {
    fn translate(&self, to: &mut Statement<'_>, around: &Surroundings) -> Outcome {
        let with = match self.with(around.af) {
            With::PortUnreachable | With::PortUnreachable6 => "",
            With::NetUnreachable => "icmp type net-unreachable",
            With::HostUnreachable => "icmp type host-unreachable",
            With::ProtoUnreachable => "icmp type prot-unreachable",
            With::NetProhibited => "icmp type net-prohibited",
            With::HostProhibited => "icmp type host-prohibited",
            With::AdminProhibited => "icmp type admin-prohibited",
            With::NoRoute => "icmpv6 type no-route",
            With::AdmProhibited => "icmpv6 type admin-prohibited",
            With::AddrUnreachable => "icmpv6 type addr-unreachable",
            With::PolicyFail => "icmpv6 type policy-fail",
            With::RejectRoute => "icmpv6 type reject-route",
            With::TcpReset => "tcp reset",
            With::NotNeighbour | With::EchoReply => return Err(Untranslatable),
        };
        to.add(format_args!("reject"));
        if !with.is_empty() {
            to.add(format_args!("with {with}"));
        }
        Ok(())
    }
}
