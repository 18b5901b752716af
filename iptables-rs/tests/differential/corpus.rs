//! Every rule of libxt/tests/corpus through both tools (see the README there).

use std::fs;
use std::path::{Path, PathBuf};

use engine::ext::{matches, targets};
use libxt::family::Af;

use crate::oracle::{Keeper, Outcome, Tool, Twins, split};

#[test]
fn every_match_of_the_corpus_is_taken_printed_and_stored_as_the_real_tool_does() {
    run_folder("matches", Keeper::Kernel);
}

#[test]
fn every_target_of_the_corpus_is_taken_printed_and_stored_as_the_real_tool_does() {
    run_folder("targets", Keeper::Kernel);
}

#[test]
fn the_datapath_takes_and_gives_back_every_match_of_the_corpus_as_the_kernel_does() {
    run_folder("matches", Keeper::Datapath);
}

#[test]
fn the_datapath_takes_and_gives_back_every_target_of_the_corpus_as_the_kernel_does() {
    run_folder("targets", Keeper::Datapath);
}

#[test]
fn the_datapath_takes_an_extension_in_the_chains_where_the_kernel_takes_it() {
    let mut failures = Vec::new();
    let mut tried = 0;
    for path in ["matches", "targets"].into_iter().flat_map(files) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        for af in [Af::V4, Af::V6] {
            tried += usize::from(run_everywhere(&name, &text, af, &mut failures));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n\n"));
    assert!(tried > 100, "{tried}");
}

/// The first good rule of a file, in every built-in chain of every table; `false` if the family has none.
fn run_everywhere(name: &str, text: &str, af: Af, failures: &mut Vec<String>) -> bool {
    let mut families = true;
    let mut setup = Vec::new();
    let rule = text.lines().find_map(|line| {
        if let Some(family) = line.strip_prefix("@family ") {
            families = family == "both" || family == if af == Af::V4 { "4" } else { "6" };
        } else if let Some(command) = line.strip_prefix("@setup ").filter(|_| families) {
            setup.push(command);
        }
        let rule = line.strip_suffix(";OK").and_then(|line| line.rsplit_once(';')).map(|(rule, _)| rule);
        rule.filter(|rule| families && !is_beyond_the_datapath(name, rule))
    });
    let Some(rule) = rule else { return false };
    let mut twins = Twins::kept_by(Keeper::Datapath);
    for command in setup {
        set_up(&mut twins, Keeper::Datapath, name, command);
    }
    for (table, chains) in TABLES {
        for chain in *chains {
            twins.forget();
            let line = format!("{} -t {table} -A {chain} {rule}", program(af));
            failures.extend(attempt(|| twins.run(&line)).err());
        }
    }
    true
}

const TABLES: &[(&str, &[&str])] = &[
    ("raw", &["PREROUTING", "OUTPUT"]),
    ("mangle", &BUILT_IN),
    ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
    ("security", &["INPUT", "FORWARD", "OUTPUT"]),
];

/// The files of a folder of the corpus.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../libxt/tests/corpus").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "t"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} holds no corpus", folder.display());
    files
}

/// `XT_CORPUS=tcp,mark` runs only these files.
fn run_folder(folder: &str, keeper: Keeper) {
    let only = std::env::var("XT_CORPUS").ok();
    let mut failures = Vec::new();
    let mut rules = 0;
    for file in files(folder) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        if only.as_ref().is_some_and(|only| !only.split(',').any(|wanted| wanted == name)) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for af in [Af::V4, Af::V6] {
            run_file(&name, &text, af, keeper, &mut rules, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{} of {rules} rules:\n{}", failures.len(), failures.join("\n\n"));
    assert!(rules > 0 || only.is_some(), "the corpus is empty");
    println!("{rules} rules compared");
}

struct Case<'a> {
    af: Af,
    table: &'a str,
    chain: &'a str,
    rule: &'a str,
    expected: &'a str,
    good: bool,
    /// Also what both tools print: the same in every chain.
    whole: bool,
}

fn run_file(name: &str, text: &str, af: Af, keeper: Keeper, rules: &mut usize, failures: &mut Vec<String>) {
    let mut twins = Twins::kept_by(keeper);
    let mut families = vec![Af::V4, Af::V6];
    let mut table = "filter";
    let mut chains: Vec<&str> = Vec::new();
    let mut made: Vec<(&str, &str)> = Vec::new();
    let mut setup: Vec<&str> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}.t:{} ({af:?})", number + 1);
        let line = line.trim_end();
        if let Some(named) = match line {
            "@family 4" => Some(vec![Af::V4]),
            "@family 6" => Some(vec![Af::V6]),
            "@family both" => Some(vec![Af::V4, Af::V6]),
            _ => None,
        } {
            families = named;
        } else if line.is_empty() || line.starts_with('#') || !families.contains(&af) {
            continue;
        } else if let Some(command) = line.strip_prefix("@setup ") {
            setup.push(command);
            let outcome = attempt(|| set_up(&mut twins, keeper, name, command));
            match outcome {
                Ok(outcome) if outcome.code == 0 => {}
                Ok(outcome) => failures.push(format!("{place}: {command}: {outcome}")),
                Err(difference) => failures.push(format!("{place}: {difference}")),
            }
        } else if let Some(names) = line.strip_prefix(':') {
            chains = names.split(',').collect();
        } else if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else {
            let fields: Vec<&str> = line.rsplitn(3, ';').collect();
            let [verdict, expected, rule] = fields[..] else { panic!("{place}: not rule;expected;OK|FAIL") };
            let good = match verdict.trim() {
                "OK" => true,
                "FAIL" => false,
                other => panic!("{place}: neither OK nor FAIL: {other}"),
            };
            let expected = if expected == "=" { rule } else { expected };
            assert!(!chains.is_empty(), "{place}: a rule before the first chain");
            for (nth, &chain) in chains.iter().enumerate() {
                if !BUILT_IN.contains(&chain) && !made.contains(&(table, chain)) {
                    twins.run(&format!("{} -t {table} -N {chain}", program(af)));
                    made.push((table, chain));
                }
                *rules += 1;
                let refused = keeper == Keeper::Datapath && is_beyond_the_datapath(name, rule);
                let run = if refused { run_refused } else { run_case };
                let case = Case { af, table, chain, rule, expected, good, whole: nth == 0 };
                if let Err(difference) = attempt(|| run(&mut twins, &case)) {
                    failures.push(format!("{place}: {difference}"));
                    // What is left of the failed case would be seen in the next.
                    twins = Twins::kept_by(keeper);
                    made.clear();
                    for command in &setup {
                        set_up(&mut twins, keeper, name, command);
                    }
                }
            }
        }
    }
}

