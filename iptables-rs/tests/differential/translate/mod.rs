//! The translators beside the originals, which need no table and no right: commands, rules of the corpus, combinations of
//! them, and whole files.
//!
//! `make upstream` also runs upstream's own expectations, the `*.txlate` files of the iptables source package.

mod inputs;
mod rules;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};

use libxt::family::Af;

use inputs::{COMMANDS, FILES};
use rules::{CHAINS, CROSSED, HEADERS, JUMPS, TABLES};

use crate::oracle::{Outcome, Tool, split, under_test, without_version};

/// Where the original crashes or prints what neither a shell nor nft can read, ours prints something else: how that is
/// recognized in what the original did, and why.
const DECIDED: &[(&str, IsMet)] = &[
    ("a crash (hashlimit with --hashlimit-rate-match and IPv6)", |_, theirs| theirs.code == 128 + 11),
    ("a null pointer as text (the same with IPv4, -X without a chain)", |_, theirs| theirs.stdout.contains("(null)")),
    ("no `nft' before all but the first address of a list, or two", |_, theirs| {
        theirs.stdout.lines().any(|line| line.starts_with('\'') || line.starts_with("nft nft "))
    }),
    ("two sets in one command", |_, theirs| {
        theirs.stdout.lines().any(|line| line.contains("add set ") && line.matches(" flags dynamic; }").count() > 1)
    }),
    ("a comment of more than 253 bytes loses its closing quote", |_, theirs| {
        let lost = |line: &str| {
            let line = line.strip_suffix('\'').unwrap_or(line);
            line.split_once(" comment \"").is_some_and(|(_, text)| text.len() == 254 && !text.ends_with('"'))
        };
        theirs.stdout.lines().any(lost)
    }),
    ("a rule that is only quoted loses all but the first of its --strip-options", |words, theirs| {
        words.iter().any(|word| word == "TCPOPTSTRIP") && theirs.stdout.contains("# ")
    }),
    ("a reason that the last system call left behind", |_, theirs| {
        theirs.stderr.ends_with(" failed: No chain/target/match by that name.\n")
    }),
];

/// Whether a decision applies to what the original made of these words.
type IsMet = fn(&[String], &Outcome) -> bool;

/// How often each decision was met.
type Met = BTreeMap<&'static str, usize>;

#[test]
fn every_rule_of_the_corpus_is_translated_as_the_original_does() {
    let mut met = Met::new();
    let mut differences = Vec::new();
    let mut rules = 0;
    for case in corpus() {
        rules += 1;
        differences.extend(compare(&case.words(), &mut met));
    }
    println!("{rules} rules translated; otherwise as decided: {met:#?}");
    assert!(rules > 3000, "the corpus has only {rules} rules");
    assert!(differences.is_empty(), "{} of {rules}:\n{}", differences.len(), differences.join("\n\n"));
}

