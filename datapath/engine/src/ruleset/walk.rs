//! The walk of a packet through a table, as ipt_do_table() and ip6t_do_table().

use libxt::family::Af;

use super::rule::{Fit, Key, Step};
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
        if scene.key.is_none() {
            scene.key = Some(Key::of(scene));
        }
        let Some(key) = &scene.key else { break Verdict::Drop };
        let asked = match next(table, &mut at, key) {
            Fit::Hit(asked) => asked,
            Fit::Miss | Fit::Drop => break Verdict::Drop,
        };
        let Some(rule) = table.rules.get(at as usize) else { break Verdict::Drop };
        let mut fits = true;
        for index in rule.matches.start + asked..rule.matches.end {
            fits = table.matches.get_mut(index as usize).is_some_and(|judge| judge.matches(scene));
            if !fits {
                break;
            }
        }
        // One that fits all the same (an inversion) has its rule carried out first.
        if !fits {
            if scene.hotdrop {
                break Verdict::Drop;
            }
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
            Step::Verdict(_) | Step::Return | Step::Jump(_) | Step::Goto(_) if scene.hotdrop => break Verdict::Drop,
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
                let outcome = target.act(scene);
                if scene.hotdrop {
                    break Verdict::Drop;
                }
                match outcome {
                    Outcome::Continue => at += 1,
                    Outcome::Verdict(verdict) => break verdict,
                }
                // It may have changed what heads look at.
                scene.key = None;
            }
        }
    };
    stack.clear();
    verdict
}

/// Moves `at` to the first rule from there on whose head does not miss; with [`Fit::Miss`] there is none.
#[inline]
fn next(table: &Table, at: &mut u32, key: &Key) -> Fit {
    match table.af {
        Af::V4 => next_of(Af::V4, table, at, key),
        Af::V6 => next_of(Af::V6, table, at, key),
    }
}

#[inline(always)]
fn next_of(af: Af, table: &Table, at: &mut u32, key: &Key) -> Fit {
    for head in table.heads.get(*at as usize..).unwrap_or_default() {
        let fit = head.fits(key, af, &table.shared, *at);
        if fit != Fit::Miss {
            return fit;
        }
        *at += 1;
    }
    Fit::Miss
}
