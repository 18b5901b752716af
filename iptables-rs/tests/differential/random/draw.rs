//! Command lines and restore files drawn from the corpus: its rules as they are, in pieces, and with something wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use libxt::ext::{self, Kind};
use libxt::family::Af;

use super::plain;
use crate::deviations;
use crate::oracle::split;

/// xorshift64*: the sequence is the seed's alone.
pub(super) struct Random {
    state: u64,
    /// The rule of the corpus that was drawn last.
    last: usize,
}

/// The rules of the corpus, and what they are made of.
#[derive(Default)]
pub(super) struct Pool {
    rules: Vec<Rule>,
    /// Runs of words that belong together: `-m mark --mark 1`.
    pieces: Vec<Vec<String>>,
    /// Every word that follows an option.
    arguments: Vec<String>,
    /// For each option that takes an argument, the good rules in which it stands, and where.
    options: BTreeMap<String, Vec<(usize, usize)>>,
}

struct Rule {
    v4: bool,
    v6: bool,
    table: String,
    chain: String,
    words: Vec<String>,
    is_good: bool,
}

/// A command line without the program's name.
pub(super) struct Line {
    pub(super) af: Af,
    pub(super) table: String,
    pub(super) words: Vec<String>,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        // Neighbouring seeds are to have nothing in common.
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, last: 0 }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub(super) fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

impl Pool {
    pub(super) fn read() -> Self {
        let mut pool = Self::default();
        for folder in ["matches", "targets"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../libxt/tests/corpus").join(folder);
            let mut files: Vec<_> =
                fs::read_dir(&folder).expect("the corpus").map(|file| file.unwrap().path()).collect();
            files.sort();
            for file in files {
                pool.add_file(&fs::read_to_string(file).expect("a corpus file"));
            }
        }
        for (number, rule) in pool.rules.iter().enumerate() {
            for (at, pair) in rule.words.windows(2).enumerate().filter(|_| rule.is_good) {
                if pair[0].starts_with("--") && !pair[1].starts_with(['-', '!']) {
                    pool.options.entry(pair[0].clone()).or_default().push((number, at + 1));
                }
            }
            for word in &rule.words {
                match word.as_str() {
                    "-m" | "-j" | "-g" | "-p" | "-s" | "-d" => pool.pieces.push(Vec::new()),
                    other if !other.starts_with(['-', '!']) => pool.arguments.push(word.clone()),
                    _ => (),
                }
                if let Some(piece) = pool.pieces.last_mut() {
                    piece.push(word.clone());
                }
            }
        }
        pool.arguments.sort();
        pool.arguments.dedup();
        pool.pieces.sort();
        pool.pieces.dedup();
        pool
    }

    fn add_file(&mut self, text: &str) {
        let (mut v4, mut v6) = (true, true);
        let (mut table, mut chains) = ("filter", "INPUT");
        for line in text.lines() {
            match line.as_bytes().first() {
                None | Some(b'#') => (),
                Some(b'@') if line.starts_with("@family ") => {
                    (v4, v6) = (!line.ends_with('6'), !line.ends_with('4'));
                }
                Some(b'@') => (),
                Some(b':') => chains = &line[1..],
                Some(b'*') => table = line[1..].trim(),
                Some(_) => {
                    let Some(rule) = line.rsplitn(3, ';').nth(2) else { continue };
                    let (words, is_good) = (split(rule), line.ends_with(";OK"));
                    let chain = chains.split(',').next().unwrap_or("INPUT").to_owned();
                    self.rules.push(Rule { v4, v6, table: table.to_owned(), chain, words, is_good });
                }
            }
        }
    }

    /// A command line: valid, nearly valid or hostile.
    pub(super) fn line(&self, random: &mut Random) -> Line {
        loop {
            let line = match random.below(10) {
                0..2 => plain::line(random),
                2..4 => self.whole_rule(random),
                4..7 => self.odd_argument(random),
                7 => self.some_pieces(random),
                _ => named_options(self, random),
            };
            if !deviations::is_left_out(line.af, &line.words) {
                return line;
            }
        }
    }

