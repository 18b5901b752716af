//! The iptables-save format: tables as text, and the lines of such a text.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use crate::backend::Counters;
use crate::octets;
use crate::rule::{SaveError, save_line};
use crate::table::{Table, verdict_name};

/// Writes one table, from `*TABLE` to `COMMIT`; with `counters` every rule has its own.
pub fn write_table(w: &mut dyn Write, table: &Table, counters: bool) -> Result<(), Unsaved> {
    let w = &mut octets::Raw(w);
    writeln!(w, "*{}", table.name())?;
    for id in table.chains() {
        let chain = table.describe(id);
        match chain.policy {
            Some((verdict, Counters { packets, bytes })) => {
                writeln!(w, ":{} {} [{packets}:{bytes}]", chain.name, verdict_name(verdict))?;
            }
            None => writeln!(w, ":{} - [0:0]", chain.name)?,
        }
    }
    let mut text = String::with_capacity(CHUNK + MAX_LINE);
    for id in table.chains() {
        let name = table.describe(id).name;
        for rule in table.rules(id) {
            let start = text.len();
            if counters {
                let Counters { packets, bytes } = rule.entry.counters();
                write!(text, "[{packets}:{bytes}] ").map_err(SaveError::from)?;
            }
            if let Err(error) = save_line(&mut text, name, &rule, false) {
                text.truncate(start);
                w.write_all(text.as_bytes())?;
                return Err(error.into());
            }
            text.push('\n');
            if text.len() > CHUNK {
                w.write_all(text.as_bytes())?;
                text.clear();
            }
        }
    }
    text.push_str("COMMIT\n");
    Ok(w.write_all(text.as_bytes())?)
}

/// Bytes of text that are written at once.
const CHUNK: usize = 1 << 16;

/// Why a table was not written out.
#[derive(Debug)]
pub enum Unsaved {
    /// A rule that this library cannot say.
    Rule(SaveError),
    /// The output.
    Output(io::Error),
}

impl From<SaveError> for Unsaved {
    fn from(error: SaveError) -> Self {
        Self::Rule(error)
    }
}

impl From<io::Error> for Unsaved {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// What one line of a restore input says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Nothing.
    Empty,
    /// `# …`
    Comment,
    /// `COMMIT`, inside a table.
    Commit,
    /// `*TABLE`, outside of one.
    Table(&'a str),
    /// `:CHAIN POLICY [P:B]`, inside a table. `-` is the policy of a user chain.
    Chain {
        /// Its name.
        name: &'a str,
        /// What follows the name.
        policy: Option<&'a str>,
        /// What follows the policy, unread.
        counters: Option<&'a str>,
    },
    /// `[P:B] -A …` or any other command, inside a table.
    Command {
        /// What stands between the brackets, unread.
        counters: Option<(&'a str, &'a str)>,
        /// The words, still quoted.
        words: &'a str,
    },
    /// Nothing that may stand outside of a table.
    Stray,
}

/// Why a line cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLine {
    /// `*` without a name.
    TableName,
    /// `:` without a name.
    ChainName,
    /// `[` without the rest of the counters.
    Bracket,
    /// A word of more than [`MAX_WORD`] bytes.
    LongWord,
    /// Too many words.
    ManyWords,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TableName => "table name invalid",
            Self::ChainName => "chain name invalid",
            Self::Bracket => "need ]",
            Self::LongWord => "Parameter too long!",
            Self::ManyWords => "Parser cannot handle more arguments",
        })
    }
}

impl std::error::Error for BadLine {}

/// Bytes of a line, newline included; what is longer counts as several lines, as with upstream's buffer.
pub const MAX_LINE: usize = 10_239;
/// Bytes of a word.
pub const MAX_WORD: usize = 1023;

impl<'a> Line<'a> {
    /// Reads a line, which still has its newline: `COMMIT` without one is none. What begins with a NUL byte is a text
    /// without anything, but no empty line.
    pub fn parse(line: &'a str, in_table: bool) -> Result<Self, BadLine> {
        Ok(match (line.as_bytes().first(), in_table) {
            (Some(b'\n'), _) => Self::Empty,
            (Some(b'#'), _) => Self::Comment,
            (_, true) if line == "COMMIT\n" => Self::Commit,
            (Some(b'*'), false) => Self::Table(fields(line).next().ok_or(BadLine::TableName)?),
            (Some(b':'), true) => {
                let mut fields = fields(line);
                let name = fields.next().ok_or(BadLine::ChainName)?;
                Self::Chain { name, policy: fields.next(), counters: fields.next() }
            }
            (Some(b'['), true) => {
                let start = line.find(']').ok_or(BadLine::Bracket)? + 1;
                // Two strtok()s: delimiters before a field are skipped, the second field may start anywhere, and the
                // line ends where a field does that goes beyond the bracket.
                let inside = line[1..].trim_start_matches(':');
                let (packets, rest) = inside.split_once(':').ok_or(BadLine::Bracket)?;
                let rest = rest.trim_start_matches(']');
                let bytes = rest.split(']').next().filter(|bytes| !bytes.is_empty()).ok_or(BadLine::Bracket)?;
                let after = line.len() - rest.len();
                let ends = [line.len() - inside.len() + packets.len(), after + bytes.len()];
                let end = ends.into_iter().filter(|end| *end >= start).min().unwrap_or(line.len());
                Self::Command { counters: Some((packets, bytes)), words: &line[start..end] }
            }
            (_, true) => Self::Command { counters: None, words: line },
            (_, false) => Self::Stray,
        })
    }
}

