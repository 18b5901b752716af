//! A rule's bytes: the entry struct, the matches, the target.

use std::fmt;

use zerocopy::IntoBytes;

use super::{Rule, Target};
use crate::abi::{self, Offsets, StandardTarget, TargetHead};
use crate::ext::{Malformed, Object, Revision, Surroundings};
use crate::table::{Destination, NewRule};

/// A rule in bytes, and what a table must know to keep it. Meant to be used again for the next rule.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    bytes: Vec<u8>,
    user_sizes: Vec<u16>,
    destination: Goal,
}

/// Why a rule cannot be said in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unencodable {
    /// An extension refused its value in the revision that the backend has.
    Extension(&'static str),
    /// The rule is longer than an entry can be (64 KiB).
    TooLong,
}

#[derive(Clone, Debug, Default)]
enum Goal {
    #[default]
    Next,
    Verdict,
    Chain(String),
    Module,
}

/// Encodes `rule`; `revision` says which of an extension's revisions to write.
pub fn encode(
    rule: &Rule,
    revision: &mut dyn FnMut(&dyn Object) -> Option<Revision>,
    into: &mut Encoded,
) -> Result<(), Unencodable> {
    let Encoded { bytes, user_sizes, destination } = into;
    let header = &rule.header;
    let around = header.surroundings();
    bytes.clear();
    user_sizes.clear();
    bytes.resize(abi::entry_len(header.af), 0);
    for one in &rule.matches {
        push_extension(&**one, revision, &around, bytes, user_sizes)?;
    }
    let target = bytes.len();
    let standard = |verdict, bytes: &mut Vec<u8>, user_sizes: &mut Vec<u16>| {
        let head = TargetHead { size: size_of::<StandardTarget>() as u16, ..TargetHead::default() };
        bytes.extend_from_slice(StandardTarget { head, verdict, pad: 0 }.as_bytes());
        user_sizes.push(size_of::<i32>() as u16);
    };
    *destination = match &rule.target {
        Target::None => {
            standard(0, bytes, user_sizes);
            Goal::Next
        }
        Target::Verdict(verdict) => {
            standard(*verdict, bytes, user_sizes);
            Goal::Verdict
        }
        Target::Chain(name) => {
            standard(0, bytes, user_sizes);
            match std::mem::take(destination) {
                Goal::Chain(mut old) => {
                    old.clone_from(name);
                    Goal::Chain(old)
                }
                _ => Goal::Chain(name.clone()),
            }
        }
        Target::Extension(object) => {
            push_extension(&**object, revision, &around, bytes, user_sizes)?;
            Goal::Module
        }
    };
    let offset = |at: usize| u16::try_from(at).map_err(|_| Unencodable::TooLong);
    let offsets =
        Offsets { target: offset(target)?, next: offset(bytes.len())?, counters: rule.counters, ..Offsets::default() };
    abi::write_entry(header.af, header, &offsets, bytes).ok_or(Unencodable::TooLong)
}

fn push_extension(
    object: &dyn Object,
    revision: &mut dyn FnMut(&dyn Object) -> Option<Revision>,
    around: &Surroundings,
    bytes: &mut Vec<u8>,
    user_sizes: &mut Vec<u16>,
) -> Result<(), Unencodable> {
    let refused = Unencodable::Extension(object.name());
    let Some(revision) = revision(object) else { return Err(refused) };
    let start = bytes.len();
    let head_len = size_of::<TargetHead>();
    let size = abi::align(head_len + revision.size);
    let (Ok(whole), Ok(user)) = (u16::try_from(size), u16::try_from(revision.user_size)) else {
        return Err(Unencodable::TooLong);
    };
    let Some(name) = abi::name_field(object.name()) else { return Err(refused) };
    bytes.resize(start + size, 0);
    let (head, info) = bytes[start..].split_at_mut(head_len);
    head.copy_from_slice(TargetHead { size: whole, name, revision: revision.number }.as_bytes());
    object.encode(revision.number, info, around).map_err(|Malformed(_)| refused)?;
    user_sizes.push(user);
    Ok(())
}

impl Encoded {
    /// The rule as a table takes it.
    pub fn as_new_rule(&self) -> NewRule<'_> {
        let destination = match &self.destination {
            Goal::Next => Destination::Next,
            Goal::Verdict => Destination::Verdict,
            Goal::Chain(name) => Destination::Chain(name),
            Goal::Module => Destination::Module,
        };
        NewRule { bytes: &self.bytes, destination, user_sizes: &self.user_sizes }
    }

    /// The entry's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Display for Unencodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extension(name) => write!(f, "{name}: this kernel knows no revision that can say this"),
            Self::TooLong => f.write_str("rule too long"),
        }
    }
}
