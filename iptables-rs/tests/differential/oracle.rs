//! Two network namespaces that started alike, the real tool in one and ours in the other.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread;

use crate::deviations;
use libxt::backend::{Backend, Get, datapath::Datapath, kernel::Kernel};
use libxt::family::Af;
use nix::fcntl::{Flock, FlockArg};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Which program stands behind the names `iptables`, `ip6tables-save` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Theirs,
    Ours,
}

/// Who keeps the tables that our commands edit. The real tool's are the kernel's always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeper {
    Kernel,
    Datapath,
}

/// A network namespace nobody else is in, with a lock file of its own, and a datapath if that keeps its tables.
#[derive(Debug)]
pub(crate) struct Namespace {
    net: File,
    folder: TempDir,
    datapath: Option<Child>,
}

/// The two namespaces.
#[derive(Debug)]
pub(crate) struct Twins {
    pub(crate) theirs: Namespace,
    pub(crate) ours: Namespace,
    /// What was done so far, for whoever reads a failure.
    history: Vec<String>,
}

/// What a command left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The exit code, or 128 and the signal.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
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

impl Namespace {
    pub(crate) fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "the differential tests need root (network namespaces)");
        let net = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
            File::open("/proc/thread-self/ns/net").expect("its file")
        });
        let net = net.join().expect("the thread that makes a namespace");
        Self { net, folder: tempfile::tempdir().expect("a folder for the lock"), datapath: None }
    }

    /// Starts our datapath here, which keeps the tables of our commands from now on.
    fn start_datapath(&mut self) {
        self.enter();
        let program = Path::new(env!("CARGO_BIN_EXE_xtables-rs-multi")).with_file_name("xt-datapath");
        let mut child = Command::new(&program)
            .args(["run", "--log", "none"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error} (`cargo build --bins' makes it)", program.display()));
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("what the datapath says");
        self.datapath = Some(child);
        assert!(line.contains("ready"), "the datapath is not ready: {line:?}");
    }

    /// Who keeps the tables of our commands here.
    fn keeper(&self) -> Keeper {
        if self.datapath.is_some() { Keeper::Datapath } else { Keeper::Kernel }
    }

    /// Runs one command here. The calling thread stays here.
    pub(crate) fn run(&self, tool: Tool, words: &[String], stdin: &str) -> Outcome {
        Self::outcome(self.spawn(tool, words), stdin)
    }

    /// Runs one command here that takes a lock of its own, so that nobody else's keeps it from the tables.
    pub(crate) fn run_with_lock(&self, tool: Tool, words: &[String], stdin: &str, lock: &str) -> Outcome {
        self.enter();
        let mut command = self.command(tool, words, self.keeper().name());
        command.env("XTABLES_LOCKFILE", self.folder.path().join(format!("{lock}.lock")));
        Self::outcome(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")), stdin)
    }

    fn outcome(mut child: Child, stdin: &str) -> Outcome {
        let mut input = child.stdin.take().expect("a pipe");
        let stdin = stdin.as_bytes().to_vec();
        // A program that does not read its input must not hang the test, nor one whose output fills the pipe.
        let feeder = thread::spawn(move || {
            let _ = input.write_all(&stdin);
        });
        let output = child.wait_with_output().expect("the command's output");
        feeder.join().expect("the feeder");
        Outcome {
            code: output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0)),
            stdout: protocols_as_numbers(&without_version(&String::from_utf8_lossy(&output.stdout))),
            stderr: without_version(&String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Runs one command here as a user who may do nothing.
    pub(crate) fn run_without_rights(&self, tool: Tool, words: &[String]) -> Outcome {
        self.enter();
        let output = self
            .command(tool, words, "kernel")
            .env("XTABLES_LOCKFILE", "/nonexistent/lock")
            .uid(65_534)
            .gid(65_534)
            .output()
            .expect("the command's output");
        Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: without_version(&String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// Runs one command here and returns what it printed, nothing taken out.
    pub(crate) fn run_exactly(&self, tool: Tool, words: &[String]) -> String {
        let output = self.spawn(tool, words).wait_with_output().expect("the command's output");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs one of our commands here with another `XT_BACKEND`.
    pub(crate) fn run_backend(&self, backend: &str, line: &str, stdin: &str) -> Outcome {
        let mut child = self.start(Tool::Ours, &split(line), backend);
        let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
        let output = child.wait_with_output().expect("the command's output");
        Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: without_version(&String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// The tables that the kernel has made here so far.
    pub(crate) fn kernel_tables(&self) -> String {
        self.enter();
        fs::read_to_string("/proc/thread-self/net/ip_tables_names").expect("the kernel's table names")
    }

    /// Starts one command here, its input and output piped.
    pub(crate) fn spawn(&self, tool: Tool, words: &[String]) -> Child {
        self.start(tool, words, self.keeper().name())
    }

    /// Runs one command here whose words, input and output need not be text; returns also what it printed.
    pub(crate) fn run_bytes(&self, tool: Tool, words: &[&[u8]], stdin: &[u8]) -> (i32, Vec<u8>, Vec<u8>) {
        let words: Vec<&OsStr> = words.iter().map(|word| OsStr::from_bytes(word)).collect();
        let mut child = self.start(tool, &words, "kernel");
        child.stdin.take().expect("a pipe").write_all(stdin).expect("the command reads its input");
        let output = child.wait_with_output().expect("the command's output");
        (output.status.code().unwrap_or(-1), output.stdout, output.stderr)
    }

    fn start(&self, tool: Tool, words: &[impl AsRef<OsStr>], backend: &str) -> Child {
        self.enter();
        let mut command = self.command(tool, words, backend);
        command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    fn command(&self, tool: Tool, words: &[impl AsRef<OsStr>], backend: &str) -> Command {
        let (name, arguments) = words.split_first().expect("a command");
        let name = name.as_ref().to_str().expect("a program's name");
        // What is neither's own, as `ipset', is the system's. A link that leads nowhere is a failure: the system's
        // program of that name would work on other tables.
        let own = tool.path(name);
        let mut command = Command::new(if own.is_symlink() { own } else { PathBuf::from(name) });
        command
            .arg0(name)
            .args(arguments)
            .env("XTABLES_LOCKFILE", self.lock_file())
            .env("XT_BACKEND", backend)
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .env("PATH", path_with(tool.path("")))
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Whether a command holds the lock.
    pub(crate) fn is_locked(&self) -> bool {
        let Ok(file) = File::open(self.lock_file()) else { return false };
        Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err()
    }

    pub(crate) fn lock_file(&self) -> PathBuf {
        self.folder.path().join("xtables.lock")
    }

    /// Mounts a tmpfs for commands of the calling thread at `name` in the folder they run in, and returns where that is.
    pub(crate) fn mount(&self, name: &str, options: &str) -> String {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).expect("a folder");
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace of this thread's own");
        let run = |arguments: &[&OsStr]| {
            let done = Command::new("mount").args(arguments).output().expect("mount(8)");
            assert!(done.status.success(), "{arguments:?}: {done:?}");
        };
        run(&["--make-rprivate", "/"].map(OsStr::new));
        let (kind, options) = (["-t", "tmpfs", "-o"].map(OsStr::new), OsStr::new(options));
        run(&[kind[0], kind[1], kind[2], options, OsStr::new("tmpfs"), folder.as_os_str()]);
        folder.display().to_string()
    }

    /// A file in the folder that commands run in.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("a file in the namespace's folder");
    }

    /// The table's entries as their keeper holds them, without `comefrom` and counters; empty if it has no such table.
    pub(crate) fn entries(&self, af: Af, table: &str) -> Vec<u8> {
        self.enter();
        let mut keeper: Box<dyn Backend> = match self.keeper() {
            Keeper::Kernel => Box::new(Kernel::open(af).expect("a raw socket")),
            Keeper::Datapath => Box::new(Datapath::open(af).expect("the datapath's socket")),
        };
        let mut info = table.as_bytes().to_vec();
        info.resize(32, 0);
        if keeper.get(Get::Info, &mut info).is_err() {
            return Vec::new();
        }
        let size = u32::from_ne_bytes(info[80..84].try_into().expect("four bytes"));
        let mut entries = info[..32].to_vec();
        entries.extend(size.to_ne_bytes());
        keeper.get(Get::Entries, &mut entries).expect("the table's entries");
        let mut entries = entries.split_off(40);
        let (next_offset, comefrom, counters) = match af {
            Af::V4 => (90, 92..96, 96..112),
            Af::V6 => (142, 144..148, 152..168),
        };
        let mut at = 0;
        while at < entries.len() {
            let entry = &mut entries[at..];
            entry[comefrom.clone()].fill(0);
            entry[counters.clone()].fill(0);
            at += usize::from(u16::from_ne_bytes([entry[next_offset], entry[next_offset + 1]]));
        }
        // Valid hooks, hook entries, underflows and the number of entries belong to the table too.
        entries.splice(0..0, info[32..80].iter().copied());
        entries
    }

    fn enter(&self) {
        setns(&self.net, CloneFlags::CLONE_NEWNET).expect("the namespace");
    }
}

