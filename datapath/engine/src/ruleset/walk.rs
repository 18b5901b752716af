//! The walk of a packet through a table, as ipt_do_table() and ip6t_do_table().

use super::rule::Step;
use super::table::Table;
use crate::ext::Scene;
use crate::ext::targets::Outcome;
use crate::packet::{Hook, Verdict};

/// Judges a packet by the chain of a hook. `stack` is lent to avoid an allocation; it is left empty.
pub(crate) fn walk(table: &mut Table, hook: Hook, scene: &mut Scene<'_, '_>, stack: &mut Vec<u32>) -> Verdict {
    stack.clear();
    scene.hotdrop = false;
    scene.table = table.kind.name();
    scene.hook = hook;
    let mut at = table.hook_entry[hook as usize];
    let verdict = loop {
        let Some(rule) = table.rules.get(at as usize) else { break Verdict::Drop };
        let mut fits = rule.head.matches(scene);
        for index in rule.matches.clone() {
            if !fits || scene.hotdrop {
                break;
            }
            fits = table.matches.get_mut(index as usize).is_some_and(|judge| judge.matches(scene));
        }
        if scene.hotdrop {
            break Verdict::Drop;
        }
        if !fits {
            at += 1;
            continue;
        }
        if let Some(counters) = table.counters.get_mut(at as usize) {
            counters.packets = counters.packets.wrapping_add(1);
            counters.bytes = counters.bytes.wrapping_add(scene.packet.data.len() as u64);
        }
        if scene.traced {
            let place = table.places.get(at as usize).copied().unwrap_or_default();
            let chain = table.chains.get(place.chain as usize).map_or("", |chain| chain);
            crate::log::trace(scene, chain, place.comment, place.number);
        }
        match rule.target {
            Step::Verdict(verdict) => break verdict,
            Step::Return => {
                at = match stack.pop() {
                    Some(from) => from + 1,
                    None => table.underflow[hook as usize],
                };
            }
            Step::Jump(to) => {
                if stack.len() >= table.stack_size {
                    break Verdict::Drop;
                }
                stack.push(at);
                at = to;
            }
            Step::Goto(to) => at = to,
            Step::Error => break Verdict::Drop,
            Step::Target(index) => {
                let Some(target) = table.targets.get_mut(index as usize) else { break Verdict::Drop };
                match target.act(scene) {
                    Outcome::Continue => at += 1,
                    Outcome::Verdict(verdict) => break verdict,
                }
                if scene.hotdrop {
                    break Verdict::Drop;
                }
            }
        }
    };
    stack.clear();
    verdict
}
