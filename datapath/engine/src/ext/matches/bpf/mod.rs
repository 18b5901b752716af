//! `-m bpf`: a program of the administrator's in classic BPF, as tcpdump's filters are.

use libxt::ext::Families;
use libxt::ext::matches::bpf::Bpf;

use super::{Match, pkttype};
use crate::ext::{Maker, Scene};
use crate::packet::Hook;
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

mod check;
mod run;

pub(super) const MAKER: Maker<Match> = Maker::of::<Bpf>(Families::Both, |revision, info, site| {
    match site.decode(revision, info)? {
        Bpf::Bytecode(program) => Ok(Match::Bpf(Program(check::check(&program)?))),
        // It is a descriptor of the command's process; the kernel runs what it stands for.
        Bpf::Pinned { .. } => Err(Refused::new(errno::EOPNOTSUPP, "bpf: only the kernel runs pinned objects")),
    }
})
.kept(|_| 520);

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
