//! The datapath from its start to its end: everything is made ready first, then packets are taken, then time passes.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use engine::{Effects, Engine};
use libxt::backend::server::Listener;
use nfnl::queue::{self, Queue};
use nfnl::route::{Farewell, Monitor};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::TimeVal;

use crate::attach::Attachment;
use crate::changeover::Changeover;
use crate::config::{Config, Without};
use crate::control::Control;
use crate::ctnetlink::{self, Ctnetlink};
use crate::deliver::Delivery;
use crate::host::{Current, Tables, View};
use crate::ledger::{Ledger, Left};
use crate::listing::Listings;
use crate::log::Sink;
use crate::origins::Origins;
use crate::paths::Paths;
use crate::probes::Probes;
use crate::run_folder::{CONTROL, RunFolder};
use crate::sets::Sets;
use crate::sockets::Sockets;
use crate::state::{Counts, LONG, Outbox, SHARES, State, count, lock};
use crate::stderr::{self, complain};
use crate::store::Store;
use crate::tables::Calls;
use crate::worker::{PATIENCE, Worker};
use crate::{clock, namespace, sysctl, tables};

/// How the configuration is made, again at every SIGHUP.
pub(crate) type Reader = Box<dyn Fn() -> Result<Config, String>>;

/// Runs until a signal ends it; the error is a text for people.
pub(crate) fn run(read_config: &Reader) -> Result<(), String> {
    let config = read_config()?;
    let folder = RunFolder::take()?;
    std::panic::set_hook(Box::new(stderr::tell_of_panic));
    // Blocked before any thread is made, so that they all leave signals to the descriptor.
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().map_err(|error| format!("signals: {error}"))?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(|error| format!("signals: {error}"))?;

    let monitor = Monitor::open().map_err(|error| format!("routing socket: {error}"))?;
    // Without a cookie (Linux before 5.14) nobody can tell whose tables and connections these were, so none are kept.
    let keeping = namespace::cookie().ok().filter(|_| config.keep_tables || config.keep_connections);
    let store = keeping.and_then(|cookie| Store::open(folder.path(), cookie).ok());
    let kept_tables = store.clone().filter(|_| config.keep_tables);
    let state = Arc::new(prepare(config, store.as_ref())?);
    let mut threads = Vec::new();
    for index in 0..state.queues.len() {
        let mut worker =
            Worker::new(Arc::clone(&state), index).map_err(|error| format!("raw sockets: {error} (CAP_NET_RAW?)"))?;
        threads.push(spawn(&state, format!("queue-{index}"), move || worker.run())?);
    }
    let path = folder.path().join("tables");
    let listener = Listener::bind(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let calls = Calls::new(Arc::clone(&state), kept_tables);
    threads.push(spawn(&state, "tables".to_owned(), move || tables::serve(&listener, calls))?);
    let path = folder.path().join(CONTROL);
    let control = Control::bind(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let shared = Arc::clone(&state);
    threads.push(spawn(&state, "control".to_owned(), move || {
        control.serve(&shared);
        Ok(())
    })?);
    let server = Ctnetlink::bind(folder.path())
        .map_err(|error| format!("{}: {error}", folder.path().join("conntrack").display()))?;
    let shared = Arc::clone(&state);
    threads.push(spawn(&state, "conntrack".to_owned(), move || ctnetlink::serve(server, &shared))?);
    state.read_fingerprints();
    let (listings, shared) = (Listings::begin(folder.path()), Arc::clone(&state));
    threads.push(spawn(&state, "listings".to_owned(), move || {
        listings.keep(&shared);
        Ok(())
    })?);
    state.origins.forget_those_of_a_crash();
    let attached = state.restore_chains();
    warn_of_kernel_tables();
    let ended = attached.map_err(|error| error.to_string()).and_then(|()| {
        say_ready(folder.path().join("tables"));
        Keeper::new(Arc::clone(&state), monitor, signals)?.keep(read_config)
    });
    let ended = ended.and(end(&state));
    state.stopping.store(true, Ordering::Release);
    for thread in threads {
        let _ = thread.join();
    }
    state.origins.forget();
    // A clean end leaves nothing behind; what a crash leaves is there for the next start.
    if let (Ok(()), Some(store)) = (&ended, store) {
        store.forget();
    }
    ended
}

/// Opens and reads everything that packets need.
fn prepare(config: Config, store: Option<&Store>) -> Result<State, String> {
    let mut settings = sysctl::read();
    config.fix(&mut settings);
    let connections = store.filter(|_| config.keep_connections).map(Store::connections);
    let left = connections.as_deref().and_then(Left::read);
    let key = match &left {
        Some(left) => left.key,
        None => random_key().map_err(|error| format!("/dev/urandom: {error}"))?,
    };
    let mut engine = Engine::new(settings, key);
    let log = Sink::open(&config.log)?;
    let store = store.cloned();
    if let Some(store) = &store {
        store.restore_policies(&mut engine);
        store.restore_helpers(&mut engine);
    }
    let sets = Sets::default();
    for failure in
        store.as_ref().filter(|_| config.keep_tables).map(|store| store.restore(&mut engine, &sets)).unwrap_or_default()
    {
        complain(&failure);
    }
    sysctl::switch_accounting(&mut engine);
    let ledger = connections.and_then(|path| keep_connections(&path, key, left, &mut engine));
    let mut attachment = Attachment::prepare(&config).map_err(|error| error.to_string())?;
    let mut queues = Vec::new();
    // Two more lie behind those of the workers.
    let last = SHARES.checked_mul(config.queues).and_then(|own| config.queue_base.checked_add(own)?.checked_add(1));
    last.ok_or("queue-base and queues go beyond queue 65535: 32 for each thread, and two more")?;
    for index in 0..config.queues {
        queues.push(open_queue(config.queue_base.saturating_add(index), &config)?);
    }
    if queues.iter().all(Queue::has_all) {
        attachment.set_long(LONG.saturating_mul(config.queues));
    }
    engine.set_overlapping();
    // As many lines of `conntrack -S` as queues, from the beginning.
    engine.tracker_mut().set_worker(queues.len().saturating_sub(1));
    let host = Current::default();
    host.replace(Tables::take().map_err(|error| format!("routing tables: {error}"))?);
    Ok(State {
        engine: Mutex::new(engine),
        replacing: Mutex::default(),
        attachment: Mutex::new(attachment),
        store,
        ledger: Mutex::new(ledger),
        outbox: Outbox::new().map_err(|error| format!("eventfd: {error}"))?,
        counts: queues.iter().map(|_| Counts::default()).collect(),
        queues,
        host,
        log,
        sets,
        probes: Probes::default(),
        sockets: Sockets::default(),
        paths: Paths::default(),
        origins: Origins::default(),
        config: Mutex::new(config),
        stopping: AtomicBool::new(false),
        gone: Mutex::default(),
        refreshed: Mutex::default(),
    })
}

/// Puts back the connections that a crash left, and keeps those of this engine from now on.
fn keep_connections(path: &Path, key: [u8; 16], left: Option<Left>, engine: &mut Engine) -> Option<Ledger> {
    engine.tracker_mut().set_keeping(true);
    if let Some(left) = left {
        let restored = left.restore(engine);
        if restored.taken != 0 {
            complain(&format!("connections there again after a crash: {}", restored.taken));
        }
        if restored.refused != 0 {
            complain(&format!("connections not restored, unsound or more than the table takes: {}", restored.refused));
        }
    }
    let ledger = Ledger::begin(path, key, engine);
    if let Err(error) = &ledger {
        complain(&format!("connections are not kept for a crash: {}: {error}", path.display()));
        engine.tracker_mut().set_keeping(false);
    }
    ledger.ok()
}

fn open_queue(number: u16, config: &Config) -> Result<Queue, String> {
    let mut options = queue::Options {
        length: config.queue_length,
        fail_open: config.fail_open,
        receive_buffer: config.receive_buffer,
        ..queue::Options::default()
    };
    // The same worker's queues for packets with other answers, and for those that the kernel is to cut.
    let place = |share: u16| number.checked_add(share.checked_mul(config.queues)?);
    let open = |options: &queue::Options| {
        let cut = queue::Options { gso: false, ..options.clone() };
        let more = (1..SHARES).filter_map(|share| Some((place(share)?, if share < LONG { options } else { &cut })));
        Queue::open(number, more, options)
    };
    let mut opened = open(&options);
    if opened.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EOPNOTSUPP)) {
        // A kernel older than the flags: whole super-packets and owners are not to be had.
        (options.gso, options.owner) = (false, false);
        opened = open(&options);
    }
    let queue = opened.map_err(|error| match error.raw_os_error() {
        Some(libc::EPERM | libc::EBUSY) => format!(
            "queue {number}: {error}: another program has it (choose others with --queue-base), or CAP_NET_ADMIN is missing"
        ),
        Some(libc::EINVAL | libc::EPROTONOSUPPORT) => format!(
            "queue {number}: {error}: the kernel has no NFQUEUE (CONFIG_NETFILTER_NETLINK_QUEUE): try \
             `modprobe nfnetlink_queue'"
        ),
        _ => format!("queue {number}: {error}"),
    })?;
    let patience = TimeVal::new(0, PATIENCE.subsec_micros().into());
    setsockopt(&queue, ReceiveTimeout, &patience).map_err(|error| format!("queue {number}: {error}"))?;
    Ok(queue)
}

