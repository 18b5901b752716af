//! Both routers with a namespace of clients and one of servers, in which programs run.

use std::{
    fs,
    io::{self, Write},
    net::UdpSocket,
    os::unix::{fs::PermissionsExt, net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::Once,
    thread::sleep,
    time::{Duration, Instant},
};

use lab::{
    events::{Events, LISTEN},
    link::{Offload, set_offload},
    namespace::{Finished, Namespace},
    random::Random,
    router::{Judge, built, program},
    suite,
    topology::Chain,
};
use nix::{
    mount::{MsFlags, mount},
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tempfile::TempDir;

use super::passage::Passage;

/// Client, router and server, the listeners in the router, and what programs said.
pub(crate) struct Site {
    /// Ended first.
    programs: Vec<Child>,
    events: Events,
    expected: Events,
    pub(crate) chain: Chain,
    folder: TempDir,
    marks: u16,
    told: Vec<String>,
    /// What programs are connected to.
    kept: Vec<UnixStream>,
}

/// Runs programs through the kernel, where they must succeed, and then through the datapath, where the same must happen.
/// Rules are commands, words between blanks.
pub(crate) fn play<R: AsRef<str>>(rules: &[R], work: impl Fn(&mut Site) -> io::Result<()>) -> io::Result<()> {
    play_with(Offload::On, rules, work)
}

/// As [`play`], with devices that leave work to later, or not.
pub(crate) fn play_with<R: AsRef<str>>(
    offload: Offload,
    rules: &[R],
    work: impl Fn(&mut Site) -> io::Result<()>,
) -> io::Result<()> {
    let pass = |judge: Judge| -> io::Result<Passage> {
        let mut site = Site::new(judge, offload, rules)?;
        match work(&mut site) {
            Ok(()) => site.finish(),
            Err(e) => {
                let entries = site.chain.router.run(&["conntrack", "-L"]).map(|done| done.stdout).unwrap_or_default();
                let events = [site.events.take(), site.expected.take()].concat().join("\n");
                let own = |line: &&str| !line.contains(MARKER);
                let entries: Vec<&str> = entries.lines().chain(events.lines()).filter(own).collect();
                let entries = entries.join("\n");
                Err(io::Error::other(format!("{}: {e}\n{entries}\n{}", judge.name(), site.said())))
            }
        }
    };
    let kernel = || -> io::Result<Passage> {
        let passage = pass(Judge::Kernel)?;
        if std::env::var_os("LAB_TELL").is_some() {
            println!("{passage:#?}");
        }
        Ok(passage)
    };
    suite::compare(kernel, |judge, _| pass(judge), Passage::differences)
}

/// Where the marks of the lab come from.
pub(super) const MARKER: &str = "127.0.0.9";
/// How long anything may take that takes no time.
pub(crate) const LONG: Duration = Duration::from_secs(20);

impl Site {
    fn new<R: AsRef<str>>(judge: Judge, offload: Offload, rules: &[R]) -> io::Result<Self> {
        forget_names();
        let chain = Chain::new(judge, &built())?;
        if offload == Offload::Off {
            for (namespace, device) in
                [(&chain.client, "eth0"), (&chain.router, "lan0"), (&chain.router, "wan0"), (&chain.server, "eth0")]
            {
                set_offload(namespace, device, offload)?;
            }
        }
        for namespace in [&chain.client, &chain.server] {
            namespace.sysctl(&[("net.ipv4.icmp_ratelimit", "0"), ("net.ipv6.icmp.ratelimit", "0")])?;
            namespace.sysctl(&[("net.ipv4.ip_local_port_range", "32768 60999")])?;
            let _ =
                namespace.sysctl(&[("net.ipv4.icmp_msgs_per_sec", "1000000"), ("net.ipv4.icmp_msgs_burst", "1000000")]);
        }
        // What is over stays in the list for as long as a test can last.
        for name in
            ["tcp_timeout_close", "tcp_timeout_time_wait", "tcp_timeout_last_ack", "udp_timeout", "icmp_timeout"]
        {
            chain.router.sysctl(&[(&format!("net.netfilter.nf_conntrack_{name}"), "900")])?;
        }
        let mark = ["-p", "udp", "-s", MARKER, "--dport", "69", "-j", "CT", "--helper", "tftp"];
        chain.router.must(&[&["iptables", "-t", "raw", "-A", "OUTPUT"], &mark[..]].concat())?;
        for rule in rules {
            chain.router.must(&rule.as_ref().split(' ').collect::<Vec<_>>())?;
        }
        let mut marks = 0;
        let mut mark = |_| make_mark(&chain.router, &mut marks);
        let events = Events::start(&chain.router, &[&LISTEN[..], &["-o", "id"]].concat(), &mut mark)?;
        let expected = Events::start(&chain.router, &["-E", "expect"], &mut mark)?;
        let folder = tempfile::Builder::new().prefix("xt-programs-").tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        Ok(Self { programs: Vec::new(), events, expected, chain, folder, marks, told: Vec::new(), kept: Vec::new() })
    }

    /// A path in the test's own folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub(crate) fn name(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Writes a file that everyone may read, and returns its path.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> io::Result<String> {
        fs::write(self.path(name), bytes)?;
        Ok(self.name(name))
    }

    /// A file of bytes as good as random, always the same for a length.
    pub(crate) fn noise(&self, name: &str, length: usize) -> io::Result<String> {
        let mut file = fs::File::create(self.path(name))?;
        let mut random = Random::new(length as u64);
        let mut block: Vec<u8> = (0..8192).flat_map(|_| random.bits().to_le_bytes()).collect();
        for at in (0..length).step_by(block.len()) {
            block.splice(..8, random.bits().to_le_bytes());
            file.write_all(block.get(..length - at).unwrap_or(&block))?;
        }
        Ok(self.name(name))
    }

    /// Waits until a file holds what another does.
    pub(crate) fn becomes(&self, one: &str, other: &str) -> io::Result<()> {
        let deadline = Instant::now() + LONG;
        loop {
            match self.same(one, other) {
                Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(5)),
                done => return done,
            }
        }
    }

    /// Two files hold the same.
    pub(crate) fn same(&self, one: &str, other: &str) -> io::Result<()> {
        let (a, b) = (fs::read(self.path(one))?, fs::read(self.path(other))?);
        if a == b { Ok(()) } else { fail(format!("{one} has {} bytes, {other} other {}", a.len(), b.len())) }
    }

    /// Starts a program that runs until the test ends; what it says goes to a file named after it.
    pub(crate) fn serve<S: AsRef<str>>(&mut self, place: Place, words: &[S]) -> io::Result<()> {
        self.serve_on(Stdio::null(), place, words)
    }

    /// The same with a standard input.
    pub(crate) fn serve_on<S: AsRef<str>>(&mut self, input: Stdio, place: Place, words: &[S]) -> io::Result<()> {
        let Some((name, arguments)) = words.split_first() else { return fail("no program") };
        let short = Path::new(name.as_ref()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = fs::File::create(self.path(&format!("{short}-{}.log", self.programs.len())))?;
        let (out, folder) = (log.try_clone()?, self.folder.path().to_owned());
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let child = place.of(&self.chain).spawn(place.program(name.as_ref())?, |command| {
            // With all that it starts, it ends.
            command.process_group(0).args(arguments).current_dir(folder).stdin(input).stdout(out).stderr(log);
        })?;
        self.programs.push(child);
        Ok(())
    }

    /// Runs a program to its end.
    pub(crate) fn run<S: AsRef<str>>(&self, place: Place, words: &[S]) -> io::Result<Finished> {
        self.run_with(place, words, "")
    }

    /// The same with a text on its standard input.
    pub(crate) fn run_with<S: AsRef<str>>(&self, place: Place, words: &[S], input: &str) -> io::Result<Finished> {
        let Some((name, arguments)) = words.split_first() else { return fail("no program") };
        let name = place.program(name.as_ref())?.to_string_lossy().into_owned();
        let words: Vec<&str> = [name.as_str()].into_iter().chain(arguments.iter().map(AsRef::as_ref)).collect();
        // What it reads and writes by a bare name is in the test's folder.
        let folder = self.name("");
        let words = [&["env", "-C", &folder], &words[..]].concat();
        place.of(&self.chain).run_with(&words, input)
    }

    /// Runs a program that must succeed, and returns what it said.
    pub(crate) fn must<S: AsRef<str>>(&self, place: Place, words: &[S]) -> io::Result<String> {
        self.must_with(place, words, "")
    }

    /// The same with a text on its standard input.
    pub(crate) fn must_with<S: AsRef<str>>(&self, place: Place, words: &[S], input: &str) -> io::Result<String> {
        let done = self.run_with(place, words, input)?;
        if done.status.success() {
            return Ok(done.stdout);
        }
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        fail(format!("{} ({}): {}{}", words.join(" "), done.status, done.stdout, done.stderr))
    }

    /// Waits until somebody listens on ports of a place: `tcp` or `udp` and a port, or `raw` and a protocol.
    pub(crate) fn listens(&mut self, place: Place, ports: &[(&str, u16)]) -> io::Result<()> {
        let deadline = Instant::now() + LONG;
        for &(protocol, port) in ports {
            loop {
                let tables = place.of(&self.chain).within(|| {
                    let read = |six: &str| fs::read_to_string(format!("/proc/thread-self/net/{protocol}{six}"));
                    [read(""), read("6")].map(Result::unwrap_or_default).concat()
                })?;
                let local = format!(":{port:04X}");
                let listening = tables.lines().any(|line| {
                    let mut words = line.split_whitespace().skip(1);
                    words.next().is_some_and(|word| word.ends_with(&local))
                        && (protocol != "tcp" || words.nth(1) == Some("0A"))
                });
                if listening {
                    break;
                }
                let ended = self.programs.iter_mut().any(|program| !matches!(program.try_wait(), Ok(None)));
                if ended || Instant::now() > deadline {
                    return fail(format!("nobody listens on {protocol} {port}"));
                }
                sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }

    /// Waits until the program started last has ended by itself.
    pub(crate) fn await_last(&mut self) -> io::Result<()> {
        let Some(mut child) = self.programs.pop() else { return fail("no program runs") };
        let deadline = Instant::now() + LONG;
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.programs.push(child);
                return fail("it does not end");
            }
            sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Keeps a program's line until all has been read: how the programs end is then not compared.
    pub(crate) fn keep(&mut self, line: UnixStream) {
        self.kept.push(line);
    }

    /// Notes what must be the same with both routers.
    pub(crate) fn tell(&mut self, what: impl Into<String>) {
        self.told.push(what.into());
    }

    /// What programs that still run have said.
    fn said(&self) -> String {
        let mut said = String::new();
        for entry in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|e| e == "log") {
                let text = fs::read(&path).unwrap_or_default();
                let end = text.get(text.len().saturating_sub(2000)..).unwrap_or_default();
                said += &format!("--- {}\n{}\n", path.display(), String::from_utf8_lossy(end));
            }
        }
        if let Some(daemon) = &self.chain.daemon {
            said += &daemon.said();
        }
        said
    }

    /// Ends the programs and reads all that is left of them.
    fn finish(mut self) -> io::Result<Passage> {
        let mut deadline = Instant::now();
        if self.kept.is_empty() {
            self.end_programs();
            // What closes its connections does so on its own time.
            deadline += LONG;
        }
        let router = &self.chain.router;
        let entries = loop {
            let entries = router.must(&["conntrack", "-L"])?;
            let open = |line: &str| line.contains(" ESTABLISHED ") && line.starts_with("tcp") || line.contains(" SYN_");
            if !entries.lines().any(open) || Instant::now() > deadline {
                break entries;
            }
            sleep(Duration::from_millis(20));
        };
        let counters = router.must(&["iptables-save", "-c"])? + &router.must(&["ip6tables-save", "-c"])?;
        let mark = make_mark(router, &mut self.marks)?;
        let mut log = [Vec::new(), Vec::new()];
        for (listener, log) in [&self.events, &self.expected].into_iter().zip(&mut log) {
            *log = listener.until(&mark, LONG).ok_or_else(|| io::Error::other("conntrack -E is silent"))?;
        }
        router.must(&["conntrack", "-F"])?;
        let mark = make_mark(router, &mut self.marks)?;
        let mut last = Vec::new();
        for listener in [&self.events, &self.expected] {
            last.extend(listener.until(&mark, LONG).ok_or_else(|| io::Error::other("conntrack -E is silent"))?);
        }
        if self.chain.daemon.as_mut().is_some_and(|daemon| !daemon.alive()) {
            return fail(format!("the datapath is gone\n{}", self.said()));
        }
        let [events, expected] = log;
        Ok(Passage::new(std::mem::take(&mut self.told), &entries, &counters, events, expected, last))
    }

    fn end_programs(&mut self) {
        for child in &mut self.programs {
            end(child, Signal::SIGTERM);
        }
        let deadline = Instant::now() + Duration::from_secs(2);
        for child in &mut self.programs {
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                sleep(Duration::from_millis(2));
            }
            end(child, Signal::SIGKILL);
            let _ = child.wait();
        }
        self.programs.clear();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.end_programs();
    }
}

