//! Extensions as one process loads them: by name, asking whoever keeps the tables which of their revisions it has.

use std::collections::HashSet;

use libxt::abi::GetRevision;
use libxt::backend::{self, Backend, Get, Unavailable};
use libxt::ext::{self, Entry, Kind, Object, Revision};
use libxt::family::Af;
use libxt::table::verdict_number;

use crate::say;

/// Whom to ask about revisions.
pub(crate) enum Keeper<'a> {
    /// The tables are open.
    Open(&'a mut dyn Backend),
    /// They are opened when the first extension is loaded, as upstream opens a socket for each.
    Unopened(&'a mut Unopened),
    /// There are no tables: every revision is there.
    Nobody,
}

/// The tables of one family, to be opened when they are needed.
pub(crate) struct Unopened {
    af: Af,
    opened: Option<Result<Box<dyn Backend>, Unavailable>>,
}

/// What was loaded and learnt so far.
#[derive(Debug, Default)]
pub(crate) struct Library {
    /// What the keeper answered. A file of rules names a handful of extensions, over and over: few enough to look through.
    revisions: Vec<((Kind, &'static str, u8), bool)>,
    loaded: Vec<(Kind, &'static Entry)>,
    chains: HashSet<String>,
}

impl Unopened {
    pub(crate) fn new(af: Af) -> Self {
        Self { af, opened: None }
    }

    pub(crate) fn open(self) -> Result<Box<dyn Backend>, Unavailable> {
        self.opened.unwrap_or_else(|| backend::open(self.af))
    }
}

impl Keeper<'_> {
    /// The tables, or the errno with which they could not be opened.
    fn backend(&mut self) -> Result<&mut (dyn Backend + '_), i32> {
        match self {
            Self::Open(backend) => Ok(*backend),
            Self::Unopened(tables) => {
                let af = tables.af;
                match tables.opened.get_or_insert_with(|| backend::open(af)) {
                    Ok(backend) => Ok(backend.as_mut()),
                    Err(unavailable) => Err(unavailable.errno),
                }
            }
            Self::Nobody => Err(libc::ENOENT),
        }
    }

    /// As `compatible_revision()`: who may not ask is told so and assumes the best, and a kernel too old for the question
    /// has revision 0 alone.
    fn has_revision(&mut self, (kind, name, number): (Kind, &str, u8)) -> bool {
        let Some(mut question) = GetRevision::question(name, number) else { return false };
        let what = match kind {
            Kind::Match => Get::RevisionMatch,
            Kind::Target => Get::RevisionTarget,
        };
        match self.backend() {
            Ok(backend) => match backend.get(what, &mut question).map_err(|error| error.raw_os_error()) {
                Err(Some(libc::ENOENT | libc::EPROTONOSUPPORT)) => false,
                Err(Some(libc::ENOPROTOOPT)) => number == 0,
                _ => true,
            },
            Err(errno) => {
                if errno == libc::EPERM && number != 0 {
                    say!("{name}: Could not determine whether revision {number} is supported, assuming it is.");
                }
                true
            }
        }
    }
}

/// The name behind a `-m` word, which messages show too.
pub(super) fn match_name(word: &str) -> &str {
    match word {
        "icmpv6" | "ipv6-icmp" => "icmp6",
        other => other,
    }
}

impl Library {
    /// The match of a `-m` word, loaded (`xtables_find_match`).
    pub(super) fn find_match(&mut self, af: Af, name: &str, keeper: &mut Keeper<'_>) -> Option<Extension> {
        self.load(Kind::Match, af, match_name(name), keeper)
    }

    /// The target of a `-j` word, loaded (`xtables_find_target`); none for verdicts and announced chains.
    pub(super) fn find_target(&mut self, af: Af, name: &str, keeper: &mut Keeper<'_>) -> Option<Extension> {
        if verdict_number(name).is_some() || self.chains.contains(name) {
            return None;
        }
        self.load(Kind::Target, af, name, keeper)
    }

    /// From now on the name is a chain's and no extension's (`xtables_announce_chain`), in every table.
    pub(crate) fn announce_chain(&mut self, name: &str) {
        if !self.chains.contains(name) {
            self.chains.insert(name.to_owned());
        }
    }

    /// A fresh extension. The first time, the newest revision is looked for that the tables' keeper has.
    fn load(&mut self, kind: Kind, af: Af, name: &str, keeper: &mut Keeper<'_>) -> Option<Extension> {
        let known = self.loaded.iter().find(|(of, entry)| (*of, entry.name) == (kind, name));
        let entry = known.map_or_else(|| ext::find(kind, name, af), |&(_, entry)| Some(entry))?;
        let object = (entry.new)();
        if known.is_none() {
            self.loaded.push((kind, entry));
            let mut revisions = object.revisions().iter().filter(|revision| revision.families.contain(af));
            if !revisions.any(|revision| self.has(&*object, *revision, keeper)) {
                say!("Warning: Extension {} revision 0 not supported, missing kernel module?", entry.name);
            }
        }
        Some(Extension { name: entry.name, object })
    }

    /// The first revision, in the order of the extension's table, that the backend has and that can say the value; the
    /// oldest if there is none.
    pub(super) fn revision(&mut self, af: Af, object: &dyn Object, keeper: &mut Keeper<'_>) -> Revision {
        let of_family = || object.revisions().iter().copied().filter(|revision| revision.families.contain(af));
        of_family()
            .find(|&revision| self.has(object, revision, keeper) && object.fits(revision.number))
            .or_else(|| of_family().min_by_key(|revision| revision.number))
            .unwrap_or(Revision::new(0, 0))
    }

    fn has(&mut self, object: &dyn Object, revision: Revision, keeper: &mut Keeper<'_>) -> bool {
        let key = (object.kind(), object.name(), revision.number);
        if let Some(&(_, answer)) = self.revisions.iter().find(|(asked, _)| *asked == key) {
            return answer;
        }
        let answer = keeper.has_revision(key);
        self.revisions.push((key, answer));
        answer
    }
}

/// An extension fresh from the library, and the name it was found by.
pub(super) struct Extension {
    pub(super) name: &'static str,
    pub(super) object: Box<dyn Object>,
}
