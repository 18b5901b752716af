//! What a stack says of itself whenever it likes, kept away from rules and counters.

use lab::twin::Record;

/// Reports of groups, and neighbours: seen by no rule of a plan.
pub(crate) const CHATTER: [&str; 2] =
    ["-A {chain} -p icmpv6 -m icmp6 --icmpv6-type 143 -j ACCEPT", "-A {chain} -p icmpv6 -m hl --hl-eq 255 -j ACCEPT"];

/// Without the counters of [`CHATTER`].
pub(crate) fn quiet(mut record: Record) -> Record {
    let chatter =
        |line: &String| ["--icmpv6-type 143 -j ACCEPT", "--hl-eq 255 -j ACCEPT"].iter().any(|end| line.ends_with(end));
    record.counters.retain(|line| !chatter(line));
    record
}