/// A command that prepares for the rules of a file; what the datapath refuses is done for the real tool alone.
fn set_up(twins: &mut Twins, keeper: Keeper, file: &str, command: &str) -> Outcome {
    if keeper == Keeper::Datapath && is_beyond_the_datapath(file, command) {
        return twins.theirs.run(Tool::Theirs, &split(command), "");
    }
    twins.run(command)
}

fn run_case(twins: &mut Twins, case: &Case<'_>) {
    let Case { af, table, chain, rule, expected, good, whole } = *case;
    let program = program(af);
    twins.forget();
    let outcome = twins.run(&format!("{program} -t {table} -A {chain} {rule}"));
    assert_eq!(outcome.code == 0, good, "the corpus is wrong about the real tool: {chain} {rule}: {outcome}");
    twins.compare_tables(af, &[table]);
    if !good {
        return;
    }
    if !whole {
        twins.run(&format!("{program} -t {table} -F {chain}"));
        return;
    }
    let shown = twins.run(&format!("{program} -t {table} -S {chain}"));
    let wanted = if expected.is_empty() { format!("-A {chain}") } else { format!("-A {chain} {expected}") };
    assert!(
        shown.stdout.lines().any(|line| line == wanted),
        "the corpus is wrong about the real tool's text: wanted {wanted}\n{shown}"
    );
    twins.compare_reading(&format!("{program}-save -t {table}"));
    twins.compare_reading(&format!("{program} -t {table} -L {chain} -n -v"));
    twins.run(&format!("{program} -t {table} -C {chain} {rule}"));
    twins.run(&format!("{program} -t {table} -D {chain} {rule}"));
    let Outcome { stdout, .. } = twins.run(&format!("{program} -t {table} -S {chain}"));
    assert!(!stdout.contains("\n-A"), "{rule} was not deleted: {stdout}");
}

/// A rule that the datapath refuses, saying what it lacks, whatever the kernel thinks of it.
fn run_refused(twins: &mut Twins, case: &Case<'_>) {
    let Case { af, table, chain, rule, good, .. } = *case;
    let words = split(&format!("{} -t {table} -A {chain} {rule}", program(af)));
    let ours = twins.ours.run(Tool::Ours, &words, "");
    assert_ne!(ours.code, 0, "the datapath takes it: {rule}");
    let reasoned = is_reasoned(&ours.stderr);
    // What is wrong in itself may be seen before what the datapath lacks; that the extension is unknown, before both.
    let alike = || without_warning(twins.theirs.run(Tool::Theirs, &words, "")) == without_warning(ours.clone());
    assert!(reasoned || (!good && alike()), "no reason: {rule}: {ours}");
    twins.compare_tables(af, &[table]);
}

fn without_warning(mut outcome: Outcome) -> Outcome {
    let is_warning = |line: &&str| line.starts_with("Warning: Extension ") && line.contains("missing kernel module?");
    outcome.stderr = outcome.stderr.split_inclusive('\n').filter(|line| !is_warning(line)).collect();
    outcome
}

/// A comparison that failed, as text.
fn attempt<T>(compare: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(compare)).map_err(|panic| {
        panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without a text".to_owned())
    })
}

fn program(af: Af) -> &'static str {
    match af {
        Af::V4 => "iptables",
        Af::V6 => "ip6tables",
    }
}

/// Rules that the datapath refuses. One that it takes must leave this list.
fn is_beyond_the_datapath(file: &str, rule: &str) -> bool {
    let refused = REFUSED.iter().flat_map(|list| list.iter()).any(|(name, _)| name.eq_ignore_ascii_case(file));
    // `-p sctp` alone loads no extension.
    let loads = ["-m ", "-j ", "--"].iter().any(|word| rule.contains(word));
    loads && (refused || LACKS.iter().any(|(name, word, _)| *name == file && rule.contains(word)))
}

/// Whether it says what it lacks.
fn is_reasoned(stderr: &str) -> bool {
    let whole = REFUSED.iter().flat_map(|list| list.iter()).any(|(_, reason)| stderr.contains(reason));
    whole || LACKS.iter().any(|(.., reason)| stderr.contains(reason))
}

/// The extensions that it does not take at all.
const REFUSED: [&[(&str, &str)]; 2] = [matches::REFUSED, targets::REFUSED];

/// Of an extension's file the rules that have a word, and what is said of them.
const LACKS: [(&str, &str, &str); 1] = [("set", "--map-queue", "SET: no verdict gives a packet a transmit queue")];

const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

#[test]
fn rules_may_hold_semicolons_before_the_last_two_fields() {
    let fields: Vec<&str> = "a;b;=;OK".rsplitn(3, ';').collect();
    assert_eq!(fields, ["OK", "=", "a;b"]);
    assert_eq!(split("-m comment --comment \"a b\""), ["-m", "comment", "--comment", "a b"]);
}
