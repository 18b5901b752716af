//! The manual's fragments against the option tables, and the assembled page against groff.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libxt::ext::{Entry, Kind, entries};

#[test]
fn every_option_of_every_extension_stands_in_its_fragment_and_no_other() {
    let mut wrong = Vec::new();
    for path in fragments() {
        let text = plain(&fs::read_to_string(&path).unwrap());
        let known: BTreeSet<&str> = of_fragment(&path).into_iter().flat_map(options).collect();
        let described = described(&text);
        for option in &known {
            if !described.contains(*option) {
                wrong.push(format!("{}: --{option} is missing", path.display()));
            }
        }
        for option in &described {
            if !known.contains(option.as_str()) {
                wrong.push(format!("{}: there is no --{option}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_extension_has_a_fragment_and_every_fragment_an_extension() {
    let names = |kind| entries(kind).iter().map(move |entry| path(kind, entry)).collect::<BTreeSet<_>>();
    let mut wanted = names(Kind::Match);
    wanted.extend(names(Kind::Target));
    let found: BTreeSet<PathBuf> = fragments().into_iter().collect();
    let differ: Vec<_> = found.symmetric_difference(&wanted).collect();
    assert!(differ.is_empty(), "{differ:?}");
}

#[test]
fn the_assembled_page_gives_groff_nothing_to_warn_of() {
    let page = Command::new(man().join("assemble")).output().unwrap();
    assert!(page.status.success(), "{}", String::from_utf8_lossy(&page.stderr));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("iptables-extensions.8");
    fs::write(&file, page.stdout).unwrap();
    let mut pages = vec![file];
    // A page that stands for another only names it.
    let written = |path: &PathBuf| !fs::read_to_string(path).unwrap().starts_with(".so ");
    pages.extend(files(&man(), "8").into_iter().filter(written));
    for page in pages {
        let groff = Command::new("groff").args(["-ww", "-man", "-Tutf8", "-z"]).arg(&page).output();
        let groff = groff.expect("groff, which `make needs-test' installs");
        let said = String::from_utf8_lossy(&groff.stderr).into_owned();
        assert!(groff.status.success() && said.is_empty(), "{}: {said}", page.display());
    }
}

fn man() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../man")
}

fn fragments() -> Vec<PathBuf> {
    ["matches", "targets"].iter().flat_map(|folder| files(&man().join("extensions").join(folder), "man")).collect()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|own| own == extension)).collect()
}

fn path(kind: Kind, entry: &Entry) -> PathBuf {
    let folder = if kind == Kind::Match { "matches" } else { "targets" };
    man().join("extensions").join(folder).join(format!("{}.man", entry.name.to_lowercase()))
}

/// The registry's entries that a fragment describes: one name may have one for each family.
fn of_fragment(fragment: &Path) -> Vec<&'static Entry> {
    let of_kind = |kind| entries(kind).iter().filter(move |entry| path(kind, entry) == fragment);
    of_kind(Kind::Match).chain(of_kind(Kind::Target)).collect()
}

fn options(entry: &'static Entry) -> Vec<&'static str> {
    let object = (entry.new)();
    (0..object.option_count()).map(|index| object.option(index).name).collect()
}

/// The text without fonts, and with hyphens as they are typed.
fn plain(fragment: &str) -> String {
    fragment.replace("\\-", "-").replace("\\fB", "").replace("\\fI", "").replace("\\fP", "").replace("\\fR", "")
}

/// The options that have a paragraph of their own: they stand in the line after `.TP`.
fn described(text: &str) -> BTreeSet<String> {
    let tags = text.split(".TP\n").skip(1).filter_map(|paragraph| paragraph.lines().next());
    let end = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let names = |tag: &str| -> Vec<String> {
        tag.split("--").skip(1).filter_map(|after| after.split(end).next()).map(str::to_owned).collect()
    };
    tags.flat_map(names).collect()
}
