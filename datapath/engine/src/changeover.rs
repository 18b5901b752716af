//! From one plan of passes to the next: packets that are on their way when a table changes meet every hook once.
//!
//! [`Passes`] say where each hook is judged. When they change, a packet between two places may have been judged by the old ones
//! at the first, and comes to the second under the new ones. So while such packets may be about, packets are taken where either
//! plan takes them, and each leaves a note of the hooks it has behind it; one that comes without passed its earlier places under
//! the old plan. Whoever owns the queues says when the last of those has come ([`Changeover::end`]).

use std::collections::HashMap;
use std::hash::Hasher;

use libxt::family::Af;
use siphasher::sip::SipHasher13;

use crate::packet::Hook;
use crate::passes::{Hooks, Passes};
use crate::wire::{Headers, u16_at};

/// One family's packets between the places of two plans.
#[derive(Debug, Default)]
pub(crate) struct Changeover {
    under_way: Option<UnderWay>,
    /// How often a plan took another's place.
    number: u64,
}

#[derive(Debug)]
struct UnderWay {
    /// The plan by which packets without a note were judged.
    before: Passes,
    /// Where packets are taken meanwhile, and all that any plan since judges there.
    taken: Passes,
    /// The hooks that packets have behind them, and how many look alike; those of some time ago.
    notes: [HashMap<u64, (Hooks, u32)>; 2],
}

/// A packet at a place: the hooks to judge there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) hooks: Hooks,
    done: Hooks,
}

impl Changeover {
    /// A plan takes another's place.
    pub(crate) fn begin(&mut self, old: Passes, new: Passes) {
        self.number += 1;
        match &mut self.under_way {
            Some(under_way) => under_way.taken = under_way.taken.with(new),
            None => self.under_way = Some(UnderWay { before: old, taken: old.with(new), notes: Default::default() }),
        }
    }

    /// All packets on their way were judged by the present plan alone.
    pub(crate) fn end(&mut self) {
        self.under_way = None;
    }

    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Where packets are to be taken, by a plan.
    pub(crate) fn taken(&self, plan: Passes) -> Passes {
        self.under_way.as_ref().map_or(plan, |under_way| under_way.taken.with(plan))
    }

    /// What is due of a packet whose way so far is `way`, the last hook of it being where it was taken; `None` if the plan says
    /// it all.
    pub(crate) fn due(&mut self, key: [u8; 16], plan: &Passes, way: &[Hook], packet: (&Headers, &[u8])) -> Option<Due> {
        let under_way = self.under_way.as_mut()?;
        let (&here, earlier) = way.split_last()?;
        let first = earlier.iter().all(|&place| !under_way.taken.taken(place));
        let done = match if first { Some(Hooks::NONE) } else { under_way.take(digest(key, way, packet)) } {
            Some(done) => done,
            None => under_way.behind(here, earlier),
        };
        let judged = way.iter().fold(Hooks::NONE, |all, &place| all.with(plan.at(place)));
        let of_way = way.iter().fold(Hooks::NONE, |all, &hook| all.with(Hooks::of(hook)));
        Some(Due { hooks: judged.both(of_way).without(done), done })
    }

    /// A packet goes on from where it was taken.
    pub(crate) fn note(&mut self, key: [u8; 16], plan: &Passes, way: &[Hook], due: Due, packet: (&Headers, &[u8])) {
        let Some(under_way) = &mut self.under_way else { return };
        // What the plan judges nowhere is behind it as well.
        let waits = |hook: Hook| Hook::ALL.iter().any(|&place| plan.at(place).contain(hook));
        let idle = way.iter().filter(|&&hook| !waits(hook)).fold(Hooks::NONE, |all, &hook| all.with(Hooks::of(hook)));
        under_way.put(digest(key, way, packet), due.done.with(due.hooks).with(idle));
    }
}

