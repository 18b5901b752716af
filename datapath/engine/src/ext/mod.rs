//! Matches and targets as judges of packets: one file per extension, taking its value from `libxt`.
//!
//! A [`Maker`] says for one extension what the kernel's `struct xt_match` or `struct xt_target` says: in which tables, at
//! which hooks, for which protocols and in which revisions it may stand, and makes the judge out of the bytes.

use libxt::blob::Matches;
use libxt::ext::{Extension, Families, Revision, Surroundings};
use libxt::family::Af;
use libxt::value::header::{F_PROTOCOL_V6, Header, INV_PROTOCOL};

use crate::packet::Hook;
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub mod asked;
pub mod handover;
pub mod jhash;
pub mod matches;
pub mod probe;
pub mod rates;
pub mod scene;
pub mod stores;
pub mod targets;

pub use scene::Scene;

/// Where in a table an extension stands: `struct xt_mtchk_param` and `struct xt_tgchk_param`.
#[derive(Clone, Debug)]
pub struct Site<'a> {
    /// The family.
    pub af: Af,
    /// The table's name.
    pub table: &'a str,
    /// The hooks from which the rule is reached: bit *n* for `NF_INET_*` number *n*.
    pub hooks: u32,
    /// The rule's header.
    pub header: &'a Header,
    /// The rule's matches.
    pub matches: Matches<'a>,
}

/// What the kernel registers for an extension.
#[derive(Clone, Copy)]
pub struct Maker<J> {
    /// The kernel's name.
    pub name: &'static str,
    /// For which families.
    pub families: Families,
    /// The revisions, and how long the info of each is.
    pub revisions: &'static [Revision],
    /// Bytes of each revision that the kernel gives back on a read; what follows is its own and reads as zero.
    pub kept: fn(u8) -> usize,
    /// The only table it may stand in.
    pub table: Option<&'static str>,
    /// The hooks it may be reached from, 0 for all.
    pub hooks: u32,
    /// The protocol its rule must name.
    pub protocol: Option<u8>,
    /// Whether a rule with it makes its family tracked.
    pub tracks: bool,
    /// Whether a rule with it makes its family's fragments be joined, as tracking does.
    pub joins: bool,
    /// Whether a rule with it turns `nf_conntrack_acct` on.
    pub accounts: bool,
    /// The extension's own check, and the judge. As `checkentry`.
    pub make: fn(u8, &[u8], &Site<'_>) -> Result<J, Refused>,
}

impl<J> Maker<J> {
    /// An extension without limits.
    pub const fn of<E: Extension>(families: Families, make: fn(u8, &[u8], &Site<'_>) -> Result<J, Refused>) -> Self {
        Self {
            name: E::NAME,
            families,
            revisions: E::REVISIONS,
            kept: |_| usize::MAX,
            table: None,
            hooks: 0,
            protocol: None,
            tracks: false,
            joins: false,
            accounts: false,
            make,
        }
    }

    /// The same, in one table only.
    pub const fn table(mut self, table: &'static str) -> Self {
        self.table = Some(table);
        self
    }

    /// The same, at some hooks only.
    pub const fn hooks(mut self, hooks: u32) -> Self {
        self.hooks = hooks;
        self
    }

    /// The same, for one protocol only.
    pub const fn protocol(mut self, protocol: u8) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// The same, needing connection tracking.
    pub const fn tracks(mut self) -> Self {
        self.tracks = true;
        self
    }

    /// The same, needing fragments to be joined.
    pub const fn joins(mut self) -> Self {
        self.joins = true;
        self
    }

    /// The same, needing connections to be counted.
    pub const fn accounts(mut self) -> Self {
        self.accounts = true;
        self
    }

    /// The same, with a tail of the kernel's own in some revision.
    pub const fn kept(mut self, kept: fn(u8) -> usize) -> Self {
        self.kept = kept;
        self
    }

    /// The check that is the same for all, then the extension's own. As `xt_check_match()`/`xt_check_target()`.
    pub fn check(&self, revision: u8, info: &[u8], site: &Site<'_>) -> Result<J, Refused> {
        let Some(known) =
            self.revisions.iter().find(|known| known.number == revision && known.families.contain(site.af))
        else {
            // What is registered once for every family is told from what is not there at all. As xt_find_match().
            let errno = if UNSPECIFIC.contains(&self.name) { errno::EPROTOTYPE } else { errno::ENOENT };
            return Err(Refused::new(errno, "this revision is not known").of(self.name));
        };
        if known.size.next_multiple_of(8) != info.len() {
            return Err(Refused::invalid("its size is not its revision's").of(self.name));
        }
        if let Some(table) = self.table.filter(|table| *table != site.table) {
            return Err(Refused::outside_table(self.name, table));
        }
        if self.hooks != 0 && site.hooks & !self.hooks != 0 {
            return Err(Refused::outside_hooks(self.name, self.hooks));
        }
        if let Some(protocol) = self.protocol.filter(|protocol| site.protocol() != Some(*protocol)) {
            return Err(Refused::without_protocol(self.name, protocol));
        }
        (self.make)(revision, info, site)
    }
}

impl Site<'_> {
    /// The protocol the rule names, if it names one and not its negation.
    pub fn protocol(&self) -> Option<u8> {
        let asked = match self.af {
            Af::V4 => true,
            Af::V6 => self.header.flags & F_PROTOCOL_V6 != 0 || self.header.protocol != 0,
        };
        if !asked || self.header.inversions & INV_PROTOCOL != 0 {
            return None;
        }
        u8::try_from(self.header.protocol).ok().filter(|&protocol| protocol != 0)
    }

