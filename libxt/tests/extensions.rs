//! Every extension against what the real tools did with the same rules: bytes, texts, listings, refusals.
//!
//! The files in `recorded/` were written by `recorded/record.py` from the real `iptables-legacy` and `ip6tables-legacy`
//! 1.8.9, with the bytes read back from the kernel's tables.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fmt::Write as _;
use std::path::PathBuf;

use libxt::ext::{Entry, Given, Kind, Object, Revision, Surroundings, entries, find, find_kernel};
use libxt::family::Af;
use proptest::prelude::*;

#[test]
fn every_recorded_rule_gives_the_same_bytes_texts_and_refusals() {
    let mut failures = String::new();
    let mut rules = 0;
    for path in recordings() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        for recorded in read(&std::fs::read_to_string(&path).unwrap()) {
            rules += 1;
            if let Err(why) = compare(&recorded) {
                let af = if recorded.around.af == Af::V4 { 4 } else { 6 };
                writeln!(failures, "{name} (IPv{af}): {}\n    {why}", recorded.rule).unwrap();
            }
        }
    }
    println!("{rules} recorded rules");
    assert!(rules > 500, "the recordings are missing");
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_extension_is_recorded() {
    let stems: Vec<String> =
        recordings().iter().map(|path| path.file_stem().unwrap().to_string_lossy().to_lowercase()).collect();
    for kind in [Kind::Match, Kind::Target] {
        for entry in entries(kind) {
            assert!(stems.contains(&entry.name.to_lowercase()), "no recording of {}", entry.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_decoded_or_refused_and_what_is_decoded_is_stable(
        pick in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(prop_oneof![2 => Just(0u8), 1 => Just(1u8), 1 => any::<u8>()], 0..400),
    ) {
        let all: Vec<(&Entry, Af, &Revision)> = every_revision();
        let (entry, af, revision) = all[pick.index(all.len())];
        let around = Surroundings { protocol: 6, ..Surroundings::new(af) };
        if let Ok(value) = (entry.decode)(revision.number, &bytes, &around) {
            let mut text = String::new();
            value.save(&mut text, &around).unwrap();
            value.print(&mut text, &around, true).unwrap();
            value.print(&mut text, &around, false).unwrap();
            let first = encode(&*value, revision, &around);
            let again = (entry.decode)(revision.number, &first, &around).expect("what we encode, we decode");
            prop_assert_eq!(&first, &encode(&*again, revision, &around), "{} revision {}", entry.name, revision.number);
        }
    }

    #[test]
    fn any_argument_is_taken_or_refused(
        pick in any::<prop::sample::Index>(),
        option in any::<prop::sample::Index>(),
        inverted in any::<bool>(),
        value in prop_oneof!["[0-9a-fA-Fx:/.,!\\[\\]@&=<> -]{0,24}", "\\PC{0,40}"],
    ) {
        let all: Vec<(&Entry, Af, &Revision)> = every_revision();
        let (entry, af, revision) = all[pick.index(all.len())];
        let around = Surroundings { protocol: 6, ..Surroundings::new(af) };
        let mut object = (entry.new)();
        prop_assume!(object.option_count() > 0);
        let index = option.index(object.option_count());
        let spec = object.option(index);
        // Names would be looked up on the network.
        prop_assume!(!spec.metavar.contains("address") && !spec.metavar.contains("host"));
        let given = Given::new(&value, inverted, around).with_second(Some(&value));
        if object.set(index, &given).is_ok() && object.check(&around).is_ok() && object.fits(revision.number) {
            let mut text = String::new();
            object.save(&mut text, &around).unwrap();
            object.print(&mut text, &around, false).unwrap();
            let bytes = encode(&*object, revision, &around);
            let decoded = (entry.decode)(revision.number, &bytes, &around).expect("what we encode, we decode");
            prop_assert_eq!(bytes, encode(&*decoded, revision, &around));
        }
    }
}

fn every_revision() -> Vec<(&'static Entry, Af, &'static Revision)> {
    let mut all = Vec::new();
    for entry in [Kind::Match, Kind::Target].into_iter().flat_map(entries) {
        for af in [Af::V4, Af::V6] {
            let revisions = (entry.new)().revisions();
            let fitting =
                revisions.iter().filter(|revision| revision.families.contain(af) && entry.families.contain(af));
            all.extend(fitting.map(|revision| (entry, af, revision)));
        }
    }
    all
}

fn encode(value: &dyn Object, revision: &Revision, around: &Surroundings) -> Vec<u8> {
    let mut info = vec![0; revision.size.next_multiple_of(8)];
    value.encode(revision.number, &mut info, around).expect("the revision's size is enough");
    info
}

/// A rule and what the real tool did with it.
struct Recorded {
    around: Surroundings,
    rule: String,
    /// Kind, the kernel's name, revision and info bytes, in the order of the rule.
    parts: Vec<(Kind, String, u8, Vec<u8>)>,
    exit: i32,
    says: String,
    save: String,
    list: Option<String>,
    numeric: Option<String>,
}

fn recordings() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let mut paths: Vec<PathBuf> = ["matches", "targets"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

fn read(text: &str) -> Vec<Recorded> {
    let mut all: Vec<Recorded> = Vec::new();
    for line in text.lines() {
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        if key == "rule" {
            let mut words = rest.splitn(4, ' ');
            let af = if words.next() == Some("4") { Af::V4 } else { Af::V6 };
            all.push(Recorded {
                around: Surroundings::new(af),
                rule: words.nth(2).unwrap().to_owned(),
                parts: Vec::new(),
                exit: 0,
                says: String::new(),
                save: String::new(),
                list: None,
                numeric: None,
            });
            continue;
        }
        let last = all.last_mut().unwrap();
        match key {
            "exit" => last.exit = rest.parse().unwrap(),
            "says" => last.says = rest.replace("\\n", "\n").replace("\\\\", "\\"),
            "save" => last.save = rest.to_owned(),
            "list" => last.list = Some(rest.to_owned()),
            "numeric" => last.numeric = Some(rest.to_owned()),
            "match" | "target" => {
                let kind = if key == "match" { Kind::Match } else { Kind::Target };
                let mut words = rest.splitn(3, ' ');
                let name = words.next().unwrap().to_owned();
                let revision = words.next().unwrap().parse().unwrap();
                last.parts.push((kind, name, revision, unsqueeze(words.next().unwrap_or(""))));
            }
            other => panic!("unknown line {other}"),
        }
    }
    all
}

/// Hexadecimal, with `(n)` for n zeros.
fn unsqueeze(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(zeros) = rest.strip_prefix('(') {
            let (count, after) = zeros.split_once(')').unwrap();
            bytes.extend(std::iter::repeat_n(0, count.parse().unwrap()));
            rest = after;
        } else {
            bytes.push(u8::from_str_radix(&rest[..2], 16).unwrap());
            rest = &rest[2..];
        }
    }
    bytes
}

fn compare(recorded: &Recorded) -> Result<(), String> {
    let parsed = parse(&recorded.rule, recorded.around.af);
    if recorded.exit == 2 {
        let expected = recorded.says.split("Try `").next().unwrap();
        let (_, expected) = expected.split_once("(legacy): ").ok_or("no text recorded")?;
        return match parsed {
            Ok(_) => Err(format!("accepted, should say {expected:?}")),
            Err(said) if format!("{said}\n") == expected => Ok(()),
            Err(said) => Err(format!("says {said:?}, should say {expected:?}")),
        };
    }
    let parsed = parsed.map_err(|said| format!("refused: {said}"))?;
    if recorded.exit != 0 {
        return Ok(());
    }
    same(&written(&parsed.objects, &parsed.around), tail(&recorded.save), "-S")?;
    let given: Vec<&Box<dyn Object>> = parsed.objects.iter().collect();
    if given.len() != recorded.parts.len() {
        return Err(format!("{} parts, should be {}", given.len(), recorded.parts.len()));
    }
    let mut decoded = Vec::new();
    for (object, (kind, name, revision, bytes)) in given.into_iter().zip(&recorded.parts) {
        let around = &parsed.around;
        let chosen = object
            .revisions()
            .iter()
            .find(|revision| revision.families.contain(around.af) && object.fits(revision.number))
            .ok_or("no revision fits")?;
        if (object.name(), chosen.number, object.kind()) != (name, *revision, *kind) {
            return Err(format!("{} revision {}, should be {name} {revision}", object.name(), chosen.number));
        }
        same(&hex(&encode(&**object, chosen, around)), &hex(bytes), "bytes")?;
        let entry = find_kernel(*kind, name, around.af).ok_or("not in the registry")?;
        let value = (entry.decode)(*revision, bytes, around).map_err(|why| why.to_string())?;
        same(&hex(&encode(&*value, chosen, around)), &hex(bytes), "decoded and encoded")?;
        for other in object.revisions() {
            if other.families.contain(around.af) && object.fits(other.number) {
                let bytes = encode(&**object, other, around);
                let back = (entry.decode)(other.number, &bytes, around).map_err(|why| why.to_string())?;
                same(&hex(&encode(&*back, other, around)), &hex(&bytes), &format!("revision {}", other.number))?;
            }
        }
        decoded.push(value);
    }
    let text = written(&decoded, &parsed.around);
    same(&text, tail(&recorded.save), "-S of the decoded")?;
    // Text that the real tool does not read again, either: a dropped shift prints as base 0, a rate below 16 bytes as 0,
    // a table's name is never quoted, and the mask of cluster nodes is held to the bounds of their number.
    let lossy = ["-90/0", " 0b/s", "--hashlimit-name a b", "--cluster-local-nodemask 0x80000000"];
    // Every index is not printed, and none given is read as the index 0; a comparison of bytes and packets is printed twice.
    let twice = ["--rateest-lt", "--rateest-gt", "--rateest-eq"].iter().any(|word| text.matches(word).count() > 1);
    if twice || lossy.iter().any(|lossy| text.contains(lossy)) || text == "-m ipcomp" {
        return Ok(());
    }
    let again = parse(&recorded.save, recorded.around.af).map_err(|said| format!("its own text is refused: {said}"))?;
    same(&written(&again.objects, &again.around), &text, "-S read again")?;
    for (numeric, expected) in [(false, &recorded.list), (true, &recorded.numeric)] {
        let mut shown = String::new();
        for object in &decoded {
            object.print(&mut shown, &parsed.around, numeric).unwrap();
        }
        if let Some(expected) = expected {
            same(&shown, expected, if numeric { "-L -n" } else { "-L" })?;
        }
    }
    Ok(())
}

fn same(ours: &str, theirs: &str, what: &str) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: {ours:?}\n    should be {theirs:?}")) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A rule's text from its first match or target on.
fn tail(save: &str) -> &str {
    let start = [save.find("-m "), save.find("-j ")].into_iter().flatten().min();
    start.map_or("", |start| &save[start..])
}

fn written(objects: &[Box<dyn Object>], around: &Surroundings) -> String {
    let mut text = String::new();
    for object in objects {
        let letter = if object.kind() == Kind::Match { "m" } else { "j" };
        let space = if text.is_empty() { "" } else { " " };
        write!(text, "{space}-{letter} {}", object.shown_name()).unwrap();
        object.save(&mut text, around).unwrap();
    }
    text
}

struct Parsed {
    around: Surroundings,
    objects: Vec<Box<dyn Object>>,
}

/// As much of the rule grammar as the recorded rules use.
fn parse(rule: &str, af: Af) -> Result<Parsed, String> {
    let words = split(rule);
    let mut around = Surroundings::new(af);
    let mut objects: Vec<Box<dyn Object>> = Vec::new();
    let mut inverted = false;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        let next = words.get(at).map(String::as_str);
        match word.as_str() {
            "!" => {
                inverted = true;
                continue;
            }
            "-p" => {
                around.protocol = libxt::value::protocol::parse(next.unwrap()).unwrap();
                around.protocol_inverted = inverted;
                at += 1;
            }
            "-s" | "-d" | "-i" | "-o" => at += 1,
            "-m" | "-j" => {
                let kind = if word == "-m" { Kind::Match } else { Kind::Target };
                if !matches!(next, Some("ACCEPT" | "DROP" | "RETURN")) {
                    let entry = find(kind, next.unwrap(), af).ok_or(format!("no extension {next:?}"))?;
                    objects.push((entry.new)());
                }
                at += 1;
            }
            option => {
                let name = option.strip_prefix("--").ok_or(format!("stray {option}"))?;
                let (name, attached) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
                let found = match lookup(&objects, name) {
                    Some(found) => found,
                    None => {
                        let default = entries(Kind::Match)
                            .iter()
                            .find(|entry| {
                                entry.protocol.map(u16::from) == Some(around.protocol) && entry.families.contain(af)
                            })
                            .filter(|entry| !objects.iter().any(|object| object.name() == entry.kernel_name));
                        objects.extend(default.map(|entry| (entry.new)()));
                        lookup(&objects, name).ok_or(format!("unknown option \"{option}\""))?
                    }
                };
                let spec = objects[found.0].option(found.1);
                let mut given = Given::new("", inverted, around);
                if spec.argument {
                    given.value = match attached {
                        Some(value) => value,
                        None => {
                            at += 1;
                            next.ok_or(format!("option \"{option}\" requires an argument"))?
                        }
                    };
                }
                if spec.second {
                    let second = words.get(at).map(String::as_str).filter(|word| !word.starts_with(['-', '!']));
                    given = given.with_second(second);
                    at += usize::from(second.is_some());
                }
                objects[found.0].set(found.1, &given).map_err(|problem| problem.to_string())?;
            }
        }
        inverted = false;
    }
    objects.sort_by_key(|object| object.kind() == Kind::Target);
    for object in &mut objects {
        object.check(&around).map_err(|problem| problem.to_string())?;
    }
    Ok(Parsed { around, objects })
}

/// The target's options first, then those of the matches, the last first; a beginning of one name is enough.
fn lookup(objects: &[Box<dyn Object>], name: &str) -> Option<(usize, usize)> {
    let mut order: Vec<usize> = (0..objects.len()).rev().collect();
    order.sort_by_key(|index| objects[*index].kind() == Kind::Match);
    let names = |index: usize| (0..objects[index].option_count()).map(move |option| (index, option));
    let all: Vec<(usize, usize)> = order.into_iter().flat_map(names).collect();
    let named = |(object, option): &(usize, usize)| objects[*object].option(*option).name;
    all.iter()
        .find(|found| named(found) == name)
        .or_else(|| all.iter().find(|found| named(found).starts_with(name)))
        .copied()
}

/// Words as a shell splits them.
fn split(rule: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = rule.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some('"'), '\\') | (None, '\\') => word.get_or_insert_default().extend(characters.next()),
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}