/// The words of one command line after another, in one piece of memory.
#[derive(Clone, Debug, Default)]
pub struct Words {
    text: String,
    ends: Vec<usize>,
}

impl Words {
    /// Forgets all words.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Adds a word as it is.
    pub fn push(&mut self, word: &str) {
        self.text.push_str(word);
        self.ends.push(self.text.len());
    }

    /// Adds the words of a command, at most until there are `limit`; see [`for_each_word`].
    pub fn split(&mut self, text: &str, limit: usize) -> Result<(), BadLine> {
        for_each_word(text, |word, _| {
            if self.ends.len() >= limit {
                return Err(BadLine::ManyWords);
            }
            self.push(word);
            Ok(())
        })
    }

    /// The words.
    pub fn to_vec(&self) -> Vec<&str> {
        let mut start = 0;
        let word = |&end: &usize| self.text.get(std::mem::replace(&mut start, end)..end).unwrap_or_default();
        self.ends.iter().map(word).collect()
    }
}

/// Adds the words of a command to `words`, at most until there are `limit`; see [`for_each_word`].
pub fn split_words(text: &str, words: &mut Vec<String>, limit: usize) -> Result<(), BadLine> {
    for_each_word(text, |word, _| {
        if words.len() >= limit {
            return Err(BadLine::ManyWords);
        }
        words.push(word.to_owned());
        Ok(())
    })
}

/// Shows `visit` the words of a command, and which of them ended in a quote: those are data, whatever they look like.
///
/// Blanks separate words. Double quotes may open anywhere and end the word where they close; a backslash takes the next
/// character as it is, but only between quotes.
pub fn for_each_word(text: &str, mut visit: impl FnMut(&str, bool) -> Result<(), BadLine>) -> Result<(), BadLine> {
    // What stands before the next piece in a word of several pieces; nearly all words are one.
    let mut begun = String::new();
    let mut end = |begun: &mut String, piece: &str, quoted: bool| {
        begun.push_str(if begun.is_empty() { "" } else { piece });
        let word = if begun.is_empty() { piece } else { begun.as_str() };
        if word.is_empty() && !quoted {
            return Ok(());
        }
        if word.len() > MAX_WORD && octets::len(word) > MAX_WORD {
            return Err(BadLine::LongWord);
        }
        visit(word, quoted)?;
        begun.clear();
        Ok(())
    };
    let (mut rest, mut quoted) = (text, false);
    while let Some((piece, found, after)) = cut(rest, quoted) {
        rest = after;
        match found {
            b'\\' => {
                begun.push_str(piece);
                let mut characters = rest.chars();
                begun.extend(characters.next());
                rest = characters.as_str();
            }
            b'"' if !quoted => {
                begun.push_str(piece);
                quoted = true;
            }
            _ => {
                end(&mut begun, piece, quoted)?;
                quoted = false;
            }
        }
    }
    end(&mut begun, rest, false)
}

/// What stands before the next byte that means something, that byte, and what follows it.
fn cut(text: &str, quoted: bool) -> Option<(&str, u8, &str)> {
    let at = match quoted {
        true => text.bytes().position(|byte| matches!(byte, b'"' | b'\\')),
        false => text.bytes().position(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'"')),
    }?;
    Some((text.get(..at)?, *text.as_bytes().get(at)?, text.get(at + 1..)?))
}

/// The counters of a policy, `[P:B]`; the closing bracket is not looked for.
pub fn parse_counters(text: &str) -> Option<Counters> {
    let (packets, rest) = leading_number(text.strip_prefix('[')?)?;
    let (bytes, _) = leading_number(rest.strip_prefix(':')?)?;
    Some(Counters { packets, bytes })
}

/// As `%llu` of scanf: a sign is allowed, and too large a number is the largest.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let len = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = digits.split_at_checked(len).filter(|(digits, _)| !digits.is_empty())?;
    let number = digits.parse().unwrap_or(u64::MAX);
    let negative = text.starts_with('-') && number != u64::MAX;
    Some((if negative { number.wrapping_neg() } else { number }, rest))
}

