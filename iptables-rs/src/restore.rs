//! `iptables-restore`: reads a save and brings the tables to what it says, table by table.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use libxt::backend::{self, Backend, Counters};
use libxt::errno;
use libxt::lock::{Lock, Wait};
use libxt::octets::{self, Raw};
use libxt::save::{BadLine, Line, MAX_LINE, Words, parse_counters};
use libxt::table::Table;

use crate::command::{self, Command, Keeper, Parsed, Session};
use crate::failure::Failure;
use crate::modprobe::open_table;
use crate::options::{self, Item, Options, Takes};
use crate::program::{Program, VERSION};
use crate::{ATTEMPTS, reason, say, tell};

/// Does what `words` (the program's name first) ask for, and returns the exit code.
pub(crate) fn run(program: Program, words: &[String]) -> u8 {
    let mut line = 0;
    let outcome = Settings::parse(program, words).and_then(|settings| {
        let input: Box<dyn BufRead> = match &settings.file {
            Some(file) => Box::new(BufReader::with_capacity(
                1 << 16,
                File::open(crate::path(file)).map_err(|error| {
                    let why = errno::text(error.raw_os_error().unwrap_or(libc::EIO));
                    Quit::Said(1, format!("Can't open {file}: {why}"))
                })?,
            )),
            None => Box::new(BufReader::with_capacity(1 << 16, io::stdin().lock())),
        };
        Restore::new(program, &settings).read(input, &mut line)
    });
    match outcome {
        Ok(()) => 0,
        Err(Quit::Silent(code)) => code,
        Err(Quit::Said(code, text)) => {
            say!("{text}");
            code
        }
        Err(Quit::Failure(failure)) => {
            tell(&failure.text(program, Some(line)));
            failure.exit_code()
        }
    }
}

enum Quit {
    Silent(u8),
    /// A text that stands alone.
    Said(u8, String),
    Failure(Failure),
}

impl From<Failure> for Quit {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

fn usage(text: impl Into<String>) -> Quit {
    Quit::Failure(Failure::Usage(text.into()))
}

/// What the command line asks for.
#[derive(Debug, Default)]
struct Settings {
    counters: bool,
    verbose: usize,
    test: bool,
    keep: bool,
    wait: Wait,
    table: Option<String>,
    modprobe: Option<String>,
    file: Option<String>,
}

impl Settings {
    fn parse(program: Program, words: &[String]) -> Result<Self, Quit> {
        let mut settings = Self::default();
        let (mut waits, mut has_interval) = (false, false);
        let mut operands = Vec::new();
        let mut options = Options::new(OPTIONS, words);
        while let Some(item) = options.next() {
            match item {
                Item::Option('b', _) => say!("-b/--binary option is not implemented"),
                Item::Option('c', _) => settings.counters = true,
                Item::Option('v', _) => settings.verbose += 1,
                Item::Option('V', _) => {
                    // Nobody can be told that the output is closed.
                    let _ = writeln!(io::stdout(), "{} v{VERSION} (legacy)", program.name());
                    return Err(Quit::Silent(0));
                }
                Item::Option('t', _) => settings.test = true,
                Item::Option('h', _) => {
                    tell(&help(program));
                    return Err(Quit::Silent(0));
                }
                Item::Option('n', _) => settings.keep = true,
                Item::Option('w', argument) => {
                    waits = true;
                    let argument = argument.or_else(|| options.take_operand().map(str::to_owned));
                    settings.wait = match argument {
                        None => Wait::Forever,
                        Some(text) => match leading_int(&text) {
                            Some(-1) => Wait::Forever,
                            Some(seconds) => Wait::Seconds(seconds),
                            None => return Err(usage("wait seconds not numeric")),
                        },
                    };
                }
                Item::Option('W', argument) => {
                    let micros = argument.as_deref().and_then(leading_int);
                    match micros.map(i32::cast_unsigned) {
                        None => return Err(usage("wait interval not numeric")),
                        Some(micros) if micros > 999_999 => {
                            return Err(usage(format!("too long usec wait {micros} > 999999 usec")));
                        }
                        Some(_) => say!("Ignoring deprecated --wait-interval option."),
                    }
                    has_interval = true;
                }
                Item::Option('T', name) => settings.table = name,
                Item::Option(_, command) => settings.modprobe = command,
                Item::Operand(word) => operands.push(word),
                Item::Bad(message) => {
                    let called = words.first().map_or("", String::as_str);
                    let name = program.name();
                    let text = format!("{called}: {message}\nTry `{name} -h' for more information.");
                    return Err(Quit::Said(1, text));
                }
            }
        }
        if operands.len() > 1 {
            return Err(Quit::Said(1, "Unknown arguments found on commandline".to_owned()));
        }
        settings.file = operands.pop();
        if has_interval && !waits {
            return Err(Quit::Said(1, "Option --wait-interval requires option --wait".to_owned()));
        }
        Ok(settings)
    }
}

/// A restore under way.
struct Restore<'a> {
    program: Program,
    settings: &'a Settings,
    session: Session,
    backend: Option<Box<dyn Backend>>,
    out: Raw<BufWriter<io::Stdout>>,
    words: Words,
    section: Section,
    /// With `-n`, what was done in this section: all of it is done again if somebody else changed the table meanwhile.
    edits: Vec<Edit>,
    /// The table named last, also one that `-T` leaves out.
    current: String,
}

