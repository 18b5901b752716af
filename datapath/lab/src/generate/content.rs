//! Random matches that read what a packet carries: patterns, words of its bytes, options and bits of its headers.

use super::options::not;
use crate::random::Random;

/// One match with its options; some bring their protocol.
pub(super) fn any(random: &mut Random, six: bool) -> String {
    let no = not(random);
    match random.below(6) {
        0 | 1 => string(random),
        2 => format!("-m u32 {no}--u32 \"{}\"", words(random, six)),
        3 => format!("-p tcp --syn -m tcpmss {no}--mss {}", random.pick(&["1460", "0:1459", "1000:1500", "536"])),
        4 => format!("-m ecn {no}--ecn-ip-ect {}", random.below(4)),
        _ => format!("-p tcp -m ecn {no}--ecn-tcp-{}", random.pick(&["cwr", "ece"])),
    }
}

/// Pieces of what hosts say here, and what they never say.
fn string(random: &mut Random) -> String {
    let no = not(random);
    let pattern = random.pick(&[
        "--string UTWV",
        "--string VQPSR",
        "--icase --string utwv",
        "--string GFA@CBML",
        "--hex-string \"|5d5c5f5e|\"",
        "--string never",
        "--hex-string \"U|54|W\"",
    ]);
    let from = random.choose(&[0u64, 0, 20, 28, 40, 41, 60]);
    let place = match random.below(3) {
        0 => String::new(),
        1 => format!(" --from {from}"),
        _ => format!(" --from {from} --to {}", from + random.choose(&[4, 5, 8, 20, 64])),
    };
    let (no, pattern) = match pattern.strip_prefix("--icase ") {
        Some(rest) => (format!("--icase {no}"), rest),
        None => (no.to_owned(), pattern),
    };
    format!("-m string --algo {}{place} {no}{pattern}", random.pick(&["bm", "kmp"]))
}

/// Tests of words: in the IP header, behind it, and beyond the packet.
fn words(random: &mut Random, six: bool) -> &'static str {
    match six {
        true => random.pick(&[
            "3&0xff=6,17",
            "4&0xffff=0x1400:0x143f",
            "40>>16=20000:23000",
            "36=1:3&&4&0xff=0:255",
            "48=0x5",
            "200&0xff=0x55",
        ]),
        false => random.pick(&[
            "6&0xff=6,17",
            "2&0xffff=0:60",
            "0>>22&0x3c@0>>16=20000:23000",
            "6&0xff=6&&4&0x1fff=0&&0>>22&0x3c@12>>26&0x3c@0>>24=0x55",
            "12=0x0a010002:0x0a010003",
            "0>>22&0x3c@4&0xff=0x55&&0=0:0xffffffff",
            "300=0",
        ]),
    }
}
