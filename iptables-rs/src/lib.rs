//! `iptables` and its kin: one program, told apart by the name it is called by.
#![allow(unsafe_code)]

mod apply;
mod clock;
mod command;
mod completion;
mod failure;
mod modprobe;
mod options;
mod program;
mod reason;
mod restore;
mod save;
mod translate;
mod xml;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use libxt::backend::Backend;
use libxt::lock::Lock;
use libxt::octets::{self, Raw};
use libxt::table::Table;

use command::{Keeper, Parsed, Session, Unopened};
use failure::Failure;
use program::{Program, Role};

/// Writes a line to stderr.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::tell(&format!("{}\n", format_args!($($text)*)))
    };
}
pub(crate) use say;

/// Writes to stderr; if that fails there is nobody to tell.
pub(crate) fn tell(text: &str) {
    let _ = io::stderr().write_all(&octets::bytes(text));
}

/// A word of a command line as a file's name.
pub(crate) fn path(word: &str) -> PathBuf {
    OsString::from_vec(octets::bytes(word).into_owned()).into()
}

/// The whole program, told by its name which one it is; returns the exit code.
pub fn main<'w>(words: impl Iterator<Item = &'w OsStr>) -> u8 {
    occupy_standard_descriptors();
    let mut words: Vec<String> = words.map(|word| octets::text(word.as_bytes()).into_owned()).collect();
    let Some(program) = find_program(&mut words) else {
        if let Some(script) = completion::script(&words) {
            return u8::from(io::stdout().write_all(script.as_bytes()).is_err());
        }
        say!("ERROR: No valid subcommand given.\nValid subcommands:");
        for name in Program::NAMES {
            say!(" * {name}");
        }
        return 1;
    };
    let done = match program.role {
        Role::Command => run(program, &words),
        Role::Save => return save::run(program, &words),
        Role::Apply => return apply::run(program, &words),
        Role::Translate => return translate::run(program, &words),
        Role::RestoreTranslate => return translate::run_restore(program, &words),
        Role::Xml => return xml::run(&words),
        Role::Restore => return restore::run(program, &words),
    };
    let flushed = io::stdout().flush();
    match done {
        Ok(()) => u8::from(flushed.is_err()),
        Err(failure) => {
            tell(&failure.text(program, None));
            failure.exit_code()
        }
    }
}

/// Sees to it that nothing opened later gets the number of a standard stream that the caller had closed: a listing would
/// be written into the tables' socket.
fn occupy_standard_descriptors() {
    while let Ok(file) = File::options().read(true).write(true).open("/dev/null") {
        if file.as_raw_fd() > libc::STDERR_FILENO {
            return;
        }
        // It stays open for good.
        let _ = file.into_raw_fd();
    }
}

/// By the program's own name, else by the first word, which is then taken away.
fn find_program(words: &mut Vec<String>) -> Option<Program> {
    let name = Path::new(words.first()?).file_name()?.to_string_lossy().into_owned();
    if let Some(program) = Program::named(&name) {
        return Some(program);
    }
    let program = Program::named(words.get(1)?)?;
    words.remove(0);
    Some(program)
}

/// Carries out one command, given as the words behind the program's name, on tables that the caller holds; takes no lock
/// and prints into `out`.
///
/// # Errors
/// The exit code and the text for stderr.
pub fn apply(backend: &mut dyn Backend, words: &[String], out: &mut dyn Write) -> Result<(), (u8, String)> {
    let program = Program { af: backend.af(), role: Role::Command };
    let named: Vec<&str> = std::iter::once(program.name()).chain(words.iter().map(String::as_str)).collect();
    let done = (|| -> Result<(), Failure> {
        let mut session = Session::default();
        let parsed = command::parse(program, &named, &mut session, &mut Keeper::Open(backend))?;
        let Parsed::Run(mut command) = parsed else { return Ok(()) };
        let mut table = Table::open(backend, &command.table)?;
        command.run(&mut session, &mut table, backend, out)?;
        Ok(table.commit(backend)?)
    })();
    done.map_err(|failure| (failure.exit_code(), failure.text(program, None)))
}

/// `iptables` and `ip6tables`: read everything, lock, open the table, edit it, write it back.
fn run(program: Program, words: &[String]) -> Result<(), Failure> {
    let mut out = Raw(io::stdout().lock());
    let (mut session, mut tables) = (Session::default(), Unopened::new(program.af));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = match command::parse(program, &words, &mut session, &mut Keeper::Unopened(&mut tables))? {
        Parsed::Run(command) => command,
        Parsed::Show(text) => return Ok(out.write_all(text.as_bytes())?),
        Parsed::Nothing => return Ok(()),
    };
    let _lock = Lock::acquire(command.wait).map_err(|unlocked| Failure::Resource(unlocked.to_string()))?;
    let name = command.table.clone();
    let closed = |why: &dyn std::fmt::Display| {
        Failure::Version(format!("can't initialize {} table `{name}': {why}", program.name()))
    };
    let mut backend = tables.open().map_err(|unavailable| closed(&unavailable))?;
    let mut attempts = 0;
    loop {
        let mut table = modprobe::open_table(&mut *backend, &name, command.modprobe.as_deref())
            .map_err(|refused| closed(&refused))?;
        if !command.edits() {
            let mut buffered = Raw(io::BufWriter::new(&mut out.0));
            let done = command.run(&mut session, &mut table, &mut *backend, &mut buffered);
            buffered.flush()?;
            return done;
        }
        // What an edit prints (`-L -Z` the counters that it zeroes) is true of the table that it changed, if of any.
        let mut printed = Vec::new();
        let done = command
            .run(&mut session, &mut table, &mut *backend, &mut printed)
            .and_then(|()| table.commit(&mut *backend).map_err(|refused| reason::find(refused, &table).into()));
        attempts += 1;
        if matches!(&done, Err(Failure::Refused(refused)) if refused.is_stale()) && attempts < ATTEMPTS {
            continue;
        }
        // Nobody can be told that the output is closed.
        let _ = out.write_all(&printed);
        return done;
    }
}

/// How often an edit is done anew because somebody who does not take the lock changed the table meanwhile.
const ATTEMPTS: usize = 1000;
