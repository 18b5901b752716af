//! What TRACE calls a rule: its chain, its number, and whether it is a rule, a return or a policy.

use libxt::abi;

use super::check::{self, Shape};

/// What TRACE says of one entry.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    /// Which of the table's chain names.
    pub(super) chain: u32,
    /// The number in its chain, from 1.
    pub(super) number: u32,
    /// `rule`, `return` or `policy`.
    pub(super) comment: &'static str,
}

/// The place of every entry, and the names of chains. As get_chainname_rulenum() in ip_tables.c.
pub(super) fn places(shape: &Shape<'_>, hooks: impl Iterator<Item = usize>) -> (Vec<Place>, Vec<Box<str>>) {
    let heads: Vec<(usize, usize)> =
        hooks.filter_map(|hook| shape.hook_entry[hook].map(|entry| (entry, hook))).collect();
    let mut chains: Vec<Box<str>> = vec!["".into()];
    let mut places = Vec::with_capacity(shape.entries.len());
    let (mut number, mut built_in) = (0, true);
    for (index, entry) in shape.entries.iter().enumerate() {
        if let Some(&(_, hook)) = heads.iter().find(|(head, _)| *head == index) {
            chains.push(HOOK_NAMES.get(hook).copied().unwrap_or_default().into());
            (number, built_in) = (0, true);
        }
        if entry.target().name == abi::ERROR_TARGET {
            chains.push(entry.error_name().map_or("?".into(), |name| name.as_ref().into()));
            places.push(Place { chain: chains.len() as u32 - 1, number: 0, comment: "rule" });
            (number, built_in) = (0, false);
            continue;
        }
        number += 1;
        let ends = check::is_unconditional(entry) && entry.verdict().is_some_and(|verdict| verdict < 0);
        let comment = match (ends, built_in) {
            (false, _) => "rule",
            (true, true) => "policy",
            (true, false) => "return",
        };
        places.push(Place { chain: chains.len() as u32 - 1, number, comment });
    }
    (places, chains)
}

const HOOK_NAMES: [&str; abi::HOOKS] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