/// Where in the input we are.
enum Section {
    /// Before `*`, after `COMMIT`, or in a table that `-T` leaves out.
    Between,
    /// In a table. The lock is held until its `COMMIT`.
    Table(Box<Table>, #[allow(dead_code)] Lock),
}

/// An edit of a table.
enum Edit {
    /// A line that begins with `:`, with the policy if it sets one.
    Chain(String, Option<(String, Counters)>),
    /// Any other.
    Command(Box<Command<'static>>),
}

impl<'a> Restore<'a> {
    fn new(program: Program, settings: &'a Settings) -> Self {
        Self {
            program,
            settings,
            session: Session::default(),
            backend: None,
            out: Raw(BufWriter::new(io::stdout())),
            words: Words::default(),
            section: Section::Between,
            edits: Vec::new(),
            current: String::new(),
        }
    }

    fn read(mut self, mut input: Box<dyn BufRead>, number: &mut usize) -> Result<(), Quit> {
        let outcome = self.read_lines(&mut input, number);
        // What was printed before a failure stands before its message. Nobody can be told that the output is closed.
        let _ = self.out.flush();
        outcome
    }

    fn read_lines(&mut self, input: &mut dyn BufRead, number: &mut usize) -> Result<(), Quit> {
        let name = self.program.name();
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
            if self.line(&text, *number)? == Progress::Failed {
                return Err(Quit::Said(1, format!("{name}: line {number} failed")));
            }
        }
        match self.section {
            Section::Between => Ok(()),
            Section::Table(..) => Err(Quit::Said(1, format!("{name}: COMMIT expected at line {}", *number + 1))),
        }
    }

    fn line(&mut self, text: &str, number: usize) -> Result<Progress, Quit> {
        let name = self.program.name();
        let in_table = !matches!(self.section, Section::Between);
        let line = Line::parse(text, in_table).map_err(|bad| match bad {
            BadLine::TableName | BadLine::ChainName => usage(format!("{name}: line {number} {bad}")),
            BadLine::Bracket => usage(format!("Bad line {number}: {bad}")),
            BadLine::LongWord | BadLine::ManyWords => usage(bad.to_string()),
        });
        match line? {
            Line::Empty => Ok(Progress::Done),
            Line::Comment => {
                if self.settings.verbose > 0 {
                    self.print(text);
                }
                Ok(Progress::Done)
            }
            Line::Commit => self.commit(),
            Line::Table(table) => self.begin(table),
            Line::Chain { name, policy, counters } => self.chain(name, policy, counters, number),
            Line::Command { counters, words } => self.command(counters, words),
            Line::Stray if self.is_left_out() => Ok(Progress::Done),
            Line::Stray => Ok(Progress::Failed),
        }
    }

    fn is_left_out(&self) -> bool {
        self.settings.table.as_ref().is_some_and(|only| *only != self.current)
    }

    fn begin(&mut self, name: &str) -> Result<Progress, Quit> {
        name.clone_into(&mut self.current);
        if self.is_left_out() {
            return Ok(Progress::Done);
        }
        let lock = Lock::acquire(self.settings.wait).map_err(|unlocked| Quit::Said(4, unlocked.to_string()))?;
        let me = self.program.name();
        let cannot = |reason: Option<String>| {
            if let Some(reason) = reason {
                say!("{me}: {reason}");
            }
            usage(format!("{me}: unable to initialize table '{name}'"))
        };
        if self.backend.is_none() {
            self.backend = Some(backend::open(self.program.af).map_err(|unavailable| cannot(unavailable.reason))?);
        }
        let Some(backend) = &mut self.backend else { return Ok(Progress::Failed) };
        let mut table = open_table(backend.as_mut(), name, self.settings.modprobe.as_deref())
            .map_err(|refused| cannot(refused.reason))?;
        if !self.settings.keep {
            let chains: Vec<(String, bool)> = table
                .chains()
                .map(|id| table.describe(id))
                .map(|chain| (chain.name.to_owned(), chain.policy.is_some()))
                .collect();
            for (chain, _) in &chains {
                if self.settings.verbose > 0 {
                    self.print(&format!("Flushing chain `{chain}'\n"));
                }
                table.flush(chain).map_err(Failure::from)?;
            }
            for (chain, _) in chains.iter().filter(|(_, builtin)| !builtin) {
                if self.settings.verbose > 0 {
                    self.print(&format!("Deleting chain `{chain}'\n"));
                }
                table.delete_chain(chain).map_err(Failure::from)?;
            }
        }
        self.edits.clear();
        self.section = Section::Table(Box::new(table), lock);
        Ok(Progress::Done)
    }

