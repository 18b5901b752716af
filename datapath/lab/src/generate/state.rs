//! Random matches that keep something beside their rules, as far as what they answer does not hang on the clock.

use std::time::Duration;

use super::dialogues;
use super::options::not;
use crate::{
    random::Random,
    twin::{Rules, Script},
};

/// One match with its options, valid in the chain.
pub(super) fn any(random: &mut Random, chain: &str, six: bool, table: &str) -> String {
    let no = not(random);
    match random.below(10) {
        8 if chain == "PREROUTING" && table != "nat" => {
            let options =
                random.pick(&["", " --loose", " --accept-local", " --invert", " --loose --accept-local --invert"]);
            format!("-m rpfilter{options}")
        }
        9 => dialogues::heard(random, six),
        0..=2 => hashlimit(random, six),
        3..=5 => {
            let set = if random.one_in(2) { " --set" } else { "" };
            format!("-m connlabel {no}--label {}{set}", random.choose(&[0u8, 1, 31, 32, 63, 64, 127]))
        }
        _ => {
            let side = match chain {
                "PREROUTING" | "INPUT" => "src",
                "OUTPUT" | "POSTROUTING" => "dst",
                "FORWARD" => random.pick(&["src", "dst"]),
                _ => return String::new(),
            };
            format!("-m devgroup {no}--{side}-group {}", random.pick(&["0", "1", "0/1", "0x10/0xf0"]))
        }
    }
}

/// One match that counts, for a case whose administrator and hosts leave it alone.
pub(super) fn counting(random: &mut Random, six: bool, table: &str) -> String {
    let no = not(random);
    match random.below(8) {
        0..=2 => recent(random, six),
        3 => format!("-m quota {no}--quota {}", random.choose(&[0, 100, 500, 1000, 100_000])),
        4 => connbytes(random),
        // What an estimator says hangs on the clock, unless nobody ever sends so much.
        6 if matches!(table, "filter" | "security") => {
            let how = random.pick(&["lt", "gt", "eq"]);
            match random.below(4) {
                0 => format!("-m rateest {no}--rateest lab --rateest-{how} --rateest-pps 4000000000"),
                // Nothing goes faster or slower than itself.
                1 => format!("-m rateest {no}--rateest1 lab --rateest-{how} --rateest-bps --rateest2 lab"),
                2 => format!(
                    "-m rateest {no}--rateest-delta --rateest lab --rateest-bps1 10gbit --rateest-{how} --rateest-bps2 0"
                ),
                _ => format!("-m rateest {no}--rateest lab --rateest-{how} --rateest-bps 10gbit"),
            }
        }
        7 if random.one_in(4) && table != "raw" => {
            let side = random.pick(&["", " --connlimit-daddr", " --connlimit-saddr"]);
            let bits = if six { 128 } else { 32 };
            format!(
                "-m connlimit --connlimit-{} {} --connlimit-mask {}{side}",
                random.pick(&["upto", "above"]),
                random.below(5),
                bits - random.choose(&[0, 0, 1, 8, bits])
            )
        }
        _ => String::new(),
    }
}

/// What a case needs for such matches.
pub(super) fn prepare(script: &mut Script) {
    script.pace = pace(&script.rules);
    if has(&script.rules, "-m connbytes") {
        // Such a rule switches it on; so it is set back with the other settings.
        script.settings.push(("net.netfilter.nf_conntrack_acct", "1"));
    }
    if has(&script.rules, "-m rateest") {
        let target = "-A PREROUTING -j RATEEST --rateest-name lab --rateest-interval 250ms --rateest-ewmalog 500ms";
        script.rules.lines.insert(0, ("mangle", target.to_owned()));
    }
}

/// How long hosts wait before each packet.
pub fn pace(rules: &Rules) -> Duration {
    if hangs_on_jiffies(rules) { Duration::from_millis(9) } else { Duration::ZERO }
}

/// Whether it matters which packets come within one jiffy: `connlimit` looks for connections that are over at most once in that
/// time, which is four milliseconds.
pub(super) fn hangs_on_jiffies(rules: &Rules) -> bool {
    has(rules, "-m connlimit")
}

fn has(rules: &Rules, word: &str) -> bool {
    rules.lines.iter().any(|(_, line)| line.contains(word))
}

/// Lists of addresses, without seconds; few names, so that rules share them.
fn recent(random: &mut Random, six: bool) -> String {
    let no = not(random);
    let what = match random.below(6) {
        0 | 1 => "--set".to_owned(),
        2 => "--remove".to_owned(),
        n => {
            let hits = if random.one_in(2) { format!(" --hitcount {}", 1 + random.below(4)) } else { String::new() };
            format!("--{}{hits}", if n == 3 { "update" } else { "rcheck" })
        }
    };
    let mask = match (random.below(4), six) {
        (0, true) => " --mask ffff:ffff:ffff:ffff::",
        (0, false) => " --mask 255.255.255.0",
        _ => "",
    };
    format!("-m recent {no}{what} --name {} {}{mask}", random.pick(&["a", "b"]), random.pick(&["--rsource", "--rdest"]))
}

/// What a connection has carried so far.
fn connbytes(random: &mut Random) -> String {
    let no = not(random);
    let from = random.choose(&[0u32, 1, 2, 3, 40, 100, 300]);
    let to = from + random.choose(&[0, 2, 200, 100_000]);
    format!(
        "-m connbytes {no}--connbytes {from}:{to} --connbytes-dir {} --connbytes-mode {}",
        random.pick(&["original", "reply", "both"]),
        random.pick(&["packets", "bytes", "avgpkt"])
    )
}

/// Rates so low that no case lasts long enough to see credit come back.
fn hashlimit(random: &mut Random, six: bool) -> String {
    let which = random.pick(&["upto", "above"]);
    let rate = format!("{}/hour --hashlimit-burst {}", 1 + random.below(4), 1 + random.below(5));
    let mode =
        random.pick(&["srcip", "dstip", "srcip,dstip", "srcport", "dstip,dstport", "srcip,srcport,dstip,dstport", ""]);
    let mode = if mode.is_empty() { String::new() } else { format!(" --hashlimit-mode {mode}") };
    let bits = if six { 128 } else { 32 };
    let mask = match random.below(3) {
        0 => format!(" --hashlimit-{}mask {}", random.pick(&["src", "dst"]), bits - random.below(bits)),
        _ => String::new(),
    };
    // Few names, so that rules share them.
    format!("-m hashlimit --hashlimit-{which} {rate}{mode}{mask} --hashlimit-name {}", random.pick(&["a", "b", "c"]))
}
