//! `iptables-apply`: loads new rules, asks whether the machine can still be reached, and takes them back if nobody says so.
//!
//! It runs `iptables-save` and `iptables-restore` from `PATH`. The old rules are kept in memory until the end, and from
//! the moment the new ones are loaded a signal or a closed terminal counts as no answer: they are taken back.

mod answer;

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libxt::backend::Choice;
use libxt::family::Af;
use libxt::octets;
use nix::unistd::{AccessFlags, access};

use crate::options::{self, Item, Options, Takes};
use crate::program::{Program, VERSION};
use crate::{path, say, tell};

/// Does what `words` (the program's name first) ask for, and returns the exit code.
pub(crate) fn run(program: Program, words: &[String]) -> u8 {
    match Task::parse(program, words).and_then(Task::run) {
        Ok(()) => 0,
        Err(Quit(code, text)) => {
            if !text.is_empty() {
                say!("{text}");
            }
            code
        }
    }
}

/// An exit code, and what to say before; nothing if the text is empty.
struct Quit(u8, String);

fn error(code: u8, text: impl std::fmt::Display) -> Quit {
    Quit(code, format!("Error: {text}"))
}

/// What the command line asks for, checked.
struct Task {
    names: Names,
    timeout: Duration,
    savefile: Option<String>,
    source: Source,
}

/// Where the new rules come from.
enum Source {
    /// A file for `-restore`.
    File(String),
    /// A program that loads them.
    Command(String),
}

/// The family's programs and files.
struct Names {
    save: &'static str,
    restore: &'static str,
    rules: &'static str,
    command: &'static str,
}

impl Names {
    fn of(af: Af) -> Self {
        match af {
            Af::V4 => Self {
                save: "iptables-save",
                restore: "iptables-restore",
                rules: "/etc/network/iptables.up.rules",
                command: "/etc/network/iptables.up.run",
            },
            Af::V6 => Self {
                save: "ip6tables-save",
                restore: "ip6tables-restore",
                rules: "/etc/network/ip6tables.up.rules",
                command: "/etc/network/ip6tables.up.run",
            },
        }
    }
}

impl Task {
    fn parse(program: Program, words: &[String]) -> Result<Self, Quit> {
        let name = program.name();
        let names = Names::of(program.af);
        let (mut timeout, mut savefile, mut is_command) = ("10".to_owned(), None, false);
        let mut operands = Vec::new();
        for item in Options::new(OPTIONS, words) {
            match item {
                Item::Option('t', seconds) => timeout = seconds.unwrap_or_default(),
                Item::Option('w', file) => {
                    savefile = Some(file.filter(|file| !file.is_empty()).unwrap_or_else(|| names.rules.to_owned()));
                }
                Item::Option('c', _) => is_command = true,
                Item::Option('V', _) => {
                    say!("{name} v{VERSION}");
                    return Err(Quit(0, String::new()));
                }
                Item::Option(..) => {
                    tell(&help(name, &names));
                    return Err(Quit(0, String::new()));
                }
                Item::Operand(word) => operands.push(word),
                Item::Bad(message) => return Err(Quit(1, format!("{name}: {message}"))),
            }
        }
        let seconds = timeout.trim().parse::<u32>().map_err(|_| error(1, "timeout must be a positive number"))?;
        if let Some(file) = &savefile
            && path(file).exists()
            && !may(file, AccessFlags::W_OK)
        {
            return Err(error(8, format_args!("savefile not writable: {file}")));
        }
        let operand = operands.into_iter().next().filter(|word| !word.is_empty());
        let source = if is_command {
            let command = operand.unwrap_or_else(|| names.command.to_owned());
            if !may(&command, AccessFlags::X_OK) {
                return Err(error(6, format_args!("runcmd not executable: {command}")));
            }
            Source::Command(command)
        } else {
            let file = operand.unwrap_or_else(|| names.rules.to_owned());
            if !may(&file, AccessFlags::R_OK) {
                return Err(error(2, format_args!("rulesfile not readable: {file}")));
            }
            Source::File(file)
        };
        let mut needed = vec![names.save, names.restore];
        if let Source::Command(command) = &source {
            needed.push(command);
        }
        if let Some(missing) = needed.iter().find(|command| find(command).is_none()) {
            return Err(error(127, format_args!("needed command not found: {missing}")));
        }
        Ok(Self { names, timeout: Duration::from_secs(seconds.into()), savefile, source })
    }

    fn run(self) -> Result<(), Quit> {
        let old = self.save_old()?;
        answer::survive_signals();
        fail2ban("stop");
        self.load(&old)?;
        show("Can you establish NEW connections to the machine? (y/N) ");
        let answer = answer::read(self.timeout);
        show("\n");
        if !matches!(answer, Some(b'y' | b'Y')) {
            show(match answer {
                None => "Timeout! Something happened (or did not). Better play it safe...\n",
                Some(_) => "No affirmative response! Better play it safe...\n",
            });
            self.revert(&old)?;
            return Err(Quit(255, String::new()));
        }
        if let Some(file) = &self.savefile {
            show(&format!("Writing successfully applied rules to '{file}'...\n"));
            let saved = File::create(path(file)).is_ok_and(|to| succeeds(Command::new(self.names.save).stdout(to)));
            if !saved {
                return Err(error(9, format_args!("unknown error writing successfully applied rules: {file}")));
            }
        }
        show("... then my job is done. See you next time.\n");
        fail2ban("start");
        Ok(())
    }

