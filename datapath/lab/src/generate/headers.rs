//! Random matches that read rarer headers, the clock, or whatever a program asks for.

use super::{
    options::not,
    protocols::{AH, DCCP, ESP, IPCOMP, MOBILITY, SCTP},
};
use crate::random::Random;

/// One match with its options, valid in the chain.
pub(super) fn any(random: &mut Random, chain: &str, six: bool) -> String {
    match random.below(if six { 11 } else { 7 }) {
        6 if random.one_in(2) => format!(
            "-m physdev {}--physdev-{}",
            not(random),
            random.pick(&["in lan0", "is-in", "is-bridged", "in wan+"])
        ),
        6 => match chain {
            "PREROUTING" | "INPUT" | "FORWARD" => {
                format!("-m policy --dir in --pol {}", random.pick(&["none", "ipsec"]))
            }
            "OUTPUT" | "POSTROUTING" => format!("-m policy --dir out --pol {}", random.pick(&["none", "ipsec"])),
            _ => "-m physdev ! --physdev-is-in".to_owned(),
        },
        0 => time(random),
        1 | 2 => format!("-m bpf --bytecode \"{}\"", program(random)),
        3 | 4 => protocol(random, six),
        5 => cluster(random),
        7 => {
            let no = not(random);
            let soft = random.pick(&["", " --soft"]);
            let headers = random.pick(&[
                "prot",
                "hop,prot",
                "dst,prot",
                "route,prot",
                "frag,prot",
                "auth",
                "none",
                "dst,route,prot",
            ]);
            format!("-m ipv6header {no}--header {headers}{soft}")
        }
        8 => {
            let (name, no) = (random.pick(&["hbh", "dst"]), not(random));
            match random.below(3) {
                0 => format!("-m {name} {no}--{name}-len {}", random.choose(&[8, 16, 24])),
                _ => format!(
                    "-m {name} --{name}-opts {}",
                    random.pick(&["1", "1:4", "5:2", "5:2,1", "0,0", "30:2", "5,30:6,1", "0,0,0,0,0,0,0"])
                ),
            }
        }
        9 => routing(random),
        _ if random.one_in(2) && matches!(chain, "PREROUTING" | "INPUT" | "FORWARD") => "-m eui64".to_owned(),
        _ => fragment(random),
    }
}

fn time(random: &mut Random) -> String {
    let zone = random.pick(&["", " --kerneltz"]);
    // Hours, so that hardly a case stands on the edge of one.
    let span = format!("--timestart {:02}:00 --timestop {:02}:30", random.below(24), random.below(24));
    match random.below(6) {
        0 => format!("-m time {span}{zone}"),
        1 => format!(
            "-m time --timestart {:02}:30 --timestop 00:10 --contiguous --weekdays Sat,Sun",
            1 + random.below(23)
        ),
        2 => format!(
            "-m time {}--weekdays {}",
            not(random),
            random.pick(&["Mon,Tue", "Sat,Sun,Wed", "Fri", "1,2,3,4,5,6,7"])
        ),
        3 => format!(
            "-m time {}--monthdays {}",
            not(random),
            random.pick(&["1,2,3,22,23", "31", "10,11,12,13,14", "20,21,22"])
        ),
        4 => format!(
            "-m time --datestart {}-01-01 --datestop {}-06-30T12:00:00",
            2020 + random.below(10),
            2024 + random.below(8)
        ),
        _ => format!(
            "-m time {span} {}--weekdays {}{zone}",
            not(random),
            random.pick(&["Mon,Wed,Fri,Sun", "Tue,Thu,Sat"])
        ),
    }
}

fn protocol(random: &mut Random, six: bool) -> String {
    let no = not(random);
    let port = random.choose(&["80", "53:8080", "1024:", ":1023", "22"]);
    match random.below(7) {
        0 => format!("-p {SCTP} -m sctp {no}--{} {port}", random.pick(&["sport", "dport"])),
        1 | 2 => {
            let how = random.pick(&["any", "all", "only"]);
            let kinds = random.pick(&[
                "DATA",
                "DATA,INIT",
                "INIT",
                "SACK,ABORT:T",
                "DATA:Be",
                "DATA:UBE,SACK",
                "ALL",
                "NONE",
                "HEARTBEAT,DATA,INIT,SACK,ABORT,COOKIE_ECHO",
                "I_DATA:e,ASCONF",
            ]);
            format!("-p {SCTP} -m sctp {no}--chunk-types {how} {kinds}")
        }
        3 => format!("-p {DCCP} -m dccp {no}--dport {port}"),
        4 if random.one_in(2) => format!(
            "-p {DCCP} -m dccp {no}--dccp-types {}",
            random.pick(&["REQUEST,RESPONSE", "DATA,ACK,DATAACK", "INVALID", "RESET,SYNC,SYNCACK,CLOSE"])
        ),
        4 => format!("-p {DCCP} -m dccp {no}--dccp-option {}", random.choose(&[1, 2, 32, 44])),
        5 => match random.below(3) {
            0 => format!("-p {IPCOMP} -m ipcomp {no}--ipcompspi {}", random.pick(&["1", "2:7", "0:65535"])),
            1 => format!("-p {ESP} -m esp {no}--espspi {}", random.pick(&["1", "2:7"])),
            _ if six => format!("-m ah {no}--ahspi {}", random.pick(&["1", "2:7"])),
            _ => format!("-p {AH} -m ah {no}--ahspi {}", random.pick(&["1", "2:7"])),
        },
        _ if six => format!("-p {MOBILITY} -m mh {no}--mh-type {}", random.pick(&["bu", "0:4", "hoti", "3:255"])),
        _ => format!("-p {SCTP}"),
    }
}