/// What happens to traffic from now on, as the configuration says.
fn end(state: &State) -> Result<(), String> {
    match lock(&state.config).without {
        Without::Open => lock(&state.attachment).remove().map_err(|error| error.to_string()),
        // The chains stay, and with nobody listening they drop.
        Without::Closed => Ok(()),
    }
}

/// What the main thread does while packets flow: time, devices and routes, settings, signals.
struct Keeper {
    state: Arc<State>,
    monitor: Monitor,
    signals: SignalFd,
    watch: Option<sysctl::Watch>,
    delivery: Delivery,
    effects: Effects,
    view: View,
    changeover: Changeover,
}

impl Keeper {
    fn new(state: Arc<State>, monitor: Monitor, signals: SignalFd) -> Result<Self, String> {
        let delivery = Delivery::new().map_err(|error| format!("raw sockets: {error} (CAP_NET_RAW?)"))?;
        let watch = sysctl::Watch::new().ok();
        clock::follow_zone();
        let (effects, view, changeover) = (Effects::default(), View::default(), Changeover::default());
        Ok(Self { state, monitor, signals, watch, delivery, effects, view, changeover })
    }

    fn keep(&mut self, read_config: &Reader) -> Result<(), String> {
        let mut next_tick = Instant::now();
        let mut next_look = Instant::now() + LOOK;
        loop {
            let wait = next_tick.saturating_duration_since(Instant::now()).as_millis();
            let [route, settings] = self.wait(u16::try_from(wait).unwrap_or(u16::MAX))?;
            if self.state.stopping() {
                return Err("a thread of the datapath failed".to_owned());
            }
            while let Ok(Some(signal)) = self.signals.read_signal() {
                if signal.ssi_signo != Signal::SIGHUP as u32 {
                    return Ok(());
                }
                self.reread(read_config);
            }
            let mut gone = Vec::new();
            if route && self.monitor.drain(|farewell| gone.push(farewell)) {
                lock(&self.state.gone).append(&mut gone);
                self.follow_routes();
            }
            let mut look = settings;
            if Instant::now() >= next_look {
                look = true;
                next_look = Instant::now() + LOOK;
                self.look_after_chains();
            }
            if look {
                self.follow_settings();
            }
            if Instant::now() >= next_tick {
                let more = self.expire();
                self.changeover.look(&self.state);
                next_tick = Instant::now() + if more { HURRY } else { TICK };
            }
        }
    }

