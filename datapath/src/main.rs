//! `xt-datapath`: takes packets from NFQUEUE at the netfilter hooks of its network namespace, lets the engine judge them,
//! and serves the commands that change and show its tables and connections.
//!
//! Everything that waits is here: queues ([`worker`]), sockets of commands ([`tables`], [`ctnetlink`], [`control`]), time and the
//! kernel's news ([`daemon`]), and what outlives a crash ([`store`], [`ledger`]). What a packet's verdict is, the `engine` crate decides.
#![deny(unsafe_code)]

mod attach;
mod changeover;
mod clock;
mod config;
mod control;
mod ctnetlink;
mod daemon;
mod deliver;
mod host;
mod inject;
mod ledger;
mod listing;
mod log;
mod loopback;
mod namespace;
mod origins;
mod paths;
mod pipes;
mod policy;
mod probes;
mod receive;
mod routes;
mod run_folder;
mod sets;
mod sockets;
mod state;
mod status;
mod stderr;
mod store;
mod sums;
mod sysctl;
mod tables;
mod worker;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use libxt::rundir;

use crate::config::{Config, LogTo, Without};
use crate::control::Request;
use crate::run_folder::{CONTROL, RunFolder};
use crate::stderr::complain;

/// A user-space datapath: iptables tables, connection tracking and NAT for this network namespace.
#[derive(Parser)]
#[command(name = "xt-datapath", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Judge packets, in the foreground, until a signal comes
    Run(Run),
    /// Let the running datapath take packets again
    Attach,
    /// Let the running datapath leave packets alone, or clear away what a stopped one left
    Detach,
    /// Show the running datapath
    Status {
        /// Wait up to this many seconds for it to be ready
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "30")]
        wait: Option<u64>,
    },
}

/// What is given here wins over the file.
#[derive(Args)]
struct Run {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Queues, each with a thread of its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    queues: Option<u16>,
    /// The first queue's number
    #[arg(long, value_name = "N")]
    queue_base: Option<u16>,
    /// Packets pass unjudged while no datapath runs
    #[arg(long, conflicts_with = "closed")]
    open: bool,
    /// Packets are dropped while no datapath runs
    #[arg(long)]
    closed: bool,
    /// Where LOG's lines go: auto, syslog, kmsg, stderr, none, or a file's full path
    #[arg(long, value_name = "WHERE")]
    log: Option<LogTo>,
    /// Fingerprints of systems, for `-m osf'
    #[arg(long, value_name = "FILE")]
    fingerprints: Option<PathBuf>,
    /// Take packets at every hook, whether tables need them or not
    #[arg(long)]
    all_hooks: bool,
    /// Stay in the foreground, as always
    #[arg(long)]
    foreground: bool,
}

impl Run {
    fn config(&self) -> Result<Config, String> {
        let mut config = Config::read(self.config.as_deref())?;
        if let Some(queues) = self.queues {
            config.queues = queues;
        }
        if let Some(base) = self.queue_base {
            config.queue_base = base;
        }
        if self.open {
            config.without = Without::Open;
        }
        if self.closed {
            config.without = Without::Closed;
        }
        if let Some(fingerprints) = &self.fingerprints {
            config.fingerprints = fingerprints.clone();
        }
        if let Some(log) = &self.log {
            config.log = log.clone();
        }
        config.all_hooks |= self.all_hooks;
        Ok(config)
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(options) => {
            let read_config: daemon::Reader = Box::new(move || options.config());
            daemon::run(&read_config)
        }
        Command::Attach => ask(Request::Attach, Duration::ZERO),
        Command::Detach => detach(),
        Command::Status { wait } => ask(Request::Status, Duration::from_secs(wait.unwrap_or(0))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

/// Asks the datapath of this network namespace, waiting for one to come up if need be.
fn ask(request: Request, patience: Duration) -> Result<(), String> {
    let path = rundir::of_this_namespace().map_err(|error| error.to_string())?.join(CONTROL);
    let until = Instant::now() + patience;
    loop {
        match request.ask(&path) {
            Ok((true, text)) => {
                let _ = io::stdout().write_all(text.as_bytes());
                return Ok(());
            }
            Ok((false, why)) => return Err(why.trim_end().to_owned()),
            Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(50)),
            Err(error) if is_nobody(&error) => return Err(NOBODY.to_owned()),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
    }
}

/// With no datapath running, what a stopped or killed one left is cleared away, so that packets pass.
fn detach() -> Result<(), String> {
    match ask(Request::Detach, Duration::ZERO) {
        Err(why) if why == NOBODY => {
            // Held meanwhile, so that none starts.
            let _folder = RunFolder::take()?;
            match attach::clear_leftovers().map_err(|error| error.to_string())? {
                true => Ok(()),
                false => Err("No datapath runs in this network namespace, and none left anything.".to_owned()),
            }
        }
        done => done,
    }
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

const NOBODY: &str = "No datapath runs in this network namespace (start one with `xt-datapath run').";
