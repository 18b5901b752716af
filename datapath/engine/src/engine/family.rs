//! One family's tables: what they make of a packet at a hook, and where packets must be taken for them.

use crate::changeover::Changeover;
use crate::conntrack::{Relation, Template, Tracked};
use crate::ext::Scene;
use crate::packet::{Hook, Verdict};
use crate::passes::Passes;
use crate::ruleset::{self, Kind, Table, Tables};
use crate::stage::{Stage, stages};
use crate::{helper, nat, synproxy};

/// One family's tables and what follows from them.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) tables: Tables,
    /// Some rule needs connections.
    pub(super) tracked: bool,
    /// Some rule needs fragments to be joined.
    pub(super) joined: bool,
    /// Some rule is a SYNPROXY.
    pub(super) proxies: bool,
    /// Some rule translates addresses, or once did: its connections may still live.
    pub(super) translated: bool,
    pub(super) passes: Passes,
    /// Packets that began their way by other passes.
    pub(super) changeover: Changeover,
}

impl Family {
    /// One hook's stages.
    pub(super) fn hook(&mut self, hook: Hook, scene: &mut Scene<'_, '_>, stack: &mut Vec<u32>) -> Verdict {
        for stage in stages(hook) {
            let verdict = match stage {
                // Fragments were put together before any hook.
                Stage::Defragment => Verdict::Accept,
                Stage::Proxy if self.proxies => synproxy::stand_in(scene),
                Stage::Proxy => Verdict::Accept,
                Stage::Help if self.tracked => {
                    let (headers, host) = (&mut *scene.headers, scene.host);
                    let tracked = scene.tracked;
                    let verdict =
                        helper::help(scene.tracker, tracked, scene.packet, headers, host, scene.now, scene.out);
                    // The kernel asks the program before it confirms the connection, we behind all.
                    if let Some(task) = scene.tracker.task_of(tracked, &scene.stores.handing) {
                        scene.packet.tasks.add(task, true);
                    }
                    verdict
                }
                Stage::Help => Verdict::Accept,
                Stage::Raw => self.walk(Kind::Raw, hook, scene, stack),
                Stage::Mangle => self.walk(Kind::Mangle, hook, scene, stack),
                Stage::Filter => self.walk(Kind::Filter, hook, scene, stack),
                Stage::Security => self.walk(Kind::Security, hook, scene, stack),
                Stage::Track => self.track(scene),
                Stage::DestinationNat | Stage::SourceNat => self.translate(hook, scene, stack),
                Stage::Confirm if self.tracked => {
                    if hook == Hook::Input {
                        scene.tracker.arrive(scene.tracked);
                    }
                    scene.tracker.confirm(scene.tracked, scene.now, scene.out)
                }
                Stage::Confirm => Verdict::Accept,
            };
            if verdict != Verdict::Accept {
                return verdict;
            }
        }
        Verdict::Accept
    }

    /// Whether nothing but tracking has a say about a packet that arrives before it is known to be of a new connection.
    pub(super) fn only_tracks(&self) -> bool {
        let any = |kind| self.tables.table(kind).is_some();
        self.tracked && !any(Kind::Raw) && !any(Kind::Mangle)
    }

    /// Whether packets of an established connection go the way that its first one went.
    pub(super) fn translates(&self) -> bool {
        self.tables.table(Kind::Nat).is_some()
    }

    fn walk(&mut self, kind: Kind, hook: Hook, scene: &mut Scene<'_, '_>, stack: &mut Vec<u32>) -> Verdict {
        match self.tables.table_mut(kind) {
            Some(table) => ruleset::walk(table, hook, scene, stack),
            None => Verdict::Accept,
        }
    }

    fn track(&mut self, scene: &mut Scene<'_, '_>) -> Verdict {
        if !self.tracked || scene.tracked != Tracked::Unseen {
            return Verdict::Accept;
        }
        let template: Option<&Template> = scene.template.as_ref();
        match scene.tracker.track(scene.packet, scene.headers, template, scene.now, scene.out) {
            Ok(tracked) => {
                scene.tracked = tracked;
                Verdict::Accept
            }
            Err(_full) => Verdict::Drop,
        }
    }

