//! The script for bash.

use std::fmt::Write;

use super::{COMMANDS, Extension, KIN, TABLES, base, extensions, kin_words, names, protocols, quoted};

pub(super) fn script() -> String {
    let mut script = String::from(HEAD);
    for Extension { families, by, name, options } in extensions() {
        let words: Vec<String> = options.into_iter().map(|word| word.text).collect();
        let _ = writeln!(script, "\t{families}:{by}:{name}) echo {} ;;", word_list(&words.join(" ")));
    }
    script += "\tesac\n}\n\n# The built-in chains of a table.\n_xtables_rs_chains() {\n\tcase $1 in\n";
    for (table, chains) in TABLES {
        let _ = writeln!(script, "\t{table}) echo {} ;;", word_list(chains));
    }
    script += "\tesac\n}\n";
    let tables: Vec<&str> = TABLES.iter().map(|(table, _)| *table).collect();
    let base: Vec<String> = base().into_iter().map(|word| word.text).collect();
    script += &RULE
        .replace("@BASE@", &base.join(" "))
        .replace("@TABLES@", &tables.join(" "))
        .replace("@PROTOCOLS@", &protocols())
        .replace("@MATCHES4@", &names('m', '4'))
        .replace("@MATCHES6@", &names('m', '6'))
        .replace("@TARGETS4@", &names('j', '4'))
        .replace("@TARGETS6@", &names('j', '6'));
    for (names, table) in KIN {
        let _ = writeln!(script, "\t{}) words={} ;;", names.join("|"), word_list(&kin_words(table).join(" ")));
    }
    script += TAIL;
    let kin: Vec<&str> = KIN.iter().flat_map(|(names, _)| names.iter().copied()).collect();
    let _ = writeln!(script, "complete -F _xtables_rs_rule {}", COMMANDS.join(" "));
    let _ = writeln!(script, "complete -o default -F _xtables_rs_kin {}", kin.join(" "));
    script
}

fn word_list(words: &str) -> String {
    quoted(words, "'\\''")
}

const HEAD: &str = r"# bash completion for iptables, ip6tables and their kin; printed by `xtables-rs-multi complete bash'.

# The options of an extension: family, how it is named, its name.
_xtables_rs_options() {
	case $1:$2:$3 in
";

const RULE: &str = r#"
_xtables_rs_rule() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local family=4 table=filter words='@BASE@' word next i
	[[ ${1##*/} == ip6* ]] && family=6
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]} next=${COMP_WORDS[i + 1]}
		case $word in
		-t | --table) table=$next ;;
		-m | --match) words+=" $(_xtables_rs_options $family m "$next")" ;;
		-j | --jump) words+=" $(_xtables_rs_options $family j "$next")" ;;
		-p | --protocol) words+=" $(_xtables_rs_options $family p "$next")" ;;
		esac
	done
	case $prev in
	-t | --table) words='@TABLES@' ;;
	-p | --protocol) words='@PROTOCOLS@' ;;
	-m | --match)
		words='@MATCHES4@'
		[[ $family == 6 ]] && words='@MATCHES6@'
		;;
	-j | --jump)
		words='@TARGETS4@'
		[[ $family == 6 ]] && words='@TARGETS6@'
		;;
	-[ACDIRLSFZP] | --append | --check | --delete | --insert | --replace | --list | --list-rules | --flush | --zero | --policy)
		words=$(_xtables_rs_chains "$table")
		;;
	-[io] | --in-interface | --out-interface) words=$(ls /sys/class/net 2>/dev/null) ;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}

_xtables_rs_kin() {
	local words=
	case ${1##*/} in
"#;

const TAIL: &str = r#"	esac
	[[ ${COMP_WORDS[COMP_CWORD]} == -* ]] && COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}

"#;
