//! What `xt-datapath status` shows.

use std::fmt::Write;
use std::fs;
use std::sync::atomic::Ordering;

use engine::Hook;
use libxt::family::Af;
use nfnl::nftables::Method;

use crate::host::Tables;
use crate::state::{State, lock};
use crate::sysctl;

/// The state in words, a fact a line.
pub(crate) fn text(state: &State) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write(state, &mut text);
    text
}

fn write(state: &State, text: &mut String) -> std::fmt::Result {
    writeln!(text, "xt-datapath {}, process {}", env!("CARGO_PKG_VERSION"), std::process::id())?;
    if let Ok(namespace) = fs::read_link("/proc/self/ns/net") {
        writeln!(text, "namespace   {}", namespace.display())?;
    }
    {
        let attachment = lock(&state.attachment);
        let method = match attachment.method() {
            Method::Native => "nf_tables queue",
            Method::Compat => "NFQUEUE through nft_compat",
        };
        writeln!(text, "attached by {method}")?;
        for (af, name) in [(Af::V4, "IPv4"), (Af::V6, "IPv6")] {
            let chains = attachment.attached().filter(|chain| chain.family == af.number());
            let hooks: Vec<_> = chains.filter_map(|chain| Hook::from_number(chain.hook)).map(hook_name).collect();
            let hooks = if hooks.is_empty() { "none".to_owned() } else { hooks.join(" ") };
            writeln!(text, "hooks {name}  {hooks}")?;
        }
    }
    let mut settings = sysctl::read();
    lock(&state.config).fix(&mut settings);
    {
        let engine = state.engine();
        for (af, name) in [(Af::V4, "IPv4"), (Af::V6, "IPv6")] {
            let names = engine.table_names(af);
            let names = if names.is_empty() { "none".to_owned() } else { names.join(" ") };
            let tracked = if engine.tracks(af) { "tracked" } else { "not tracked" };
            writeln!(text, "tables {name} {names} ({tracked})")?;
        }
        let tracker = engine.tracker();
        writeln!(text, "connections {} of {}", tracker.len(), tracker.settings().max)?;
        // A rule may have connections counted where nobody may write that.
        settings.acct = tracker.settings().acct;
        writeln!(text, "settings    {}", followed(*tracker.settings() == settings))?;
    }
    if let Ok(tables) = Tables::take() {
        writeln!(text, "routes      {}", followed(state.host.holds(&tables)))?;
    }
    writeln!(text, "log lines lost {}", state.log.lost())?;
    writeln!(text)?;
    writeln!(text, "{}", HEADINGS.map(|heading| format!("{heading:>11}")).join(""))?;
    let kernel = kernel_drops();
    for (index, (queue, counts)) in state.queues.iter().zip(&state.counts).enumerate() {
        // Of all the queues whose packets this worker takes.
        let own = kernel.iter().filter(|drops| state.is_of(index, drops.queue));
        let (full, unread) = own.fold((0, 0), |(full, unread), drops| (full + drops.full, unread + drops.unread));
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let row = [
            u64::from(queue.number()),
            load(&counts.received),
            load(&counts.accepted),
            load(&counts.dropped),
            load(&counts.held),
            load(&counts.rewritten),
            full,
            unread,
            load(&counts.overruns),
            load(&counts.refused),
            load(&counts.truncated),
            load(&counts.unsent),
            load(&counts.panics),
        ];
        writeln!(text, "{}", row.map(|number| format!("{number:>11}")).join(""))?;
    }
    Ok(())
}

/// What the kernel dropped before we saw it.
struct Drops {
    queue: u16,
    /// The queue was full.
    full: u64,
    /// The socket's buffer was full.
    unread: u64,
}

/// Whether what the datapath goes by is what there is now.
fn followed(so: bool) -> &'static str {
    if so { "all followed" } else { "changed and not yet followed" }
}

/// `/proc/net/netfilter/nfnetlink_queue`: number, port, waiting, copy mode, copy range, queue dropped, user dropped, id.
fn kernel_drops() -> Vec<Drops> {
    let text = fs::read_to_string("/proc/thread-self/net/netfilter/nfnetlink_queue").unwrap_or_default();
    let parse = |line: &str| {
        let numbers: Vec<u64> = line.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
        let queue = u16::try_from(*numbers.first()?).ok()?;
        Some(Drops { queue, full: *numbers.get(5)?, unread: *numbers.get(6)? })
    };
    text.lines().filter_map(parse).collect()
}

const fn hook_name(hook: Hook) -> &'static str {
    match hook {
        Hook::Prerouting => "PREROUTING",
        Hook::Input => "INPUT",
        Hook::Forward => "FORWARD",
        Hook::Output => "OUTPUT",
        Hook::Postrouting => "POSTROUTING",
    }
}

const HEADINGS: [&str; 13] = [
    "queue",
    "received",
    "accepted",
    "dropped",
    "held",
    "rewritten",
    "full",
    "unread",
    "ENOBUFS",
    "refused",
    "truncated",
    "unsent",
    "panics",
];
