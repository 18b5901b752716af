//! Completion scripts for bash, zsh and fish, written from the option tables: `xtables-rs-multi complete SHELL`.

mod bash;
mod fish;
mod zsh;

use libxt::ext::{self, Entry, Families, Kind};
use libxt::getopt::Takes;
use libxt::value::protocol;

use crate::command::base_options;
use crate::{apply, options, restore, save, xml};

/// The script that the words `complete SHELL` ask for.
pub(crate) fn script(words: &[String]) -> Option<String> {
    match words {
        [_, complete, shell] if complete == "complete" => match shell.as_str() {
            "bash" => Some(bash::script()),
            "zsh" => Some(zsh::script()),
            "fish" => Some(fish::script()),
            _ => None,
        },
        _ => None,
    }
}

/// An option as a shell knows it.
struct Word {
    /// With its dashes.
    text: String,
    argument: bool,
    help: &'static str,
}

/// An extension, and by which words it comes into a command line.
struct Extension {
    /// `4`, `6`, or `?` for both.
    families: char,
    /// `m` for `-m`, `j` for `-j`, `p` for `-p`.
    by: char,
    name: &'static str,
    options: Vec<Word>,
}

/// The programs that read rules.
const COMMANDS: &[&str] =
    &["iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy", "iptables-translate", "ip6tables-translate"];

/// The programs with few options, each of which completes files otherwise.
const KIN: &[(&[&str], options::Table)] = &[
    (&["iptables-save", "ip6tables-save", "iptables-legacy-save", "ip6tables-legacy-save"], save::OPTIONS),
    (
        &["iptables-restore", "ip6tables-restore", "iptables-legacy-restore", "ip6tables-legacy-restore"],
        restore::OPTIONS,
    ),
    (&["iptables-apply", "ip6tables-apply"], apply::OPTIONS),
    (&["iptables-xml"], xml::OPTIONS),
];

const TABLES: &[(&str, &str)] = &[
    ("filter", "INPUT FORWARD OUTPUT"),
    ("nat", "PREROUTING INPUT OUTPUT POSTROUTING"),
    ("mangle", "PREROUTING INPUT FORWARD OUTPUT POSTROUTING"),
    ("raw", "PREROUTING OUTPUT"),
    ("security", "INPUT FORWARD OUTPUT"),
];

const VERDICTS: &[&str] = &["ACCEPT", "DROP", "RETURN", "QUEUE"];

/// The options that stand before every rule; both names of each.
fn base() -> Vec<Word> {
    let word = |text, takes| Word { text, argument: takes == Takes::Required, help: "" };
    let mut words: Vec<Word> = base_options().map(|(_, long, takes)| word(format!("--{long}"), takes)).collect();
    let mut letters: Vec<(char, Takes)> =
        base_options().filter_map(|(short, _, takes)| Some((short?, takes))).collect();
    letters.sort_unstable_by_key(|(letter, _)| *letter);
    letters.dedup_by_key(|(letter, _)| *letter);
    words.extend(letters.into_iter().map(|(letter, takes)| word(format!("-{letter}"), takes)));
    words
}

fn kin_words(table: options::Table) -> Vec<String> {
    table.iter().flat_map(|(letter, long, _)| [format!("--{long}"), format!("-{letter}")]).collect()
}

fn extensions() -> Vec<Extension> {
    let of_kind = |kind, by| ext::entries(kind).iter().map(move |entry| extension(entry, by, entry.name));
    // Names out of /etc/protocols would differ from one machine to the next.
    let named = |entry: &'static Entry| {
        let name = entry.protocol.map(|number| protocol::built_in_name(number).unwrap_or(entry.name));
        name.map(|name| extension(entry, 'p', name))
    };
    let mut all: Vec<Extension> = of_kind(Kind::Match, 'm').chain(of_kind(Kind::Target, 'j')).collect();
    all.extend(ext::entries(Kind::Match).iter().flat_map(named));
    all
}

fn extension(entry: &Entry, by: char, name: &'static str) -> Extension {
    let families = match entry.families {
        Families::Both => '?',
        Families::V4 => '4',
        Families::V6 => '6',
    };
    let object = (entry.new)();
    let specs = (0..object.option_count()).map(|index| object.option(index));
    let options = specs.map(|spec| Word { text: format!("--{}", spec.name), argument: spec.argument, help: spec.help });
    Extension { families, by, name, options: options.collect() }
}

/// What may follow `-m` or `-j` in a family, `4` or `6`.
fn names(by: char, family: char) -> String {
    let fits = |one: &&Extension| one.by == by && (one.families == '?' || one.families == family);
    let verdicts = if by == 'j' { VERDICTS } else { &[] };
    let mut names: Vec<&str> = extensions().iter().filter(fits).map(|one| one.name).collect();
    names.extend(verdicts);
    names.join(" ")
}

fn protocols() -> String {
    (0..=u8::MAX).filter_map(protocol::built_in_name).collect::<Vec<_>>().join(" ")
}

/// `text` in single quotes, where `escaped` stands for one of them.
fn quoted(text: &str, escaped: &str) -> String {
    format!("'{}'", text.replace('\'', escaped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_script_has_every_option_of_every_extension() {
        let (bash, zsh, fish) = (bash::script(), zsh::script(), fish::script());
        for one in extensions() {
            let Extension { families, by, name, options } = one;
            let case = format!("{families}:{by}:{name})");
            for Word { text, help, .. } in options {
                let line = |script: &str, found: &dyn Fn(&str) -> bool| script.lines().any(found);
                assert!(
                    line(&bash, &|line| line.trim_start().starts_with(&case)
                        && line.split([' ', '\'']).any(|word| word == text)),
                    "bash: {case} {text}"
                );
                let described = format!("{text}:{}", help.replace('\'', "'\\''"));
                assert!(zsh.contains(&case) && zsh.contains(&described), "zsh: {case} {text}");
                let long = format!(" -l {} ", text.trim_start_matches('-'));
                let condition = fish::condition(families, by, name);
                assert!(line(&fish, &|line| line.contains(&condition) && line.contains(&long)), "fish: {case} {text}");
            }
        }
    }

    #[test]
    fn only_known_shells_are_served() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(script(&words("xtables-rs-multi complete bash")).is_some());
        assert!(script(&words("xtables-rs-multi complete csh")).is_none());
        assert!(script(&words("xtables-rs-multi -L")).is_none());
    }
}
