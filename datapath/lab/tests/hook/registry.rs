//! Holds the plans to the registry of extensions: each is in one of them, or it is said here why not.

use std::io;

use libxt::ext::{matches, targets};

use super::{kernels::KERNELS, matches::MATCHES, targets::TARGETS};

/// Extensions that are in no plan.
const LEFT_OUT: &[(&str, &str)] = &[
    ("CLUSTERIP", "is refused"),
    ("LED", "is refused"),
    ("SECMARK", "is refused"),
    ("SYNPROXY", "has numbers that are cookies under a key of the router's own"),
    ("TPROXY", "drops what finds no socket after nat has counted it, see Limits; scenarios give it sockets"),
    ("ULOG", "is refused"),
    ("ipvs", "is refused"),
];

/// Every extension is in a plan, or left out with its reason.
pub(crate) fn complete() -> io::Result<()> {
    let planned = MATCHES.iter().chain(KERNELS).map(|(name, _)| *name);
    let planned: Vec<&str> = planned.chain(TARGETS.iter().map(|(name, _)| *name)).collect();
    let known = matches::ENTRIES.iter().map(|entry| entry.name).chain(targets::ENTRIES.iter().map(|entry| entry.name));
    let known: Vec<&str> = known.collect();
    for name in &known {
        let why = LEFT_OUT.iter().find(|(left, _)| left == name);
        assert_ne!(planned.contains(name), why.is_some(), "{name}: {why:?}");
    }
    for name in planned.iter().chain(LEFT_OUT.iter().map(|(name, _)| name)).filter(|name| !name.is_empty()) {
        assert!(known.contains(name), "{name} is no extension");
    }
    Ok(())
}
