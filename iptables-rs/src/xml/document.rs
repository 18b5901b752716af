//! The XML document: which elements are open, and what a table, a chain and a rule become.

use std::io::{self, Write};

use libxt::backend::Counters;
use libxt::octets;
use libxt::save::{BadLine, for_each_word, parse_counters};

/// Why the document ends early.
#[derive(Debug)]
pub(super) enum Wrong {
    /// A line that stands where it may not.
    Line,
    /// A rule that names no chain.
    NoChain,
    /// The input ends inside a table.
    Unfinished,
    /// A line that cannot be read.
    Parameter(String),
    /// The output is closed.
    Output,
}

/// A document being written.
pub(super) struct Document<W> {
    out: W,
    combine: bool,
    /// Empty outside of a table.
    table: String,
    chains: Vec<Chain>,
    /// The chain whose element is open; empty if none is.
    chain: String,
    rule_open: bool,
    actions_open: bool,
    /// The rule before, for `--combine`; it outlives chains and tables, as upstream's does.
    before: Vec<Word>,
}

struct Chain {
    name: String,
    policy: String,
    counters: Counters,
    written: bool,
}

/// A word of a rule.
struct Word {
    text: String,
    /// It stood in quotes: data, whatever it looks like.
    quoted: bool,
}

impl Word {
    /// `-j`, `-g` and their long names.
    fn is_target(&self) -> bool {
        ["-j", "--jump", "-g", "--goto"].contains(&self.text.as_str())
    }

    fn is_goto(&self) -> bool {
        ["-g", "--goto"].contains(&self.text.as_str())
    }

    fn opens(&self) -> bool {
        !self.quoted && (self.is_target() || self.text == "-m" || self.text == "--module")
    }
}

