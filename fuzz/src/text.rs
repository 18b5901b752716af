//! Rule text: lines of commands on tables in memory. What was taken must be printed, and what was printed must be taken.
#![no_main]

#[path = "tables.rs"]
mod tables;

use libfuzzer_sys::fuzz_target;
use libxt::{family::Af, save::{split_words, write_table}, table::Table};
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
    for name in ["filter", "nat", "mangle", "raw", "security"] {
        let Ok(table) = Table::open(&mut backend, name) else { continue };
        let mut saved = Vec::new();
        if write_table(&mut saved, &table, false).is_err() {
            continue;
        }
        let saved = String::from_utf8_lossy(&saved).into_owned();
        for line in saved.lines().filter(|l| l.starts_with("-A ")) {
            let mut words = vec!["-t".to_owned(), name.to_owned(), "-C".to_owned()];
            let rule = line.strip_prefix("-A ").unwrap_or(line);
            split_words(rule, &mut words, 1000).unwrap_or_else(|_| panic!("printed but not split: {line}"));
            if let Err((code, why)) = iptables::apply(&mut backend, &words, &mut out) {
                panic!("printed but not found again ({code} {why}): {line}");
            }
        }
    }
});
