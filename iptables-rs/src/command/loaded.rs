//! The options a command line has: the base ones, and those of the extensions loaded so far.

use libxt::ext::option::Spec;
use libxt::ext::{Kind, Object};
use libxt::getopt::{Grammar, Takes};

use super::library::Extension;
use super::options::{self, LONG};

/// The options there are: the base ones and those of the extensions loaded so far.
#[derive(Default)]
pub(super) struct Known {
    pub(super) matches: Vec<Match>,
    pub(super) target: Option<(&'static str, Box<dyn Object>)>,
    /// The extensions whose options were added, in order; a match loaded twice adds them once.
    pub(super) loaded: Vec<(Kind, &'static str)>,
}

pub(super) struct Match {
    pub(super) name: &'static str,
    pub(super) object: Box<dyn Object>,
    /// Another match of the same name came after it and takes the options now.
    completed: bool,
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
        let extension = |(loaded, &(kind, library)): (usize, &(Kind, &str))| {
            let (option, spec) = self.any_instance(kind, library)?.option_named(name)?;
            Some((takes(spec), Id::Extension { loaded, option }))
        };
        base().or_else(|| self.loaded.iter().enumerate().rev().find_map(extension))
    }

    fn for_each_long(&self, visit: &mut dyn FnMut(&str, Takes, Id)) {
        for long in LONG {
            visit(long.name, long.takes, Id::Base(long.letter));
        }
        for (loaded, &(kind, name)) in self.loaded.iter().enumerate().rev() {
            let Some(object) = self.any_instance(kind, name) else { continue };
            for index in 0..object.option_count() {
                let spec = object.option(index);
                visit(spec.name, takes(spec), Id::Extension { loaded, option: index });
            }
        }
    }
}

impl Known {
    fn any_instance(&self, kind: Kind, name: &str) -> Option<&dyn Object> {
        match kind {
            Kind::Match => self.matches.iter().find(|one| one.name == name).map(|one| &*one.object),
            Kind::Target => self.target.as_ref().map(|(_, object)| &**object),
        }
    }

    pub(super) fn open_instance(&mut self, kind: Kind, name: &str) -> Option<&mut dyn Object> {
        match kind {
            Kind::Match => {
                let open = self.matches.iter_mut().find(|one| one.name == name && !one.completed);
                open.map(|one| &mut *one.object)
            }
            Kind::Target => self.target.as_mut().map(|(_, object)| &mut **object),
        }
    }

    pub(super) fn add_match(&mut self, Extension { name, object }: Extension) {
        let mut known = false;
        for one in self.matches.iter_mut().filter(|one| one.name == name) {
            one.completed = true;
            known = true;
        }
        self.matches.push(Match { name, object, completed: false });
        if !known {
            self.loaded.push((Kind::Match, name));
        }
    }

    pub(super) fn set_target(&mut self, Extension { name, object }: Extension) {
        self.target = Some((name, object));
        self.loaded.push((Kind::Target, name));
    }
}

fn takes(spec: &Spec) -> Takes {
    if spec.argument { Takes::Required } else { Takes::Nothing }
}
