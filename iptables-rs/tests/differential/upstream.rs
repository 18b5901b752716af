//! The rules of upstream's own extension tests through both tools: what was said, and the bytes that the kernel then has.

use std::path::Path;
use std::{env, fs};

use libxt::family::Af;

use crate::oracle::{Twins, split};

/// Needs `XT_UPSTREAM`, an unpacked iptables source: `make upstream` fetches it.
#[test]
#[ignore = "needs the source of iptables, see tests/upstream"]
fn upstreams_own_rules_leave_the_same_bytes_in_the_kernel() {
    let folder = env::var("XT_UPSTREAM").expect("XT_UPSTREAM names an unpacked iptables source");
    let mut files: Vec<_> = fs::read_dir(Path::new(&folder).join("extensions"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "t"))
        .collect();
    files.sort();
    let mut seen = Seen::default();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        let families: &[Af] = match name.get(..6) {
            Some("libip6") => &[Af::V6],
            Some("libipt" | "libarp" | "libebt") => &[Af::V4],
            _ => &[Af::V4, Af::V6],
        };
        if !name.starts_with("libarp") && !name.starts_with("libebt") {
            families.iter().for_each(|&af| seen.run(&name, &text, af));
        }
    }
    println!("{} rules stored with the same bytes, {} refused with the same words", seen.stored, seen.refused);
    assert!(seen.differences.is_empty(), "{} differ:\n{}", seen.differences.len(), seen.differences.join("\n\n"));
    assert!(seen.stored > 1000 && seen.refused > 300, "these were not all");
}

#[derive(Default)]
struct Seen {
    stored: usize,
    refused: usize,
    differences: Vec<String>,
}

impl Seen {
    /// Every rule of a file in every chain that it names. Commands of other programs, which begin with `@`, are left out: what
    /// they would have made is missing to both tools.
    fn run(&mut self, name: &str, text: &str, af: Af) {
        let program = if af == Af::V4 { "iptables" } else { "ip6tables" };
        let mut twins = Twins::new();
        let (mut table, mut chains) = ("filter", Vec::new());
        for (number, line) in text.lines().enumerate() {
            match line.as_bytes().first() {
                None | Some(b'#' | b'@') => {}
                Some(b':') => chains = line[1..].split(',').collect(),
                Some(b'*') => table = &line[1..],
                Some(b'%') => drop(twins.run(&line[1..].replace("iptables", program))),
                _ => {
                    let rule = line.split(';').next().unwrap_or_default();
                    for chain in &chains {
                        twins.forget();
                        match compare(&mut twins, af, program, table, chain, rule) {
                            Ok(true) => self.stored += 1,
                            Ok(false) => self.refused += 1,
                            Err(difference) => {
                                self.differences.push(format!("{name}.t:{}: {difference}", number + 1));
                                twins = Twins::new();
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether both took the rule.
fn compare(twins: &mut Twins, af: Af, program: &str, table: &str, chain: &str, rule: &str) -> Result<bool, String> {
    let words = split(&format!("{program} -t {table} -A {chain} {rule}"));
    let taken = twins.try_words(&words, "")?.code == 0;
    twins.try_tables(af, &[table])?;
    if taken {
        twins.try_words(&split(&format!("{program} -t {table} -D {chain} 1")), "")?;
    }
    Ok(taken)
}
