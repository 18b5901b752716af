//! A network namespace that commands run in, with the datapath that keeps its tables, if one does.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use libxt::backend::{Backend, Get, datapath::Datapath, kernel::Kernel};
use libxt::family::Af;
use nix::fcntl::{Flock, FlockArg};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::programs::path_with;
use super::{Outcome, Tool, output, split, without_version};

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
    /// What was mounted in the folder.
    mounted: OnceLock<PathBuf>,
    datapath: Option<Child>,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "the differential tests need root (network namespaces)");
        let net = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
            File::open("/proc/thread-self/ns/net").expect("its file")
        });
        let net = net.join().expect("the thread that makes a namespace");
        Self {
            net,
            folder: tempfile::tempdir().expect("a folder for the lock"),
            mounted: OnceLock::new(),
            datapath: None,
        }
    }

    /// Starts our datapath here, which keeps the tables of our commands from now on.
    pub(super) fn start_datapath(&mut self) {
        self.enter();
        let program = Path::new(env!("CARGO_BIN_EXE_xtables-rs-multi")).with_file_name("xt-datapath");
        let mut child = Command::new(&program)
            .args(["run", "--log", "none"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(self.complaints()).expect("a file for what it complains of"))
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error} (`cargo build --bins' makes it)", program.display()));
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("what the datapath says");
        self.datapath = Some(child);
        assert!(line.contains("ready"), "the datapath is not ready: {line:?}");
    }

    /// What the datapath complains of. A file, for a pipe that nobody reads would fill.
    fn complaints(&self) -> PathBuf {
        self.folder.path().join("complaints")
    }

    /// Who keeps the tables of our commands here.
    pub(super) fn keeper(&self) -> Keeper {
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
        let output = output(child);
        feeder.join().expect("the feeder");
        Outcome::of(&output)
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
        let output = output(self.spawn(tool, words));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs one of our commands here with another `XT_BACKEND`.
    pub(crate) fn run_backend(&self, backend: &str, line: &str, stdin: &str) -> Outcome {
        let mut child = self.start(Tool::Ours, &split(line), backend);
        let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
        let output = output(child);
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
        let output = output(child);
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

    /// Mounts one tmpfs for commands of the calling thread at `name` in the folder they run in, and returns where that is.
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
        let name = folder.display().to_string();
        self.mounted.set(folder).expect("one for a namespace");
        name
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
        if let Some(folder) = self.mounted.take() {
            let _ = Command::new("umount").arg(folder).status();
        }
        if let Some(datapath) = &mut self.datapath {
            // As an administrator ends it, so that it clears its run folder away.
            let _ = kill(Pid::from_raw(datapath.id().cast_signed()), Signal::SIGTERM);
            let deadline = Instant::now() + Duration::from_secs(20);
            while matches!(datapath.try_wait(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(2));
            }
            let ended = matches!(datapath.try_wait(), Ok(Some(_)));
            let _ = datapath.kill();
            let _ = datapath.wait();
            assert!(ended || thread::panicking(), "the datapath does not end when it is told to");
            let said = fs::read_to_string(self.complaints()).unwrap_or_default();
            assert!(thread::panicking() || !said.contains("panicked"), "the datapath panicked:\n{said}");
        }
    }
}
