//! `make demo`: a legacy firewall script, real traffic through the router it programs, and a list of what was proved.

#![allow(clippy::print_stdout, reason = "a demonstration prints")]

mod looking;
mod traffic;

use std::{
    io,
    process::ExitCode,
    time::{Duration, Instant},
};

use lab::{
    router::{Daemon, Judge, built},
    sandbox::{Rights, enter},
    topology::Chain,
    traffic::{Server, connect},
};

use crate::looking::Events;
use crate::traffic::echo;

/// The script, exactly as it lies in `demo/`.
const SCRIPT: &str = include_str!("../../../../../demo/rc.firewall");

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut rights = Rights::AsStarted;
    let mut judge = Judge::Datapath;
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match (word.as_str(), rest.as_slice().first().and_then(|n| Judge::from_name(n))) {
            ("--rootless", _) => rights = Rights::Rootless,
            ("--judge", Some(named)) => {
                judge = named;
                rest.next();
            }
            _ => {
                println!("usage: demo [--judge datapath|kernel|ours-on-kernel] [--rootless]");
                return ExitCode::from(2);
            }
        }
    }
    match run(judge, rights) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            println!("demo: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(judge: Judge, rights: Rights) -> io::Result<bool> {
    let sandbox = enter(rights)?;
    let began = Instant::now();
    title(&format!(
        "client - router - server, judged by {}, {}",
        if judge == Judge::Datapath { "xt-datapath" } else { judge.name() },
        if sandbox.rootless { "rootless in a user namespace" } else { "as root" }
    ));
    let mut demo = Demo { chain: Chain::new(judge, &built())?, proofs: Vec::new() };
    let events = Events::listen(&demo.chain.router);
    demo.script();
    match events {
        Ok(events) => {
            demo.traffic();
            demo.prove_list();
            demo.cut();
            demo.prove_events(events);
        }
        Err(e) => demo.proofs.push(("conntrack -E listens".into(), Err(e.to_string()))),
    }
    demo.show();
    demo.crash();
    demo.prove_daemon();
    let all = demo.proofs.iter().all(|(_, outcome)| outcome.is_ok());
    title("What was proved");
    for (claim, outcome) in &demo.proofs {
        match outcome {
            Ok(detail) => println!("  proved      {claim}: {detail}"),
            Err(why) => println!("  NOT PROVED  {claim}: {why}"),
        }
    }
    let proved = demo.proofs.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    println!("\n{proved} of {} proved in {:.1} s", demo.proofs.len(), began.elapsed().as_secs_f64());
    Ok(all)
}

/// What a proof found: a detail worth printing, or why it failed.
type Outcome = Result<String, String>;

struct Demo {
    chain: Chain,
    proofs: Vec<(String, Outcome)>,
}

impl Demo {
    fn prove(&mut self, claim: &str, proof: impl FnOnce(&Chain) -> Result<Outcome, io::Error>) {
        let outcome = proof(&self.chain).unwrap_or_else(|e| Err(e.to_string()));
        println!("  {} {claim}", if outcome.is_ok() { "+" } else { "-" });
        self.proofs.push((claim.to_owned(), outcome));
    }

    fn script(&mut self) {
        title("demo/rc.firewall");
        self.prove("rc.firewall runs unchanged and silently", |chain| {
            let began = Instant::now();
            let done = chain.router.run_with(&["sh", "-s"], SCRIPT)?;
            let took = began.elapsed().as_millis();
            let commands = SCRIPT.lines().filter(|l| l.starts_with("ip")).count();
            Ok(if done.status.success() && done.stdout.is_empty() && done.stderr.is_empty() {
                Ok(format!("{commands} lines of iptables and ip6tables in {took} ms"))
            } else {
                Err(format!("exit {}: {}{}", done.code(), done.stdout, done.stderr))
            })
        });
        self.prove("iptables-save | iptables-restore changes nothing", |chain| {
            let before = rules(&chain.router.must(&["iptables-save"])?);
            chain.router.must_with(&["iptables-restore"], &before)?;
            let after = rules(&chain.router.must(&["iptables-save"])?);
            let count = before.lines().filter(|l| l.starts_with("-A")).count();
            Ok(if count < 40 {
                Err(format!("only {count} rules were saved"))
            } else if before == after {
                Ok(format!("{count} rules in four tables"))
            } else {
                Err(format!("before:\n{before}\nafter:\n{after}"))
            })
        });
    }

    /// The datapath is killed while a connection is in use, and started again.
    fn crash(&mut self) {
        let Some(mut daemon) = self.chain.daemon.take() else { return };
        title("kill -9, xt-datapath run");
        let mut next = None;
        self.prove("a datapath that is killed loses neither a translated connection nor a rule", |chain| {
            let before = rules(&chain.router.must(&["iptables-save"])?);
            let server = Server::tcp_echo(&chain.server, "10.2.0.2:7002")?;
            let (_, _, stream) = connect(&chain.client, "10.2.0.2:7002", Duration::from_secs(3))?;
            let Some(mut stream) = stream else { return Ok(Err("no connection".into())) };
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            echo(&mut stream, b"before")?;
            daemon.crash()?;
            next = Some(Daemon::start(&chain.router)?);
            echo(&mut stream, b"after")?;
            let after = rules(&chain.router.must(&["iptables-save"])?);
            let text = chain.router.must(&["conntrack", "-L", "-p", "tcp", "--dport", "7002"])?;
            Ok(if server.callers().len() != 1 || !text.contains("ESTABLISHED") {
                Err(format!("the server was called from {:?}; listed: {text}", server.callers()))
            } else if before != after {
                Err(format!("before:\n{before}\nafter:\n{after}"))
            } else {
                Ok(text.trim().to_owned())
            })
        });
        self.chain.daemon = Some(next.unwrap_or(daemon));
    }

    fn prove_daemon(&mut self) {
        if self.chain.daemon.is_none() {
            return;
        }
        let alive = self.chain.daemon.as_mut().is_some_and(Daemon::alive);
        self.prove("xt-datapath judged all of it: the kernel's own tables and conntrack were never used", |chain| {
            let names = chain.router.within(|| std::fs::read_to_string("/proc/thread-self/net/ip_tables_names"))?;
            let names = names.unwrap_or_default();
            Ok(if !alive {
                Err("the datapath has died".into())
            } else if names.trim().is_empty() {
                Ok("no legacy table exists in the router".into())
            } else {
                Err(format!("the kernel has tables there: {}", names.replace('\n', " ")))
            })
        });
    }
}

/// A save without comments and counters.
fn rules(save: &str) -> String {
    save.lines()
        .filter(|l| !l.starts_with('#'))
        .map(|l| format!("{}\n", if l.starts_with(':') { l.split(" [").next().unwrap_or(l) } else { l }))
        .map(|l| if l.starts_with(':') { l.replace('\n', " [0:0]\n") } else { l })
        .collect()
}

fn title(text: &str) {
    println!("\n== {text}");
}
