//! What programs left in a router, so that two runs can be compared: without the numbers that are drawn, and without what
//! depends on how fast a stack is.

use std::collections::BTreeMap;

use super::site::MARKER;

/// The traces of programs in a router.
#[derive(Debug)]
pub(crate) struct Passage {
    sections: Vec<(&'static str, Vec<String>)>,
}

impl Passage {
    /// From the texts of the commands; `last` are the lines that a flush made.
    pub(crate) fn new(
        told: Vec<String>,
        entries: &str,
        counters: &str,
        events: Vec<String>,
        expected: Vec<String>,
        last: Vec<String>,
    ) -> Self {
        let mut entries: Vec<String> = entries.lines().filter(|l| is_subject(l)).map(connection).collect();
        entries.sort();
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in events.iter().filter(|l| is_subject(l)) {
            // The entry's own number is the last one; an ICMP message has one too.
            let (line, id) = line.rsplit_once(" id=").unwrap_or((line, ""));
            note(groups.entry(id.to_owned()).or_default(), connection(line));
        }
        let mut events: Vec<String> = groups.into_values().map(|lines| lines.join("\n      then ")).collect();
        events.sort();
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in expected.iter().filter(|l| is_subject(l)) {
            let master = line.split_once("master-src=").map_or("", |(_, master)| master);
            groups.entry(master.to_owned()).or_default().push(expectation(line));
        }
        let mut expected: Vec<String> = groups.into_values().map(|lines| lines.join("\n      then ")).collect();
        expected.sort();
        let mut last: Vec<String> = last
            .iter()
            .filter(|l| is_subject(l) && l.contains("[DESTROY]"))
            .map(|l| match l.contains("master-src=") {
                true => expectation(l),
                false => connection(l.rsplit_once(" id=").map_or(l.as_str(), |(line, _)| line)),
            })
            .collect();
        last.sort();
        let sections = vec![
            ("said", told),
            ("rules", counters.lines().filter_map(counter).collect()),
            ("entries", entries),
            ("events", events),
            ("expectations", expected),
            ("flushed", last),
        ];
        Self { sections }
    }

    /// What differs between the oracle's and another; empty if nothing does.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut all = Vec::new();
        for ((what, wanted), (_, got)) in self.sections.iter().zip(&other.sections) {
            if wanted == got {
                continue;
            }
            let (mut only, mut rest) = (Vec::new(), got.clone());
            for line in wanted {
                match rest.iter().position(|l| l == line) {
                    Some(at) => drop(rest.remove(at)),
                    None => only.push(line),
                }
            }
            if only.is_empty() && rest.is_empty() {
                all.push(format!("{what} in another order:\n  {wanted:#?}\n  {got:#?}"));
            }
            all.extend(only.iter().map(|line| format!("{what}: only the oracle  {line}")));
            all.extend(rest.iter().map(|line| format!("{what}: only the other   {line}")));
        }
        all
    }
}

/// The lab's own marks are not.
fn is_subject(line: &str) -> bool {
    !line.contains(MARKER) && !line.contains("203.0.113.")
}

/// Adds what happened to a connection, unless nothing new did: a stack may close in several ways.
fn note(lines: &mut Vec<String>, line: String) {
    let again = lines.last().is_some_and(|last| {
        let told = |line: &str| line.split_once("] ").map(|(_, rest)| rest.to_owned());
        told(last) == told(&line)
    });
    let free = line.contains(" closing ") || line.contains("] udp ");
    if !(again && free) {
        lines.push(line);
    }
}

/// A line of an entry: no times, no counts, one word for all states of closing; drawn ports, ids and keys by whether the
/// answer keeps them. Whether UDP is assured depends on how long it lasted.
fn connection(line: &str) -> String {
    let mut drawn = Drawn::default();
    let mut words = Vec::new();
    let protocol = line.split_whitespace().find(|word| !word.starts_with('[')).unwrap_or_default();
    for (at, word) in line.split_whitespace().enumerate() {
        let time = word.parse::<u32>().is_ok() && at > 1;
        match word {
            "FIN_WAIT" | "CLOSE_WAIT" | "LAST_ACK" | "TIME_WAIT" | "CLOSE" => words.push("closing".to_owned()),
            "[ASSURED]" if protocol == "udp" => {}
            _ if time && words.last().is_some_and(|w| w.parse::<u32>().is_ok()) => {}
            _ if word.starts_with("packets=") || word.starts_with("bytes=") => {}
            _ if word.starts_with("use=") || word.starts_with("portid=") || word.starts_with("progname=") => {}
            _ => words.push(drawn.name(word)),
        }
    }
    words.join(" ")
}

/// A line of an expectation: its time in whole minutes when it was made.
fn expectation(line: &str) -> String {
    let made = line.contains("[NEW]");
    let words = line.split_whitespace().filter_map(|word| match word.parse::<u32>() {
        Ok(seconds) => made.then(|| format!("{} min", seconds.div_ceil(60))),
        Err(_) => Some(match word.split_once('=') {
            Some((key, value)) if opposite(key).is_some() && is_drawn(key, value) => format!("{key}=drawn"),
            _ => word.to_owned(),
        }),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A rule with its counter: how many connections for nat's, for others whether any packet met it.
fn counter(line: &str) -> Option<String> {
    let (count, rule) = line.strip_prefix('[')?.split_once("] ")?;
    let met = count.split(':').next()?.parse::<u64>().ok()?;
    if !is_subject(rule) {
        return None;
    }
    let exact =
        rule.contains("NAT ") || rule.ends_with("MASQUERADE") || rule.contains("REDIRECT") || rule.contains("NETMAP");
    Some(if exact { format!("{met} {rule}") } else { format!("{} {rule}", if met > 0 { "met" } else { "never met" }) })
}

/// Words for numbers that a stack, a server or a router draws: whether an answer goes back to the number that asked.
#[derive(Default)]
struct Drawn<'a> {
    asked: Vec<(&'a str, &'a str)>,
}

impl<'a> Drawn<'a> {
    fn name(&mut self, word: &'a str) -> String {
        let Some((key, value)) = word.split_once('=') else { return word.to_owned() };
        let Some(opposite) = opposite(key) else { return word.to_owned() };
        let first = |wanted: &str| self.asked.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value);
        let (again, asked) = (first(key).is_some(), first(opposite));
        self.asked.push((key, value));
        match (is_drawn(key, value), again) {
            (false, _) => word.to_owned(),
            (true, false) => format!("{key}=drawn"),
            (true, true) => format!("{key}={}", if asked == Some(value) { "kept" } else { "other" }),
        }
    }
}

/// What answers the number of a key, if any may be drawn.
fn opposite(key: &str) -> Option<&'static str> {
    match key {
        "sport" => Some("dport"),
        "dport" => Some("sport"),
        "srckey" => Some("dstkey"),
        "dstkey" => Some("srckey"),
        "id" => Some("id"),
        _ => None,
    }
}

fn is_drawn(key: &str, value: &str) -> bool {
    match key {
        "sport" | "dport" => value.parse::<u16>().is_ok_and(|port| (FIRST_DRAWN..u16::MAX).contains(&port)),
        "srckey" | "dstkey" => value != "0x0" && value != "0xffff",
        _ => true,
    }
}

/// Ports from here on are drawn by somebody.
const FIRST_DRAWN: u16 = 32768;
