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
        let options = random.pick(&["", "", "", " -n", " -c", " -n -c", " -t", " -v", " -T filter", " -n -v", " -w 1"]);
        let mut text = String::new();
        if random.chance(30) {
            text += "# a comment\n";
        }
        // Most rules are as the corpus has them, else no file would come to its end.
        let spoilt = random.chance(50);
        for _ in 0..=random.below(3) {
            self.table(random, af, spoilt, &mut text);
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
                random.pick(&["ACCEPT [0:0]", "ACCEPT [1:2]", "DROP [3:4]", "- [0:0]", "ACCEPT"])
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
                0 => *text += "# between\n",
                1 if !users.is_empty() => {
                    *text += &format!("-A {} -j {}\n", chains[0], users[random.below(users.len())])
                }
                _ => {
                    let Some(words) = self.rule(random, af, table, spoilt) else { continue };
                    if random.chance(30) {
                        *text += random.pick(&["[1:2] ", "[18446744073709551615:0] ", "[0:0] ", "[5:6]"]);
                    }
                    let quoted: Vec<String> = words.iter().map(|word| quote(random, word)).collect();
                    *text += &format!("{}\n", quoted.join(" "));
                }
            }
        }
        if !(spoilt && random.chance(5)) {
            *text += "COMMIT\n";
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
];