    /// A line of a restore file with a rule as the corpus has it.
    pub(super) fn corpus_rule(&self, random: &mut Random, af: Af, table: &str) -> Option<Vec<String>> {
        let fits = |rule: &&Rule| rule.table == table && if af == Af::V4 { rule.v4 } else { rule.v6 };
        let fitting: Vec<&Rule> =
            self.rules.iter().filter(fits).filter(|rule| rule.is_good || random.chance(3)).collect();
        let rule = fitting.get(random.below(fitting.len()))?;
        Some(["-A", &rule.chain].into_iter().map(str::to_owned).chain(rule.words.iter().cloned()).collect())
    }

    fn whole_rule(&self, random: &mut Random) -> Line {
        // Often near the last one, so that rules of one extension meet: -D and -C compare them.
        let near = random.last + random.below(5);
        let index = if random.chance(30) { near.min(self.rules.len() - 1) } else { random.below(self.rules.len()) };
        random.last = index.saturating_sub(2);
        let rule = &self.rules[index];
        let af = match (rule.v4, rule.v6) {
            _ if random.chance(3) => any_family(random),
            (true, true) => any_family(random),
            (true, false) => Af::V4,
            (false, _) => Af::V6,
        };
        let mut words = rule.words.clone();
        if random.chance(60) {
            for _ in 0..=random.below(3) {
                self.spoil(random, &mut words);
            }
        }
        let table =
            if random.chance(95) { &rule.table } else { *random.one_of(&[&rule.table, "nat", "raw", "mangle"]) };
        let chain = if random.chance(90) { &rule.chain } else { random.pick(&CHAINS) };
        Line { af, table: table.to_string(), words: command(random, table, chain, words) }
    }

    /// A good rule, one of whose arguments is another. Every option is as likely as any other.
    fn odd_argument(&self, random: &mut Random) -> Line {
        let places = self.options.values().nth(random.below(self.options.len())).expect("an option");
        let (number, at) = *random.one_of(places);
        let rule = &self.rules[number];
        let mut words = rule.words.clone();
        words[at] = if random.chance(50) { self.hostile(random) } else { self.mutated(random, &words[at]) };
        let af = match (rule.v4, rule.v6) {
            (true, true) => any_family(random),
            (v4, _) => {
                if v4 {
                    Af::V4
                } else {
                    Af::V6
                }
            }
        };
        let words = ["-t", &rule.table, "-A", &rule.chain].into_iter().map(str::to_owned).chain(words).collect();
        Line { af, table: rule.table.clone(), words }
    }

    /// An argument with one or two things changed in it.
    fn mutated(&self, random: &mut Random, argument: &str) -> String {
        let mut text = argument.to_owned();
        for _ in 0..=random.below(2) {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let at = *random.one_of(&places);
            match random.below(9) {
                0 => text.truncate(at),
                1 => text = text[at..].to_owned(),
                2 => text.insert_str(at, random.pick(MARKS)),
                3 => text.insert_str(at, random.pick(NUMBERS)),
                4 if at < text.len() => drop(text.remove(at)),
                5 => text = format!("{text}{}{}", random.pick(MARKS), self.hostile(random)),
                6 => text = format!("{}{}{text}", self.hostile(random), random.pick(MARKS)),
                7 => text = if random.chance(50) { text.to_uppercase() } else { text.to_lowercase() },
                _ => {
                    // Another number in place of one that stands there.
                    if let Some(start) = text[at..].find(|c: char| c.is_ascii_digit()).map(|start| start + at) {
                        let digits = text[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len() - start);
                        text.replace_range(start..start + digits, random.pick(NUMBERS));
                    }
                }
            }
        }
        text
    }

