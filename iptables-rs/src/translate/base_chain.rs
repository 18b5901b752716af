//! The built-in chains as nft has them: what calls them, and in what order.

/// `type … hook … priority …;` of a built-in chain; `None` for any other.
pub(super) fn describe(table: &str, chain: &str) -> Option<String> {
    let (kind, priority) = match (table, chain) {
        ("filter" | "security", "INPUT" | "FORWARD" | "OUTPUT") => ("filter", 0),
        ("raw", "PREROUTING" | "OUTPUT") => ("filter", -300),
        ("mangle", "OUTPUT") => ("route", -150),
        ("mangle", "PREROUTING" | "INPUT" | "FORWARD" | "POSTROUTING") => ("filter", -150),
        ("nat", "PREROUTING" | "OUTPUT") => ("nat", -100),
        ("nat", "INPUT" | "POSTROUTING") => ("nat", 100),
        _ => return None,
    };
    let hook = chain.to_ascii_lowercase();
    Some(format!("type {kind} hook {hook} priority {priority};"))
}

/// Whether there is such a table.
pub(super) fn is_table(name: &str) -> bool {
    ["filter", "nat", "mangle", "raw", "security"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_built_in_where_its_table_has_it() {
        let nat = describe("nat", "POSTROUTING");
        assert_eq!(nat.as_deref(), Some("type nat hook postrouting priority 100;"));
        assert_eq!(describe("nat", "FORWARD"), None);
        assert_eq!(describe("filter", "web"), None);
        assert!(is_table("raw") && !is_table("RAW"));
    }
}
