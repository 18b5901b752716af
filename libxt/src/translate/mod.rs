//! A rule in the language of `nft`, as `iptables-translate` of release 1.8.9 says it.
//!
//! What is common to all rules is in [`rule()`]; each extension that can be said has a file of its own in `matches` or
//! `targets`. An extension without one is [`Untranslatable`], and so is one with options that nft has nothing for: the
//! rule that holds it can then only be quoted as a comment. Where the words of 1.8.9 mean less than the
//! rule (a `!` that is lost, a mask that is not looked at) they are kept: who translates a script wants the same text.

use std::any::Any;
use std::fmt;

use crate::ext::{Object, Surroundings};

mod matches;
mod operand;
mod rate;
mod rule;
mod statement;
mod targets;

pub use rule::rule;
pub use statement::{Numbers, Statement};

/// nft has no words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Untranslatable;

impl fmt::Display for Untranslatable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no translation")
    }
}

impl std::error::Error for Untranslatable {}

/// What the translation of an extension ends with.
type Outcome = Result<(), Untranslatable>;

/// An extension that nft can say, at least with some of its options.
trait Translate: Sized + 'static {
    /// Adds the condition or the action to a statement.
    fn translate(&self, to: &mut Statement<'_>, around: &Surroundings) -> Outcome;
}

/// Translates a value if it is of one type.
type Try = fn(&dyn Any, &mut Statement<'_>, &Surroundings) -> Option<Outcome>;

const fn of<E: Translate>() -> Try {
    |value, to, around| value.downcast_ref::<E>().map(|value| value.translate(to, around))
}

/// Translates whatever extension it is.
fn extension(object: &dyn Object, to: &mut Statement<'_>, around: &Surroundings) -> Outcome {
    let mut tries = matches::ALL.iter().chain(targets::ALL);
    tries.find_map(|attempt| attempt(object.value(), to, around)).unwrap_or(Err(Untranslatable))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_translation_there_is_a_file_for_is_tried() {
        for (kind, all) in [("matches", matches::ALL), ("targets", targets::ALL)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/translate").join(kind);
            let mut translations = 0;
            for file in fs::read_dir(&folder).unwrap() {
                let text = fs::read_to_string(file.unwrap().path()).unwrap();
                translations += text.matches("\nimpl Translate for ").count();
            }
            assert_eq!(translations, all.len(), "{kind}");
        }
    }
}