    fn some_pieces(&self, random: &mut Random) -> Line {
        let mut words = Vec::new();
        for _ in 0..=random.below(4) {
            words.extend(random.one_of(&self.pieces).clone());
        }
        if random.chance(30) {
            self.spoil(random, &mut words);
        }
        let table = random.pick(&["filter", "mangle", "mangle", "nat", "raw"]);
        let chain = random.pick(&CHAINS);
        Line { af: any_family(random), table: table.to_owned(), words: command(random, table, chain, words) }
    }

    /// Makes one thing different.
    fn spoil(&self, random: &mut Random, words: &mut Vec<String>) {
        if words.is_empty() {
            return;
        }
        let at = random.below(words.len());
        let is_option = words[at].starts_with("--");
        match random.below(14) {
            0 => drop(words.remove(at)),
            1 => words.insert(at, words[at].clone()),
            2 => {
                let other = (at + 1) % words.len();
                words.swap(at, other);
            }
            3 => words.insert(at, "!".to_owned()),
            4 => words.insert(at, random.one_of(&self.arguments).clone()),
            5 => {
                let piece = random.one_of(&self.pieces).clone();
                words.splice(at..at, piece);
            }
            6 if is_option => {
                // An abbreviation.
                let keep = words[at].len().saturating_sub(1 + random.below(6)).max(3);
                words[at].truncate(keep);
            }
            7 if is_option && at + 1 < words.len() => {
                let argument = words.remove(at + 1);
                words[at] += &format!("={argument}");
            }
            8 => {
                let base = random.pick(&[
                    "-s 1.2.3.4",
                    "-s ::1",
                    "-i lo",
                    "-o eth0",
                    "-p tcp",
                    "-p udp",
                    "-p icmp",
                    "-f",
                    "-c 1 2",
                    "-v",
                    "-n",
                    "-x",
                    "-p icmpv6",
                    "-p 47",
                    "-p sctp",
                    "-g a",
                    "-j ACCEPT",
                    "-m comment",
                    "-w",
                    "-4",
                    "-6",
                    "--",
                    "-p mptcp",
                ]);
                words.splice(at..at, split(base));
            }
            9 => words[at] = words[at].to_ascii_uppercase(),
            _ if is_option || words[at].len() <= 2 => {
                let argument = (at + 1).min(words.len() - 1);
                if words[argument].starts_with('-') {
                    words.insert(argument, self.hostile(random));
                } else {
                    words[argument] = self.hostile(random);
                }
            }
            10 => {
                // Another number in its place.
                if let Some(digit) = words[at].find(|c: char| c.is_ascii_digit()) {
                    let number = random.pick(NUMBERS);
                    words[at].replace_range(digit..=digit, number);
                }
            }
            11 => {
                let cut = (0..=words[at].len()).filter(|&cut| words[at].is_char_boundary(cut)).nth(random.below(12));
                words[at].truncate(cut.unwrap_or(1));
            }
            12 => {
                let tail = random.pick(&[",", ":", "/", "-", "x", " ", "/32", ":65536", ",1", "!", "%", "+", ".", "@"]);
                words[at] += tail;
            }
            _ => words[at] = self.hostile(random),
        }
    }

    fn hostile(&self, random: &mut Random) -> String {
        match random.below(8) {
            0..3 => random.one_of(&self.arguments).clone(),
            3..5 => random.pick(NUMBERS).to_owned(),
            5 => "x".repeat(random.below(300)),
            _ => random.pick(WORDS).to_owned(),
        }
    }
}

