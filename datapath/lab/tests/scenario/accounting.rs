//! Named counters of the kernel's, in which `-m nfacct` counts.

use std::io;

use lab::{frame::Ip, nfacct, suite::Test};

use super::{Stage, claim, client, fail, outside::counted};

/// Makes counters in the router.
pub(super) fn make(stage: &mut Stage, names: &[&str], more: &[u8]) -> io::Result<()> {
    names.iter().try_for_each(|name| stage.within(|| nfacct::make(name, more)))
}

/// A counter has these packets and bytes.
pub(super) fn holds(stage: &mut Stage, name: &str, wanted: (u64, u64)) -> io::Result<()> {
    let holds = stage.within(|| nfacct::reading(name))?;
    if holds == wanted { Ok(()) } else { fail(format!("{name} holds {holds:?}, not {wanted:?}")) }
}

pub(crate) const TESTS: &[Test] = &[
    ("packets_are_counted_in_the_kernels_counters_whatever_becomes_of_them", || {
        claim(&[], |s| {
            make(s, &["web", "all", "lost"], &[])?;
            for rule in [
                "iptables -A FORWARD -p udp -m nfacct --nfacct-name all -m comment --comment all",
                "iptables -A FORWARD -p udp --dport 53 -m nfacct --nfacct-name web -m comment --comment web",
                "iptables -A FORWARD -p udp --dport 54 -m nfacct --nfacct-name lost -j DROP",
                "iptables -t mangle -A POSTROUTING -p udp -m nfacct --nfacct-name all",
                "iptables -A OUTPUT -p udp -m nfacct --nfacct-name all -m nfacct --nfacct-name all",
            ] {
                if !s.succeeds(&rule.split(' ').collect::<Vec<_>>())? {
                    return fail(format!("refused: {rule}"));
                }
            }
            for port in [53, 54, 53, 55] {
                s.lan(client().udp(1, port, b"data"))?;
            }
            counted(s, &[("all", 4), ("web", 2)])?;
            holds(s, "web", (2, 64))?;
            holds(s, "lost", (1, 32))?;
            // One was dropped in between.
            holds(s, "all", (7, 7 * 32))?;
            s.own(Ip::between([10, 2, 0, 1], [10, 2, 0, 2]).udp(9, 53, b"data"))?;
            holds(s, "all", (10, 10 * 32))
        })
    }),
    ("a_counter_that_is_not_there_is_refused", || super::rules::refused("-A FORWARD -m nfacct --nfacct-name missing")),
];
