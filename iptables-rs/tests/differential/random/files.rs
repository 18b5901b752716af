//! Random restore files: tables with chains and rules, good ones mostly, and what may go wrong between the lines.

use libxt::family::Af;

use super::draw::{Line, Pool, Random};
use crate::oracle::{Twins, split};

/// A restore input and how it is restored.
pub(super) struct File {
    command: String,
    text: String,
    af: Af,
}

impl Pool {
    /// A restore file of up to three tables.
    pub(super) fn file(&self, random: &mut Random) -> File {
        let af = if random.chance(60) { Af::V4 } else { Af::V6 };
        let program = if af == Af::V4 { "iptables-restore" } else { "ip6tables-restore" };
        let options = random.pick(OPTIONS);
        let mut text = String::new();
        if random.chance(30) {
            text += "# a comment\n";
        }
        if random.chance(3) {
            text +=
                random.pick(&["\n", "\t\n", "\r\n", "-A INPUT\n", "COMMIT\n", ":x - [0:0]\n", "[0:0]\n", "\u{feff}"]);
        }
        // Most rules are as the corpus has them, else no file would come to its end.
        let spoilt = random.chance(50);
        for _ in 0..=random.below(3) {
            self.table(random, af, spoilt, &mut text);
        }
        if random.chance(4) {
            // As an editor of another system leaves it, or one that was interrupted.
            text = match random.below(3) {
                0 => text.replace('\n', "\r\n"),
                1 => text.trim_end().to_owned(),
                _ => text.chars().take(random.below(text.len())).collect(),
            };
        }
        File { command: format!("{program}{options}"), text, af }
    }

    fn table(&self, random: &mut Random, af: Af, spoilt: bool, text: &mut String) {
        let table = random.pick(&["filter", "filter", "mangle", "nat", "raw", "security"]);
        *text += &format!("*{table}\n");
        let chains: &[&str] = match table {
            "nat" => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
            "mangle" => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
            "raw" => &["PREROUTING", "OUTPUT"],
            _ => &["INPUT", "FORWARD", "OUTPUT"],
        };
        for chain in chains {
            *text += &format!(
                ":{chain} {}\n",
                if spoilt && random.chance(4) {
                    random.pick(ODD_POLICIES)
                } else {
                    random.pick(&["ACCEPT [0:0]", "ACCEPT [1:2]", "DROP [3:4]", "- [0:0]", "ACCEPT"])
                }
            );
        }
        let users = ["a", "b", "long-name_of.a+chain", "LOG", "z"];
        let users = &users[..random.below(users.len() + 1)];
        for chain in users {
            *text += &format!(":{chain} - [0:0]\n");
        }
        for _ in 0..random.below(12) {
            match random.below(20) {
                0 if spoilt => *text += random.pick(ODD_LINES),
                1 if spoilt && random.chance(30) => *text += &long_line(random),
                0 => *text += "# between\n",
                1 if !users.is_empty() => {
                    *text += &format!("-A {} -j {}\n", chains[0], users[random.below(users.len())])
                }
                _ => {
                    let Some(words) = self.rule(random, af, table, spoilt) else { continue };
                    if random.chance(30) {
                        *text += random.pick(if spoilt {
                            ODD_COUNTERS
                        } else {
                            &["[1:2] ", "[18446744073709551615:0] ", "[0:0] "]
                        });
                    }
                    let quoted: Vec<String> = words.iter().map(|word| quote(random, word)).collect();
                    let between = if random.chance(4) { random.pick(&["  ", "\t", " \t "]) } else { " " };
                    *text += &format!("{}\n", quoted.join(between));
                }
            }
        }
        if !(spoilt && random.chance(5)) {
            *text += if spoilt && random.chance(4) {
                random.pick(&[
                    "COMMIT \n",
                    "commit\n",
                    " COMMIT\n",
                    "COMMIT\r\n",
                    "COMMIT # now\n",
                    "COMMITX\n",
                    "COMMIT\tx\n",
                ])
            } else {
                "COMMIT\n"
            };
        }
    }