#[test]
fn combinations_of_the_corpus_are_translated_as_the_original_does() {
    let cases = corpus();
    let seed = std::env::var("XT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut random = Random(seed);
    let mut met = Met::new();
    for number in 0..1500 {
        let af = if random.below(2) == 0 { Af::V4 } else { Af::V6 };
        let pool: Vec<&Case> = cases.iter().filter(|case| case.af == af && case.good).collect();
        let (targets, matches): (Vec<_>, Vec<_>) = pool.into_iter().partition(|case| case.is_target);
        let mut rule = String::new();
        for _ in 0..random.below(3) {
            let _ = write!(rule, " {}", HEADERS[random.below(HEADERS.len())]);
        }
        for _ in 0..random.below(4) {
            let _ = write!(rule, " {}", matches[random.below(matches.len())].rule);
        }
        let jump = match random.below(2) {
            0 => JUMPS[random.below(JUMPS.len())],
            _ => &targets[random.below(targets.len())].rule,
        };
        let _ = write!(rule, " {jump}");
        let line = format!("{} -t {} -A {}{rule}", program(af), TABLES[random.below(3)], CHAINS[random.below(3)]);
        if let Some(difference) = compare(&split(&line), &mut met) {
            panic!("seed {seed}, number {number}:\n{difference}");
        }
    }
}

#[test]
fn options_that_look_at_each_other_are_translated_as_the_originals_do() {
    let mut met = Met::new();
    let mut differences = Vec::new();
    for (extension, options) in CROSSED {
        let mut rules = vec![(*extension).to_owned()];
        for option in *options {
            rules = rules
                .iter()
                .flat_map(|rule| {
                    let with = option.iter().map(move |option| format!("{rule} {option}"));
                    std::iter::once(rule.clone()).chain(with)
                })
                .collect();
        }
        for rule in rules {
            for af in [Af::V4, Af::V6] {
                differences.extend(compare(&split(&format!("{} -A x {rule}", program(af))), &mut met));
            }
        }
    }
    for number in 0..=255 {
        for line in [format!("-m icmp --icmp-type {number}"), format!("-p {number}"), format!("! -p {number}")] {
            differences.extend(compare(&split(&format!("iptables-translate -A x {line}")), &mut met));
        }
        for line in [format!("-m icmp6 --icmpv6-type {number}"), format!("-p {number}")] {
            differences.extend(compare(&split(&format!("ip6tables-translate -A x {line}")), &mut met));
        }
    }
    assert!(differences.is_empty(), "{}:\n{}", differences.len(), differences.join("\n\n"));
}

#[test]
fn commands_are_translated_or_refused_as_the_original_does() {
    let mut met = Met::new();
    for line in COMMANDS {
        for name in ["iptables-translate", "ip6tables-translate"] {
            if let Some(difference) = compare(&split(&format!("{name} {line}")), &mut met) {
                panic!("{difference}");
            }
        }
    }
    // The text is in words of our own.
    for tool in [Tool::Theirs, under_test()] {
        for line in ["iptables-translate -h", "ip6tables-translate -A x -p tcp -h"] {
            let outcome = run(tool, &split(line));
            assert!(
                outcome.code == 0 && outcome.stderr.is_empty() && outcome.stdout.contains("-translate vX\n\nUsage: ")
            );
        }
    }
    // What the next release takes, and 1.8.9 takes for other words.
    let attached = split("iptables-translate -A x -ptcp --source=1.2.3.4 -jACCEPT");
    let expected = "nft 'add rule ip filter x ip protocol tcp ip saddr 1.2.3.4 counter accept'\n";
    assert_eq!(run(Tool::Ours, &attached).stdout, expected);
}

#[test]
fn files_are_translated_or_refused_as_the_original_does() {
    let mut met = Met::new();
    let long_word = format!("*filter\n-A x {}\n", "y".repeat(1100));
    let many_words = format!("*filter\n-A x {}\n", "-v ".repeat(260));
    let long_line = format!("*filter\n-A x -m comment --comment {}\n-A y\n", "z ".repeat(9000));
    let texts = FILES.iter().copied().chain([long_word.as_str(), &many_words, &long_line]);
    for text in texts {
        compare_file(text, &mut met);
    }
    assert!(met.len() >= 3 || under_test() == Tool::Theirs, "these files met only {met:#?}");
}

#[test]
fn the_whole_corpus_as_one_file_is_translated_as_the_original_does() {
    for af in [Af::V4, Af::V6] {
        let mut text = String::new();
        for table in ["filter", "nat", "mangle", "raw"] {
            let _ = writeln!(text, "*{table}\n:INPUT ACCEPT [0:0]\n:PREROUTING DROP [5:6]\n:own - [0:0]");
            let of_table = corpus().into_iter().filter(|case| {
                case.af == af && case.table == table && case.good && run(Tool::Theirs, &case.words()).code == 0
            });
            for case in of_table {
                let words: Vec<String> = case.words().iter().skip(1).map(|word| quoted(word)).collect();
                let line = words.join(" ").replacen(&format!("\"-t\" \"{table}\" "), "", 1);
                // Lists of options are cut in quotations, a thing decided otherwise.
                if !line.contains("TCPOPTSTRIP") && !line.contains("rate-match") {
                    let _ = writeln!(text, "[1:2] {line}");
                }
            }
            text += "COMMIT\n";
        }
        assert!(text.lines().count() > 500);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("save");
        fs::write(&path, &text).unwrap();
        let name = program(af).replace("-translate", "-restore-translate");
        let words = [name, "-f".to_owned(), path.display().to_string()];
        let (theirs, ours) = (run(Tool::Theirs, &words), run(under_test(), &words));
        assert_eq!((theirs.code, ours.code), (0, 0), "{}{}", theirs.stderr, ours.stderr);
        let mut met = Met::new();
        for (theirs, ours) in theirs.stdout.lines().zip(ours.stdout.lines()) {
            let theirs = Outcome { code: 0, stdout: theirs.to_owned(), stderr: String::new() };
            if theirs.stdout != ours && decided(&[], &theirs, &mut met).is_none() {
                panic!("--- theirs\n{}\n--- ours\n{ours}", theirs.stdout);
            }
        }
        assert_eq!(theirs.stdout.lines().count(), ours.stdout.lines().count());
    }
}

#[test]
fn the_options_of_restore_translate_are_read_as_the_original_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("save");
    fs::write(&file, "*raw\n-A x\nCOMMIT\n").unwrap();
    let file = file.display().to_string();
    for name in ["iptables-restore-translate", "ip6tables-restore-translate"] {
        for line in [
            format!("-f {file}"),
            format!("-f{file}"),
            format!("--file={file}"),
            format!("--fil {file}"),
            format!("x -q --nonsense -f {file} y"),
            format!("-f none -f {file}"),
            format!("-f {file} -f none"),
            format!("-c -f {file}"),
            "-f /".to_owned(),
            "-V -h".to_owned(),
            "--version".to_owned(),
        ] {
            let words = split(&format!("{name} {line}"));
            let (theirs, ours) = (run(Tool::Theirs, &words), run(under_test(), &words));
            assert!(theirs == ours, "{words:?}\n--- theirs\n{theirs}\n--- ours\n{ours}");
        }
        // The usage is in words of our own.
        for line in ["", "-h", "-h -V", "-f", "-x", "--help"] {
            let words = split(&format!("{name} {line}"));
            let (theirs, ours) = (run(Tool::Theirs, &words), run(under_test(), &words));
            assert_eq!((theirs.code, &theirs.stdout), (ours.code, &ours.stdout), "{words:?}");
            let missing = |outcome: &Outcome| outcome.stderr.starts_with("ERROR: missing file name\n");
            assert_eq!(missing(&theirs), missing(&ours), "{words:?}");
            assert!(ours.stderr.contains("Usage: "), "{words:?}");
        }
    }
}

