//! The targets that nft can say, one file each.

use super::{Try, of};
use crate::ext::targets as ext;

mod audit;
mod classify;
mod connmark;
mod ct;
mod dnat;
mod dscp;
mod log;
mod mark;
mod masquerade;
mod nflog;
mod nfqueue;
mod redirect;
mod reject;
mod snat;
mod synproxy;
mod tcpmss;
mod tee;
mod tos;
mod trace;

/// In the order of the alphabet.
pub(super) const ALL: &[Try] = &[
    of::<ext::audit::Audit>(),
    of::<ext::classify::Classify>(),
    of::<ext::connmark::Connmark>(),
    of::<ext::ct::Ct>(),
    of::<ext::ct::Notrack>(),
    of::<ext::dnat::Dnat>(),
    of::<ext::dscp::Dscp>(),
    of::<ext::log::Log>(),
    of::<ext::mark::Mark>(),
    of::<ext::masquerade::Masquerade>(),
    of::<ext::nflog::Nflog>(),
    of::<ext::nfqueue::Nfqueue>(),
    of::<ext::redirect::Redirect>(),
    of::<ext::reject::Reject>(),
    of::<ext::snat::Snat>(),
    of::<ext::synproxy::Synproxy>(),
    of::<ext::tcpmss::Tcpmss>(),
    of::<ext::tee::Tee>(),
    of::<ext::tos::Tos>(),
    of::<ext::trace::Trace>(),
];