impl Keeper {
    /// The word for it in `XT_BACKEND`.
    fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Datapath => "datapath",
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Some(datapath) = &mut self.datapath {
            // As an administrator ends it, so that it clears its run folder away.
            let _ = kill(Pid::from_raw(datapath.id().cast_signed()), Signal::SIGTERM);
            let _ = datapath.wait();
        }
    }
}

impl Outcome {
    /// Whether this is `theirs`, a failure, with one more line that says why.
    pub(crate) fn is_with_a_reason(&self, theirs: &Self) -> bool {
        let lines: Vec<&str> = self.stderr.split_inclusive('\n').collect();
        let without = |reason: usize| [&lines[..reason], &lines[reason + 1..]].concat().concat();
        self.code != 0
            && (self.code, &self.stdout) == (theirs.code, &theirs.stdout)
            && (0..lines.len()).any(|reason| lines[reason].starts_with(['i', 'N']) && without(reason) == theirs.stderr)
    }
}

impl Tool {
    pub(crate) fn path(self, name: &str) -> PathBuf {
        match self {
            Self::Theirs => LINKS.path().join("theirs").join(name),
            Self::Ours => LINKS.path().join("ours").join(name),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {}\nstdout: {:?}\nstderr: {:?}", self.code, self.stdout, self.stderr)
    }
}

/// What stands on our side.
pub(crate) fn under_test() -> Tool {
    match env::var("UNDER_TEST").as_deref() {
        Ok("theirs") => Tool::Theirs,
        Ok("ours") | Err(_) => Tool::Ours,
        Ok(other) => panic!("UNDER_TEST is `{other}', not ours or theirs"),
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

/// Versions and dates are the two things in which the programs may differ.
pub(crate) fn without_version(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let mut line = line.to_owned();
        for variant in ["legacy", "nf_tables"] {
            for version in ["1.8.9", "1.8.11"] {
                line = line.replace(&format!("{version} ({variant})"), "X");
            }
        }
        line =
            line.replace("iptables-xml v1.8.9", "iptables-xml vX").replace("iptables-xml v1.8.11", "iptables-xml vX");
        line = line.replace("-translate v1.8.9", "-translate vX").replace("-translate v1.8.11", "-translate vX");
        if ["# Generated by ", "# Translated by "].iter().any(|head| line.starts_with(head))
            || line.starts_with("# Completed on ")
        {
            line = line.replace("v1.8.9", "vX").replace("v1.8.11", "vX");
            if let Some(date) = line.rfind("on ") {
                line.truncate(date);
                line.push_str("on DATE\n");
            }
        }
        out.push_str(&line);
    }
    out
}

/// The protocol column of listings: 1.8.9 prints numbers with `-n`, every other release, and ours, names.
fn protocols_as_numbers(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let listing = !line.starts_with(['-', '*', ':', '[', '#']);
        let column = PROTOCOLS.iter().filter_map(|(name, number)| {
            let [shown, wanted] = [format!("{name:<4} "), format!("{number:<4} ")];
            let is_column = |&at: &usize| {
                let option = line[at + shown.len()..].get(..2);
                line[..at].ends_with([' ', '!']) && option.is_some_and(|option| ["--", "-f", "!f"].contains(&option))
            };
            let at = line.match_indices(&shown).map(|(at, _)| at).find(is_column)?;
            Some((at, shown, wanted))
        });
        match column.min().filter(|_| listing) {
            Some((at, shown, wanted)) => {
                out.push_str(&line[..at]);
                out.push_str(&wanted);
                out.push_str(&line[at + shown.len()..]);
            }
            None => out.push_str(line),
        }
    }
    out
}

const PROTOCOLS: [(&str, u8); 13] = [
    ("all", 0),
    ("icmp", 1),
    ("tcp", 6),
    ("udp", 17),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ospf", 89),
    ("ipv6-icmp", 58),
    ("sctp", 132),
    ("ipv6-mh", 135),
    ("mobility-header", 135),
    ("udplite", 136),
];

fn hex(bytes: &[u8], at: usize) -> String {
    let from = at.saturating_sub(16);
    bytes.iter().skip(from).take(64).map(|byte| format!("{byte:02x}")).collect()
}

fn oracle() -> PathBuf {
    let candidates = env::var_os("XT_ORACLE")
        .into_iter()
        .chain(["/usr/sbin/xtables-legacy-multi".into(), "/sbin/xtables-legacy-multi".into()]);
    for candidate in candidates {
        let mut first = [0; 4];
        if File::open(&candidate).and_then(|mut file| file.read_exact(&mut first)).is_ok() {
            return candidate.into();
        }
    }
    panic!("the real iptables-legacy is not installed: these tests compare with it (Debian package iptables)")
}

/// The original of `iptables-apply`.
fn script() -> PathBuf {
    let found = ["/usr/sbin/iptables-apply", "/sbin/iptables-apply"].map(PathBuf::from);
    found.into_iter().find(|file| file.exists()).expect("the real iptables-apply (Debian package iptables)")
}

/// One folder of names for each tool: what a program calls itself depends on argv[0].
static LINKS: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    // Whoever builds meanwhile takes the program away for a moment, and then puts another one there.
    let ours = folder.path().join("xtables-rs-multi");
    fs::copy(env!("CARGO_BIN_EXE_xtables-rs-multi"), &ours).expect("a copy of our program");
    let programs = [("theirs", oracle()), ("ours", ours)];
    for (tool, program) in programs {
        fs::create_dir(folder.path().join(tool)).expect("a folder");
        let apply = if tool == "ours" { program.clone() } else { script() };
        let translator = if tool == "ours" { program.clone() } else { program.with_file_name("xtables-nft-multi") };
        for name in ["iptables", "ip6tables"] {
            for suffix in ["-translate", "-restore-translate"] {
                symlink(&translator, folder.path().join(tool).join(format!("{name}{suffix}"))).expect("a link");
            }
        }
        symlink(&apply, folder.path().join(tool).join("iptables-apply")).expect("a link");
        symlink(&program, folder.path().join(tool).join("iptables-xml")).expect("a link");
        for name in ["iptables", "ip6tables"] {
            for suffix in ["", "-save", "-restore"] {
                symlink(&program, folder.path().join(tool).join(format!("{name}{suffix}"))).expect("a link");
            }
        }
    }
    folder
});

#[test]
fn words_are_split_as_a_shell_does() {
    assert_eq!(split(r#"a  "b \"c" d\ e '' x"y"z"#), ["a", "b \"c", "d e", "", "xyz"]);
}

/// `PATH` with the tool's own folder first, for programs that start others.
fn path_with(folder: PathBuf) -> std::ffi::OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(folder).chain(env::split_paths(&path))).expect("a path")
}
