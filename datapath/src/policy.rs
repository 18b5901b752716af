//! Policy routing (`ip rule`): which of the kernel's tables a packet's route is looked for in, and in which order.

use std::net::IpAddr;

use engine::host::RouteKey;
use nfnl::route::{Rule, rule_action};

use crate::host::covers;

/// One family's rules, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy(Vec<Step>);

/// A rule whose devices are known by their numbers.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    rule: Rule,
    devices: [Wanted; 2],
}

/// What a rule wants of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Any,
    This(u32),
    /// The device is not there.
    Nothing,
}

/// What a table is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'p> {
    /// The table's number.
    pub(crate) table: u32,
    rule: Option<&'p Rule>,
}

impl Policy {
    /// The rules of a family, by the devices' names as `device` finds them.
    pub(crate) fn new(rules: &[Rule], family: u8, device: impl Fn(&[u8]) -> Option<u32>) -> Self {
        let wanted = |name: &[u8]| match name {
            [] => Wanted::Any,
            name => device(name).map_or(Wanted::Nothing, Wanted::This),
        };
        let steps = rules
            .iter()
            .filter(|rule| rule.family == family)
            .map(|rule| Step { rule: rule.clone(), devices: [wanted(&rule.in_device), wanted(&rule.out_device)] });
        Self(steps.collect())
    }

    /// The tables that a packet's route is looked for in, one after the other until one has it. As fib_rules_lookup().
    pub(crate) fn looks<'p>(&'p self, key: &RouteKey) -> impl Iterator<Item = Look<'p>> {
        let mut usual = if self.0.is_empty() { &USUAL[..] } else { &[] }.iter();
        let (mut at, key) = (0, *key);
        std::iter::from_fn(move || {
            if let Some(&table) = usual.next() {
                return Some(Look { table, rule: None });
            }
            loop {
                let step = self.0.get(at)?;
                at += 1;
                if !step.fits(&key) {
                    continue;
                }
                match step.rule.action {
                    rule_action::TABLE => return Some(Look { table: step.rule.table, rule: Some(&step.rule) }),
                    // Only forwards, so that no way is endless; to where no rule is, there is no going.
                    rule_action::GOTO => {
                        let target = self.0.iter().position(|other| other.rule.priority == step.rule.target);
                        at = target.filter(|&target| target >= at).unwrap_or(at);
                    }
                    rule_action::NOP => {}
                    // Unreachable, prohibited, swallowed.
                    _ => at = self.0.len(),
                }
            }
        })
    }
}

impl Step {
    fn fits(&self, key: &RouteKey) -> bool {
        self.holds(key) != self.rule.inverted
    }

    /// As fib_rule_match(). Routes are asked for without a user, a protocol, or ports.
    fn holds(&self, key: &RouteKey) -> bool {
        let rule = &self.rule;
        let [came_by, leaves_by] = self.devices;
        let inside = |wanted: Option<(IpAddr, u8)>, address: Option<IpAddr>| {
            wanted.is_none_or(|(network, bits)| {
                let any = if network.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
                covers(network, bits, address.unwrap_or(any))
            })
        };
        came_by.is(key.in_device)
            && leaves_by.is(key.out_device.unwrap_or(0))
            && (rule.mark.0 ^ key.mark) & rule.mark.1 == 0
            && key.tos & rule.tos.1 == rule.tos.0
            && rule.users.is_none_or(|(first, _)| first == 0)
            && !rule.narrower
            && inside(rule.source, key.source)
            && inside(rule.destination, Some(key.destination))
    }
}

impl Wanted {
    fn is(self, device: u32) -> bool {
        match self {
            Self::Any => true,
            Self::This(wanted) => wanted == device,
            Self::Nothing => false,
        }
    }
}

impl Look<'_> {
    /// Whether a route that the table has does not count, by its bits or by its device's group. As fib4_rule_suppress().
    pub(crate) fn suppresses(&self, bits: u8, group: impl FnOnce() -> Option<u32>) -> bool {
        let Some(rule) = self.rule else { return false };
        rule.suppressed_prefix.is_some_and(|most| u32::from(bits) <= most)
            || rule.suppressed_group.is_some_and(|wanted| group() == Some(wanted))
    }
}