impl UnderWay {
    /// The hooks behind a packet without a note: it passed its earlier places by the plan before, or while none took packets
    /// there.
    fn behind(&self, here: Hook, earlier: &[Hook]) -> Hooks {
        earlier.iter().fold(Hooks::NONE, |all, &hook| {
            let places: Vec<Hook> = Hook::ALL.into_iter().filter(|&at| self.before.at(at).contain(hook)).collect();
            let behind = match places.as_slice() {
                // Nobody had anything to say there; what any plan since says here it may.
                [] => !self.taken.at(here).contain(hook),
                places => places.iter().any(|place| earlier.contains(place)),
            };
            if behind { all.with(Hooks::of(hook)) } else { all }
        })
    }

    fn take(&mut self, digest: u64) -> Option<Hooks> {
        let notes = self.notes.iter_mut().find(|notes| notes.contains_key(&digest))?;
        let (done, count) = notes.get_mut(&digest)?;
        let done = *done;
        *count -= 1;
        if *count == 0 {
            notes.remove(&digest);
        }
        Some(done)
    }

    fn put(&mut self, digest: u64, done: Hooks) {
        if self.notes[0].len() >= MANY {
            // Packets that died on their way leave theirs behind.
            self.notes.swap(0, 1);
            self.notes[0].clear();
        }
        let (noted, count) = self.notes[0].entry(digest).or_insert((done, 0));
        *noted = done;
        *count = count.saturating_add(1);
    }
}

/// All of a packet that stays the same between hooks, unless another program rewrites it: not TTL, TOS, options and checksums
/// (one that the kernel owed is made when the packet is written back). What TEE copied looks as the packet does, but has
/// another way.
fn digest(key: [u8; 16], way: &[Hook], (headers, bytes): (&Headers, &[u8])) -> u64 {
    let mut hasher = SipHasher13::new_with_key(&key);
    hasher.write_u8(u8::from(way.first() == Some(&Hook::Output)));
    hasher.write(&headers.source.0);
    hasher.write(&headers.destination.0);
    hasher.write_u8(headers.protocol);
    if headers.af == Af::V4 {
        hasher.write_u16(u16_at(bytes, IDENTIFICATION).unwrap_or(0));
    }
    let (before, after) = headers.around_sum(bytes);
    hasher.write(before);
    hasher.write(after);
    hasher.finish()
}