    /// Waits for a signal, news of devices or routes, a changed sysctl, and says which of the last two is there. Whether a
    /// signal is, only reading tells: one that comes after the wait must not be read and passed over.
    fn wait(&mut self, milliseconds: u16) -> Result<[bool; 2], String> {
        let mut polled = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.monitor.as_fd(), PollFlags::POLLIN),
        ];
        if let Some(watch) = &self.watch {
            polled.push(PollFd::new(watch.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut polled, PollTimeout::from(milliseconds)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(format!("poll: {error}")),
        }
        let ready = |index: usize| polled.get(index).and_then(PollFd::any).unwrap_or(false);
        Ok([ready(1), ready(2)])
    }

    /// Ages the engine by a bounded piece and ends what was bound to addresses that are gone. Whether more is due at once.
    fn expire(&mut self) -> bool {
        self.effects.clear();
        let gone = std::mem::take(&mut *lock(&self.state.gone));
        self.view.refresh(&self.state.host);
        let host = self.view.tables();
        let aged = {
            let mut engine = self.state.engine();
            let (effects, now) = (&mut self.effects, clock::now());
            let aged = catch_unwind(AssertUnwindSafe(|| {
                for farewell in gone {
                    let (device, address) = match farewell {
                        Farewell::Device(device) => (device, None),
                        Farewell::Address(device, address) => (device, Some(address)),
                    };
                    engine::nat::address_gone(engine.tracker_mut(), device, address);
                }
                engine.expire(now, host, effects)
            }));
            self.state.keep(&mut engine);
            self.state.outbox.post(&mut self.effects.events);
            aged
        };
        self.state.origins.tell();
        if let (Err(_), Some(counts)) = (&aged, self.state.counts.first()) {
            count(&counts.panics, 1);
        }
        self.delivery.release_all(&self.effects, &self.state);
        self.delivery.deliver(&self.effects, &self.state, 0, host);
        aged.unwrap_or(false)
    }

    fn follow_routes(&mut self) {
        match Tables::take() {
            Ok(tables) => self.state.put_host(tables),
            Err(error) => complain(&format!("routing tables: {error}")),
        }
    }

    fn follow_settings(&mut self) {
        clock::follow_zone();
        if let Some(watch) = &mut self.watch {
            watch.drain();
        }
        let mut settings = sysctl::read();
        lock(&self.state.config).fix(&mut settings);
        self.state.engine().configure(settings);
    }

    /// Chains that somebody flushed are put back.
    fn look_after_chains(&self) {
        if !lock(&self.state.attachment).is_intact() {
            complain("our nf_tables chains were deleted by someone else; attaching again");
            if let Err(error) = self.state.restore_chains() {
                complain(&error.to_string());
            }
        }
    }

    /// SIGHUP. What shapes the queues stays as it is until the next start.
    fn reread(&mut self, read_config: &Reader) {
        let done = read_config().and_then(|config| {
            self.state.log.reopen(&config.log)?;
            *lock(&self.state.config) = config;
            self.state.read_fingerprints();
            self.state.reattach().map_err(|error| error.to_string())
        });
        if let Err(why) = done {
            complain(&format!("configuration not taken over: {why}"));
        }
        self.follow_settings();
    }
}

