//! A runner for tests that need the whole program in a sandbox, which the standard one with its threads cannot give.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use crate::{
    router::Judge,
    sandbox::{Rights, Sandbox, enter},
};

/// One test: its name, a sentence in snake case, and what it does.
pub type Test = (&'static str, fn() -> io::Result<()>);

/// Enters the sandbox and runs the tests, one after the other; an argument chooses those whose name contains it.
/// `LAB_RIGHTS=rootless` gives up root first.
pub fn main(tests: &[Test]) -> ExitCode {
    let filters: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if std::env::args().any(|a| a == "--list") {
        for (name, _) in tests {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let rights = match std::env::var("LAB_RIGHTS").as_deref() {
        Ok("rootless") => Rights::Rootless,
        _ => Rights::AsStarted,
    };
    match enter(rights) {
        Ok(Sandbox { rootless }) => println!("sandbox: {}", if rootless { "rootless" } else { "root" }),
        Err(e) => {
            println!("sandbox: {e}");
            return ExitCode::FAILURE;
        }
    }
    let (mut passed, mut failed) = (0u32, Vec::new());
    for &(name, test) in tests {
        if !filters.is_empty() && !filters.iter().any(|f| name.contains(f.as_str())) {
            continue;
        }
        let began = Instant::now();
        let outcome = match catch_unwind(AssertUnwindSafe(|| watched(name, test))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(e.to_string()),
            Err(_) => Err("panicked (see above)".to_owned()),
        };
        match outcome {
            Ok(()) => {
                passed += 1;
                println!("test {name} ... ok ({:.2} s)", began.elapsed().as_secs_f64());
            }
            Err(e) => {
                println!("test {name} ... FAILED ({:.2} s)\n{e}\n", began.elapsed().as_secs_f64());
                failed.push(name);
            }
        }
    }
    for name in &failed {
        println!("failed: {name}");
    }
    println!("{passed} passed, {} failed", failed.len());
    if failed.is_empty() && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a test. One that is not over after forty minutes ends them all as failed.
fn watched(name: &'static str, test: fn() -> io::Result<()>) -> io::Result<()> {
    let (_done, over) = channel::<()>();
    thread::spawn(move || {
        if over.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            println!("test {name} ... FAILED (not over after {LIMIT:?})");
            std::process::exit(1);
        }
    });
    test()
}

/// How long a test may take; the longest of `make test` takes some minutes.
const LIMIT: Duration = Duration::from_secs(2_400);

/// The second router of a comparison: `LAB_JUDGE=datapath`. Without it the tests prove themselves on the oracle alone.
pub fn subject() -> Option<Judge> {
    std::env::var("LAB_JUDGE").ok().and_then(|name| Judge::from_name(&name)).filter(|judge| *judge != Judge::Kernel)
}
