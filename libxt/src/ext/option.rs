//! An extension's option table, and the checks upstream's guided parser makes on every option (`xtopt_*`).

use std::fmt;
use std::io::{self, Write};

use super::Surroundings;

/// One option of an extension's table: how it looks from outside, and what it does to the value.
pub struct Opt<E> {
    /// Name, argument and rules.
    pub spec: Spec,
    /// Sets it in the value.
    pub set: fn(&mut E, &Given<'_>) -> Result<(), Problem>,
}

/// The outer side of an option.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The long name, without dashes.
    pub name: &'static str,
    /// Whether an argument follows.
    pub argument: bool,
    /// Whether the word after the argument belongs to it too (`--tcp-flags mask comp`); see [`Given::second`].
    pub second: bool,
    /// Whether `!` may stand before it.
    pub invertible: bool,
    /// Whether it may be given more than once.
    pub repeatable: bool,
    /// Whether it must be given.
    pub mandatory: bool,
    /// Another name of this option: the two share one slot in `seen`.
    pub alias_of: Option<&'static str>,
    /// Options that may not stand beside it.
    pub excludes: &'static [&'static str],
    /// Options that must stand beside it.
    pub requires: &'static [&'static str],
    /// What follows the name in help: ` value[/mask]`, with its leading space, or empty.
    pub metavar: &'static str,
    /// One line of help, in our own words.
    pub help: &'static str,
}

/// An option as it was typed.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The argument, empty for an option that takes none.
    pub value: &'a str,
    /// The word after it, if [`Spec::second`] asks for one and the next word does not begin with `-` or `!`.
    pub second: Option<&'a str>,
    /// Whether `!` stood before it.
    pub inverted: bool,
    /// The options given before, as [`Object::seen`](super::Object::seen); filled in by `Object::set`.
    pub seen: u64,
    /// Whether this option, or another name of it, is among them; filled in by `Object::set`.
    pub repeated: bool,
    /// The option's main name, also when an alias of it was typed; filled in by `Object::set`.
    pub option: &'static str,
    /// The extension's name, for messages; filled in by `Object::set`.
    pub extension: &'static str,
    /// The rule around it, as far as it was read.
    pub around: Surroundings,
}

/// Why an option was refused: upstream's text, without `iptables v…: ` before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The text, with upstream's trailing newline where upstream prints an extra blank line.
    pub text: String,
    /// Whether the words are at fault (`PARAMETER_PROBLEM`, exit code 2), or something else (`OTHER_PROBLEM`, 1).
    pub is_usage: bool,
}

impl<E> Opt<E> {
    /// An option with an argument; `metavar` is what help shows for it, with a leading space.
    pub const fn new(
        name: &'static str,
        metavar: &'static str,
        help: &'static str,
        set: fn(&mut E, &Given<'_>) -> Result<(), Problem>,
    ) -> Self {
        let spec = Spec {
            name,
            argument: true,
            second: false,
            invertible: false,
            repeatable: false,
            mandatory: false,
            alias_of: None,
            excludes: &[],
            requires: &[],
            metavar,
            help,
        };
        Self { spec, set }
    }

    /// An option without an argument.
    pub const fn flag(
        name: &'static str,
        help: &'static str,
        set: fn(&mut E, &Given<'_>) -> Result<(), Problem>,
    ) -> Self {
        let mut option = Self::new(name, "", help, set);
        option.spec.argument = false;
        option
    }

    /// The same, with a second argument as a word of its own.
    pub const fn two_words(mut self) -> Self {
        self.spec.second = true;
        self
    }

    /// The same, with `!` allowed.
    pub const fn invertible(mut self) -> Self {
        self.spec.invertible = true;
        self
    }

    /// The same, allowed more than once.
    pub const fn repeatable(mut self) -> Self {
        self.spec.repeatable = true;
        self
    }

    /// The same, required.
    pub const fn mandatory(mut self) -> Self {
        self.spec.mandatory = true;
        self
    }

    /// The same, as another name of option `name`.
    pub const fn alias_of(mut self, name: &'static str) -> Self {
        self.spec.alias_of = Some(name);
        self
    }

    /// The same, refused without each of `names`.
    pub const fn requires(mut self, names: &'static [&'static str]) -> Self {
        self.spec.requires = names;
        self
    }

    /// The same, refused beside any of `names` (main names, not aliases).
    pub const fn excludes(mut self, names: &'static [&'static str]) -> Self {
        self.spec.excludes = names;
        self
    }
}

