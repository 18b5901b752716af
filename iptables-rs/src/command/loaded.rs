//! The options a command line has: the base ones, and those of the extensions loaded so far.

use libxt::ext::Object;
use libxt::ext::option::Spec;
use libxt::getopt::{Grammar, Takes};

use super::library::Extension;
use super::options::{self, LONG};

/// The options there are: the base ones and those of the extensions loaded so far.
#[derive(Default)]
pub(super) struct Known {
    pub(super) matches: Vec<Match>,
    pub(super) target: Option<(&'static str, Box<dyn Object>)>,
    /// The extensions whose options were added, in order; a match loaded twice adds them once.
    loaded: Vec<Loaded>,
}

pub(super) struct Match {
    pub(super) name: &'static str,
    pub(super) object: Box<dyn Object>,
}

enum Loaded {
    /// A match, and which of those of that name takes the options: the last one.
    Match(&'static str, usize),
    /// The target.
    Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    Base(u8),
    Extension { loaded: usize, option: usize },
}

impl Grammar for Known {
    type Id = Id;

    fn short(&self, letter: u8) -> Option<Takes> {
        options::short(letter)
    }

    fn long(&self, name: &str) -> Option<(Takes, Id)> {
        let base = || options::long(name).map(|long| (long.takes, Id::Base(long.letter)));
        let extension = |loaded: usize| {
            let (option, spec) = self.instance(loaded)?.option_named(name)?;
            Some((takes(spec), Id::Extension { loaded, option }))
        };
        base().or_else(|| (0..self.loaded.len()).rev().find_map(extension))
    }

    fn for_each_long(&self, visit: &mut dyn FnMut(&str, Takes, Id)) {
        for long in LONG {
            visit(long.name, long.takes, Id::Base(long.letter));
        }
        for loaded in (0..self.loaded.len()).rev() {
            let Some(object) = self.instance(loaded) else { continue };
            for index in 0..object.option_count() {
                let spec = object.option(index);
                visit(spec.name, takes(spec), Id::Extension { loaded, option: index });
            }
        }
    }
}

impl Known {
    /// Who takes the options of an [`Id::Extension`].
    fn instance(&self, loaded: usize) -> Option<&dyn Object> {
        match *self.loaded.get(loaded)? {
            Loaded::Match(_, open) => self.matches.get(open).map(|one| &*one.object),
            Loaded::Target => self.target.as_ref().map(|(_, object)| &**object),
        }
    }

    /// The same, to be changed.
    pub(super) fn instance_mut(&mut self, loaded: usize) -> Option<&mut dyn Object> {
        match *self.loaded.get(loaded)? {
            Loaded::Match(_, open) => self.matches.get_mut(open).map(|one| &mut *one.object),
            Loaded::Target => self.target.as_mut().map(|(_, object)| &mut **object),
        }
    }

    pub(super) fn add_match(&mut self, Extension { name, object }: Extension) {
        let index = self.matches.len();
        self.matches.push(Match { name, object });
        let known = self.loaded.iter_mut().find_map(|loaded| match loaded {
            Loaded::Match(other, open) if *other == name => Some(open),
            _ => None,
        });
        match known {
            Some(open) => *open = index,
            None => self.loaded.push(Loaded::Match(name, index)),
        }
    }

    /// The same, for the match of `-p`, whose options are added even if `-m` added them before: beginnings of their names
    /// are ambiguous from then on.
    pub(super) fn add_protocol_match(&mut self, found: Extension) {
        let (before, name) = (self.loaded.len(), found.name);
        self.add_match(found);
        if self.loaded.len() == before {
            self.loaded.push(Loaded::Match(name, self.matches.len().saturating_sub(1)));
        }
    }

    pub(super) fn set_target(&mut self, Extension { name, object }: Extension) {
        self.target = Some((name, object));
        self.loaded.push(Loaded::Target);
    }
}

fn takes(spec: &Spec) -> Takes {
    if spec.argument { Takes::Required } else { Takes::Nothing }
}
