//! One network namespace: made, entered by threads and commands, and gone when dropped.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read, Write},
    os::fd::{AsRawFd, RawFd},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
};

/// A network namespace with a name of its own under `/run/netns`.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
    environment: Vec<(String, String)>,
}

/// What a finished command left.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Namespace {
    /// Makes a namespace whose name begins with `label` and holds the process id; `lo` is up.
    ///
    /// # Errors
    /// Those of the system calls; [`crate::sandbox::enter`] must have run.
    pub fn new(label: &str) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("{label}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = Self::path_of(&name);
        let file = thread::scope(|scope| {
            scope
                .spawn(|| -> io::Result<File> {
                    unshare(CloneFlags::CLONE_NEWNET)?;
                    let file = File::open("/proc/thread-self/ns/net")?;
                    if fs::create_dir_all("/run/netns").is_ok() && File::create(&path).is_ok() {
                        let none: Option<&str> = None;
                        mount(Some("/proc/thread-self/ns/net"), &path, none, MsFlags::MS_BIND, none)?;
                    }
                    Ok(file)
                })
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the thread that makes a namespace died")))
        })?;
        let namespace = Self { name, file, environment: Vec::new() };
        namespace.ip("link set lo up\n")?;
        Ok(namespace)
    }

    /// Sets a variable for every command that runs here.
    pub fn set_environment(&mut self, key: &str, value: &str) {
        self.environment.retain(|(k, _)| k != key);
        self.environment.push((key.to_owned(), value.to_owned()));
    }

    /// Its name, as `ip netns` shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The inode of the namespace, by which the datapath names its directory.
    pub fn inode(&self) -> io::Result<u64> {
        use std::os::unix::fs::MetadataExt;
        Ok(self.file.metadata()?.ino())
    }

    /// Runs `work` on a thread that lives in this namespace: sockets opened there stay there.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        thread::scope(|scope| {
            scope
                .spawn(|| -> io::Result<T> {
                    setns(&self.file, CloneFlags::CLONE_NEWNET)?;
                    Ok(work())
                })
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("work in a namespace panicked")))
        })
    }

    /// Starts a thread of its own that lives in this namespace.
    pub fn thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<thread::JoinHandle<io::Result<T>>> {
        let file = self.file.try_clone()?;
        Ok(thread::spawn(move || {
            setns(&file, CloneFlags::CLONE_NEWNET)?;
            work()
        }))
    }

    /// Starts a command here. `prepare` may set arguments and streams.
    pub fn spawn(&self, program: impl AsRef<OsStr>, prepare: impl FnOnce(&mut Command) + Send) -> io::Result<Child> {
        let mut command = Command::new(self.find(Path::new(program.as_ref())));
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        prepare(&mut command);
        self.within(move || command.spawn())?
    }

    /// Runs a command to its end, at most a minute, and returns what it left.
    pub fn run<S: AsRef<OsStr>>(&self, words: &[S]) -> io::Result<Finished> {
        self.run_with(words, "")
    }

    /// As [`Namespace::run`], with a text on the standard input.
    pub fn run_with<S: AsRef<OsStr>>(&self, words: &[S], input: &str) -> io::Result<Finished> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(io::Error::other("no command"));
        };
        let arguments: Vec<_> = arguments.iter().map(|a| a.as_ref().to_owned()).collect();
        let mut child = self.spawn(program, |command| {
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        })?;
        let finished = finish(&mut child, input, Duration::from_secs(60));
        finished.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", program.as_ref().to_string_lossy())))
    }

    /// Runs a command that must succeed and returns its standard output.
    ///
    /// # Errors
    /// Also when it exits with another code than 0; the text holds the command and its standard error.
    pub fn must<S: AsRef<OsStr>>(&self, words: &[S]) -> io::Result<String> {
        self.must_with(words, "")
    }

    /// As [`Namespace::must`], with a text on the standard input.
    pub fn must_with<S: AsRef<OsStr>>(&self, words: &[S], input: &str) -> io::Result<String> {
        let finished = self.run_with(words, input)?;
        if finished.status.success() {
            return Ok(finished.stdout);
        }
        let mut line = String::new();
        for word in words {
            let _ = write!(line, "{} ", word.as_ref().to_string_lossy());
        }
        Err(io::Error::other(format!("{line}({}): {}{}", finished.status, finished.stdout, finished.stderr)))
    }

    /// Runs lines of `ip -batch` here.
    pub fn ip(&self, batch: &str) -> io::Result<()> {
        self.must_with(&["ip", "-force", "-batch", "-"], batch).map(drop)
    }

    /// Writes sysctls, given as `("net.ipv4.ip_forward", "1")`. Keys with dots in a device's name are not supported.
    pub fn sysctl(&self, settings: &[(&str, &str)]) -> io::Result<()> {
        self.within(|| {
            for (key, value) in settings {
                let path = format!("/proc/sys/{}", key.replace('.', "/"));
                fs::write(&path, value).map_err(|e| io::Error::new(e.kind(), format!("{path}: {e}")))?;
            }
            Ok(())
        })?
    }

    /// Reads one sysctl, trimmed.
    pub fn read_sysctl(&self, key: &str) -> io::Result<String> {
        let path = format!("/proc/sys/{}", key.replace('.', "/"));
        Ok(self.within(move || fs::read_to_string(path))??.trim().to_owned())
    }

    /// Packets received and sent by a device since it was made.
    pub fn device_packets(&self, device: &str) -> io::Result<(u64, u64)> {
        let text = self.within(|| fs::read_to_string("/proc/thread-self/net/dev"))??;
        let line = text.lines().find_map(|l| l.trim().strip_prefix(device)?.strip_prefix(':'));
        let numbers: Vec<u64> = line.unwrap_or_default().split_whitespace().filter_map(|n| n.parse().ok()).collect();
        match (numbers.get(1), numbers.get(9)) {
            (Some(&received), Some(&sent)) => Ok((received, sent)),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, format!("no device {device}"))),
        }
    }

    pub(crate) fn raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    fn path_of(name: &str) -> PathBuf {
        Path::new("/run/netns").join(name)
    }

    /// A bare program name is looked up in the `PATH` set for this namespace first, as a shell would.
    fn find(&self, program: &Path) -> PathBuf {
        let path = self.environment.iter().find(|(k, _)| k == "PATH");
        if program.components().count() == 1
            && let Some((_, path)) = path
        {
            for folder in path.split(':') {
                let candidate = Path::new(folder).join(program);
                if candidate.is_file() {
                    return candidate;
                }
            }
        }
        program.to_owned()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let path = Self::path_of(&self.name);
        let _ = umount2(&path, MntFlags::MNT_DETACH);
        let _ = fs::remove_file(&path);
    }
}

impl Finished {
    /// The exit code; a signal counts as 128 and its number.
    pub fn code(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }
}

/// Feeds a child, collects its output and waits for its end; kills it when the time is over.
pub fn finish(child: &mut Child, input: &str, limit: Duration) -> io::Result<Finished> {
    let deadline = Instant::now() + limit;
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    thread::scope(|scope| {
        let out = scope.spawn(|| read_all(stdout));
        let err = scope.spawn(|| read_all(stderr));
        scope.spawn(move || {
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(input.as_bytes());
            }
        });
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                return Err(io::Error::new(io::ErrorKind::TimedOut, "did not end in time"));
            }
            thread::sleep(Duration::from_micros(300));
        };
        let text = |thread: thread::ScopedJoinHandle<'_, String>| thread.join().unwrap_or_default();
        Ok(Finished { status, stdout: text(out), stderr: text(err) })
    })
}

fn read_all(stream: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let _ = stream.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