    /// What text and bytes depend on.
    pub fn surroundings(&self) -> Surroundings {
        Surroundings {
            af: self.af,
            protocol: self.header.protocol,
            protocol_inverted: self.header.inversions & INV_PROTOCOL != 0,
        }
    }

    /// The value in the info bytes.
    pub fn decode<E: Extension>(&self, revision: u8, info: &[u8]) -> Result<E, Refused> {
        E::decode(revision, info, &self.surroundings()).map_err(|malformed| Refused::invalid(malformed.0))
    }
}

/// What the kernel registers under `NFPROTO_UNSPEC`.
const UNSPECIFIC: &[&str] = &["comment", "conntrack", "limit", "pkttype", "statistic"];

/// The bit of a hook in a mask.
pub const fn bit(hook: Hook) -> u32 {
    1 << hook as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn files(folder: &str) -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .filter(|name| name != "mod")
            .collect()
    }

    fn names<J>(makers: &[Maker<J>]) -> BTreeSet<String> {
        makers.iter().map(|maker| maker.name.to_lowercase()).collect()
    }

    fn refused(list: &[(&str, &str)]) -> BTreeSet<String> {
        list.iter().map(|(name, _)| name.to_lowercase()).collect()
    }

    #[test]
    fn what_is_refused_is_not_judged() {
        assert!(names(matches::MAKERS).is_disjoint(&refused(matches::REFUSED)));
        assert!(names(targets::MAKERS).is_disjoint(&refused(targets::REFUSED)));
    }

    #[test]
    fn every_match_file_is_registered_here_and_in_the_library() {
        let mut judged = names(matches::MAKERS);
        assert_eq!(files("src/ext/matches"), judged);
        judged.extend(refused(matches::REFUSED));
        let known: BTreeSet<String> =
            libxt::ext::entries(libxt::ext::Kind::Match).iter().map(|entry| entry.kernel_name.to_lowercase()).collect();
        assert_eq!(judged, known);
    }

    #[test]
    fn every_target_file_is_registered_here_and_in_the_library() {
        let mut judged = names(targets::MAKERS);
        assert_eq!(files("src/ext/targets"), judged);
        judged.extend(refused(targets::REFUSED));
        let known: BTreeSet<String> = libxt::ext::entries(libxt::ext::Kind::Target)
            .iter()
            .map(|entry| entry.kernel_name.to_lowercase())
            .filter(|name| !name.is_empty() && name != "error")
            .collect();
        assert_eq!(judged, known);
    }
}