impl<'a> Given<'a> {
    /// An option as a rule's parser knows it.
    pub const fn new(value: &'a str, inverted: bool, around: Surroundings) -> Self {
        Self { value, second: None, inverted, seen: 0, repeated: false, option: "", extension: "", around }
    }

    /// The same, with the word that follows its argument.
    pub const fn with_second(mut self, second: Option<&'a str>) -> Self {
        self.second = second;
        self
    }
    /// `X: bad value for option "--y", or out of range (min-max).`, as `xtopt_parse_int` says it.
    pub fn out_of_range(&self, min: u64, max: u64) -> Problem {
        Problem::new(format!(
            "{}: bad value for option \"--{}\", or out of range ({min}-{max}).\n",
            self.extension, self.option
        ))
    }

    /// `X: bad value for option "--y"` with upstream's ending for options without a range.
    pub fn bad_value(&self) -> Problem {
        Problem::new(format!("{}: bad value for option \"--{}\"", self.extension, self.option))
    }
}

impl Problem {
    /// A text of the extension's own.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_usage: true }
    }

    /// The same, where the words are not to blame.
    pub fn other(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_usage: false }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Problem {}

/// Names one a line, with `(other names)` of the same meaning that follow them; `is_part` of what stands before is
/// indented. See [`Extension::list_names`](super::Extension::list_names).
pub(super) fn list_names<'a, T: PartialEq>(
    w: &mut dyn fmt::Write,
    names: impl IntoIterator<Item = (&'a str, T)>,
    is_part: fn(&T) -> bool,
) -> fmt::Result {
    w.write_str("Names:\n")?;
    let mut names = names.into_iter().peekable();
    while let Some((name, means)) = names.next() {
        write!(w, "{}{name}", if is_part(&means) { "      " } else { "   " })?;
        while let Some((other, _)) = names.next_if(|(_, other)| *other == means) {
            write!(w, " ({other})")?;
        }
        w.write_str("\n")?;
    }
    Ok(())
}

/// Says a line on stderr that is no reason to refuse the option, as upstream does while it reads a rule.
pub(super) fn notice(line: &str) {
    // Nobody can be told that stderr is closed.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Repetition and inversion, in the order of `xtables_option_parse`.
pub(super) fn admit(spec: &Spec, extension: &str, repeated: bool, inverted: bool) -> Result<(), Problem> {
    let name = spec.alias_of.unwrap_or(spec.name);
    if repeated && !spec.repeatable {
        return Err(Problem::new(format!("{extension}: option \"--{name}\" can only be used once.\n")));
    }
    if inverted && !spec.invertible {
        return Err(Problem::new(format!("{extension}: option \"--{name}\" cannot be inverted.\n")));
    }
    Ok(())
}

/// Mandatory options, company and exclusion once all were read, in the order of `xtables_options_fcheck`. `seen` has the
/// bits of every name of an option that was given (see [`same_slot`]).
pub(super) fn complete<E>(table: &[Opt<E>], extension: &str, seen: u64) -> Result<(), Problem> {
    let is_given = |index: usize| seen & 1 << index != 0;
    for (index, option) in table.iter().enumerate() {
        let spec = &option.spec;
        if !is_given(index) {
            if spec.mandatory && spec.alias_of.is_none() {
                return Err(Problem::new(format!("{extension}: option \"--{}\" must be specified\n", spec.name)));
            }
            continue;
        }
        if spec.alias_of.is_some() || spec.requires.is_empty() && spec.excludes.is_empty() {
            continue;
        }
        for (other_index, Opt { spec: other, .. }) in table.iter().enumerate() {
            if !is_given(other_index) && spec.requires.contains(&other.name) {
                return Err(Problem::new(format!(
                    "{extension}: option \"--{}\" also requires \"--{}\".\n",
                    spec.name, other.name
                )));
            }
            if is_given(other_index) && spec.excludes.contains(&other.name) {
                return Err(Problem::new(format!(
                    "{extension}: option \"--{}\" cannot be used together with \"--{}\".\n",
                    spec.name, other.name
                )));
            }
        }
    }
    Ok(())
}

/// The bits of option `index` and of every other name of it.
pub(super) fn same_slot<E>(table: &[Opt<E>], index: usize) -> u64 {
    let name = table[index].spec.alias_of.unwrap_or(table[index].spec.name);
    let mut bits = 1 << index;
    for (other, Opt { spec, .. }) in table.iter().enumerate() {
        if spec.alias_of.unwrap_or(spec.name) == name {
            bits |= 1 << other;
        }
    }
    bits
}
