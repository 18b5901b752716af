//! Random command lines and restore files through both tools. The seed is printed; `XT_SEED` repeats a run, `XT_LINES`
//! and `XT_FILES` say how many are drawn, `XT_ENDLESS=1` goes on with seed after seed until they differ.

mod draw;
mod files;
mod plain;

use std::env;
use std::time::SystemTime;

use libxt::family::Af;

use crate::oracle::Twins;
use draw::{Line, Pool, Random};

#[test]
fn random_command_lines_have_the_same_effect() {
    hunt("XT_LINES", 600, |pool, random, count| {
        let mut differences = Vec::new();
        let mut done = 0;
        while done < count {
            // Namespaces are made anew now and then: small tables are where commands meet.
            let mut twins = Twins::new();
            twins.run("iptables -N a");
            twins.run("ip6tables -N a");
            for _ in 0..60 {
                done += 1;
                if let Err(difference) = compare(&mut twins, &pool.line(random)) {
                    differences.push(difference);
                    break;
                }
            }
        }
        differences
    });
}

#[test]
fn random_restore_files_have_the_same_effect() {
    hunt("XT_FILES", 30, |pool, random, count| {
        (0..count).filter_map(|_| files::compare(&pool.file(random)).err()).collect()
    });
}

/// Draws `usual` cases or as many as the variable says; all differences are told at the end.
fn hunt(variable: &str, usual: usize, run: impl Fn(&Pool, &mut Random, usize) -> Vec<String>) {
    let number = |name: &str| {
        env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse::<u64>().expect("a number"))
    };
    let mut seed = number("XT_SEED").unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64);
    let count = number(variable).map_or(usual, |count| count as usize);
    let pool = Pool::read();
    loop {
        println!("XT_SEED={seed}");
        let differences = run(&pool, &mut Random::new(seed), count);
        assert!(
            differences.is_empty(),
            "XT_SEED={seed}: {} differences in {count}:\n{}",
            differences.len(),
            differences.join("\n\n")
        );
        println!("{count} compared");
        if env::var_os("XT_ENDLESS").is_none() {
            return;
        }
        seed = seed.wrapping_add(1);
    }
}

fn compare(twins: &mut Twins, line: &Line) -> Result<(), String> {
    let program = if line.af == Af::V4 { "iptables" } else { "ip6tables" };
    let words: Vec<String> = std::iter::once(program.to_owned()).chain(line.words.iter().cloned()).collect();
    let outcome = twins.try_words(&words, "")?;
    twins.try_tables(line.af, &[&line.table])?;
    // Refused lines leave nothing to look at; now and then it is looked at all the same.
    if outcome.code == 0 || words.len().is_multiple_of(8) {
        twins.try_reading(&format!("{program}-save -c -t {}", line.table))?;
        if words.len().is_multiple_of(4) {
            twins.try_reading(&format!("{program} -t {} -nvL", line.table))?;
        }
    }
    Ok(())
}
