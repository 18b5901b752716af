//! What a plan is made of: lines of options, where the kernel takes them, and what is known of their answers.

use lab::twin::{TABLES, built_in};

/// Which packets a rule answers yes to, in one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Some and not all.
    Some,
    /// All of them: an inverted line none.
    All,
    /// None of them: an inverted line all.
    None,
    /// As the kernel counts; said with the reason.
    Free,
}

/// A set of hooks.
pub(crate) type Hooks = u8;

/// Chains where an answer is another one, with the reason: hooks, tables (all if empty), the answer there.
pub(crate) type But = &'static [(Hooks, &'static [&'static str], Known, &'static str)];

pub(crate) const PRE: Hooks = 1;
pub(crate) const IN: Hooks = 2;
pub(crate) const FWD: Hooks = 4;
pub(crate) const OUT: Hooks = 8;
pub(crate) const POST: Hooks = 16;
pub(crate) const ANY: Hooks = 31;

/// Options of an extension. `{!}` is where an inversion may stand; other words in braces are filled in, see [`Chain::fill`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) options: &'static str,
    /// Of one family alone.
    pub(crate) six: Option<bool>,
    /// Where the kernel takes it.
    pub(crate) hooks: Hooks,
    pub(crate) tables: &'static [&'static str],
    /// Whether it needs connections.
    pub(crate) tracked: bool,
    /// Whether it needs that there are none: packets that are still in fragments.
    pub(crate) torn: bool,
    pub(crate) known: Known,
    pub(crate) but: But,
}

pub(crate) const fn line(options: &'static str) -> Line {
    Line { options, six: None, hooks: ANY, tables: &TABLES, tracked: false, torn: false, known: Known::Some, but: &[] }
}

impl Line {
    pub(crate) const fn v4(self) -> Self {
        Self { six: Some(false), ..self }
    }

    pub(crate) const fn v6(self) -> Self {
        Self { six: Some(true), ..self }
    }

    pub(crate) const fn at(self, hooks: Hooks) -> Self {
        Self { hooks, ..self }
    }

    pub(crate) const fn of(self, tables: &'static [&'static str]) -> Self {
        Self { tables, ..self }
    }

    pub(crate) const fn tracked(self) -> Self {
        Self { tracked: true, ..self }
    }

    pub(crate) const fn torn(self) -> Self {
        Self { torn: true, ..self }
    }

    pub(crate) const fn all(self) -> Self {
        Self { known: Known::All, ..self }
    }

    pub(crate) const fn none(self) -> Self {
        Self { known: Known::None, ..self }
    }

    pub(crate) const fn but(self, but: But) -> Self {
        Self { but, ..self }
    }

    /// Whether the kernel takes it there.
    pub(crate) fn legal(&self, chain: &Chain) -> bool {
        self.hooks & chain.hook != 0 && self.tables.contains(&chain.table)
    }

    /// Whether no chain refuses it.
    pub(crate) fn legal_everywhere(&self) -> bool {
        self.hooks == ANY && self.tables.len() == TABLES.len()
    }

    /// What is known of its answers there.
    pub(crate) fn known(&self, chain: &Chain) -> Known {
        // Before tracking only what comes back over loopback, and answers, have a connection.
        if self.tracked && chain.table == "raw" {
            return Known::Free;
        }
        let other = self.but.iter().find(|(hooks, tables, ..)| {
            hooks & chain.hook != 0 && (tables.is_empty() || tables.contains(&chain.table))
        });
        other.map_or(self.known, |(_, _, known, _)| *known)
    }

    /// The options, and the options inverted where the syntax has it.
    pub(crate) fn both(&self) -> Vec<(bool, String)> {
        let one = (false, self.options.replace("{!} ", ""));
        match self.options.contains("{!}") {
            true => vec![one, (true, self.options.replace("{!}", "!"))],
            false => vec![one],
        }
    }
}

/// A built-in chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) table: &'static str,
    pub(crate) name: &'static str,
    pub(crate) hook: Hooks,
    /// Its place among all.
    pub(crate) number: usize,
}

impl Chain {
    /// All of them.
    pub(crate) fn every() -> impl Iterator<Item = Self> {
        let all = TABLES.into_iter().flat_map(|table| built_in(table).iter().map(move |name| (table, *name)));
        all.enumerate().map(|(number, (table, name))| Self { table, name, hook: hook(name), number })
    }

    /// Options with the words in braces filled in: addresses, `{c}` the chain's number, `{n}` the rule's.
    pub(crate) fn fill(&self, options: &str, rule: usize, six: bool) -> String {
        let words = [
            ("{client}", "10.1.0.2", "fd01::2"),
            ("{server}", "10.2.0.2", "fd02::2"),
            ("{inner}", "10.1.0.1", "fd01::1"),
            ("{outer}", "10.2.0.1", "fd02::1"),
            ("{set}", "lab", "lab6"),
        ];
        let mut text = options
            .replace("{chain}", self.name)
            .replace("{c}", &self.number.to_string())
            .replace("{n}", &rule.to_string());
        text = text.replace("{system}", &format!("hook{}", std::process::id()));
        for (word, four, other) in words {
            text = text.replace(word, if six { other } else { four });
        }
        text
    }
}

fn hook(name: &str) -> Hooks {
    match name {
        "PREROUTING" => PRE,
        "INPUT" => IN,
        "FORWARD" => FWD,
        "OUTPUT" => OUT,
        _ => POST,
    }
}
