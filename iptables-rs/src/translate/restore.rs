//! `iptables-restore-translate`: a save in the words of nft, line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use libxt::octets::{self, Raw};
use libxt::save::{BadLine, Line, MAX_LINE, Words};
use libxt::translate::Numbers;

use super::base_chain;
use crate::command::{self, Keeper, Parsed, Session, Statement, check_declared_chain, family};
use crate::failure::Failure;
use crate::options::{self, Item, Options, Takes};
use crate::program::{Program, VERSION};
use crate::{clock, say, tell};

/// Does what `words` (the program's name first) ask for, and returns the exit code.
pub(crate) fn run(program: Program, words: &[String]) -> u8 {
    let own_name = own_name(program);
    let mut file = None;
    // What is not known is passed over.
    for item in Options::new(OPTIONS, words) {
        match item {
            Item::Option('h', _) => {
                tell(&usage_text(own_name));
                return 1;
            }
            Item::Option('V', _) => {
                // Nobody can be told that the output is closed.
                let _ = writeln!(io::stdout(), "{own_name} v{VERSION}");
                return 0;
            }
            Item::Option(_, name) => file = name,
            Item::Operand(_) | Item::Bad(_) => {}
        }
    }
    let Some(file) = file else {
        tell(&format!("ERROR: missing file name\n{}", usage_text(own_name)));
        return 1;
    };
    let Ok(input) = File::open(crate::path(&file)) else {
        say!("Cannot open file {file}");
        return 1;
    };
    let mut out = Raw(BufWriter::new(io::stdout().lock()));
    let mut line = 0;
    let outcome = Translation::new(program).read(BufReader::new(input), &mut out, &mut line);
    // What was translated before a failure stands before its message.
    let flushed = out.flush();
    match outcome {
        Ok(()) if flushed.is_ok() => 0,
        Ok(()) => 1,
        Err(Quit::Shown) => 0,
        Err(Quit::Line) => {
            say!("{}: line {line} failed", program.name());
            1
        }
        Err(Quit::Failure(failure)) => {
            tell(&failure.text(program, Some(line)));
            failure.exit_code()
        }
    }
}

enum Quit {
    /// A line asked for help or the version.
    Shown,
    /// A line that cannot be said.
    Line,
    Failure(Failure),
}

impl From<Failure> for Quit {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<io::Error> for Quit {
    fn from(error: io::Error) -> Self {
        Self::Failure(error.into())
    }
}

/// A file under way.
struct Translation {
    program: Program,
    numbers: Numbers,
    /// The table we are in.
    table: Option<String>,
    session: Session,
    words: Words,
}

impl Translation {
    fn new(program: Program) -> Self {
        Self { program, numbers: Numbers::default(), table: None, session: Session::default(), words: Words::default() }
    }

    fn read(mut self, mut input: impl BufRead, out: &mut dyn Write, number: &mut usize) -> Result<(), Quit> {
        let own_name = own_name(self.program);
        writeln!(out, "# Translated by {own_name} v{VERSION} on {}", clock::local_now())?;
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let mut limited = (&mut input).take(MAX_LINE as u64);
            match limited.read_until(b'\n', &mut bytes) {
                // Upstream takes an unreadable file for an empty one.
                Ok(0) | Err(_) => break,
                Ok(_) => *number += 1,
            }
            if let Some(end) = bytes.iter().position(|&byte| byte == 0) {
                bytes.truncate(end);
            }
            self.line(&octets::text(&bytes), *number, out)?;
        }
        Ok(writeln!(out, "# Completed on {}", clock::local_now())?)
    }

    fn line(&mut self, text: &str, number: usize, out: &mut dyn Write) -> Result<(), Quit> {
        // Here a table may begin before another has ended.
        let in_table = self.table.is_some() && !text.starts_with('*');
        if in_table && text == "COMMIT" {
            self.table = None;
            return Ok(());
        }
        let name = self.program.name();
        let line = Line::parse(text, in_table).map_err(|bad| {
            Failure::Usage(match bad {
                BadLine::TableName | BadLine::ChainName => format!("{name}: line {number} {bad}"),
                BadLine::Bracket => format!("Bad line {number}: {bad}"),
                BadLine::LongWord | BadLine::ManyWords => bad.to_string(),
            })
        })?;
        let family = family(self.program.af);
        match line {
            Line::Empty | Line::Comment => Ok(()),
            Line::Commit => {
                self.table = None;
                Ok(())
            }
            Line::Table(table) if base_chain::is_table(table) => {
                self.table = Some(table.to_owned());
                Ok(writeln!(out, "add table {family} {table}")?)
            }
            Line::Table(table) => {
                Err(Failure::Usage(format!("{name}: line {number} table name '{table}' invalid")).into())
            }
            Line::Chain { name: chain, policy, .. } => {
                check_declared_chain(chain)?;
                self.session.library.announce_chain(chain);
                let policy = policy.ok_or_else(|| Failure::Usage(format!("{name}: line {number} policy invalid")))?;
                let table = self.table.as_deref().unwrap_or_default();
                match base_chain::describe(table, chain) {
                    None => writeln!(out, "add chain {family} {table} {chain}")?,
                    Some(base) => {
                        let policy = match policy {
                            "ACCEPT" => " policy accept;",
                            "DROP" => " policy drop;",
                            _ => "",
                        };
                        writeln!(out, "add chain {family} {table} {chain} {{ {base}{policy} }}")?;
                    }
                }
                Ok(())
            }
            Line::Command { words, .. } => self.command(words, out),
            Line::Stray => Err(Quit::Line),
        }
    }

    fn command(&mut self, text: &str, out: &mut dyn Write) -> Result<(), Quit> {
        self.words.clear();
        for word in [self.program.name(), "-t", self.table.as_deref().unwrap_or_default()] {
            self.words.push(word);
        }
        self.words.split(text, MAX_WORDS).map_err(|bad| Failure::Usage(bad.to_string()))?;
        let words = self.words.to_vec();
        match command::parse(self.program, &words, &mut self.session, &mut Keeper::Nobody)? {
            Parsed::Nothing => Ok(()),
            Parsed::Show(text) => {
                out.write_all(text.as_bytes())?;
                Err(Quit::Shown)
            }
            Parsed::Run(command) => {
                let statements = command.translate(&words, &mut self.numbers).ok_or(Quit::Line)?;
                for statement in statements {
                    match statement {
                        Statement::Plain(words) | Statement::Quoted(words) => writeln!(out, "{words}")?,
                        Statement::Comment(words) => writeln!(out, "# {words}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// The name of the program; that in messages is another.
fn own_name(program: Program) -> &'static str {
    match family(program.af) {
        "ip" => "iptables-restore-translate",
        _ => "ip6tables-restore-translate",
    }
}

fn usage_text(name: &str) -> String {
    format!(
        "{name} v{VERSION}\nUsage: {name} [options]\n\
         \x20   --file     -f file     the save to translate\n\
         \x20   --help     -h          this help\n\
         \x20   --version  -V          the version\n"
    )
}

const OPTIONS: options::Table =
    &[('h', "help", Takes::Nothing), ('f', "file", Takes::Required), ('V', "version", Takes::Nothing)];

/// Words of a line, the two put before it included.
const MAX_WORDS: usize = 254;
