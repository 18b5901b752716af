//! Random targets of the mangle table that compute: marks from hashes, checksums, priorities, prefixes.

use crate::random::Random;

/// One target that is valid in the chain.
pub(super) fn target(random: &mut Random, chain: &str, six: bool) -> String {
    match random.below(6) {
        0 => "-j CHECKSUM --checksum-fill".to_owned(),
        1 if matches!(chain, "FORWARD" | "OUTPUT" | "POSTROUTING") => {
            format!("-j CLASSIFY --set-class {:x}:{:x}", random.below(16), random.below(16))
        }
        _ => hmark(random, six),
    }
}

/// Ports count only in rules without translation: a router may have drawn them.
fn hmark(random: &mut Random, six: bool) -> String {
    let tuple = random.pick(&["src,dst", "src", "ct,src,dst", "src,dst,sport,dport", "src,dst,sport,dport", "dst,spi"]);
    let more = match random.below(5) {
        0 => format!(" --hmark-src-prefix {0} --hmark-dst-prefix {0}", if six { 64 } else { 24 }),
        1 if !tuple.contains("ct") => " --hmark-proto-mask 0xff".to_owned(),
        _ => String::new(),
    };
    let more = if tuple == "src" || tuple == "dst,spi" { String::new() } else { more };
    format!(
        "-j HMARK --hmark-tuple {tuple} --hmark-rnd 0x{:x} --hmark-mod {} --hmark-offset {}{more}",
        random.choose(&[0u32, 0xcafe, u32::MAX]),
        1 + random.below(8),
        random.below(4)
    )
}

/// Rules that give the hosts inside another prefix outside. Other addresses keep theirs: their checksums would break.
pub(super) fn prefixes(random: &mut Random) -> [(&'static str, String); 2] {
    let (inside, outside) = random.choose(&[
        ("fd01::/64", "fd88:1::/64"),
        ("fd01::/48", "fd88:1:2::/48"),
        ("fd01::/64", "fd88:1::/56"),
        ("fd01::/16", "fd77::/16"),
    ]);
    [
        ("mangle", format!("-A POSTROUTING -s {inside} -o wan0 -j SNPT --src-pfx {inside} --dst-pfx {outside}")),
        ("mangle", format!("-A PREROUTING -d {outside} -i wan0 -j DNPT --src-pfx {outside} --dst-pfx {inside}")),
    ]
}
