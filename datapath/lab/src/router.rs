//! Who judges in a router: the running kernel with the real commands, or our datapath with ours.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::namespace::Namespace;

/// Which judge, and with whose commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// iptables-legacy, conntrack and the kernel: the oracle.
    Kernel,
    /// Our commands, `xt-datapath run` and NFQUEUE.
    Datapath,
    /// Our commands on the kernel's tables.
    OursOnKernel,
}

impl Judge {
    /// By name: `kernel`, `datapath` or `ours-on-kernel`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "kernel" => Some(Self::Kernel),
            "datapath" => Some(Self::Datapath),
            "ours-on-kernel" => Some(Self::OursOnKernel),
            _ => None,
        }
    }

    /// The name that [`Judge::from_name`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Datapath => "datapath",
            Self::OursOnKernel => "ours-on-kernel",
        }
    }
}

/// A folder of commands under their usual names, first in the `PATH` of a router.
#[derive(Debug)]
pub struct Commands {
    folder: TempDir,
    judge: Judge,
}

impl Commands {
    /// Collects the commands of a judge; `built` is the folder with our binaries.
    ///
    /// # Errors
    /// `NotFound`, naming what is missing.
    pub fn collect(judge: Judge, built: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("xt-lab-").tempdir()?;
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let into = |name: &str| folder.path().join(name);
        let tables =
            ["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"];
        match judge {
            Judge::Kernel => {
                for name in tables {
                    let (family, rest) = name.split_at(name.find("tables").unwrap_or_default() + "tables".len());
                    symlink(program(&format!("{family}-legacy{rest}"))?, into(name))?;
                }
                symlink(program("conntrack")?, into("conntrack"))?;
            }
            Judge::Datapath | Judge::OursOnKernel => {
                for name in ["xtables-rs-multi", "conntrack", "xt-datapath"] {
                    let from = built.join(name);
                    fs::copy(&from, into(name))
                        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", from.display())))?;
                }
                for name in tables {
                    symlink("xtables-rs-multi", into(name))?;
                }
            }
        }
        Ok(Self { folder, judge })
    }

    /// Whose commands these are.
    pub fn judge(&self) -> Judge {
        self.judge
    }

    /// Makes them the first that a namespace finds.
    pub fn prefer(&self, namespace: &mut Namespace) {
        let before = std::env::var("PATH").unwrap_or_default();
        namespace.set_environment("PATH", &format!("{}:{before}:/usr/sbin:/sbin", self.folder.path().display()));
        namespace.set_environment("LC_ALL", "C");
        match self.judge {
            Judge::Kernel | Judge::OursOnKernel => namespace.set_environment("XT_BACKEND", "kernel"),
            Judge::Datapath => namespace.set_environment("XT_BACKEND", "datapath"),
        }
    }

    /// Starts the judge in a namespace and waits until it is ready. The kernel needs no start.
    pub fn start(&self, namespace: &mut Namespace) -> io::Result<Option<Daemon>> {
        self.start_with(namespace, &[])
    }

    /// The same with more options for a datapath.
    pub fn start_with(&self, namespace: &mut Namespace, options: &[&str]) -> io::Result<Option<Daemon>> {
        self.prefer(namespace);
        match self.judge {
            Judge::Kernel | Judge::OursOnKernel => Ok(None),
            Judge::Datapath => Daemon::start_with(namespace, options).map(Some),
        }
    }
}

/// A running `xt-datapath run`; stopped when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Daemon {
    /// Starts it in a namespace and waits until `xt-datapath status` succeeds there, at most ten seconds.
    pub fn start(namespace: &Namespace) -> io::Result<Self> {
        Self::start_with(namespace, &[])
    }

    /// The same with more options for `xt-datapath run`.
    pub fn start_with(namespace: &Namespace, options: &[&str]) -> io::Result<Self> {
        // One queue keeps packets in order, so that a packet sent last is judged last.
        let queues: &[&str] = if options.contains(&"--queues") { &[] } else { &["--queues", "1"] };
        let mut child = namespace.spawn("xt-datapath", |command| {
            command
                .args(["run", "--log", "stderr", "--fingerprints", "/run/pf.os"])
                .args(queues)
                .args(options)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
        })?;
        let said = Arc::new(Mutex::new(String::new()));
        if let Some(stream) = child.stdout.take() {
            listen(stream, Arc::clone(&said));
        }
        if let Some(stream) = child.stderr.take() {
            listen(stream, Arc::clone(&said));
        }
        let mut daemon = Self { child, said };
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = daemon.child.try_wait()? {
                thread::sleep(Duration::from_millis(50));
                return Err(io::Error::other(format!("xt-datapath run ended: {status}\n{}", daemon.said())));
            }
            if namespace.run(&["xt-datapath", "status"])?.status.success() {
                return Ok(daemon);
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("xt-datapath is not ready after 10 s\n{}", daemon.said())));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far, to both streams.
    pub fn said(&self) -> String {
        self.said.lock().map(|s| s.clone()).unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it at once, as a crash would.
    pub fn crash(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// User and system time it has used, in nanoseconds.
    pub fn cpu(&self) -> u64 {
        process_cpu(self.child.id())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.alive() {
            return;
        }
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX));
        let _ = kill(pid, Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.alive() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        if self.alive() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            assert!(thread::panicking(), "the datapath does not end when it is told to\n{}", self.said());
        }
    }
}

/// Waits until who judges goes by the sysctls, devices, addresses and routes that the namespace has now: the kernel does so at
/// once, a datapath hears of them.
///
/// # Errors
/// A datapath that has not heard after 20 seconds.
pub fn settle(judge: Judge, namespace: &Namespace) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let follows = || -> io::Result<bool> {
        let status = namespace.must(&["xt-datapath", "status"])?;
        Ok(["settings    all followed", "routes      all followed"].iter().all(|line| status.contains(line)))
    };
    while judge == Judge::Datapath && !follows()? {
        if Instant::now() > deadline {
            return Err(io::Error::other("xt-datapath does not follow settings or routes"));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// User and system time of a process with all its threads, in nanoseconds; 0 if it is gone.
pub fn process_cpu(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = text.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    ticks * 10_000_000
}

/// Where our binaries are: `XT_BUILT`, or else beside the running program.
pub fn built() -> PathBuf {
    if let Some(path) = std::env::var_os("XT_BUILT") {
        return path.into();
    }
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().unwrap_or(Path::new("."));
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    folder.to_owned()
}

/// Finds a program of the system.
///
/// # Errors
/// `NotFound`, naming it.
pub fn program(name: &str) -> io::Result<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"])
        .map(|folder| Path::new(folder).join(name))
        .find(|p| p.is_file())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{name} is not installed")))
}

fn listen(mut stream: impl Read + Send + 'static, said: Arc<Mutex<String>>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = stream.read(&mut buffer) {
            if length == 0 {
                break;
            }
            if let Ok(mut said) = said.lock()
                && said.len() < 1 << 20
            {
                said.push_str(&String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()));
            }
        }
    });
}
