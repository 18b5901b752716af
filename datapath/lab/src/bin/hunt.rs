//! `make hunt`: random cases through both routers until a difference is found, or for ever.

#![allow(clippy::print_stdout, reason = "a hunt reports on its standard output")]

use std::{
    io,
    process::ExitCode,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use lab::{
    generate::{Played, TORN, play},
    router::{Judge, built},
    sandbox::{Rights, enter},
    shrink::compare,
    twin::Subject,
};

fn main() -> ExitCode {
    match hunt() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            println!("hunt: {e}");
            ExitCode::FAILURE
        }
    }
}

/// `hunt [--judge kernel|datapath] [--seed N] [--cases N] [--keep-going] [--whole] [--rootless]
/// [--torn N] [--tell]`: with `--torn 2` every other packet leaves in fragments, with `--tell` every case is shown.
fn hunt() -> io::Result<bool> {
    let words: Vec<String> = std::env::args().collect();
    let value = |name: &str| words.iter().position(|w| w == name).and_then(|at| words.get(at + 1));
    let number = |name: &str| value(name).and_then(|v| v.parse::<u64>().ok());
    let has = |name: &str| words.iter().any(|w| w == name);
    let judge = value("--judge").and_then(|n| Judge::from_name(n)).unwrap_or(Judge::Datapath);
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_secs());
    let first = number("--seed").unwrap_or_else(clock);
    let cases = number("--cases").unwrap_or(u64::MAX);
    let torn = number("--torn").unwrap_or(TORN).max(1);
    enter(if has("--rootless") { Rights::Rootless } else { Rights::AsStarted })?;
    let built = built();
    let mut oracle = Subject::new(Judge::Kernel, &built)?;
    let mut other = Subject::new(judge, &built)?;
    oracle.keep_fragments()?;
    other.keep_fragments()?;
    println!("hunt: kernel against {}, first seed {first}", judge.name());
    let began = Instant::now();
    let (mut packets, mut refused, mut found) = (0, 0, 0u32);
    for number in 0..cases {
        let seed = first.wrapping_add(number);
        let (script, record) = match play(&mut oracle, seed, torn, true)? {
            Played::Through(script, record) => (script, record),
            Played::Refused(script, why) => {
                refused += 1;
                if has("--refused") {
                    println!("{why}\n{}", script.rules.text());
                }
                if other.load(&script).is_ok() {
                    println!("seed {seed}: only the oracle refuses\n{}", script.tell());
                    found += 1;
                }
                continue;
            }
        };
        if has("--tell") {
            println!("seed {seed} is\n{}", script.tell());
        }
        packets += script.rounds.iter().map(Vec::len).sum::<usize>();
        let first = match other.play(&script) {
            Ok(got) => record.differences(&got),
            Err(e) if other.alive() => vec![e.to_string()],
            Err(e) => {
                println!("seed {seed}: the router died: {e}\n{}", script.tell());
                return Ok(false);
            }
        };
        if !first.is_empty() {
            found += 1;
            println!("seed {seed}:");
            match compare(&mut oracle, &mut other, &script, !has("--whole"))? {
                Some((short, differences)) => {
                    print!("{}", short.tell());
                    for line in differences.iter().take(20) {
                        println!("  {line}");
                    }
                }
                None => println!("  the second run agreed; the first:\n  {}\n{}", first.join("\n  "), script.tell()),
            }
            if !has("--keep-going") {
                break;
            }
        }
        if (number + 1) % 100 == 0 {
            println!(
                "{} cases, {packets} packets, {refused} refused by both, {found} differ, {:.0} s",
                number + 1,
                began.elapsed().as_secs_f64()
            );
        }
    }
    println!("hunt: {found} differences in {packets} packets, {refused} rule sets refused by both");
    Ok(found == 0)
}