    /// The words of a line: as the corpus has them for this family and table, or anything.
    fn rule(&self, random: &mut Random, af: Af, table: &str, spoilt: bool) -> Option<Vec<String>> {
        if !spoilt || random.chance(80) {
            return self.corpus_rule(random, af, table);
        }
        let Line { mut words, .. } = self.line(random);
        if words.first().is_some_and(|word| word == "-t") && random.chance(95) {
            words.drain(..words.len().min(2));
        }
        Some(words)
    }
}

/// Restores the file twice with both tools and compares everything.
pub(super) fn compare(file: &File) -> Result<(), String> {
    let mut twins = Twins::new();
    let save = if file.af == Af::V4 { "iptables-save" } else { "ip6tables-save" };
    for _ in 0..2 {
        twins.try_words(&split(&file.command), &file.text)?;
        for command in [save.to_owned(), format!("{save} -c")] {
            let saved = twins
                .try_words(&split(&command), "")
                .map_err(|difference| format!("{difference}\nafter {}\n{}", file.command, file.text))?;
            drop(saved);
        }
        twins
            .try_tables(file.af, &["filter", "mangle", "nat", "raw"])
            .map_err(|difference| format!("{difference}\nafter {}\n{}", file.command, file.text))?;
    }
    Ok(())
}

