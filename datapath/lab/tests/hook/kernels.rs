//! Matches that ask what is the whole machine's: control groups, processors, fingerprints of systems.

use std::{fs, io, process::Command};

use lab::router::program;

use super::plan::{But, FWD, IN, Known, Line, OUT, POST, PRE, line};

/// Fingerprints of the plan's packets under names that nobody else has; taken out of the kernel when dropped.
pub(crate) struct Systems(());

impl Systems {
    /// Has both judges know the systems; `None` where the kernel does not let us.
    pub(crate) fn load() -> io::Result<Option<Self>> {
        let name = format!("hook{}", std::process::id());
        // Window, TTL, fragments, length, options of the plan's first two SYNs.
        fs::write(PLACE, format!("8192:64:0:48:M*,S,N,N:{name}a:::one\n8192:64:0:44:M*:{name}b:::two\n"))?;
        let root = fs::read_to_string("/proc/self/uid_map")?.split_whitespace().nth(2) == Some("4294967295");
        if !root {
            println!("  osf: not compared with the kernel, whose fingerprints only the machine's root may change");
            return Ok(None);
        }
        Command::new(program("nfnl_osf")?).args(["-f", PLACE]).output()?;
        Ok(Some(Self(())))
    }
}

impl Drop for Systems {
    fn drop(&mut self) {
        let _ = program("nfnl_osf").and_then(|loader| Command::new(loader).args(["-d", "-f", PLACE]).output());
        let _ = fs::remove_file(PLACE);
    }
}

/// Where the datapath of the lab looks for fingerprints.
const PLACE: &str = "/run/pf.os";

/// Matches that the kernel judges for the datapath, and `osf`, whose list there is one of.
pub(crate) const KERNELS: &[(&str, &[Line])] = &[
    (
        "cgroup",
        &[
            // Errors and resets of IPv4 come from the kernel's sockets.
            line("-m cgroup --cgroup 0").v4().at(IN | OUT).all().but(UNKNOWN),
            line("-m cgroup --cgroup 0").v6().at(IN | OUT).but(UNKNOWN6),
            line("-m cgroup ! --cgroup 0").at(IN | OUT).none(),
            line("-m cgroup --path /").v4().at(IN | OUT).all().but(UNKNOWN),
            line("-m cgroup --path /").v6().at(IN | OUT).but(UNKNOWN6),
            // What the stack sends of its own is known by its socket in OUTPUT alone, see Limits.
            line("-p udp -m cgroup --cgroup 0").at(POST),
            line("-p udp -m cgroup ! --cgroup 0").at(POST).none(),
            line("-p udp -m cgroup --path /").at(POST),
        ],
    ),
    // With those above no more than four conditions.
    ("cpu", &[line("-m cpu ! --cpu 4095").all()]),
    (
        "osf",
        &[
            line("-p tcp -m osf {!} --genre {system}a --ttl 2").v4().at(PRE | IN | FWD),
            line("-p tcp -m osf {!} --genre {system}b --ttl 2").v4().at(PRE | IN | FWD),
        ],
    ),
];

/// Where those stand that are not taken everywhere.
pub(crate) const BOUND: &[(&str, &[Line])] = &[
    ("cgroup", &[line("-m cgroup --cgroup 0").at(IN | OUT | POST)]),
    ("osf", &[line("-p tcp -m osf --genre {system}a").v4().at(PRE | IN | FWD)]),
];

const UNKNOWN: But = &[(IN, &[], Known::None, "nobody has looked for the socket yet")];
const UNKNOWN6: But = &[
    (IN, &[], Known::None, "nobody has looked for the socket yet"),
    (OUT, &["nat"], Known::All, "resets, which have no socket, begin no connection"),
];