fn cluster(random: &mut Random) -> String {
    let nodes = 2 + random.below(4);
    format!(
        "-m cluster --cluster-total-nodes {nodes} {}--cluster-local-node {} --cluster-hash-seed 0x{:x}",
        not(random),
        1 + random.below(nodes),
        random.choose(&[0u32, 0xdead_beef, 7])
    )
}

fn routing(random: &mut Random) -> String {
    let (no, other) = (not(random), not(random));
    match random.below(7) {
        0 => format!(
            "-m rt {no}--rt-type {} {other}--rt-segsleft {}",
            random.choose(&[0, 2, 4]),
            random.pick(&["0", "1:3", "2"])
        ),
        1 => format!("-m rt {no}--rt-len {}", random.choose(&[8, 24, 40])),
        2 => format!("-m rt --rt-type 0 --rt-0-res --rt-0-addrs {}", random.pick(&["fd00::2", "fd00::2,fd00::3"])),
        3 => format!(
            "-m rt --rt-type 0 --rt-0-addrs {} --rt-0-not-strict",
            random.pick(&["fd00::2", "fd00::3", "fd00::2,fd00::4"])
        ),
        4 => {
            let number = random.pick(&["segs-left", "last-entry", "hdr-len"]);
            let how = random.pick(&["eq", "gt", "lt"]);
            format!(
                "-m srh {no}--srh-{number}-{how} {} {other}--srh-next-hdr {}",
                random.below(4),
                random.choose(&[6, 17])
            )
        }
        5 => format!(
            "-m srh {no}--srh-{} {}",
            random.pick(&["psid", "nsid", "lsid"]),
            random.pick(&["fd00::2", "fd00::2/127", "::/0", "fd00::4/126"])
        ),
        _ => format!("-m srh {no}--srh-tag {} {other}--srh-segs-left-eq 0", random.choose(&[0, 1, 256])),
    }
}

fn fragment(random: &mut Random) -> String {
    match random.below(4) {
        0 => format!("-m frag {}--fragid {}", not(random), random.pick(&["0:2147483647", "1073741824:3221225471"])),
        1 => format!("-m frag --fragres --frag{}", random.pick(&["first", "more", "last"])),
        2 => format!("-m frag --fragfirst --frag{}", random.pick(&["more", "last"])),
        _ => format!("-m frag --frag{}", random.pick(&["first", "more", "last"])),
    }
}

/// A program of classic BPF; one in many is none that the kernel would take.
fn program(random: &mut Random) -> String {
    let length = 3 + random.below(8);
    let mut steps = Vec::new();
    for at in 0..length - 1 {
        let left = length - at - 1;
        let place = random.below(52);
        steps.push(match random.below(12) {
            0..=3 => format!("{} 0 0 {place}", random.choose(&[32, 40, 48])),
            // Behind the index, which may be anything.
            4 => format!("{} 0 0 {}", random.choose(&[64, 72, 80]), random.below(24)),
            5 => format!("177 0 0 {}", random.choose(&[0, 0, 0, 6])),
            6 => format!("1 0 0 {}", random.choose(&[0u32, 1, 4, 20, 40, 4_294_967_295])),
            7 => random.pick(&["7 0 0 0", "135 0 0 0", "128 0 0 0", "132 0 0 0", "2 0 0 3", "129 0 0 0"]).to_owned(),
            8 => {
                let code = random.choose(&[4u32, 20, 36, 52, 68, 84, 100, 116, 148, 164]);
                match random.one_in(3) {
                    true => format!("{} 0 0 0", code + 8),
                    false => format!("{code} 0 0 {}", 1 + random.below(31)),
                }
            }
            9 | 10 => {
                let code = random.choose(&[21, 37, 53, 69, 29, 45, 61, 77]);
                let most = if random.one_in(40) { left + 1 } else { left };
                format!(
                    "{code} {} {} {}",
                    random.below(most),
                    random.below(most),
                    random.choose(&[0, 1, 6, 17, 64, 80, 1000, 0x0a01_0002u32])
                )
            }
            // Protocol, packet type, mark, hardware type, accumulator mixed with index; from the network or the link layer.
            _ if random.one_in(2) => format!("32 0 0 {}", 4_294_963_200u32 + random.choose(&[0, 4, 20, 28, 40])),
            _ if random.one_in(30) => "96 0 0 3".to_owned(),
            _ => format!("48 0 0 {}", 4_293_918_720u32 + random.below(60) as u32),
        });
    }
    steps.push(random.pick(&["22 0 0 0", "22 0 0 0", "6 0 0 1", "6 0 0 0"]).to_owned());
    format!("{length},{}", steps.join(","))
}
