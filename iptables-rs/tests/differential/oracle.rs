//! Two network namespaces that started alike, the real tool in one and ours in the other.

mod namespace;
mod outcome;
mod programs;

use libxt::family::Af;

pub(crate) use self::namespace::{Keeper, Namespace};
pub(crate) use self::outcome::{Outcome, output, without_version};
pub(crate) use self::programs::{Tool, under_test};
use crate::deviations;

/// The two namespaces.
#[derive(Debug)]
pub(crate) struct Twins {
    pub(crate) theirs: Namespace,
    pub(crate) ours: Namespace,
    /// What was done so far, for whoever reads a failure.
    history: Vec<String>,
}

impl Twins {
    pub(crate) fn new() -> Self {
        Self::kept_by(Keeper::Kernel)
    }

    pub(crate) fn kept_by(keeper: Keeper) -> Self {
        let mut ours = Namespace::new();
        if keeper == Keeper::Datapath {
            ours.start_datapath();
        }
        Self { theirs: Namespace::new(), ours, history: Vec::new() }
    }

    /// Starts the history anew, for tests that repeat from a known state.
    pub(crate) fn forget(&mut self) {
        self.history.clear();
    }

    /// Runs a command line (`iptables -A …`) with each tool and compares what they said. Returns what theirs did.
    pub(crate) fn run(&mut self, line: &str) -> Outcome {
        self.run_words(&split(line), "")
    }

    /// The same with words already split and something on standard input.
    pub(crate) fn run_words(&mut self, words: &[String], stdin: &str) -> Outcome {
        match self.try_words(words, stdin) {
            Ok(outcome) => outcome,
            Err(difference) => panic!("{}\n{difference}", self.history.join("\n")),
        }
    }

    /// The same for tests that go on after a difference.
    pub(crate) fn try_words(&mut self, words: &[String], stdin: &str) -> Result<Outcome, String> {
        self.history.push(format!("{words:?}"));
        let mut theirs = self.theirs.run(Tool::Theirs, words, stdin);
        let mut ours = self.ours.run(under_test(), words, stdin);
        // The words of the help are our own.
        if let (Some(at), Some(other)) = (theirs.stdout.find("Usage: "), ours.stdout.find("Usage: ")) {
            theirs.stdout.truncate(at);
            ours.stdout.truncate(other);
        }
        if theirs == ours || deviations::is_decided(&theirs, &ours) {
            return Ok(theirs);
        }
        let stdin = if stdin.is_empty() { String::new() } else { format!("\n--- stdin\n{stdin}") };
        Err(format!("{words:?}\n--- theirs\n{theirs}\n--- ours\n{ours}{stdin}"))
    }

    /// Compares the tables as their keepers hold them, byte for byte.
    pub(crate) fn compare_tables(&self, af: Af, tables: &[&str]) {
        self.try_tables(af, tables).unwrap_or_else(|difference| panic!("{difference}"));
    }

    /// The same for tests that go on after a difference.
    pub(crate) fn try_tables(&self, af: Af, tables: &[&str]) -> Result<(), String> {
        for table in tables {
            let theirs = self.theirs.entries(af, table);
            let ours = self.ours.entries(af, table);
            if theirs != ours {
                let at = theirs.iter().zip(&ours).position(|(a, b)| a != b).unwrap_or(theirs.len().min(ours.len()));
                let save = match af {
                    Af::V4 => ["iptables-save".to_owned()],
                    Af::V6 => ["ip6tables-save".to_owned()],
                };
                return Err(format!(
                    "{}\nthe bytes of {table} differ at {at} ({} and {} long)\n--- theirs\n{}\n--- ours\n{}\n{}\n{}",
                    self.history.join("\n"),
                    theirs.len(),
                    ours.len(),
                    hex(&theirs, at),
                    hex(&ours, at),
                    self.theirs.run(Tool::Theirs, &save, ""),
                    self.ours.run(Tool::Theirs, &save, ""),
                ));
            }
        }
        Ok(())
    }

    /// Has both tools read the same namespace (the real tool's), and compares what they print. The real tool reads no
    /// datapath: there each reads its own.
    pub(crate) fn compare_reading(&mut self, line: &str) {
        self.try_reading(line).unwrap_or_else(|difference| panic!("{difference}"));
    }

    /// The same for tests that go on after a difference.
    pub(crate) fn try_reading(&mut self, line: &str) -> Result<(), String> {
        let words = split(line);
        if self.ours.keeper() == Keeper::Datapath {
            return self.try_words(&words, "").map(drop);
        }
        let theirs = self.theirs.run(Tool::Theirs, &words, "");
        let ours = self.theirs.run(under_test(), &words, "");
        if theirs != ours {
            let history = self.history.join("\n");
            return Err(format!("{history}\nreading: {line}\n--- theirs\n{theirs}\n--- ours\n{ours}"));
        }
        Ok(())
    }
}

/// Words as a shell splits them: blanks, double quotes, single quotes, backslashes.
pub(crate) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(chars.next()),
            (_, Some(open)) if c == open => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ' | '\t', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn hex(bytes: &[u8], at: usize) -> String {
    let from = at.saturating_sub(16);
    bytes.iter().skip(from).take(64).map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn words_are_split_as_a_shell_does() {
    assert_eq!(split(r#"a  "b \"c" d\ e '' x"y"z"#), ["a", "b \"c", "d e", "", "xyz"]);
}
