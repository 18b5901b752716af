//! Counters of rules, by chain and place.

use std::collections::BTreeMap;

use super::plan::Chain;

/// Packets of each rule of a chain, in their order.
pub(crate) type Counts = BTreeMap<usize, Vec<u64>>;

/// From the lines of a record: `TABLE [packets:bytes] -A CHAIN …`.
pub(crate) fn counts(lines: &[String]) -> Counts {
    let chains: Vec<Chain> = Chain::every().collect();
    let mut all = Counts::new();
    for line in lines {
        let mut words = line.split(' ');
        let (Some(table), Some(counter), Some("-A"), Some(name)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let packets = counter.trim_start_matches('[').split(':').next().and_then(|n| n.parse().ok());
        if let Some(chain) = chains.iter().find(|c| c.table == table && c.name == name) {
            all.entry(chain.number).or_default().push(packets.unwrap_or(0));
        }
    }
    all
}