    fn commit(&mut self) -> Result<Progress, Quit> {
        let section = std::mem::replace(&mut self.section, Section::Between);
        let Section::Table(mut table, _lock) = section else { return Ok(Progress::Done) };
        if self.settings.test {
            return Ok(Progress::Done);
        }
        let mut edits = std::mem::take(&mut self.edits);
        let mut refused = None;
        for _ in 0..ATTEMPTS {
            let Some(backend) = &mut self.backend else { break };
            match table.commit(backend.as_mut()) {
                Ok(()) => return Ok(Progress::Done),
                Err(stale) if stale.is_stale() => refused = stale.reason,
                Err(other) => {
                    refused = reason::find(other, &table).reason;
                    break;
                }
            }
            if self.repeat(&mut table, &mut edits)? == Progress::Failed {
                break;
            }
        }
        if let Some(reason) = refused {
            say!("{}: {reason}", self.program.name());
        }
        Ok(Progress::Failed)
    }

    fn chain(
        &mut self,
        chain: &str,
        policy: Option<&str>,
        counters: Option<&str>,
        number: usize,
    ) -> Result<Progress, Quit> {
        let Section::Table(table, _) = &mut self.section else { return Ok(Progress::Done) };
        if octets::len(chain) >= MAX_CHAIN_NAME {
            let max = MAX_CHAIN_NAME - 1;
            return Err(usage(format!("Invalid chain name `{chain}' ({max} chars max)")));
        }
        declare(table, chain, self.settings.keep)?;
        self.session.library.announce_chain(chain);
        let Some(policy) = policy else {
            let name = self.program.name();
            return Err(usage(format!("{name}: line {number} policy invalid")));
        };
        let mut set = None;
        if policy != "-" {
            let counters = if self.settings.counters {
                counters
                    .and_then(parse_counters)
                    .ok_or_else(|| usage(format!("invalid policy counters for chain '{chain}'")))?
            } else {
                Counters::default()
            };
            table.set_policy(chain, policy, Some(counters)).map_err(|refused| {
                let text = format!("Can't set policy `{policy}' on `{chain}' line {number}: {refused}");
                Quit::Failure(Failure::Other(text))
            })?;
            set = Some((policy.to_owned(), counters));
        }
        if self.settings.keep {
            self.edits.push(Edit::Chain(chain.to_owned(), set));
        }
        Ok(Progress::Done)
    }

    fn command(&mut self, counters: Option<(&str, &str)>, text: &str) -> Result<Progress, Quit> {
        let (Section::Table(table, _), Some(backend)) = (&mut self.section, &mut self.backend) else {
            return Ok(Progress::Done);
        };
        self.words.clear();
        for word in [self.program.name(), "-t", table.name()] {
            self.words.push(word);
        }
        // As upstream, where -v says nothing of commands once the tables are kept.
        if !self.settings.keep {
            (0..self.settings.verbose).for_each(|_| self.words.push("-v"));
        }
        if let (Some((packets, bytes)), true) = (counters, self.settings.counters) {
            for word in ["--set-counters", packets, bytes] {
                self.words.push(word);
            }
        }
        self.words.split(text, MAX_WORDS).map_err(|bad| usage(bad.to_string()))?;
        let words = self.words.to_vec();
        match command::parse(self.program, &words, &mut self.session, &mut Keeper::Open(backend.as_mut()))? {
            Parsed::Nothing => Ok(Progress::Done),
            Parsed::Show(text) => {
                self.print(&text);
                Err(Quit::Silent(0))
            }
            Parsed::Run(mut command) => {
                let done = command.run(&mut self.session, table, backend.as_mut(), &mut self.out);
                if self.settings.keep && command.edits() {
                    self.edits.push(Edit::Command(Box::new(command.into_owned())));
                }
                progress(done)
            }
        }
    }

