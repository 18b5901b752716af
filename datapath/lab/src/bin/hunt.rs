//! `make hunt`: random cases through both routers until a difference is found, or for ever.

#![allow(clippy::print_stdout, reason = "a hunt reports on its standard output")]

use std::{
    io,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use lab::{
    generate::{Manner, Played, play},
    router::{Judge, built},
    sandbox::{Rights, enter},
    shrink::compare,
    told::scripts,
    twin::{Script, Subject},
};

fn main() -> ExitCode {
    match Hunt::asked_for().and_then(|hunt| hunt.run()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            println!("hunt: {e}");
            ExitCode::FAILURE
        }
    }
}

/// `hunt [--judge kernel|datapath] [--seed N] [--cases N] [--packets N] [--minutes N] [--jobs N] [--long N] [--quick]
/// [--keep-going] [--whole] [--rootless] [--torn N] [--tell] [--refused] [--told FILE]
/// [--drawn]`: with `--jobs 4` four pairs of routers play at once,
/// with `--long 8` the hosts of a case talk so many times as long, with `--quick` nobody waits until a timeout runs out, with
/// `--torn 2` every other packet leaves in fragments, with `--tell` every case is shown, with `--told` those that a hunt wrote
/// into a file are played instead, with `--drawn` ports that routers draw are compared as they are.
struct Hunt {
    judge: Judge,
    /// The first seed.
    first: u64,
    cases: u64,
    packets: u64,
    until: Option<Instant>,
    jobs: u64,
    manner: Manner,
    keep_going: bool,
    whole: bool,
    tell: bool,
    show_refused: bool,
    drawn: bool,
    /// Cases to be played instead of random ones.
    told: Option<Vec<(String, Script)>>,
    began: Instant,
    /// The next case, counted from 0.
    next: AtomicU64,
    over: AtomicBool,
    tally: Mutex<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    cases: u64,
    packets: u64,
    refused: u64,
    found: u64,
    /// Differed, and did not when they were played anew.
    once: u64,
    /// Packets since the last difference, and the most there were between two.
    since: u64,
    longest: u64,
}

/// After so many cases routers make way for new ones, before fragments that wait for others for ever take all the room there is.
const RENEWED: u32 = 100;

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Alike,
    /// Something came of another case or by chance, such as a drawn port that a host has.
    Once,
    Differs,
}