/// What strtok() finds after the first character.
fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.get(1..).unwrap_or_default().split([' ', '\t', '\n']).filter(|field| !field.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        split_words(text, &mut words, 100).unwrap();
        words
    }

    #[test]
    fn quotes_end_the_word_where_they_close() {
        assert_eq!(words("-A INPUT  -j\tACCEPT\n"), ["-A", "INPUT", "-j", "ACCEPT"]);
        assert_eq!(words("\"a b\"c\n"), ["a b", "c"]);
        assert_eq!(words("a\"b c\"d\n"), ["ab c", "d"]);
        assert_eq!(words(r#""a\\b\"c" \x"#), [r#"a\b"c"#, r"\x"]);
        assert_eq!(words("\"\" x\n"), ["", "x"]);
        assert_eq!(words("\"unclosed\n"), ["unclosed\n"]);
        assert_eq!(words("\"unclosed\\"), ["unclosed"]);
        assert_eq!(words("\"\"\"\\\u{e9}\"x\t\"y"), ["", "\u{e9}", "x", "y"]);
    }

    #[test]
    fn words_in_one_piece_of_memory_are_the_same() {
        let mut all = Words::default();
        all.push("first");
        all.split("-A \"a b\" \"\"c\n", 5).unwrap();
        assert_eq!(all.to_vec(), ["first", "-A", "a b", "", "c"]);
        assert_eq!(all.split("d", 5), Err(BadLine::ManyWords));
        all.clear();
        assert!(all.to_vec().is_empty());
    }

    #[test]
    fn words_and_their_number_are_bounded() {
        let mut all = Vec::new();
        assert_eq!(split_words(&"x".repeat(1023), &mut all, 10), Ok(()));
        assert_eq!(split_words(&"x".repeat(1024), &mut all, 10), Err(BadLine::LongWord));
        assert_eq!(split_words(&"x ".repeat(10), &mut all, 10), Err(BadLine::ManyWords));
    }

    #[test]
    fn a_line_means_what_its_place_makes_of_it() {
        assert_eq!(Line::parse("*nat x\n", false), Ok(Line::Table("nat")));
        assert_eq!(Line::parse("\n", true), Ok(Line::Empty));
        // What a NUL byte cut short.
        assert_eq!(Line::parse("", true), Ok(Line::Command { counters: None, words: "" }));
        assert_eq!(Line::parse("", false), Ok(Line::Stray));
        assert_eq!(Line::parse("*\n", false), Err(BadLine::TableName));
        assert_eq!(Line::parse("*nat\n", true), Ok(Line::Command { counters: None, words: "*nat\n" }));
        assert_eq!(Line::parse("COMMIT\n", false), Ok(Line::Stray));
        assert_eq!(Line::parse("COMMIT", true), Ok(Line::Command { counters: None, words: "COMMIT" }));
        let chain = Line::Chain { name: "a", policy: Some("-"), counters: None };
        assert_eq!(Line::parse(":a -\n", true), Ok(chain));
        let rule = Line::Command { counters: Some(("1", "2 x")), words: "-A a\n" };
        assert_eq!(Line::parse("[1:2 x]-A a\n", true), Ok(rule));
        assert_eq!(Line::parse("[12] -A a\n", true), Err(BadLine::Bracket));
        let cut = |line| match Line::parse(line, true) {
            Ok(Line::Command { words, .. }) => words,
            other => panic!("{other:?}"),
        };
        assert_eq!(cut("[] -A a -j DNAT --to 1.1.1.1:80\n"), " -A a -j DNAT --to 1.1.1.1");
        assert_eq!(cut("[1:] -A a -j DNAT --to [::1]:80\n"), " -A a -j DNAT --to [::1");
        assert_eq!(cut("[1:2] -A a -j DNAT --to [::1]:80\n"), " -A a -j DNAT --to [::1]:80\n");
        assert_eq!(Line::parse("[1:2 -A a\n", true), Err(BadLine::Bracket));
        // Seen with the real tool: the second strtok() skips the bracket.
        let odd = Line::Command { counters: Some(("1", " -A a\n")), words: " -A a\n" };
        assert_eq!(Line::parse("[1:] -A a\n", true), Ok(odd));
    }

    #[test]
    fn counters_are_read_as_scanf_reads_them() {
        assert_eq!(parse_counters("[1:2]"), Some(Counters { packets: 1, bytes: 2 }));
        assert_eq!(parse_counters("[1:2"), Some(Counters { packets: 1, bytes: 2 }));
        assert_eq!(parse_counters("[-1:0x2]"), Some(Counters { packets: u64::MAX, bytes: 0 }));
        assert_eq!(parse_counters("[x:y]"), None);
        assert_eq!(parse_counters("1:2"), None);
    }
}
