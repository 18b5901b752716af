//! `-m bpf`: a program of the administrator's in classic BPF, as tcpdump's filters are.

use libxt::ext::Families;
use libxt::ext::matches::bpf::Bpf;

use super::{Match, pkttype};
use crate::ext::asked::Rule;
use crate::ext::{Maker, Scene};
use crate::packet::Hook;
use crate::ruleset::refused::errno;

mod check;
mod run;

pub(super) const MAKER: Maker<Match> = Maker::of::<Bpf>(Families::Both, |revision, info, site| {
    match site.decode(revision, info)? {
        Bpf::Bytecode(program) => match check::check(&program) {
            Ok(steps) => Ok(Match::Bpf(Program(steps))),
            // What a queued packet does not tell the kernel knows.
            Err(refused) if refused.errno == errno::EOPNOTSUPP => {
                Ok(Match::Asked(Rule::new("bpf", revision, info, KEPT, site)))
            }
            Err(refused) => Err(refused),
        },
        Bpf::Pinned { .. } => {
            let mut info = info.to_vec();
            // A descriptor of the command's process, which means nothing here: the path counts.
            if let Some(descriptor) = info.get_mut(4..8) {
                descriptor.fill(0);
            }
            Ok(Match::Asked(Rule::new("bpf", revision, &info, KEPT, site)))
        }
    }
})
.kept(|_| KEPT);

/// Bytes before the kernel's own.
const KEPT: usize = 520;

/// A program that was checked: every jump leads forward and inside, every path ends in a return.
#[derive(Debug)]
pub struct Program(Box<[run::Step]>);

/// As bpf_mt(): what the program returns is not 0.
pub(super) fn matches(program: &Program, scene: &mut Scene<'_, '_>) -> bool {
    let link = scene.packet.link;
    let facts = run::Facts {
        packet: scene.packet.data.bytes(),
        link: link.bytes.first_chunk::<14>().filter(|_| link.len >= 14 && scene.packet.in_device.is_some()),
        af: scene.af(),
        packet_type: pkttype::kind(scene),
        device: match scene.hook {
            Hook::Output => None,
            Hook::Postrouting => scene.packet.out_device,
            _ => scene.packet.in_device,
        }
        .map(|device| (device.index, device.hardware)),
        mark: scene.packet.mark,
    };
    run::run(&program.0, &facts, scene.random) != 0
}