    /// Rules for the first packet of a connection, the binding for all. As nf_nat_inet_fn().
    fn translate(&mut self, hook: Hook, scene: &mut Scene<'_, '_>, stack: &mut Vec<u32>) -> Verdict {
        let (Some(manip), Tracked::Of { id, relation, .. }) = (nat::manip(hook), scene.tracked) else {
            return Verdict::Accept;
        };
        if !self.tracked && !self.translated || self.tables.table(Kind::Nat).is_none() {
            return Verdict::Accept;
        }
        let error = relation == Relation::Related && matches!(scene.headers.protocol, 1 | 58);
        if relation != Relation::Established && !error && nat::needs_binding(scene.tracker, id, manip) {
            let verdict = self.walk(Kind::Nat, hook, scene, stack);
            if verdict != Verdict::Accept {
                return verdict;
            }
            if nat::needs_binding(scene.tracker, id, manip) {
                let verdict = nat::null_binding(scene.tracker, id, manip, scene.now);
                if verdict != Verdict::Accept {
                    return verdict;
                }
            }
        }
        scene.key = None;
        if !self.translates() {
            return Verdict::Accept;
        }
        nat::translate(scene.tracker, scene.tracked, scene.packet, scene.headers, scene.now, scene.out)
    }

    /// Follows changed tables; `overlapping`: packets may be on their way meanwhile.
    pub(super) fn plan_anew(&mut self, overlapping: bool) {
        let new = self.plan();
        let old = std::mem::replace(&mut self.passes, new);
        if overlapping && old != new {
            self.changeover.begin(old, new);
        }
    }

    fn plan(&self) -> Passes {
        plan(&self.tables.iter().collect::<Vec<_>>(), self.translated)
    }

    /// Where packets will have to be taken once a table is in force.
    pub(super) fn plan_with(&self, table: &Table) -> Passes {
        let others = self.tables.iter().filter(|other| other.kind() != table.kind());
        plan(&others.chain([table]).collect::<Vec<_>>(), self.translated || table.translates())
    }
}

/// The fewest places where packets must be taken so that every table in use sees every packet it should.
///
/// A forwarded packet shows both its devices at POSTROUTING, so FORWARD is judged there; what PREROUTING and OUTPUT do
/// can wait until then as well, as long as nothing there can change where the packet goes.
fn plan(tables: &[&Table], translated: bool) -> Passes {
    let (tracked, joined) = (tables.iter().any(|table| table.tracks()), tables.iter().any(|table| table.joins()));
    let mut passes = Passes::NONE;
    let used = |hook: Hook| {
        tables.iter().any(|table| {
            table.kind().has(hook) && Hook::ALL.iter().any(|&any| table.kind().has(any) && !table.is_idle(any))
        })
    };
    let idle = |hook: Hook| {
        [Kind::Raw, Kind::Mangle, Kind::Nat]
            .into_iter()
            .all(|kind| tables.iter().all(|table| table.kind() != kind || table.is_idle(hook)))
    };
    let joins = |hook: Hook| joined && matches!(hook, Hook::Prerouting | Hook::Output);
    let active = |hook: Hook| used(hook) || joins(hook) || tracked && hook != Hook::Forward;
    // What the kernel does with a packet, or says of it, it must at the hook of the rule that says so.
    let hands = tables.iter().any(|table| table.hands() || table.questions().next().is_some());
    let waits = |hook: Hook| !hands && !translated && idle(hook);
    let postrouting = !hands && (active(Hook::Postrouting) || active(Hook::Forward) && active(Hook::Output));
    // Behind FORWARD nobody says by which port of a bridge a packet came.
    let ports = tables.iter().any(|table| table.asks_ports());
    let forward = if postrouting && !ports { Hook::Postrouting } else { Hook::Forward };
    let output = if postrouting && waits(Hook::Output) { Hook::Postrouting } else { Hook::Output };
    if active(Hook::Prerouting) {
        if waits(Hook::Prerouting) {
            passes.add(Hook::Input, Hook::Prerouting);
            passes.add(forward, Hook::Prerouting);
        } else {
            passes.add(Hook::Prerouting, Hook::Prerouting);
        }
    }
    for (taken, judged) in [
        (Hook::Input, Hook::Input),
        (forward, Hook::Forward),
        (output, Hook::Output),
        (Hook::Postrouting, Hook::Postrouting),
    ] {
        if active(judged) {
            passes.add(taken, judged);
        }
    }
    passes
}