/// A word as a save writes it, or as somebody else might.
fn quote(random: &mut Random, word: &str) -> String {
    let plain =
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-,.:/!+=".contains(&byte));
    if plain && random.chance(98) {
        return word.to_owned();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A line about as long as a line or a word may be, or longer.
fn long_line(random: &mut Random) -> String {
    let long =
        "x".repeat(*random.one_of(&[250, 255, 256, 300, 1020, 1022, 1023, 1024, 1030, 10_200, 10_238, 10_240, 20_000]));
    match random.below(7) {
        0 => format!("# {long}\n"),
        1 => format!("-A INPUT -m comment --comment {long}\n"),
        2 => format!("-A INPUT -m comment --comment \"{long}\"\n"),
        3 => format!("-A INPUT {}-j ACCEPT\n", " ".repeat(long.len())),
        4 => format!("-A INPUT {}\n", "-v ".repeat(long.len() / 4)),
        5 => format!(":{long} - [0:0]\n"),
        _ => format!("-A INPUT -j {long}\n"),
    }
}

const OPTIONS: &[&str] = &[
    "",
    "",
    "",
    " -n",
    " -c",
    " -n -c",
    " -t",
    " -v",
    " -T filter",
    " -n -v",
    " -w 1",
    " --noflush --counters",
    " -T nat -n",
    " -T nosuch",
    " -c -t",
    " -v -v",
    " -w -n",
    " -w 5 -W 1000",
    " -nc",
    " --counters",
    " --table=mangle",
    " -b",
    " -M x -n",
];

const ODD_POLICIES: &[&str] = &[
    "",
    "drop [0:0]",
    "QUEUE [0:0]",
    "RETURN [0:0]",
    "ACCEPT [0:0",
    "ACCEPT 0:0]",
    "ACCEPT [x:0]",
    "ACCEPT [-1:0]",
    "ACCEPT [18446744073709551616:1]",
    "ACCEPT [1:2] more",
    "ACCEPT [1:2:3]",
    "ACCEPT [ 1 : 2 ]",
    "ACCEPT [0x10:010]",
    "ACCEPT\t[1:2]",
    "ACCEPT  [1:2]",
    "a [0:0]",
];

const ODD_COUNTERS: &[&str] = &[
    "[1:2] ",
    "[18446744073709551615:0] ",
    "[0:0] ",
    "[5:6]",
    "[1:2]\t",
    "[ 1:2] ",
    "[1 :2] ",
    "[-1:-2] ",
    "[+1:2] ",
    "[0x1:2] ",
    "[1:2x] ",
    "[1:] ",
    "[:] ",
    "[] ",
    "[1:2][3:4] ",
    "[18446744073709551616:2] ",
    " [1:2] ",
    "[1:2]  ",
];

/// (Upstream cannot print a jump that is not committed yet; ours can, so none is printed here.)
const ODD_LINES: &[&str] = &[
    "\n",
    " \n",
    "COMMIT\n",
    "COMMIT \n",
    "*nat\n",
    ":new - [0:0]\n",
    ":new\n",
    ":\n",
    ":a ACCEPT [0:0]\n",
    "-N c\n",
    "-F\n",
    "-X\n",
    "-Z\n",
    "-P INPUT DROP\n",
    "-E a aa\n",
    "-4 -A INPUT -j ACCEPT\n",
    "-6 -A INPUT -j ACCEPT\n",
    "-t filter -A INPUT\n",
    "[1:2 -A INPUT\n",
    "[1:2]\n",
    "-A INPUT -j\n",
    "-A INPUT -m comment --comment \"open\n",
    "-A INPUT -j a\r\n",
    "-D INPUT 1\n",
    "-V\n",
    "-w -A INPUT\n",
    "nonsense\n",
    "-A INPUT -g a\n",
    "-A a -j b\n-A b -j a\n",
    "\t\n",
    "\r\n",
    "   # not a comment\n",
    "#\n",
    "-A INPUT -m comment --comment ''\n",
    "-A INPUT -m comment --comment \"\"\n",
    "-A INPUT -m comment --comment 'a b'\n",
    "-A INPUT -m comment --comment \"a\tb\"\n",
    "-A INPUT -m comment --comment a\\ b\n",
    "-A INPUT -m comment --comment \"a\\\"b\" -j ACCEPT\n",
    "-A INPUT -m comment --comment \"a\"b\"c\"\n",
    "-A INPUT -m comment --comment a\"b c\"\n",
    "-A \"INPUT\" \"-j\" \"ACCEPT\"\n",
    "-A INPUT -j ACCEPT # why\n",
    "  -A INPUT -j ACCEPT\n",
    "\t-A INPUT -j ACCEPT\n",
    "-A INPUT -j ACCEPT\t\n",
    "-A INPUT -j ACCEPT \\\n",
    "-A INPUT -vv -j ACCEPT\n",
    "-I INPUT 2 -j ACCEPT\n",
    "-R INPUT 1 -j DROP\n",
    "-D INPUT -j ACCEPT\n",
    "-C INPUT -j ACCEPT\n",
    "-A INPUT -c 5 6 -j ACCEPT\n",
    "[7:8] -A INPUT -c 5 6 -j ACCEPT\n",
    "[7:8] -I INPUT -j ACCEPT\n",
    "[7:8] -P INPUT ACCEPT\n",
    "[7:8] -N q\n",
    "-P INPUT ACCEPT -c 1 2\n",
    "-Z INPUT 1\n",
    "-E b bb\n",
    "-X a\n",
    "-F nosuch\n",
    "-A\n",
    "-j\n",
    "-h\n",
    "--\n",
    "!\n",
    "\\\n",
    "\"\n",
    "*\n",
    "*filter x\n",
    "* filter\n",
    ":INPUT\n",
    ": INPUT ACCEPT\n",
    ":INPUT ACCEPT [1:1] x\n",
    ":q - [1:1]\n",
    ":q -\n",
    ":q\n",
    ":-q - [0:0]\n",
    ":!q - [0:0]\n",
    ":ACCEPT - [0:0]\n",
    ":q\"r - [0:0]\n",
    "-A INPUT -M x\n",
    "--table filter -A INPUT\n",
    "-A INPUT -w\n",
    "-A INPUT -W 1\n",
];