impl<W: Write> Document<W> {
    pub(super) fn new(out: W, combine: bool) -> Self {
        Self {
            out,
            combine,
            table: String::new(),
            chains: Vec::new(),
            chain: String::new(),
            rule_open: false,
            actions_open: false,
            before: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self) -> Result<(), Wrong> {
        Ok(writeln!(self.out, "<iptables-rules version=\"1.0\">")?)
    }

    pub(super) fn end(&mut self) -> Result<(), Wrong> {
        if self.in_table() {
            return Err(Wrong::Unfinished);
        }
        Ok(writeln!(self.out, "</iptables-rules>")?)
    }

    pub(super) fn in_table(&self) -> bool {
        !self.table.is_empty()
    }

    pub(super) fn comment(&mut self, text: &str) -> Result<(), Wrong> {
        write!(self.out, "<!-- ")?;
        self.commented(text)?;
        Ok(writeln!(self.out, " -->")?)
    }

    /// A line of the input, for `--verbose`.
    pub(super) fn line(&mut self, number: usize, text: &str) -> Result<(), Wrong> {
        write!(self.out, "<!-- line {number} ")?;
        self.commented(text)?;
        Ok(writeln!(self.out, " -->")?)
    }

    /// No two hyphens may meet inside a comment: each gets a star before it, every second one a blank too.
    fn commented(&mut self, text: &str) -> Result<(), Wrong> {
        let mut second = false;
        let mut escaped = String::with_capacity(text.len() * 2);
        for character in text.strip_suffix('\n').unwrap_or(text).chars() {
            if character == '-' {
                escaped.push_str(if second { " *" } else { "*" });
                second = !second;
            }
            escaped.push(character);
        }
        Ok(self.out.write_all(escaped.as_bytes())?)
    }

    pub(super) fn table(&mut self, name: &str) -> Result<(), Wrong> {
        self.commit()?;
        name.clone_into(&mut self.table);
        write!(self.out, "  <table ")?;
        self.attribute("name", name)?;
        Ok(writeln!(self.out, ">")?)
    }

    pub(super) fn chain(&mut self, name: &str, policy: &str, counters: Option<&str>) {
        // Upstream prints what its memory happens to hold where no counters are given.
        let counters = counters.and_then(parse_counters).unwrap_or_default();
        let (name, policy) = (name.to_owned(), policy.to_owned());
        self.chains.push(Chain { name, policy, counters, written: false });
    }

    pub(super) fn commit(&mut self) -> Result<(), Wrong> {
        for index in 0..self.chains.len() {
            if !self.chains[index].written {
                self.open_chain(index, true)?;
            }
        }
        self.chains.clear();
        self.close_table()
    }

    pub(super) fn rule(&mut self, counters: Option<(&str, &str)>, text: &str) -> Result<(), Wrong> {
        let mut words = Vec::new();
        let read = for_each_word(text, |text, quoted| {
            if words.len() >= MAX_WORDS {
                return Err(BadLine::ManyWords);
            }
            words.push(Word { text: text.to_owned(), quoted });
            Ok(())
        });
        read.map_err(|bad| Wrong::Parameter(bad.to_string()))?;
        let named = words.iter().position(|word| word.text == "-A");
        let chain = named.and_then(|at| words.get(at + 1)).ok_or(Wrong::NoChain)?;
        if chain.text != self.chain
            && let Some(index) = self.chains.iter().position(|known| known.name == chain.text)
        {
            self.open_chain(index, false)?;
        }
        if self.combine && combines(&self.before, &words) {
            self.comment("Combine action from next rule")?;
        } else {
            self.close_actions()?;
            self.close_rule()?;
            self.open_rule(counters)?;
            if words.get(2).is_some_and(|word| !word.is_target()) {
                writeln!(self.out, "       <conditions>")?;
                self.part(&words, Part::Conditions)?;
                writeln!(self.out, "       </conditions>")?;
            }
        }
        if !self.actions_open {
            writeln!(self.out, "       <actions>")?;
            self.actions_open = true;
        }
        self.part(&words, Part::Actions)?;
        self.before = words;
        Ok(())
    }

    fn open_rule(&mut self, counters: Option<(&str, &str)>) -> Result<(), Wrong> {
        write!(self.out, "      <rule ")?;
        if let Some((packets, bytes)) = counters {
            self.attribute("packet-count", packets)?;
            self.attribute("byte-count", bytes)?;
        }
        writeln!(self.out, ">")?;
        self.rule_open = true;
        Ok(())
    }

    fn open_chain(&mut self, index: usize, empty: bool) -> Result<(), Wrong> {
        self.close_chain()?;
        let Some(chain) = self.chains.get_mut(index) else { return Ok(()) };
        chain.written = true;
        let Chain { name, policy, counters: Counters { packets, bytes }, .. } = chain;
        let (name, policy, packets, bytes) = (name.clone(), policy.clone(), packets.to_string(), bytes.to_string());
        write!(self.out, "    <chain ")?;
        self.attribute("name", &name)?;
        if policy != "-" {
            self.attribute("policy", &policy)?;
        }
        self.attribute("packet-count", &packets)?;
        self.attribute("byte-count", &bytes)?;
        if empty {
            return Ok(writeln!(self.out, "/>")?);
        }
        self.chain = name;
        Ok(writeln!(self.out, ">")?)
    }

    fn close_actions(&mut self) -> Result<(), Wrong> {
        if std::mem::take(&mut self.actions_open) {
            writeln!(self.out, "       </actions>\n")?;
        }
        Ok(())
    }

    fn close_rule(&mut self) -> Result<(), Wrong> {
        if std::mem::take(&mut self.rule_open) {
            writeln!(self.out, "      </rule>\n")?;
        }
        Ok(())
    }

    fn close_chain(&mut self) -> Result<(), Wrong> {
        if self.chain.is_empty() {
            return Ok(());
        }
        self.close_actions()?;
        self.close_rule()?;
        self.chain.clear();
        Ok(writeln!(self.out, "    </chain>")?)
    }

    fn close_table(&mut self) -> Result<(), Wrong> {
        self.close_chain()?;
        if self.in_table() {
            self.table.clear();
            writeln!(self.out, "  </table>")?;
        }
        Ok(())
    }

    fn attribute(&mut self, name: &str, value: &str) -> Result<(), Wrong> {
        Ok(write!(self.out, "{name}=\"{}\" ", Escaped(value))?)
    }

    fn is_chain(&self, name: Option<&Word>) -> bool {
        name.is_some_and(|name| self.chain == name.text || self.chains.iter().any(|chain| chain.name == name.text))
    }

    /// The words before `-j` or `-g`, or those from there on, as elements: one for each match or target and in it one
    /// for each option.
    fn part(&mut self, words: &[Word], part: Part) -> Result<(), Wrong> {
        let mut at = 2;
        if part == Part::Actions {
            while words.get(at).is_some_and(|word| word.quoted || !word.is_target()) {
                at += 1;
            }
        }
        let mut elements = Elements { outer: None, inner: None, spacer: "", inverted: false };
        let negated = words.get(at).is_some_and(|word| word.text == "!");
        if let Some(first) = words.get(if negated { at + 1 } else { at })
            && first.text.starts_with('-')
            && !first.is_target()
            && first.text != "-m"
        {
            elements.outer = Some("match");
            writeln!(self.out, "{OUTER}<match >")?;
        }
        while let Some(word) = words.get(at) {
            let next = words.get(at + 1);
            if part == Part::Conditions && !word.quoted && word.is_target() {
                break;
            }
            if !word.quoted && word.text == "!" {
                if next.is_some_and(|next| next.text.starts_with('-')) {
                    elements.inverted = true;
                } else {
                    write!(self.out, "{}!", elements.spacer)?;
                }
                elements.spacer = " ";
            } else if word.opens() {
                let Some(name) = next else { break };
                elements.close(&mut self.out)?;
                let is_call = word.is_target() && self.is_chain(next);
                if is_call {
                    let outer = if word.is_goto() { "goto" } else { "call" };
                    elements.outer = Some(outer);
                    writeln!(self.out, "{OUTER}<{outer} >\n{INNER}<{} />", name.text)?;
                } else {
                    let alone = words.get(at + 2).is_none_or(Word::opens);
                    elements.outer = (!alone).then_some(&name.text);
                    writeln!(self.out, "{OUTER}<{} {}>", name.text, if alone { " /" } else { "" })?;
                }
                at += 1;
            } else if !word.quoted && word.text.starts_with('-') {
                elements.option(&mut self.out, word.text.trim_start_matches('-'), next)?;
            } else {
                let quote = if word.quoted || word.text.contains(' ') { "&quot;" } else { "" };
                write!(self.out, "{}{quote}{}{quote}", elements.spacer, Escaped(&word.text))?;
                elements.spacer = " ";
            }
            at += 1;
        }
        elements.close(&mut self.out)
    }
}

/// What of a rule is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Conditions,
    Actions,
}