/// Where the identification stands in an IPv4 header.
const IDENTIFICATION: usize = 4;
/// Notes of one age at most: more than queues hold.
const MANY: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    const FORWARDED: [Hook; 3] = [Hook::Prerouting, Hook::Forward, Hook::Postrouting];

    fn plan(places: &[(Hook, Hook)]) -> Passes {
        let mut plan = Passes::NONE;
        for &(place, judged) in places {
            plan.add(place, judged);
        }
        plan
    }

    fn packet(number: u8) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 28, 0, number, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        bytes.extend([0, 1, 0, 2, 0, 8, 0, 0]);
        bytes
    }

    /// The hooks that a packet is judged at, place by place, where it passes `from` the first place on and plans are in force as
    /// `plan_at` says for each.
    fn judged(
        changeover: &mut Changeover,
        number: u8,
        from: usize,
        plan_at: impl Fn(&mut Changeover, usize) -> Passes,
    ) -> u8 {
        let bytes = packet(number);
        let headers = Headers::parse(Af::V4, &bytes).unwrap();
        let mut all = 0;
        for place in from..FORWARDED.len() {
            let plan = plan_at(changeover, place);
            if !changeover.taken(plan).taken(FORWARDED[place]) {
                continue;
            }
            let way = &FORWARDED[..=place];
            let Some(due) = changeover.due([0; 16], &plan, way, (&headers, &bytes)) else {
                all |= plan.at(FORWARDED[place]).bits();
                continue;
            };
            assert_eq!(all & due.hooks.bits(), 0, "judged twice");
            all |= due.hooks.bits();
            if place < 2 {
                changeover.note([0; 16], &plan, way, due, (&headers, &bytes));
            }
        }
        all
    }

    /// Where FORWARD is judged as early as can be, and as late.
    fn early_and_late() -> (Passes, Passes) {
        let early = plan(&[
            (Hook::Prerouting, Hook::Prerouting),
            (Hook::Forward, Hook::Forward),
            (Hook::Postrouting, Hook::Postrouting),
        ]);
        let late = plan(&[
            (Hook::Postrouting, Hook::Prerouting),
            (Hook::Postrouting, Hook::Forward),
            (Hook::Postrouting, Hook::Postrouting),
        ]);
        (early, late)
    }

    const ALL: u8 = 1 << Hook::Prerouting as u8 | 1 << Hook::Forward as u8 | 1 << Hook::Postrouting as u8;

    #[test]
    fn a_packet_meets_each_hook_once_whenever_the_plan_changes_on_its_way() {
        let (early, late) = early_and_late();
        for (old, new) in [(early, late), (late, early)] {
            for change in 0..=3 {
                let mut changeover = Changeover::default();
                let seen = judged(&mut changeover, 1, 0, |changeover, place| {
                    if place == change {
                        changeover.begin(old, new);
                    }
                    if place < change { old } else { new }
                });
                assert_eq!(seen, ALL, "changed at place {change}");
            }
        }
    }

    #[test]
    fn a_packet_meets_each_hook_once_although_the_plan_changes_at_each_place() {
        let (early, late) = early_and_late();
        for plans in [[early, late, early], [late, early, late], [early, early, late], [late, late, early]] {
            let mut changeover = Changeover::default();
            changeover.begin(plans[2], plans[0]);
            let seen = judged(&mut changeover, 1, 0, |changeover, place| {
                changeover.begin(plans[2], plans[place]);
                plans[place]
            });
            assert_eq!(seen, ALL, "{plans:?}");
        }
    }

    #[test]
    fn what_passed_its_first_hook_before_there_was_a_rule_does_not_meet_it_later() {
        let (early, _) = early_and_late();
        let mut changeover = Changeover::default();
        changeover.begin(Passes::NONE, early);
        let seen = judged(&mut changeover, 1, 1, |_, _| early);
        assert_eq!(seen, ALL & !(1 << Hook::Prerouting as u8));
    }

    #[test]
    fn what_was_to_be_judged_late_by_a_plan_in_between_is_judged_late() {
        let (early, late) = early_and_late();
        let mut changeover = Changeover::default();
        // The first tables of all; a packet comes to the only place there is, and finds new ones.
        changeover.begin(Passes::NONE, late);
        changeover.begin(late, early);
        assert_eq!(judged(&mut changeover, 1, 2, |_, _| early), ALL);
    }

    #[test]
    fn a_packet_whose_owed_sum_was_made_when_it_was_written_back_is_known_again() {
        let (early, late) = early_and_late();
        for (protocol, sum) in [(6, 36), (17, 26), (132, 28)] {
            let mut changeover = Changeover::default();
            changeover.begin(early, late);
            let mut bytes = packet(1);
            bytes[3] = 60;
            bytes[9] = protocol;
            bytes.resize(60, 0);
            let headers = Headers::parse(Af::V4, &bytes).unwrap();
            let due = changeover.due([0; 16], &early, &FORWARDED[..1], (&headers, &bytes)).unwrap();
            changeover.note([0; 16], &early, &FORWARDED[..1], due, (&headers, &bytes));
            bytes[sum..sum + 2].fill(0x55);
            let due = changeover.due([0; 16], &late, &FORWARDED, (&headers, &bytes)).unwrap();
            assert_eq!(due.done.bits(), 1 << Hook::Prerouting as u8, "{protocol}");
        }
    }

    #[test]
    fn packets_that_look_alike_leave_as_many_notes() {
        let (early, late) = early_and_late();
        let mut changeover = Changeover::default();
        changeover.begin(early, late);
        let bytes = packet(1);
        let headers = Headers::parse(Af::V4, &bytes).unwrap();
        let packet = (&headers, bytes.as_slice());
        for _ in 0..2 {
            let due = changeover.due([0; 16], &late, &FORWARDED[..1], packet).unwrap();
            changeover.note([0; 16], &late, &FORWARDED[..1], due, packet);
        }
        let last =
            |changeover: &mut Changeover| changeover.due([0; 16], &late, &FORWARDED, packet).unwrap().hooks.bits();
        assert_eq!((last(&mut changeover), last(&mut changeover)), (ALL, ALL));
        // A third one came before all notes, by the old plan.
        assert_eq!(last(&mut changeover), 1 << Hook::Postrouting as u8);
    }
}
