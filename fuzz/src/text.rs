//! Rule text: lines of commands on tables in memory. What they made is saved, taken into fresh tables, and saved as the same again.
#![no_main]

#[path = "tables.rs"]
mod tables;

use libfuzzer_sys::fuzz_target;
use libxt::{
    family::Af,
    octets,
    save::{Line, split_words, write_table},
    table::{Refused, Table},
};
use tables::InMemory;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // No word of a command line can hold one.
    if text.contains('\0') {
        return;
    }
    let mut engine = tables::engine();
    let af = if text.starts_with('6') { Af::V6 } else { Af::V4 };
    let mut backend = InMemory { engine: &mut engine, af };
    let mut out = Vec::new();
    for line in text.lines().take(20) {
        let mut words = Vec::new();
        if split_words(line, &mut words, 250).is_err() {
            continue;
        }
        // Upstream takes a device's name with blanks in it, with a warning, and prints it bare.
        if words.iter().any(|word| word.contains(char::is_whitespace)) && !line.contains("-j LOG") {
            continue;
        }
        let _ = iptables::apply(&mut backend, &words, &mut out);
    }
    let saved = save(&mut backend);
    let mut fresh = tables::engine();
    let mut backend = InMemory { engine: &mut fresh, af };
    take(&mut backend, &saved);
    let again = save(&mut backend);
    assert_eq!(again, saved, "taken back, but not the same");
});

/// All tables of a family as iptables-save has them.
fn save(backend: &mut InMemory<'_>) -> String {
    let mut saved = Vec::new();
    for name in ["filter", "nat", "mangle", "raw", "security"] {
        let Ok(table) = Table::open(backend, name) else { continue };
        if let Err(unsaved) = write_table(&mut saved, &table, false) {
            panic!("taken but not printed: {unsaved:?}");
        }
    }
    octets::text(&saved).into_owned()
}

/// Brings fresh tables to what was saved; a refusal is a finding.
fn take(backend: &mut InMemory<'_>, saved: &str) {
    let mut table = None;
    for line in saved.split_inclusive('\n') {
        let parsed =
            Line::parse(line, table.is_some()).unwrap_or_else(|bad| panic!("printed but no line ({bad}): {line}"));
        let command = match parsed {
            Line::Table(name) => {
                table = Some(name);
                continue;
            }
            Line::Commit => {
                table = None;
                continue;
            }
            // Not by -N, which refuses names that -E takes.
            Line::Chain { name, policy: Some("-"), .. } => {
                create(backend, table.unwrap_or_default(), name)
                    .unwrap_or_else(|refused| panic!("printed but not taken ({refused}): {line}"));
                continue;
            }
            Line::Chain { name, policy: Some(policy), .. } => ["-P", name, policy].map(str::to_owned).to_vec(),
            Line::Command { words: text, .. } => {
                let mut words = Vec::new();
                split_words(text, &mut words, 1000)
                    .unwrap_or_else(|bad| panic!("printed but not split ({bad}): {line}"));
                words
            }
            other => panic!("printed, but means {other:?}: {line}"),
        };
        let words: Vec<String> =
            ["-t".to_owned(), table.unwrap_or_default().to_owned()].into_iter().chain(command).collect();
        if let Err((code, why)) = iptables::apply(backend, &words, &mut Vec::new()) {
            panic!("printed but not taken ({code} {why}): {line}");
        }
    }
}

fn create(backend: &mut InMemory<'_>, table: &str, chain: &str) -> Result<(), Refused> {
    let mut table = Table::open(backend, table)?;
    table.create(chain)?;
    table.commit(backend)
}
