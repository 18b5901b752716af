//! Random rule sets and packets through the kernel and through the datapath: 2,000 cases that must not differ.
//! `LAB_CASES`, `LAB_SEED` and `LAB_JUDGE=kernel` change number, seed and the second router.

#![allow(clippy::print_stdout, reason = "the seed must be seen")]

use std::{
    io,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use lab::{
    generate::{Manner, Played, play},
    router::{Judge, built},
    shrink::compare,
    suite,
    twin::Subject,
};

fn main() -> ExitCode {
    suite::main(&[
        ("the_oracle_agrees_with_itself", oracle_with_itself),
        ("random_cases_agree_with_the_oracle", random_cases),
    ])
}

/// Proves the comparison: whatever two kernels do differently would be laid to the datapath.
fn oracle_with_itself() -> io::Result<()> {
    agree(Judge::Kernel, 150)
}

fn random_cases() -> io::Result<()> {
    let cases = std::env::var("LAB_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    suite::subject().map_or(Ok(()), |judge| agree(judge, cases))
}

fn agree(judge: Judge, cases: u32) -> io::Result<()> {
    let given = std::env::var("LAB_SEED").ok().and_then(|n| n.parse().ok());
    let first: u64 =
        given.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_secs() << 16));
    println!("  kernel against {}, LAB_SEED={first}", judge.name());
    let mut oracle = Subject::new(Judge::Kernel, &built())?;
    let mut other = Subject::new(judge, &built())?;
    oracle.keep_fragments()?;
    other.keep_fragments()?;
    let (mut compared, mut packets, mut refused, mut again) = (0, 0, 0, 0);
    for seed in first.. {
        if compared == cases {
            break;
        }
        let (script, record) = match play(&mut oracle, seed, Manner::default())? {
            Played::Through(script, record) => (script, record),
            Played::Refused(script, why) => {
                refused += 1;
                if other.load(&script).is_ok() {
                    return Err(io::Error::other(format!(
                        "seed {seed}: only the oracle refuses: {why}\n{}",
                        script.tell()
                    )));
                }
                continue;
            }
        };
        compared += 1;
        packets += script.rounds.iter().map(Vec::len).sum::<usize>();
        let differences = match other.play(&script) {
            Ok(got) => record.differences(&got),
            Err(e) => vec![e.to_string()],
        };
        if differences.is_empty() {
            continue;
        }
        let (short, differences) = match other.alive() {
            true => match compare(&mut oracle, &mut other, &script, true)? {
                Some(shown) => shown,
                // Something of an earlier case came late, such as an answer to a neighbour's silence.
                None if again < ONCE => {
                    println!("  seed {seed} differed once and not again: {}", differences.join("; "));
                    again += 1;
                    continue;
                }
                None => (script, differences),
            },
            false => (script, differences),
        };
        return Err(io::Error::other(format!("seed {seed}:\n{}  {}", short.tell(), differences.join("\n  "))));
    }
    println!("  {compared} cases with {packets} packets agree; {refused} rule sets refused by both");
    Ok(())
}

/// Cases of a run that may differ once, if they agree when they are played anew. Two kernels differ so in 5 of 4,000:
/// a router draws an identification that another packet has, or a second begins between two that it dates.
const ONCE: u32 = 8;
