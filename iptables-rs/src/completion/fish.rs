//! The script for fish.

use std::fmt::Write;

use super::{COMMANDS, Extension, KIN, TABLES, Word, base, extensions, names, protocols, quoted};

pub(super) fn script() -> String {
    let commands = commands(COMMANDS);
    let mut script = String::from(HEAD);
    let mut line = |condition: &str, rest: &str| {
        let _ = writeln!(script, "complete{commands}{condition}{rest}");
    };
    line("", " -f");
    for word in base() {
        line("", &option(&word));
    }
    for Extension { families, by, name, options } in extensions() {
        for word in options {
            line(&condition(families, by, name), &option(&word));
        }
    }
    // fish asks the option itself what its argument may be.
    let mut values = |condition: &str, letter: char, long: &str, words: &str| {
        line(condition, &format!(" -s {letter} -l {long} -x -a {}", quote(words)));
    };
    for family in ['4', '6'] {
        let condition = format!(" -n '__xtables_rs_family {family}'");
        values(&condition, 'm', "match", &names('m', family));
        values(&condition, 'j', "jump", &names('j', family));
    }
    let tables: Vec<&str> = TABLES.iter().map(|(table, _)| *table).collect();
    values("", 't', "table", &tables.join(" "));
    values("", 'p', "protocol", &protocols());
    values("", 'i', "in-interface", "(command ls /sys/class/net)");
    values("", 'o', "out-interface", "(command ls /sys/class/net)");
    let chains = "PREROUTING INPUT FORWARD OUTPUT POSTROUTING";
    for (letter, long) in [('A', "append"), ('C', "check"), ('D', "delete"), ('I', "insert"), ('R', "replace")] {
        values("", letter, long, chains);
    }
    values("", 'P', "policy", chains);
    for (names, table) in KIN {
        for (letter, long, _) in *table {
            let _ = writeln!(script, "complete{} -s {letter} -l {long}", self::commands(names));
        }
    }
    script
}

/// That an extension is in the command line; `?` would be a pattern here.
pub(super) fn condition(families: char, by: char, name: &str) -> String {
    let families = if families == '?' { "46".to_owned() } else { families.to_string() };
    format!(" -n '__xtables_rs_has {families} {by} {name}'")
}

fn commands(names: &[&str]) -> String {
    names.iter().map(|name| format!(" -c {name}")).collect()
}

/// `-l name -x -d help` of a long option, `-s` of a short one.
fn option(word: &Word) -> String {
    let argument = if word.argument { " -x" } else { "" };
    let name = match word.text.strip_prefix("--") {
        Some(long) => format!(" -l {long}"),
        None => format!(" -s {}", word.text.trim_start_matches('-')),
    };
    let help = if word.help.is_empty() { String::new() } else { format!(" -d {}", quote(word.help)) };
    format!("{name}{argument}{help} ")
}

fn quote(text: &str) -> String {
    quoted(&text.replace('\\', "\\\\"), "\\'")
}

const HEAD: &str = r"# fish completion for iptables, ip6tables and their kin; printed by `xtables-rs-multi complete fish'.

function __xtables_rs_family -a family
    set -l words (commandline -opc)
    set -l own 4
    string match -qr -- '(^|/)ip6[^/]*$' $words[1]; and set own 6
    test $family = $own
end

# Whether an extension stands before the cursor: its families, how it is named, its name.
function __xtables_rs_has -a families by name
    test $families = 46; or __xtables_rs_family $families; or return 1
    set -l words (commandline -opc)
    set -l long match
    test $by = j; and set long jump
    test $by = p; and set long protocol
    for i in (seq 2 (count $words))
        if contains -- $words[$i] -$by --$long; and test $i -lt (count $words); and test $words[(math $i + 1)] = $name
            return 0
        end
    end
    return 1
end

";