#[test]
#[ignore = "needs the iptables source package: `make upstream' fetches it and sets XT_UPSTREAM"]
fn upstreams_own_translations_hold() {
    let folder = std::env::var_os("XT_UPSTREAM").expect("XT_UPSTREAM, an unpacked iptables source");
    let extensions = Path::new(&folder).join("extensions");
    let (mut translations, mut failures) = (0, Vec::new());
    for file in fs::read_dir(&extensions).unwrap_or_else(|error| panic!("{}: {error}", extensions.display())) {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txlate") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
        while let Some(command) = lines.next() {
            let mut expected = String::new();
            while let Some(line) = lines.next_if(|line| line.starts_with("nft ")) {
                let _ = writeln!(expected, "{line}");
            }
            let words = split(command);
            if !words[0].starts_with("ip") || !words[0].ends_with("-translate") {
                continue;
            }
            translations += 1;
            let ours = run(under_test(), &words);
            if ours.stdout != expected {
                failures.push(format!("{command}\n--- expected\n{expected}--- ours\n{ours}"));
            }
        }
    }
    println!("{translations} of upstream's translations compared");
    assert!(translations > 300, "only {translations} translations in {}", extensions.display());
    assert!(failures.is_empty(), "{} of {translations}:\n{}", failures.len(), failures.join("\n"));
}

