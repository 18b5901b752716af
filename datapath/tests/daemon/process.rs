//! A datapath as a process of a namespace, and what it says of itself.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lab::namespace::{Finished, Namespace, finish};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Domain, SockAddr, Socket, Type};

/// A running `xt-datapath run`; killed when dropped.
pub(crate) struct Process<'a> {
    child: Child,
    namespace: &'a Namespace,
}

impl<'a> Process<'a> {
    /// Starts it and waits until it says that it is ready.
    pub(crate) fn start(namespace: &'a Namespace, options: &[&str]) -> io::Result<Self> {
        Self::start_to(namespace, options, Stdio::inherit())
    }

    /// The same, with its stderr going somewhere else.
    pub(crate) fn start_to(namespace: &'a Namespace, options: &[&str], stderr: Stdio) -> io::Result<Self> {
        let mut child = namespace.spawn(PROGRAM, |command| {
            command.arg("run").args(options).args(["--log", "none"]).stdout(Stdio::piped()).stderr(stderr);
        })?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let process = Self { child, namespace };
        if line.contains("ready") { Ok(process) } else { Err(io::Error::other(format!("not ready: {line:?}"))) }
    }

    /// As [`start`](Self::start), and what it writes to stderr until its end.
    pub(crate) fn start_heard(namespace: &'a Namespace) -> io::Result<(Self, JoinHandle<String>)> {
        let mut child = namespace.spawn(PROGRAM, |command| {
            command.arg("run").args(["--log", "none"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        })?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let stderr = child.stderr.take();
        let said = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.map(|mut stream| stream.read_to_string(&mut text));
            text
        });
        Ok((Self { child, namespace }, said))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether `xt-datapath status` succeeds, and what it says.
    pub(crate) fn status(&self) -> io::Result<(bool, String)> {
        let finished = run_here(self.namespace, &["status"])?;
        Ok((finished.code() == 0, finished.stdout))
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Has it read its configuration again.
    pub(crate) fn hang_up(&self) -> io::Result<()> {
        Ok(kill(Pid::from_raw(self.child.id() as i32), Signal::SIGHUP)?)
    }

    /// Ends it as an administrator does.
    pub(crate) fn stop(&mut self) -> io::Result<ExitStatus> {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM)?;
        finish(&mut self.child, "", Duration::from_secs(20)).map(|finished| finished.status)
    }
}

impl Drop for Process<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs our program in a namespace to its end.
pub(crate) fn run_here(namespace: &Namespace, words: &[&str]) -> io::Result<Finished> {
    let mut all = vec![PROGRAM];
    all.extend(words);
    namespace.run(&all)
}

/// Of each queue in a status: its number, packets received, packets accepted.
pub(crate) fn counts(status: &str) -> Vec<(u64, u64, u64)> {
    let rows = status.lines().skip_while(|line| !line.trim_start().starts_with("queue ")).skip(1);
    rows.map(|row| {
        let mut numbers = row.split_ascii_whitespace().map(|word| word.parse().expect("a number"));
        let mut next = || numbers.next().expect("three columns");
        (next(), next(), next())
    })
    .collect()
}

/// The run folder of a namespace.
pub(crate) fn run_folder(namespace: &Namespace) -> io::Result<PathBuf> {
    namespace.within(libxt::rundir::of_this_namespace)?
}

/// Sends one packet to a `SOCK_SEQPACKET` socket and goes away.
pub(crate) fn send_packet(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
    socket.connect(&SockAddr::unix(path)?)?;
    socket.send(bytes).map(drop)
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let until = Instant::now() + limit;
    while !holds()? {
        assert!(Instant::now() < until, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_xt-datapath");
