//! The shortest script on which two routers still differ.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::twin::{Script, Subject};

/// Runs a script on both and shortens it as long as they still differ. The result is the short script and its
/// differences, or `None` if they agree.
pub fn compare(
    oracle: &mut Subject,
    other: &mut Subject,
    script: &Script,
    shorten: bool,
) -> io::Result<Option<(Script, Vec<String>)>> {
    let mut differ = |script: &Script| -> io::Result<Vec<String>> {
        let wanted = oracle.play(script)?;
        match other.play(script) {
            Ok(got) => Ok(wanted.differences(&got)),
            Err(e) if other.alive() => Ok(vec![e.to_string()]),
            Err(e) => Err(e),
        }
    };
    // A number that one router draws and a host happens to have speaks once, and hardly twice.
    let mut found = Vec::new();
    for _ in 0..2 {
        found = differ(script)?;
        if found.is_empty() {
            return Ok(None);
        }
    }
    let mut short = script.clone();
    let deadline = Instant::now() + Duration::from_secs(if shorten { 60 } else { 0 });
    let mut shrunk = true;
    while shrunk && Instant::now() < deadline {
        shrunk = false;
        let steps: Vec<Step> = others(&short).into_iter().chain(rules(&short)).chain(packets(&short)).collect();
        for step in steps {
            let mut candidate = short.clone();
            if !step.take(&mut candidate) || Instant::now() > deadline {
                continue;
            }
            if let Ok(differences) = differ(&candidate)
                && !differences.is_empty()
                && differ(&candidate).is_ok_and(|again| !again.is_empty())
            {
                (short, found, shrunk) = (candidate, differences, true);
            }
        }
    }
    Ok(Some((short, found)))
}

/// What may be left out.
#[derive(Clone, Copy, Debug)]
enum Step {
    Rule(usize),
    Setting(usize),
    Act(usize),
    Pause(usize),
    Packets { round: usize, at: usize, count: usize },
}

impl Step {
    /// Leaves it out, if it is there.
    fn take(self, script: &mut Script) -> bool {
        match self {
            Self::Rule(at) => {
                at < script.rules.lines.len() && {
                    script.rules.lines.remove(at);
                    true
                }
            }
            Self::Setting(at) => {
                at < script.settings.len() && {
                    script.settings.remove(at);
                    true
                }
            }
            Self::Act(round) => script.acts.remove(&round).is_some(),
            Self::Pause(round) => script.pauses.remove(&round).is_some(),
            Self::Packets { round, at, count } => {
                let Some(packets) = script.rounds.get_mut(round).filter(|p| at + count <= p.len()) else {
                    return false;
                };
                packets.drain(at..at + count);
                true
            }
        }
    }
}

fn others(script: &Script) -> Vec<Step> {
    let settings = (0..script.settings.len()).rev().map(Step::Setting);
    settings
        .chain(script.acts.keys().copied().map(Step::Act))
        .chain(script.pauses.keys().copied().map(Step::Pause))
        .collect()
}

/// From the last to the first, so that those before keep their places.
fn rules(script: &Script) -> Vec<Step> {
    (0..script.rules.lines.len()).rev().map(Step::Rule).collect()
}

/// Whole rounds, then single packets.
fn packets(script: &Script) -> Vec<Step> {
    let lengths = || script.rounds.iter().map(Vec::len).enumerate().rev().filter(|(_, len)| *len > 0);
    let whole = lengths().filter(|(_, len)| *len > 1).map(|(round, count)| Step::Packets { round, at: 0, count });
    let single = lengths().flat_map(|(round, len)| (0..len).rev().map(move |at| Step::Packets { round, at, count: 1 }));
    whole.chain(single).collect()
}
