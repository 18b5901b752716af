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

/// How often a test is tried whose premise did not hold.
const TRIES: u32 = 3;

/// Does on the kernel what a test says of it. The kernel is right: where it does something else, the test was too slow, or
/// too quick, or the machine too busy for it. That is told, and tried up to twice again.
pub fn premise<T>(mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut tries = 1;
    loop {
        let outcome = catch_unwind(AssertUnwindSafe(&mut work)).unwrap_or_else(|_| Err(io::Error::other("panicked")));
        match outcome {
            Err(error) if tries < TRIES => println!("try {tries}: the kernel is not as the test says: {error}"),
            outcome => return outcome,
        }
        tries += 1;
    }
}

/// Does the same on the kernel, as [`premise`], and on the [`subject`], which must not differ; what it does wrong is wrong at
/// once. A difference counts unless the kernel, asked once more, differs from itself: then all is tried again.
pub fn compare<T>(
    mut kernel: impl FnMut() -> io::Result<T>,
    mut other: impl FnMut(Judge, &T) -> io::Result<T>,
    differences: impl Fn(&T, &T) -> Vec<String>,
) -> io::Result<()> {
    let mut tries = 1;
    loop {
        let wanted = premise(&mut kernel)?;
        let Some(judge) = subject() else { return Ok(()) };
        let found = differences(&wanted, &other(judge, &wanted)?);
        if found.is_empty() {
            return Ok(());
        }
        let own = differences(&wanted, &premise(&mut kernel)?);
        if tries == TRIES || own.is_empty() {
            return none_wrong(&found);
        }
        println!("try {tries}: the kernel differs from itself: {}", own.join("\n"));
        tries += 1;
    }
}

/// An error that tells all that is wrong, if anything is.
pub fn none_wrong(wrong: &[String]) -> io::Result<()> {
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{} wrong:\n{}", wrong.len(), wrong.join("\n"))))
    }
}

/// The second router of a comparison: `LAB_JUDGE=datapath`. Without it the tests prove themselves on the oracle alone.
pub fn subject() -> Option<Judge> {
    std::env::var("LAB_JUDGE").ok().and_then(|name| Judge::from_name(&name)).filter(|judge| *judge != Judge::Kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_premise_is_tried_thrice_and_no_more() {
        let mut tries = 0;
        let mut third = || {
            tries += 1;
            match tries {
                1 => Err(io::Error::other("too slow")),
                2 => panic!("too quick"),
                _ => Ok(tries),
            }
        };
        assert_eq!(premise(&mut third).ok(), Some(3));
        let mut tries = 0;
        let never = premise(|| -> io::Result<()> {
            tries += 1;
            Err(io::Error::other("never"))
        });
        assert!(never.is_err());
        assert_eq!(tries, TRIES);
    }
}
