//! The script for zsh.

use std::fmt::Write;

use super::{COMMANDS, Extension, KIN, TABLES, Word, base, extensions, kin_words, names, protocols, quoted};

pub(super) fn script() -> String {
    let kin: Vec<&str> = KIN.iter().flat_map(|(names, _)| names.iter().copied()).collect();
    let mut script = format!("#compdef {} {}\n{HEAD}", COMMANDS.join(" "), kin.join(" "));
    for Extension { families, by, name, options } in extensions() {
        let words: Vec<String> = options.iter().map(described).collect();
        let _ = writeln!(script, "\t({families}:{by}:{name}) reply+=({}) ;;", words.join(" "));
    }
    script += "\tesac\n}\n";
    let base: Vec<String> = base().iter().map(described).collect();
    let mut chains = String::new();
    for (table, names) in TABLES {
        let _ = writeln!(chains, "\t\t({table}) compadd -- {names} ;;");
    }
    let tables: Vec<&str> = TABLES.iter().map(|(table, _)| *table).collect();
    script += &RULE
        .replace("@BASE@", &base.join(" "))
        .replace("@CHAINS@", &chains)
        .replace("@TABLES@", &tables.join(" "))
        .replace("@PROTOCOLS@", &protocols())
        .replace("@MATCHES4@", &names('m', '4'))
        .replace("@MATCHES6@", &names('m', '6'))
        .replace("@TARGETS4@", &names('j', '4'))
        .replace("@TARGETS6@", &names('j', '6'));
    for (names, table) in KIN {
        let _ = writeln!(script, "({}) compadd -- {}; _files ;;", names.join("|"), kin_words(table).join(" "));
    }
    script += "(*) _xtables_rs_rule ;;\nesac\n";
    script
}

/// `--option:what it says`, quoted.
fn described(word: &Word) -> String {
    let colon = if word.help.is_empty() { "" } else { ":" };
    quoted(&format!("{}{colon}{}", word.text, word.help), "'\\''")
}

const HEAD: &str = r"# zsh completion for iptables, ip6tables and their kin; printed by `xtables-rs-multi complete zsh'.

# The options of an extension: family, how it is named, its name.
_xtables_rs_options() {
	case $1:$2:$3 in
";

const RULE: &str = r"
_xtables_rs_rule() {
	local family=4 table=filter word next i
	local -a reply
	[[ ${service:t} == ip6* ]] && family=6
	reply=(@BASE@)
	for ((i = 2; i < CURRENT; i++)); do
		word=$words[i] next=$words[i+1]
		case $word in
		(-t|--table) table=$next ;;
		(-m|--match) _xtables_rs_options $family m $next ;;
		(-j|--jump) _xtables_rs_options $family j $next ;;
		(-p|--protocol) _xtables_rs_options $family p $next ;;
		esac
	done
	case $words[CURRENT-1] in
	(-t|--table) compadd -- @TABLES@ ;;
	(-p|--protocol) compadd -- @PROTOCOLS@ ;;
	(-m|--match)
		if [[ $family == 6 ]]; then compadd -- @MATCHES6@; else compadd -- @MATCHES4@; fi
		;;
	(-j|--jump)
		if [[ $family == 6 ]]; then compadd -- @TARGETS6@; else compadd -- @TARGETS4@; fi
		;;
	(-[ACDIRLSFZP]|--append|--check|--delete|--insert|--replace|--list|--list-rules|--flush|--zero|--policy)
		case $table in
@CHAINS@		esac
		;;
	(-[io]|--in-interface|--out-interface) compadd -- /sys/class/net/*(N:t) ;;
	(*) _describe -o option reply ;;
	esac
}

case ${service:t} in
";
