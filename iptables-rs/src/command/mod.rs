//! A command line of `iptables`, parsed and carried out: `-A`, `-L` and the others, with every option of a rule.
//!
//! [`parse()`] does nothing but read; [`Command::run`] edits an open table, [`Command::translate`] says it in nft's words. Locking, opening and writing back are the
//! caller's, so that a restore can run many commands on one table.

mod help;
mod library;
mod list;
mod loaded;
mod options;
mod parse;
mod run;
#[cfg(test)]
mod tests;
mod translate;
mod words;

use std::borrow::Cow;

use libxt::ext::Object;
use libxt::lock::Wait;
use libxt::rule::Rule;
use libxt::value::header::Range;

pub(crate) use library::{Keeper, Unopened};
pub(crate) use options::{Action, base_options};
pub(crate) use parse::parse;
pub(crate) use run::Session;
pub(crate) use translate::{Statement, family};
pub(crate) use words::check_declared_chain;

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    /// A command on a table.
    Run(Box<Command<'a>>),
    /// Only this text on stdout (`-h`, `-V`).
    Show(String),
    /// Nothing: a line for the other family, in a restore (`-4`, `-6`).
    Nothing,
}

/// A command with its options and its rule, checked as far as that can be done without a table. Its names are words of
/// the command line, or copies of them.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    /// `-t`, else `filter`.
    pub(crate) table: Cow<'a, str>,
    /// `-w`.
    pub(crate) wait: Wait,
    /// `-M`.
    pub(crate) modprobe: Option<Cow<'a, str>>,
    pub(crate) action: Action,
    /// `-Z` beside `-L` or `-S`.
    also: Option<Action>,
    pub(crate) chain: Option<Cow<'a, str>>,
    /// A rule's number, counted from 1; 0 if none was given.
    number: usize,
    new_name: Option<Cow<'a, str>>,
    policy: Option<Cow<'a, str>>,
    has_counters: bool,
    display: Display,
    sources: Cow<'static, [Range]>,
    destinations: Cow<'static, [Range]>,
    jump: Jump<'a>,
    /// Its target is resolved on the table.
    rule: Rule,
    /// Where each `!` stood among the words.
    bangs: Vec<usize>,
}

impl Command<'_> {
    /// The same, with names of its own.
    pub(crate) fn into_owned(self) -> Command<'static> {
        let own = |name: Cow<'_, str>| Cow::Owned(name.into_owned());
        Command {
            table: own(self.table),
            wait: self.wait,
            modprobe: self.modprobe.map(own),
            action: self.action,
            also: self.also,
            chain: self.chain.map(own),
            number: self.number,
            new_name: self.new_name.map(own),
            policy: self.policy.map(own),
            has_counters: self.has_counters,
            display: self.display,
            sources: self.sources,
            destinations: self.destinations,
            jump: Jump { word: own(self.jump.word), ..self.jump },
            rule: self.rule,
            bangs: self.bangs,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Display {
    numeric: bool,
    exact: bool,
    line_numbers: bool,
    verbose: u32,
}

/// The word after `-j` or `-g`, empty without either.
#[derive(Debug, Default)]
struct Jump<'a> {
    word: Cow<'a, str>,
    is_goto: bool,
    /// The extension of that name, while a chain of the same name stands in its place.
    shadowed: Option<Box<dyn Object>>,
}
