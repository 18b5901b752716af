//! Random matches that keep something beside their rules, as far as what they answer does not hang on the clock.

use super::options::not;
use crate::random::Random;

/// One match with its options, valid in the chain.
pub(super) fn any(random: &mut Random, chain: &str, six: bool, table: &str) -> String {
    let no = not(random);
    match random.below(9) {
        8 if chain == "PREROUTING" && table != "nat" => {
            let options =
                random.pick(&["", " --loose", " --accept-local", " --invert", " --loose --accept-local --invert"]);
            format!("-m rpfilter{options}")
        }
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
