//! The text of `-h`: the usage, the options, and those of every extension named before it.

use std::fmt::Write;

use libxt::ext::{Kind, Object};
use libxt::family::Af;

use crate::program::{Program, VERSION};

/// Everything `-h` prints.
pub(super) fn text<'o>(
    program: Program,
    target: Option<(&'static str, &'o dyn Object)>,
    matches: impl Iterator<Item = (&'static str, &'o dyn Object)>,
) -> String {
    let name = program.name();
    let mut text = format!("{name} v{VERSION} ({})\n\n", program.variant());
    for (number, form) in FORMS.iter().enumerate() {
        let lead = if number == 0 { "Usage:" } else { "      " };
        let _ = writeln!(text, "{lead} {name} {form}");
    }
    for line in BODY {
        let (families, line) = line;
        if families.is_none_or(|af| af == program.af) {
            let _ = writeln!(text, "{line}");
        }
    }
    for (name, object) in target.into_iter().chain(matches) {
        let _ = write!(text, "\n{name} {} options:\n", if object.kind() == Kind::Match { "match" } else { "target" });
        for index in 0..object.option_count() {
            let spec = object.option(index);
            let not = if spec.invertible { "[!] " } else { "    " };
            let form = format!("{not}--{}{}", spec.name, spec.metavar);
            let _ = writeln!(text, "{form:<32} {}", spec.help);
        }
        let _ = object.list_names(&mut text, program.af);
    }
    text
}

const FORMS: &[&str] = &[
    "-[ACD] chain rule [options]",
    "-I chain [number] rule [options]",
    "-R chain number rule [options]",
    "-D chain number [options]",
    "-[LS] [chain [number]] [options]",
    "-[FZ] [chain] [options]",
    "-[NX] chain",
    "-E old-chain new-chain",
    "-P chain policy [options]",
    "-h (this help)",
];

/// Each line, and the one family it is for.
const BODY: &[(Option<Af>, &str)] = &[
    (None, ""),
    (None, "Commands, in long or short form:"),
    (None, "  --append  -A chain            put a rule at the end of the chain"),
    (None, "  --check   -C chain            is such a rule in the chain?"),
    (None, "  --delete  -D chain            remove the first such rule"),
    (None, "  --delete  -D chain number     remove the rule of that number, counted from 1"),
    (None, "  --insert  -I chain [number]   put a rule before that number (default 1)"),
    (None, "  --replace -R chain number     put a rule in the place of another"),
    (None, "  --list    -L [chain [number]] show the rules of one or all chains"),
    (None, "  --list-rules -S [chain [number]]"),
    (None, "                                show them as commands"),
    (None, "  --flush   -F [chain]          remove all rules of one or all chains"),
    (None, "  --zero    -Z [chain [number]] set counters to zero"),
    (None, "  --new-chain -N chain          make a chain"),
    (None, "  --delete-chain -X [chain]     remove one or all empty chains of yours"),
    (None, "  --policy  -P chain target     what happens at the end of a built-in chain"),
    (None, "  --rename-chain -E old new     give a chain another name"),
    (None, ""),
    (None, "Options:"),
    (Some(Af::V4), "    --ipv4      -4              nothing here; ip6tables-restore skips the line"),
    (Some(Af::V4), "    --ipv6      -6              an error here; iptables-restore skips the line"),
    (Some(Af::V6), "    --ipv4      -4              an error here; ip6tables-restore skips the line"),
    (Some(Af::V6), "    --ipv6      -6              nothing here; iptables-restore skips the line"),
    (None, "[!] --protocol  -p proto        by number or name, such as tcp"),
    (None, "[!] --source    -s address[/mask][,...]"),
    (None, "[!] --destination -d address[/mask][,...]"),
    (None, "[!] --in-interface -i name[+]   where the packet came in; + stands for any ending"),
    (None, "    --jump      -j target       what to do with the packet"),
    (None, "    --goto      -g chain        go on there, without coming back here"),
    (None, "    --match     -m match        an extension's condition"),
    (None, "    --numeric   -n              show addresses and ports as numbers"),
    (None, "[!] --out-interface -o name[+]  where the packet goes out"),
    (None, "    --table     -t table        which table (default filter)"),
    (None, "    --verbose   -v              show more"),
    (None, "    --wait      -w [seconds]    how long to wait for the xtables lock"),
    (None, "    --line-numbers              number the rules of a list"),
    (None, "    --exact     -x              show counters in full"),
    (Some(Af::V4), "[!] --fragments -f              second and later fragments only"),
    (None, "    --modprobe  -M command      what loads the kernel's module if it is missing"),
    (None, "    --set-counters -c packets bytes"),
    (None, "                                start from these counters"),
    (None, "[!] --version   -V              the version"),
];
