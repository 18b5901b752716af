//! The list of decided deviations (`DEVIATIONS.md`), as the comparisons use it.

use libxt::family::Af;

use crate::oracle::Outcome;

/// What a comparison makes of a deviation.
enum Use {
    /// The two outcomes may differ so.
    Outcomes(fn(theirs: &Outcome, ours: &Outcome) -> bool),
    /// Lines that do it are not drawn: what comes after would differ too.
    Lines(fn(af: Af, words: &[String]) -> bool),
    /// Taken out of what both say, or tried by a test of its own.
    Elsewhere,
}

/// By the headings of the list.
const DEVIATIONS: &[(&str, Use)] = &[
    ("Version", Use::Elsewhere),
    ("Protocol column", Use::Elsewhere),
    ("Attached arguments", Use::Lines(|_, words| words.iter().any(|word| attaches(word)))),
    (
        "Checking in IPv6",
        Use::Lines(|af, words| {
            af == Af::V6 && words.iter().any(|word| word == "-C" || word.starts_with("-C") || word.starts_with("--ch"))
        }),
    ),
    ("Division by zero", Use::Outcomes(|theirs, ours| theirs.code == SIGFPE && ours.code == 2 && names_a_rate(ours))),
    ("Rules beyond 64 KiB", Use::Elsewhere),
    ("Jumps that are not committed", Use::Elsewhere),
    ("Changed meanwhile", Use::Elsewhere),
    ("Reasons", Use::Outcomes(|theirs, ours| ours.is_with_a_reason(theirs))),
    ("Closed output", Use::Elsewhere),
];

/// Whether two outcomes that differ do so as was decided.
pub(crate) fn is_decided(theirs: &Outcome, ours: &Outcome) -> bool {
    DEVIATIONS.iter().any(|(_, how)| matches!(how, Use::Outcomes(decided) if decided(theirs, ours)))
}

/// Whether a command line does what the two tools decidedly do differently.
pub(crate) fn is_left_out(af: Af, words: &[String]) -> bool {
    DEVIATIONS.iter().any(|(_, how)| matches!(how, Use::Lines(decided) if decided(af, words)))
}

/// An argument in the same word as -p -s -d -j -i -o.
fn attaches(word: &str) -> bool {
    if let Some(long) = word.strip_prefix("--") {
        let Some((name, _)) = long.split_once('=') else { return false };
        let base = ["source", "src", "destination", "dst", "protocol", "jump", "in-interface", "out-interface"];
        return base.iter().any(|base| base.starts_with(name));
    }
    let Some(bundle) = word.strip_prefix('-') else { return false };
    let letters = bundle.char_indices().find(|(_, letter)| "psdjio".contains(*letter));
    letters.is_some_and(|(at, _)| at + 1 < bundle.len())
}

fn names_a_rate(ours: &Outcome) -> bool {
    ["Rate value too large", "--hashlimit-burst needs a rate"].iter().any(|text| ours.stderr.contains(text))
}

/// 128 and the signal.
const SIGFPE: i32 = 128 + 8;

#[test]
fn the_list_has_the_deviations_that_the_comparisons_know_and_no_others() {
    let list = include_str!("../../DEVIATIONS.md");
    let headings: Vec<&str> = list.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let known: Vec<&str> = DEVIATIONS.iter().map(|(name, _)| *name).collect();
    assert_eq!(headings, known);
}