/// Compares what both make of a command line; the difference as text.
fn compare(words: &[String], met: &mut Met) -> Option<String> {
    let theirs = run(Tool::Theirs, words);
    let ours = run(under_test(), words);
    if theirs == ours {
        return None;
    }
    if decided(words, &theirs, met).is_some() {
        let sound =
            ours.code == 0 && ours.stdout.lines().all(|line| line.starts_with("nft ") && !line.contains("(null)"));
        return (!sound || ours.stdout.is_empty())
            .then(|| format!("{words:?}\n--- ours, otherwise as decided\n{ours}"));
    }
    Some(format!("{words:?}\n--- theirs\n{theirs}\n--- ours\n{ours}"))
}

/// The same with a file.
fn compare_file(text: &str, met: &mut Met) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("save");
    fs::write(&path, text).unwrap();
    for name in ["iptables-restore-translate", "ip6tables-restore-translate"] {
        let words = [name.to_owned(), "-f".to_owned(), path.display().to_string()];
        let theirs = run(Tool::Theirs, &words);
        let ours = run(under_test(), &words);
        if theirs != ours && decided(&words, &theirs, met).is_none() {
            panic!("{text}\n--- theirs\n{theirs}\n--- ours\n{ours}");
        }
        assert_eq!(theirs.code, ours.code, "{text}");
    }
}

fn decided(words: &[String], theirs: &Outcome, met: &mut Met) -> Option<&'static str> {
    let (reason, _) = DECIDED.iter().find(|(_, is_met)| is_met(words, theirs))?;
    *met.entry(reason).or_default() += 1;
    Some(reason)
}

/// Runs a program, wherever we are.
fn run(tool: Tool, words: &[String]) -> Outcome {
    let (name, arguments) = words.split_first().expect("a command");
    let output = Command::new(tool.path(name))
        .arg0(name)
        .args(arguments)
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{name}: {error} (Debian package iptables)"));
    let stderr = without_version(&String::from_utf8_lossy(&output.stderr));
    Outcome {
        code: output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0)),
        stdout: without_version(&String::from_utf8_lossy(&output.stdout)),
        stderr: one_warning(&stderr),
    }
}

/// Ours says once that it cannot read the file of labels, the original for each label.
fn one_warning(text: &str) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.dedup_by(|next, last| next == last && next.starts_with("Warning: cannot open "));
    lines.concat()
}

struct Case {
    af: Af,
    table: String,
    chain: String,
    rule: String,
    is_target: bool,
    /// The tools take it and a kernel too.
    good: bool,
}

impl Case {
    fn words(&self) -> Vec<String> {
        let Self { af, table, chain, rule, .. } = self;
        split(&format!("{} -t {table} -A {chain} {rule}", program(*af)))
    }
}

/// Every rule of libxt/tests/corpus, in each of its families.
fn corpus() -> Vec<Case> {
    let mut cases = Vec::new();
    for (folder, is_target) in [("matches", false), ("targets", true)] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../libxt/tests/corpus").join(folder);
        let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let (mut families, mut table, mut chain) = (vec![Af::V4, Af::V6], "filter", "x");
            for line in text.lines().map(str::trim_end) {
                match line {
                    "@family 4" => families = vec![Af::V4],
                    "@family 6" => families = vec![Af::V6],
                    "@family both" => families = vec![Af::V4, Af::V6],
                    _ if line.is_empty() || line.starts_with(['#', '@']) => {}
                    _ if line.starts_with(':') => chain = line[1..].split(',').next().unwrap_or("x"),
                    _ if line.starts_with('*') => table = &line[1..],
                    _ => {
                        let mut fields = line.rsplitn(3, ';');
                        let good = fields.next() == Some("OK");
                        let rule = fields.nth(1).expect("a rule");
                        cases.extend(families.iter().map(|&af| Case {
                            af,
                            table: table.to_owned(),
                            chain: chain.to_owned(),
                            rule: rule.to_owned(),
                            is_target,
                            good,
                        }));
                    }
                }
            }
        }
    }
    cases
}

fn program(af: Af) -> &'static str {
    match af {
        Af::V4 => "iptables-translate",
        Af::V6 => "ip6tables-translate",
    }
}

/// A word as a restore file quotes it.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        ((self.0 >> 33) % limit as u64) as usize
    }
}