    /// Does on the table as it is now what was done on the one that somebody else has changed since.
    fn repeat(&mut self, table: &mut Table, edits: &mut [Edit]) -> Result<Progress, Quit> {
        let Some(backend) = &mut self.backend else { return Ok(Progress::Failed) };
        let failed = |_| Progress::Failed;
        if !self.settings.keep {
            return Ok(table.supersede(backend.as_mut()).map_or_else(failed, |()| Progress::Done));
        }
        let name = table.name().to_owned();
        *table = match Table::open(backend.as_mut(), &name) {
            Ok(table) => table,
            Err(_) => return Ok(Progress::Failed),
        };
        for edit in edits {
            match edit {
                Edit::Chain(chain, policy) => {
                    declare(table, chain, true)?;
                    if let Some((policy, counters)) = policy {
                        table.set_policy(chain, policy, Some(*counters)).map_err(Failure::from)?;
                    }
                }
                // All that is to be said was said the first time.
                Edit::Command(command) => {
                    let done = command.run(&mut self.session, table, backend.as_mut(), &mut io::sink());
                    if progress(done)? == Progress::Failed {
                        return Ok(Progress::Failed);
                    }
                }
            }
        }
        Ok(Progress::Done)
    }

    fn print(&mut self, text: &str) {
        // Nobody can be told that the output is closed.
        let _ = self.out.write_all(text.as_bytes());
    }
}

/// Whether upstream's `ret` is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Done,
    Failed,
}

/// A line that begins with `:`: a chain that is there is emptied if tables are kept, any other is made.
fn declare(table: &mut Table, chain: &str, keep: bool) -> Result<(), Quit> {
    if table.is_builtin(chain) {
        return Ok(());
    }
    if keep && table.find(chain).is_some() {
        return Ok(table.flush(chain).map_err(Failure::from)?);
    }
    table.create(chain).map_err(|refused| {
        let why = errno::text(refused.errno);
        usage(format!("error creating chain '{chain}':{why}"))
    })
}

/// Upstream says no more than the line where libiptc refuses.
fn progress(done: Result<(), Failure>) -> Result<Progress, Quit> {
    match done {
        Ok(()) => Ok(Progress::Done),
        Err(Failure::Refused(_)) => Ok(Progress::Failed),
        Err(failure) => Err(failure.into()),
    }
}

/// As `%i` of scanf.
fn leading_int(text: &str) -> Option<i32> {
    let text = text.trim_start();
    let (negative, text) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None if text.starts_with('0') => (8, text),
        None => (10, text),
    };
    let mut value: Option<i64> = None;
    for digit in digits.chars().map_while(|c| c.to_digit(radix)) {
        value = Some(value.unwrap_or(0).saturating_mul(radix.into()).saturating_add(digit.into()));
    }
    value.map(|value| (if negative { value.wrapping_neg() } else { value }) as i32)
}

fn help(program: Program) -> String {
    let mut text = format!("Usage: {} [options] [file]\n", program.name());
    for (letter, long, takes) in OPTIONS.iter().filter(|(letter, ..)| *letter != 'b') {
        let argument = match (letter, takes) {
            ('w', _) => "[=seconds]",
            ('W', _) => "=microseconds",
            ('T', _) => "=table",
            (_, Takes::Required) => "=command",
            _ => "",
        };
        text += &format!("  -{letter}, --{long}{argument}\n");
    }
    text
}

/// XT_EXTENSION_MAXNAMELEN.
const MAX_CHAIN_NAME: usize = 29;
/// Words of a command at most, the three before the line's own among them.
const MAX_WORDS: usize = 254;

pub(crate) const OPTIONS: options::Table = &[
    ('b', "binary", Takes::Nothing),
    ('c', "counters", Takes::Nothing),
    ('v', "verbose", Takes::Nothing),
    ('V', "version", Takes::Nothing),
    ('t', "test", Takes::Nothing),
    ('h', "help", Takes::Nothing),
    ('n', "noflush", Takes::Nothing),
    ('M', "modprobe", Takes::Required),
    ('T', "table", Takes::Required),
    ('w', "wait", Takes::Optional),
    ('W', "wait-interval", Takes::Required),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_scanf_reads_them() {
        assert_eq!(leading_int("5x"), Some(5));
        assert_eq!(leading_int("-0x10"), Some(-16));
        assert_eq!(leading_int("010"), Some(8));
        assert_eq!(leading_int("0"), Some(0));
        assert_eq!(leading_int("x"), None);
    }
}