/// Signals a program and all that it started.
fn end(child: &Child, signal: Signal) {
    if let Ok(group) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(group), signal);
    }
}

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// 10.1.0.2 and fd01::2.
    Client,
    /// 10.1.0.1 and fd01::1, 10.2.0.1 and fd02::1.
    Router,
    /// 10.2.0.2 and fd02::2.
    Server,
}

impl Place {
    pub(crate) fn of(self, chain: &Chain) -> &Namespace {
        match self {
            Self::Client => &chain.client,
            Self::Router => &chain.router,
            Self::Server => &chain.server,
        }
    }

    /// A program by name or path; the router has its own commands.
    fn program(self, name: &str) -> io::Result<PathBuf> {
        if self == Self::Router || name.contains('/') { Ok(name.into()) } else { program(name) }
    }
}

/// Sends a request for a file to nobody, through the router's `lo`: a connection of its own and an expectation. Returns
/// what their lines hold and no others.
fn make_mark(router: &Namespace, marks: &mut u16) -> io::Result<String> {
    *marks += 1;
    let port = 1000 + *marks;
    router.within(move || UdpSocket::bind((MARKER, port))?.send_to(b"\0\x01mark\0octet\0", (MARKER, 69)))??;
    Ok(format!("sport={port} dport=69 "))
}

/// No program may ask anybody for names: the questions would be connections as well.
fn forget_names() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let none: Option<&str> = None;
        let _ = fs::write("/run/resolv.conf", "")
            .and_then(|()| Ok(mount(Some("/run/resolv.conf"), "/etc/resolv.conf", none, MsFlags::MS_BIND, none)?));
    });
}

pub(crate) fn fail<T>(why: impl Into<String>) -> io::Result<T> {
    Err(io::Error::other(why.into()))
}
