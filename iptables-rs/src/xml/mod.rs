//! `iptables-xml`: reads a save and writes it as XML. It asks no kernel and checks no rule.

mod document;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use libxt::errno;
use libxt::octets::{self, Raw};
use libxt::save::{Line, MAX_LINE};

use crate::options::{self, Item, Options, Takes};
use crate::program::VERSION;
use crate::say;
use document::{Document, Wrong};

/// Does what `words` (the program's name first) ask for, and returns the exit code.
pub(crate) fn run(words: &[String]) -> u8 {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let (mut combine, mut verbose) = (false, false);
    let mut operands = Vec::new();
    for item in Options::new(OPTIONS, words) {
        match item {
            Item::Option('c', _) => combine = true,
            Item::Option('v', _) => {
                verbose = true;
                // Upstream's slip of the pen; whoever compares outputs has seen it. A closed output shows at the end.
                let _ = writeln!(out, "xptables-xml");
            }
            Item::Option(..) => {
                let _ = io::stderr().write_all(HELP.as_bytes());
                return 1;
            }
            Item::Operand(word) => operands.push(word),
            // Upstream says so and goes on.
            Item::Bad(message) => say!("{}: {message}", words.first().map_or("", String::as_str)),
        }
    }
    let input: Box<dyn BufRead> = match operands.as_slice() {
        [] => Box::new(BufReader::new(io::stdin().lock())),
        [file] => match File::open(crate::path(file)) {
            Ok(file) => Box::new(BufReader::with_capacity(1 << 16, file)),
            Err(error) => {
                let _ = write!(Raw(io::stderr()), "Can't open {file}: {}", errno::of(&error));
                return 1;
            }
        },
        _ => {
            let _ = write!(io::stderr(), "Unknown arguments found on commandline");
            return 1;
        }
    };
    let mut number = 0;
    let outcome = convert(input, Document::new(Raw(&mut out), combine), verbose, &mut number);
    // What was written before a failure stands before its message.
    let flushed = out.flush();
    match outcome {
        Ok(()) if flushed.is_ok() => 0,
        Ok(()) | Err(Wrong::Output) => 1,
        Err(Wrong::Line) => {
            say!("{NAME}: line {number} failed");
            1
        }
        Err(Wrong::NoChain) => {
            say!("{NAME}: line {number} failed - no chain found");
            1
        }
        Err(Wrong::Unfinished) => {
            say!("{NAME}: COMMIT expected at line {}", number + 1);
            1
        }
        Err(Wrong::Parameter(text)) => {
            say!("{NAME} v{VERSION}: {text}\nError occurred at line: {number}");
            say!("Try `{NAME} -h' or '{NAME} --help' for more information.");
            2
        }
    }
}

fn convert<W: Write>(
    mut input: Box<dyn BufRead + '_>,
    mut document: Document<W>,
    verbose: bool,
    number: &mut usize,
) -> Result<(), Wrong> {
    document.begin()?;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let mut limited = (&mut *input).take(MAX_LINE as u64);
        match limited.read_until(b'\n', &mut bytes) {
            // Upstream takes an unreadable file for an empty one.
            Ok(0) | Err(_) => break,
            Ok(_) => *number += 1,
        }
        if let Some(end) = bytes.iter().position(|&byte| byte == 0) {
            bytes.truncate(end);
        }
        let text = octets::text(&bytes);
        if text.starts_with('\n') {
            continue;
        }
        if text.starts_with('#') {
            document.comment(&text)?;
            continue;
        }
        if verbose {
            document.line(*number, &text)?;
        }
        line(&text, *number, &mut document)?;
    }
    document.end()
}

fn line<W: Write>(text: &str, number: usize, document: &mut Document<W>) -> Result<(), Wrong> {
    // A table may begin inside another, which then ends.
    let in_table = document.in_table() && !text.starts_with('*');
    let bad = |what: &str| Wrong::Parameter(format!("{NAME}: line {number} {what}"));
    let parsed = Line::parse(text, in_table).map_err(|why| match why {
        libxt::save::BadLine::Bracket => Wrong::Parameter(format!("Bad line {number}: {why}")),
        _ => bad(&why.to_string()),
    })?;
    match parsed {
        Line::Commit => document.commit(),
        Line::Table(name) => document.table(name),
        Line::Chain { policy: None, .. } => Err(bad("policy invalid")),
        Line::Chain { name, policy: Some(policy), counters } => {
            document.chain(name, policy, counters);
            Ok(())
        }
        Line::Command { counters, words } => document.rule(counters, words),
        Line::Empty | Line::Comment | Line::Stray => Err(Wrong::Line),
    }
}

const NAME: &str = "iptables-xml";

pub(crate) const OPTIONS: options::Table =
    &[('c', "combine", Takes::Nothing), ('v', "verbose", Takes::Nothing), ('h', "help", Takes::Nothing)];

const HELP: &str = "Usage: iptables-xml [options] [file]\n\
    \x20 -c, --combine   one rule with several actions for rules that differ in nothing else\n\
    \x20 -v, --verbose   each line of the input as a comment\n\
    \x20 -h, --help      this text\n";
