//! Scripts read back from the words in which a hunt told them, for cases whose seed means another case by now.

use std::time::Duration;

use crate::{
    generate::pace,
    twin::{Crossing, Rules, Script, Side, TABLES},
};

/// All scripts of a hunt's output, each with the line above it.
pub fn scripts(text: &str) -> Vec<(String, Script)> {
    let mut all: Vec<(String, Script)> = Vec::new();
    let mut name = "";
    for line in text.lines() {
        match line.strip_prefix("    ") {
            Some(words) => {
                if !name.is_empty() {
                    all.push((std::mem::take(&mut name).to_owned(), Script::default()));
                }
                if let Some((_, script)) = all.last_mut() {
                    read(words, script);
                }
            }
            None if !line.starts_with(' ') => name = line,
            None => {}
        }
    }
    for (_, script) in &mut all {
        let first = script.rounds.iter().flatten().next();
        script.six = first.is_some_and(|crossing| crossing.packet.first().is_some_and(|b| b >> 4 == 6));
        script.pace = pace(&script.rules);
    }
    all
}

/// One line of [`Script::tell`]; others are left out.
fn read(words: &str, script: &mut Script) -> Option<()> {
    if let Some(command) = words.strip_prefix("first: ") {
        script.before.push(kept(command));
    } else if let Some(rule) = words.strip_prefix("-t ") {
        let (table, line) = rule.split_once(' ')?;
        let Rules { lines } = &mut script.rules;
        lines.push((TABLES.into_iter().find(|known| *known == table)?, line.to_owned()));
    } else if let Some(setting) = words.strip_prefix("sysctl ") {
        let (name, value) = setting.split_once('=')?;
        script.settings.push((kept(name), kept(value)));
    } else if let Some(rest) = words.strip_prefix("before round ") {
        let (number, what) = rest.split_once(": ")?;
        let number = number.parse().ok()?;
        match duration(what) {
            Some(pause) => drop(script.pauses.insert(number, pause)),
            None => drop(script.acts.insert(number, what.to_owned())),
        }
    } else if let Some(rest) = words.strip_prefix("round ") {
        let mut words = rest.split(' ');
        let number: usize = words.next()?.parse().ok()?;
        let side = match words.next()? {
            "Lan" => Side::Lan,
            "Wan" => Side::Wan,
            _ => Side::Own,
        };
        let packet = bytes(words.next_back()?)?;
        if script.rounds.len() <= number {
            script.rounds.resize(number + 1, Vec::new());
        }
        script.rounds.get_mut(number)?.push(Crossing { side, packet });
    }
    Some(())
}

/// Words that a script keeps as long as the program runs, as those of the generator.
fn kept(words: &str) -> &'static str {
    words.to_owned().leak()
}

/// As a duration shows itself.
fn duration(words: &str) -> Option<Duration> {
    let (number, unit) = match words.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (words.strip_suffix('s')?, 1.0),
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    hex.as_bytes().chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Ip;

    #[test]
    fn a_script_that_was_told_is_the_same_again() {
        let packet = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]).udp(1, 2, b"x");
        let mut script = Script { six: true, ..Script::default() };
        script.rules = Rules::from_commands(&["-t raw -A PREROUTING -j CT --zone 1", "-N inner"]);
        script.rules.lines.push(("filter", "-A FORWARD -m connlimit --connlimit-upto 1".to_owned()));
        script.rounds = vec![Vec::new(), vec![Crossing { side: Side::Own, packet }]];
        script.pauses.insert(1, Duration::from_millis(2100));
        script.acts.insert(2, "conntrack -F".to_owned());
        script.before = vec!["ipset -exist flush a"];
        script.settings = vec![("net.a", "1")];
        script.pace = pace(&script.rules);
        let told = format!(
            "seed 1:\n{}    before round 2: conntrack -F\n  round 1: only the other let out x 00\n",
            script.tell()
        );
        let [(name, again)] = &scripts(&told)[..] else { panic!("not one script") };
        assert_eq!((name.as_str(), again.tell()), ("seed 1:", script.tell()));
        assert_eq!((again.six, again.pace, again.acts.get(&2)), (true, script.pace, script.acts.get(&2)));
    }
}
