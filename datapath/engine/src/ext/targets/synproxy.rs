//! `-j SYNPROXY`: answers the opening of a TCP connection for its server.

use libxt::ext::Families;
use libxt::ext::targets::synproxy::Synproxy;

use super::reject::sums_up;
use super::{Outcome, Target};
use crate::ext::{Maker, Scene, bit};
use crate::packet::{Hook, Verdict};
use crate::synproxy;
use crate::wire::tcp::{Tcp, flag};

pub(super) const MAKER: Maker<Target> =
    Maker::of::<Synproxy>(Families::Both, |revision, info, site| Ok(Target::Synproxy(site.decode(revision, info)?)))
        .hooks(bit(Hook::Input) | bit(Hook::Forward))
        .protocol(6)
        .tracks();

/// As synproxy_tg4() and synproxy_tg6(): a SYN and an ACK are taken over, a reset and the like passes.
pub(super) fn act(value: &Synproxy, scene: &mut Scene<'_, '_>) -> Outcome {
    const GONE: Outcome = Outcome::Verdict(Verdict::Drop);
    if scene.headers.fragment_offset() != 0 || !sums_up(scene) {
        return GONE;
    }
    let Some(header) = Tcp::parse(scene.segment()) else { return GONE };
    if header.options(scene.segment()).is_none() {
        return GONE;
    }
    match header.flags & (flag::SYN | flag::ACK | flag::FIN | flag::RST) {
        flag::SYN => {
            synproxy::answer(value, &header, scene);
            GONE
        }
        flag::ACK => {
            synproxy::accept(&header, header.sequence, scene);
            GONE
        }
        _ => Outcome::Continue,
    }
}