/// Where there are no rules: local, main, default.
const USUAL: [u32; 3] = [255, 254, 253];

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(priority: u32, table: u32) -> Rule {
        Rule {
            family: 2,
            priority,
            action: rule_action::TABLE,
            table,
            target: 0,
            inverted: false,
            source: None,
            destination: None,
            tos: (0, 0),
            mark: (0, 0),
            in_device: Vec::new(),
            out_device: Vec::new(),
            users: None,
            narrower: false,
            suppressed_prefix: None,
            suppressed_group: None,
        }
    }

    fn tables(rules: &[Rule], key: &RouteKey) -> Vec<u32> {
        let policy = Policy::new(rules, 2, |name| (name == b"lan0").then_some(7));
        policy.looks(key).map(|look| look.table).collect()
    }

    fn key() -> RouteKey {
        RouteKey::to([192, 0, 2, 1].into())
    }

    #[test]
    fn without_rules_the_usual_tables_are_asked() {
        assert_eq!(tables(&[], &key()), [255, 254, 253]);
    }

    #[test]
    fn conditions_choose_tables() {
        let rules = [
            rule(0, 255),
            Rule { mark: (1, 1), ..rule(1, 10) },
            Rule { mark: (5, u32::MAX), inverted: true, ..rule(2, 20) },
            Rule { source: Some(([10, 0, 0, 0].into(), 8)), ..rule(3, 30) },
            Rule { destination: Some(([192, 0, 2, 0].into(), 24)), ..rule(4, 40) },
            Rule { in_device: b"lan0".to_vec(), ..rule(5, 50) },
            Rule { in_device: b"gone".to_vec(), ..rule(6, 60) },
            Rule { tos: (0x10, 0x1c), ..rule(7, 70) },
            Rule { narrower: true, ..rule(8, 80) },
            Rule { users: Some((1000, 1000)), ..rule(9, 90) },
            rule(32766, 254),
        ];
        assert_eq!(tables(&rules, &key()), [255, 20, 40, 254]);
        let marked = RouteKey { mark: 5, ..key() };
        assert_eq!(tables(&rules, &marked), [255, 10, 40, 254]);
        let from = RouteKey { source: Some([10, 9, 8, 7].into()), in_device: 7, tos: 0x13, ..key() };
        assert_eq!(tables(&rules, &from), [255, 20, 30, 40, 50, 70, 254]);
    }

    #[test]
    fn a_rule_goes_on_behind_itself_or_ends_the_search() {
        let goto = |priority, target| Rule { action: rule_action::GOTO, target, ..rule(priority, 0) };
        assert_eq!(tables(&[goto(1, 5), rule(2, 20), rule(5, 50)], &key()), [50]);
        assert_eq!(tables(&[rule(1, 10), goto(2, 1), rule(5, 50)], &key()), [10, 50]);
        assert_eq!(tables(&[goto(1, 9), rule(2, 20)], &key()), [20]);
        let unreachable = Rule { action: 7, ..rule(2, 0) };
        assert_eq!(tables(&[rule(1, 10), unreachable, rule(3, 30)], &key()), [10]);
        let nop = Rule { action: rule_action::NOP, ..rule(2, 0) };
        assert_eq!(tables(&[nop, rule(3, 30)], &key()), [30]);
    }

    #[test]
    fn short_routes_are_suppressed() {
        let rules = [Rule { suppressed_prefix: Some(0), suppressed_group: Some(3), ..rule(1, 254) }];
        let policy = Policy::new(&rules, 2, |_| None);
        let look = policy.looks(&key()).next().unwrap();
        assert!(look.suppresses(0, || None));
        assert!(!look.suppresses(1, || Some(4)));
        assert!(look.suppresses(24, || Some(3)));
    }
}