/// The open elements of a rule's part.
struct Elements<'a> {
    /// A match's or target's.
    outer: Option<&'a str>,
    /// An option's.
    inner: Option<&'a str>,
    /// Stands between two words of data.
    spacer: &'static str,
    inverted: bool,
}

impl<'a> Elements<'a> {
    fn close(&mut self, out: &mut impl Write) -> Result<(), Wrong> {
        self.close_inner(out)?;
        if let Some(outer) = self.outer.take() {
            writeln!(out, "{OUTER}</{outer}>")?;
        }
        self.spacer = "";
        self.inverted = false;
        Ok(())
    }

    fn close_inner(&mut self, out: &mut impl Write) -> Result<(), Wrong> {
        match self.inner.take() {
            Some(inner) => Ok(writeln!(out, "</{inner}>")?),
            None => Ok(()),
        }
    }

    fn option(&mut self, out: &mut impl Write, name: &'a str, next: Option<&Word>) -> Result<(), Wrong> {
        self.close_inner(out)?;
        self.spacer = "";
        write!(out, "{INNER}<{name} ")?;
        if std::mem::take(&mut self.inverted) {
            write!(out, " invert=\"1\"")?;
        }
        // Upstream does not ask here whether the next word was quoted.
        if next.is_none_or(|next| next.text.starts_with('-')) {
            return Ok(writeln!(out, " />")?);
        }
        self.inner = Some(name);
        Ok(write!(out, ">")?)
    }
}

/// Whether two rules differ at most from their targets on, and the first one's lets packets go on.
fn combines(before: &[Word], words: &[Word]) -> bool {
    for (at, (old, new)) in before.iter().zip(words).enumerate() {
        if old.is_target() && new.is_target() {
            let ends = before.get(at + 1).is_some_and(|name| FINAL.contains(&name.text.as_str()));
            // Actions without conditions stay apart.
            return at > 2 && !ends && !old.is_goto();
        }
        if old.text != new.text {
            return false;
        }
    }
    false
}

/// A value as XML has it. Bytes beyond ASCII become references one by one, whatever character they are part of.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write as _;
        for &byte in octets::bytes(self.0).iter() {
            match byte {
                b'&' => f.write_str("&amp;")?,
                b'<' => f.write_str("&lt;")?,
                b'>' => f.write_str("&gt;")?,
                b'"' => f.write_str("&quot;")?,
                0x7f.. => write!(f, "&#{byte};")?,
                _ => f.write_char(byte.into())?,
            }
        }
        Ok(())
    }
}

impl From<io::Error> for Wrong {
    fn from(_: io::Error) -> Self {
        Self::Output
    }
}

const OUTER: &str = "        ";
const INNER: &str = "          ";
/// Targets behind which no other action can come.
const FINAL: [&str; 4] = ["ACCEPT", "DROP", "QUEUE", "RETURN"];
/// Words of a rule at most.
const MAX_WORDS: usize = 254;