impl Hunt {
    fn asked_for() -> io::Result<Self> {
        let words: Vec<String> = std::env::args().collect();
        let value = |name: &str| words.iter().position(|w| w == name).and_then(|at| words.get(at + 1));
        let number = |name: &str| value(name).and_then(|v| v.parse::<u64>().ok());
        let has = |name: &str| words.iter().any(|w| w == name);
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_secs());
        enter(if has("--rootless") { Rights::Rootless } else { Rights::AsStarted })?;
        let usual = Manner::default();
        let began = Instant::now();
        Ok(Self {
            judge: value("--judge").and_then(|n| Judge::from_name(n)).unwrap_or(Judge::Datapath),
            first: number("--seed").unwrap_or_else(clock),
            cases: number("--cases").unwrap_or(u64::MAX),
            packets: number("--packets").unwrap_or(u64::MAX),
            until: number("--minutes").map(|minutes| began + Duration::from_secs(60 * minutes)),
            jobs: number("--jobs").unwrap_or(1).max(1),
            manner: Manner {
                torn: number("--torn").unwrap_or(usual.torn).max(1),
                patient: !has("--quick"),
                long: number("--long").unwrap_or(usual.long).max(1),
            },
            keep_going: has("--keep-going"),
            whole: has("--whole"),
            tell: has("--tell"),
            show_refused: has("--refused"),
            drawn: has("--drawn"),
            told: value("--told").map(std::fs::read_to_string).transpose()?.map(|text| scripts(&text)),
            began,
            next: AtomicU64::new(0),
            over: AtomicBool::new(false),
            tally: Mutex::default(),
        })
    }

    /// Whether no case differed.
    fn run(&self) -> io::Result<bool> {
        if let Some(told) = &self.told {
            return self.again(told);
        }
        println!("hunt: kernel against {}, first seed {}", self.judge.name(), self.first);
        thread::scope(|scope| {
            let jobs: Vec<_> = (0..self.jobs).map(|_| scope.spawn(|| self.work())).collect();
            jobs.into_iter().try_for_each(|job| job.join().map_err(|_| io::Error::other("a hunter panicked"))?)
        })?;
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        println!(
            "hunt: {} differences, and {} that did not come again, in {} packets of {} cases, {} rule sets refused by both, \
             {:.0} s; at most {} packets without a difference",
            tally.found,
            tally.once,
            tally.packets,
            tally.cases,
            tally.refused,
            self.began.elapsed().as_secs_f64(),
            tally.longest.max(tally.since)
        );
        Ok(tally.found == 0)
    }

    /// Plays what was told, each case with routers of its own; whether none differs.
    fn again(&self, told: &[(String, Script)]) -> io::Result<bool> {
        let mut alike = true;
        for (name, script) in told {
            let (mut oracle, mut other) = self.pair()?;
            let found = compare(&mut oracle, &mut other, script, !self.whole)?;
            alike &= found.is_none();
            match found {
                Some((short, differences)) => println!("{name}\n{}  {}", short.tell(), some(&differences)),
                None => println!("{name} agree"),
            }
        }
        Ok(alike)
    }

    /// Plays cases with routers of its own until there are none left.
    fn work(&self) -> io::Result<()> {
        let (mut oracle, mut other) = self.pair()?;
        for played in 1u32.. {
            if self.over.load(Ordering::Relaxed) || self.until.is_some_and(|until| Instant::now() > until) {
                break;
            }
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.cases {
                break;
            }
            let outcome = self
                .case(self.first.wrapping_add(number), &mut oracle, &mut other)
                .inspect_err(|_| self.over.store(true, Ordering::Relaxed))?;
            // What was played again and again leaves as many fragments behind.
            if played.is_multiple_of(RENEWED) || outcome != Outcome::Alike {
                (oracle, other) = self.pair()?;
            }
        }
        Ok(())
    }

    /// Two routers.
    fn pair(&self) -> io::Result<(Subject, Subject)> {
        let built = built();
        let mut pair = (Subject::new(Judge::Kernel, &built)?, Subject::new(self.judge, &built)?);
        pair.0.keep_fragments()?;
        pair.1.keep_fragments()?;
        if self.drawn {
            pair.0.show_drawn();
            pair.1.show_drawn();
        }
        Ok(pair)
    }

    fn case(&self, seed: u64, oracle: &mut Subject, other: &mut Subject) -> io::Result<Outcome> {
        let (script, record) = match play(oracle, seed, self.manner)? {
            Played::Through(script, record) => (script, record),
            Played::Refused(script, why) => {
                let mut text = String::new();
                if self.show_refused {
                    text = format!("{why}\n{}\n", script.rules.text());
                }
                let alone = other.load(&script).is_ok();
                if alone {
                    text += &format!("seed {seed}: only the oracle refuses\n{}\n", script.tell());
                }
                let outcome = if alone { Outcome::Differs } else { Outcome::Alike };
                self.count(None, outcome, &text);
                return Ok(outcome);
            }
        };
        let mut text = String::new();
        if self.tell {
            text = format!("seed {seed} is\n{}\n", script.tell());
        }
        let packets = script.rounds.iter().map(Vec::len).sum::<usize>() as u64;
        let first = match other.play(&script) {
            Ok(got) => record.differences(&got),
            Err(e) if other.alive() => vec![e.to_string()],
            Err(e) => return Err(io::Error::other(format!("seed {seed}: the router died: {e}\n{}", script.tell()))),
        };
        let outcome = match first.is_empty() {
            true => Outcome::Alike,
            false => match compare(oracle, other, &script, !self.whole)? {
                Some((short, differences)) => {
                    text += &format!("seed {seed}:\n{}  {}\n", short.tell(), some(&differences));
                    Outcome::Differs
                }
                None => {
                    text += &format!("seed {seed} differed once and not again:\n  {}\n", some(&first));
                    Outcome::Once
                }
            },
        };
        self.count(Some(packets), outcome, &text);
        Ok(outcome)
    }

    /// Notes a case, of so many packets unless it was refused, and says what there is to say.
    fn count(&self, packets: Option<u64>, outcome: Outcome, text: &str) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        print!("{text}");
        tally.cases += 1;
        tally.refused += u64::from(packets.is_none());
        tally.packets += packets.unwrap_or(0);
        tally.since += packets.unwrap_or(0);
        tally.once += u64::from(outcome == Outcome::Once);
        if outcome == Outcome::Differs {
            tally.found += 1;
            tally.longest = tally.longest.max(tally.since);
            tally.since = 0;
        }
        if outcome == Outcome::Differs && !self.keep_going || tally.packets >= self.packets {
            self.over.store(true, Ordering::Relaxed);
        }
        if tally.cases.is_multiple_of(100) {
            println!(
                "{} cases, {} packets, {} refused by both, {} differ, {} differed once, {:.0} s",
                tally.cases,
                tally.packets,
                tally.refused,
                tally.found,
                tally.once,
                self.began.elapsed().as_secs_f64()
            );
        }
    }
}

/// The first lines of many.
fn some(lines: &[String]) -> String {
    lines.iter().take(12).map(String::as_str).collect::<Vec<_>>().join("\n  ")
}