/// Extensions and options by name, whatever they make of each other.
fn named_options(pool: &Pool, random: &mut Random) -> Line {
    let af = any_family(random);
    let mut words = Vec::new();
    if random.chance(50) {
        words.extend([
            "-p".to_owned(),
            random.pick(&["tcp", "udp", "icmp", "sctp", "dccp", "esp", "ipv6-icmp"]).to_owned(),
        ]);
    }
    for _ in 0..=random.below(2) {
        let kind = if random.chance(60) { Kind::Match } else { Kind::Target };
        let entry = random.one_of(ext::entries(kind));
        words.push(if kind == Kind::Match { "-m" } else { "-j" }.to_owned());
        words.push(entry.name.to_owned());
        let object = (entry.new)();
        for _ in 0..random.below(5) {
            if object.option_count() == 0 {
                break;
            }
            let spec = object.option(random.below(object.option_count()));
            if random.chance(20) {
                words.push("!".to_owned());
            }
            words.push(format!("--{}", spec.name));
            if spec.argument != random.chance(5) {
                words.push(pool.hostile(random));
            }
            if spec.second && random.chance(90) {
                words.push(pool.hostile(random));
            }
        }
    }
    let table = random.pick(&["filter", "mangle", "mangle", "nat", "raw"]);
    let chain = random.pick(&CHAINS);
    Line { af, table: table.to_owned(), words: command(random, table, chain, words) }
}

/// The words of a rule behind a command.
fn command(random: &mut Random, table: &str, chain: &str, rule: Vec<String>) -> Vec<String> {
    let mut words = vec!["-t".to_owned(), table.to_owned()];
    let (letter, number) = match random.below(14) {
        0..8 => ("-A", ""),
        8 => ("-I", random.pick(&["", "1", "2", "0"])),
        9..11 => ("-C", ""),
        11..13 => ("-D", ""),
        _ => ("-R", random.pick(&["1", "2", "3"])),
    };
    words.extend([letter.to_owned(), chain.to_owned()]);
    if !number.is_empty() {
        words.push(number.to_owned());
    }
    words.extend(rule);
    words
}

fn any_family(random: &mut Random) -> Af {
    if random.chance(60) { Af::V4 } else { Af::V6 }
}

const CHAINS: [&str; 9] = ["INPUT", "INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING", "a", "nosuch", "-x"];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "00",
    "08",
    "0x",
    "0x1f",
    "010",
    "+1",
    " 1",
    "1 ",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "1e3",
    "1.5",
    "0.5",
    "99999999999999999999999",
    "1:2",
    "2:1",
    ":",
    "1:",
    ":1",
    "1-2",
    "1/2",
    "0/0",
    "1,2",
    ",",
    "0xffffffff/0xf",
];

/// What may stand between the parts of an argument, or before them, or be one too many.
const MARKS: &[&str] = &[
    ",", ":", "/", "-", "=", "!", "+", " ", ".", "%", "|", "@", "x", "0", ",,", "::", "//", "--", "0x", "\\", "[", "]",
    "(", ")", "\n", "s",
];

const WORDS: &[&str] = &[
    "",
    " ",
    "a b",
    "!",
    "-",
    "--",
    "x",
    "ACCEPT",
    "all",
    "ALL",
    "any",
    "none",
    "NONE",
    "\t",
    "\"",
    "\\",
    "'",
    "%s",
    "ä",
    "*",
    "::",
    "::1",
    "1.2.3.4",
    "1.2.3.4/24",
    "0.0.0.0/0",
    "::1/64",
    "1.2.3.4-1.2.3.9",
    "::1-::9",
    "fe80::/10",
    "255.255.0.0",
    "tcp",
    "udp",
    "icmp",
    "any",
    "eth0",
    "lo",
    "eth+",
    "+",
    "aa:bb:cc:dd:ee:ff",
    "1.1.1.1:1-2",
    "[::1]:80",
    "[::1]:80-90",
    "1/s",
    "1/sec",
    "10/minute",
    "1/h",
    "0/s",
    "5kb/s",
    "1mb/s",
    "NEW,ESTABLISHED",
    "SYN,ACK",
    "echo-request",
    "8/0",
    "255/0",
    "inet",
    "src,dst",
    "srcip",
    "srcip,dstport",
    "random",
    "nth",
    "bm",
    "kmp",
    "|00 01|",
    "|zz|",
    "0>>22&0x3C@4=1",
    "Mon,Tue",
    "10:00",
    "23:59:59",
    "2020-01-01",
    "2020-01-01T00:00:00",
    "root",
    "daemon",
    "0-1000",
    "4,1 0 0 0",
];