    /// What `-save` prints now.
    fn save_old(&self) -> Result<Vec<u8>, Quit> {
        match Command::new(self.names.save).stdin(Stdio::inherit()).stderr(Stdio::inherit()).output() {
            Ok(output) if output.status.success() => Ok(output.stdout),
            _ => {
                let modules = fs::read("/proc/modules").unwrap_or_default();
                let is_kernel = Choice::of_this_process() == Ok(Choice::Kernel);
                if is_kernel && !modules.windows(3).any(|part| part == b"ipt") {
                    return Err(error(3, "iptables support lacking from the kernel"));
                }
                Err(error(4, "unknown error saving old iptables rules"))
            }
        }
    }

    fn load(&self, old: &[u8]) -> Result<(), Quit> {
        let (loaded, code, text) = match &self.source {
            Source::File(file) => {
                show(&format!("Applying new iptables rules from '{file}'... "));
                let loaded =
                    File::open(path(file)).is_ok_and(|rules| succeeds(Command::new(self.names.restore).stdin(rules)));
                (loaded, 5, format!("unknown error applying new iptables rules: {file}"))
            }
            Source::Command(command) => {
                show(&format!("Running command '{command}'... "));
                // As a background job of a shell without job control, whose input is empty.
                let child = Command::new(path(command)).stdin(Stdio::null()).spawn();
                let done = child.ok().and_then(|child| wait(child, self.timeout));
                (done.is_some_and(|status| status.success()), 7, format!("unknown error running command: {command}"))
            }
        };
        if loaded {
            show("done.\n");
            return Ok(());
        }
        show("failed.\n");
        say!("Error: {text}");
        self.revert(old)?;
        Err(Quit(code, String::new()))
    }

    fn revert(&self, old: &[u8]) -> Result<(), Quit> {
        show("Reverting to old iptables rules... ");
        let status = Command::new(self.names.restore).stdin(Stdio::piped()).spawn().and_then(|mut child| {
            if let Some(mut input) = child.stdin.take() {
                // A -restore that does not read to the end says so by its exit code.
                let _ = input.write_all(old);
            }
            child.wait()
        });
        match status {
            Ok(status) if status.success() => {
                show("done.\n");
                Ok(())
            }
            Ok(status) => Err(Quit(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1), String::new())),
            Err(why) => Err(error(1, format_args!("{}: {}", self.names.restore, libxt::errno::of(&why)))),
        }
    }
}

/// Waits at most so long, then ends the command by SIGTERM.
fn wait(mut child: Child, patience: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + patience;
    let mut told = false;
    loop {
        if let Some(status) = child.try_wait().ok()? {
            return Some(status);
        }
        if !told && Instant::now() >= end {
            told = true;
            let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).ok()?);
            // It may have ended by itself in between.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        }
        if Instant::now() >= end + LAST_WORDS {
            let _ = child.kill();
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

/// A daemon that edits rules by itself must not while these are on trial.
fn fail2ban(action: &str) {
    const SCRIPT: &str = "/etc/init.d/fail2ban";
    if may(SCRIPT, AccessFlags::X_OK) {
        let _ = Command::new(SCRIPT).arg(action).status();
    }
}

fn may(file: &str, what: AccessFlags) -> bool {
    access(&path(file), what).is_ok()
}

/// Where a shell finds the command.
fn find(command: &str) -> Option<PathBuf> {
    let is_program =
        |file: &Path| fs::metadata(file).is_ok_and(|known| known.is_file() && known.permissions().mode() & 0o111 != 0);
    if command.contains('/') {
        return Some(path(command)).filter(|file| is_program(file));
    }
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(path(command))).find(|file| is_program(file))
}

/// Writes to stdout at once. A terminal that is gone must not keep the old rules from coming back.
fn show(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(&octets::bytes(text)).and_then(|()| out.flush());
}

fn help(name: &str, names: &Names) -> String {
    let Names { rules, command, .. } = names;
    format!(
        "Usage: {name} [options] [rules]\n       {name} [options] -c [command]\n\
         Loads rules and takes them back unless somebody says that the machine can still be reached.\n\
         \x20 -t, --timeout seconds   how long to wait for the answer (10)\n\
         \x20 -w, --write file        where to save the rules once confirmed ({rules} if empty)\n\
         \x20 -c, --command           run a command ({command}) instead of loading a file ({rules})\n\
         \x20 -h, --help              this text\n\
         \x20 -V, --version           the version\n"
    )
}

/// How long a command that was told to end may still take.
const LAST_WORDS: Duration = Duration::from_secs(10);

pub(crate) const OPTIONS: options::Table = &[
    ('t', "timeout", Takes::Required),
    ('w', "write", Takes::Required),
    ('c', "command", Takes::Nothing),
    ('h', "help", Takes::Nothing),
    ('V', "version", Takes::Nothing),
];