/// Starts a thread whose end, for whatever reason, ends the datapath.
fn spawn(
    state: &Arc<State>,
    name: String,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<JoinHandle<()>, String> {
    let state = Arc::clone(state);
    let label = name.clone();
    let guarded = move || {
        let done = catch_unwind(AssertUnwindSafe(work));
        if !state.stopping() {
            match done {
                Ok(Ok(())) => complain(&format!("{label}: ended too early")),
                Ok(Err(error)) => complain(&format!("{label}: {error}")),
                Err(_) => complain(&format!("{label}: failed, see above")),
            }
            state.stopping.store(true, Ordering::Release);
        }
    };
    thread::Builder::new().name(name).spawn(guarded).map_err(|error| format!("thread: {error}"))
}

/// Tells who waits for it that packets are judged from now on: a line, and systemd's datagram.
fn say_ready(tables: PathBuf) {
    use std::io::Write;
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "xt-datapath: ready, tables at {}", tables.display()).and_then(|()| out.flush());
    let Some(place) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let send = |socket: &UnixDatagram| {
        let bytes = place.as_encoded_bytes();
        if let Some(name) = bytes.strip_prefix(b"@") {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            return socket.send_to_addr(b"READY=1", &address);
        }
        socket.send_to(b"READY=1", &place)
    };
    if let Err(error) = UnixDatagram::unbound().and_then(|socket| send(&socket)) {
        complain(&format!("NOTIFY_SOCKET: {error}"));
    }
}

/// The kernel's own tables go on judging beside ours, and its connection tracking may take fragments first.
fn warn_of_kernel_tables() {
    for (file, command) in [("ip_tables_names", "iptables-legacy"), ("ip6_tables_names", "ip6tables-legacy")] {
        let names = std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
        let names = names.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        if !names.is_empty() {
            complain(&format!(
                "the kernel has tables of its own here ({names}); packets pass both. See `{command} -S'."
            ));
        }
    }
}

fn random_key() -> io::Result<[u8; 16]> {
    let mut key = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    Ok(key)
}

/// How often time passes for connections.
const TICK: Duration = Duration::from_millis(200);
/// The next piece of a long ageing; packets are judged between the pieces.
const HURRY: Duration = Duration::from_millis(2);
/// How often the chains and the settings are looked at although nobody told of a change.
const LOOK: Duration = Duration::from_secs(5);
