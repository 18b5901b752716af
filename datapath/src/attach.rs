//! Which hooks the kernel hands packets over at: our nf_tables chains, kept to what the loaded tables need.

use std::collections::BTreeSet;
use std::fmt;

use engine::{Hook, Passes};
use libxt::family::Af;
use nfnl::nftables::{Change, Ends, Error, Handover, Method, NfTables, Probe, Question, QueueChain, QueueRange};

use crate::config::{Config, Without};
use crate::loopback;
use crate::stderr::complain;

/// The chains of this network namespace that are ours.
#[derive(Debug)]
pub(crate) struct Attachment {
    tables: NfTables,
    method: Method,
    families: Vec<Af>,
    range: QueueRange,
    attached: BTreeSet<QueueChain>,
    /// Chains that were needed once and let everything pass now.
    idle: BTreeSet<QueueChain>,
    /// The chains that have one behind them, and what those do, by family.
    followed: BTreeSet<QueueChain>,
    handed: Vec<(Af, Vec<Handover>)>,
    /// What is judged at once, by family.
    judged: Vec<(Af, Vec<Probe>)>,
    ends: Option<Ends>,
    /// What the chains ask.
    asked: Vec<Question>,
    /// Detached by command: nothing is attached until told otherwise.
    detached: bool,
}

/// Why the datapath cannot be attached, with what to do about it.
#[derive(Debug)]
pub(crate) struct Unattached(String);

impl Attachment {
    /// Finds out what the kernel can do. Chains that an earlier datapath left stay as they are until the first
    /// [`apply`](Self::apply).
    pub(crate) fn prepare(config: &Config) -> Result<Self, Unattached> {
        let mut tables = NfTables::open(TABLE).map_err(|error| Unattached(no_nf_tables(&error.into())))?;
        let range = QueueRange {
            first: config.queue_base,
            total: config.queues,
            bypass: config.without == Without::Open,
            cpu_fanout: config.cpu_fanout,
            long: None,
        };
        let mut families = Vec::new();
        let mut method = None;
        for af in [Af::V4, Af::V6] {
            let family = af.number();
            let methods = [Method::Native, Method::Compat];
            for candidate in methods.into_iter().filter(|&candidate| method.is_none_or(|known| known == candidate)) {
                match tables.change(&[Change::Probe(family, range, candidate)]) {
                    Ok(()) => {
                        method = Some(candidate);
                        families.push(af);
                        break;
                    }
                    Err(error) if error.errno() == libc::ENOENT && candidate == Method::Native => {}
                    Err(error) if af == Af::V6 && is_without_family(&error) => break,
                    Err(error) => return Err(Unattached(explain(&error))),
                }
            }
        }
        let Some(method) = method else { return Err(Unattached(NO_QUEUE.to_owned())) };
        Ok(Self {
            tables,
            method,
            families,
            range,
            attached: BTreeSet::new(),
            idle: BTreeSet::new(),
            followed: BTreeSet::new(),
            handed: Vec::new(),
            judged: Vec::new(),
            ends: None,
            asked: Vec::new(),
            detached: false,
        })
    }

    /// Has packets that are too long to be handed over whole come by queues so far behind the others from now on.
    pub(crate) fn set_long(&mut self, behind: u16) {
        self.range.long = Some(behind);
    }

    /// Clears away what an earlier datapath left and attaches what is needed, at once.
    pub(crate) fn take_over(&mut self, needed: &[(Af, Passes)], all: bool, ask: &[Question]) -> Result<(), Unattached> {
        let wanted = self.wanted(needed, all);
        self.start_over(wanted, ask)
    }

    /// Whether the kernel would answer a question; the error is its errno.
    pub(crate) fn can_ask(&mut self, question: Question) -> Result<(), i32> {
        let family = question.family;
        self.tables.set_questions(vec![question]);
        self.tables.change(&[Change::Try(family, self.range, self.method, 0)]).map_err(|error| error.errno())
    }

    /// Attaches and detaches what is no longer as needed, in one batch; chains that stay are not touched.
    pub(crate) fn apply(&mut self, needed: &[(Af, Passes)], all: bool, ask: &[Question]) -> Result<(), Unattached> {
        let wanted = if self.detached { BTreeSet::new() } else { self.wanted(needed, all) };
        let added = wanted.difference(&self.attached).map(|&chain| match self.idle.contains(&chain) {
            true => Change::Again(chain, self.range, self.method),
            false => Change::Add(chain, self.range, self.method),
        });
        let removed = self.attached.difference(&wanted).map(|&chain| Change::Idle(chain));
        let stays = self.attached.intersection(&wanted).filter(|chain| {
            let of = |questions: &[Question]| {
                questions.iter().filter(|question| question.concerns(**chain)).cloned().collect::<Vec<_>>()
            };
            of(&self.asked) != of(ask)
        });
        let changed = stays.map(|&chain| Change::Again(chain, self.range, self.method));
        let changes: Vec<_> = added.chain(removed).chain(changed).collect();
        self.tables.set_questions(ask.to_vec());
        match self.tables.change(&changes) {
            Ok(()) => {
                self.idle.extend(self.attached.difference(&wanted));
                self.idle.retain(|chain| !wanted.contains(chain));
                self.attached = wanted;
                self.asked = ask.to_vec();
                loopback::fit(!self.attached.is_empty());
                Ok(())
            }
            // Somebody flushed the ruleset: our chains are gone with everybody's.
            Err(error) if error.errno() == libc::ENOENT => self.start_over(wanted, ask),
            Err(error) => Err(Unattached(explain(&error))),
        }
    }

    /// Has the kernel do what packets are handed over for, behind every chain of ours.
    pub(crate) fn hand(&mut self, wanted: Vec<(Af, Vec<Handover>)>) -> Result<(), Unattached> {
        self.followed.retain(|chain| self.attached.contains(chain));
        for (af, handovers) in &wanted {
            let chains = self.attached.iter().filter(|chain| chain.family == af.number());
            let same = self.handed.iter().any(|(known, handed)| known == af && handed == handovers);
            let chains: Vec<_> = chains
                .filter(|chain| match self.followed.contains(chain) {
                    true => !same,
                    false => !handovers.is_empty(),
                })
                .copied()
                .collect();
            self.tables.set_handovers(handovers.clone());
            let changes: Vec<_> = chains.iter().map(|&chain| Change::Follow(chain)).collect();
            if let Err(error) = self.tables.change(&changes) {
                self.handed.clear();
                return Err(Unattached(format!(
                    "{error}\nAUDIT, IDLETIMER, nfacct, NFLOG, NFQUEUE, TEE and TPROXY are the kernel's own: they need \
                     nft_compat (CONFIG_NFT_COMPAT) and the target's module, TPROXY needs nft_tproxy (CONFIG_NFT_TPROXY)."
                )));
            }
            self.followed.extend(chains);
        }
        self.handed = wanted;
        Ok(())
    }

    /// Has the kernel judge packets that are sent to it.
    pub(crate) fn judge(&mut self, wanted: Vec<(Af, Vec<Probe>)>, ends: Ends) -> Result<(), Unattached> {
        for (af, probes) in wanted.iter().filter(|(af, _)| self.families.contains(af)) {
            let known = self.judged.iter().find(|(known, _)| known == af).map_or(&[][..], |(_, probes)| probes);
            if known == probes {
                continue;
            }
            let maps = known.iter().chain(probes).any(|probe| probe.maps);
            self.tables.set_probes(probes.clone());
            let mut changes = vec![Change::Judge(af.number(), ends)];
            changes.extend(maps.then_some(Change::Map(af.number(), ends)));
            if let Err(error) = self.tables.change(&changes) {
                self.judged.clear();
                return Err(Unattached(format!(
                    "{error}\nWhat only the kernel can judge needs nft_compat (CONFIG_NFT_COMPAT)."
                )));
            }
        }
        (self.judged, self.ends) = (wanted, Some(ends));
        Ok(())
    }

    /// Whether the kernel would judge by it; the error is its errno.
    pub(crate) fn can_judge(&mut self, af: Af, probe: Probe, ends: Ends) -> Result<(), i32> {
        self.tables.set_probes(vec![probe]);
        self.tables.change(&[Change::TryJudge(af.number(), ends)]).map_err(|error| error.errno())
    }

    /// Puts back what somebody took out of the table `mangle`, which others use, too.
    fn mend_maps(&mut self) {
        let Some(ends) = self.ends else { return };
        for (af, probes) in self.judged.iter().filter(|(_, probes)| probes.iter().any(|probe| probe.maps)) {
            // A question that fails says nothing about the chain.
            if !self.tables.has_map(af.number()).unwrap_or(true) {
                self.tables.set_probes(probes.clone());
                if let Err(error) = self.tables.change(&[Change::Map(af.number(), ends)]) {
                    complain(&error.to_string());
                }
            }
        }
    }

    /// The next [`hand`](Self::hand) makes a family's rules behind our chains anew, also if they are the same.
    pub(crate) fn renew(&mut self, af: Af) {
        self.handed.retain(|(known, _)| *known != af);
    }

    /// Takes packets from now on, or leaves them alone, whatever the tables need.
    pub(crate) fn set_detached(&mut self, detached: bool) {
        self.detached = detached;
    }

    /// Whether the chains that should be there are there; `nft flush ruleset` takes them away.
    pub(crate) fn is_intact(&mut self) -> bool {
        self.mend_maps();
        self.attached.iter().map(|chain| chain.family).collect::<BTreeSet<_>>().into_iter().all(|family| {
            // A question that fails says nothing about the chains.
            self.tables.has_table(family).unwrap_or(true)
        })
    }

    /// Takes everything away.
    pub(crate) fn remove(&mut self) -> Result<(), Unattached> {
        let changes: Vec<_> = self.families.iter().map(|af| Change::NoTable(af.number())).collect();
        self.attached.clear();
        loopback::fit(false);
        self.idle.clear();
        self.families.iter().for_each(|af| clear_maps(&mut self.tables, *af));
        self.tables.change(&changes).map_err(|error| Unattached(explain(&error)))
    }

    /// The chains in force.
    pub(crate) fn attached(&self) -> impl Iterator<Item = &QueueChain> {
        self.attached.iter()
    }

    /// How rules name a queue here.
    pub(crate) fn method(&self) -> Method {
        self.method
    }

    fn start_over(&mut self, wanted: BTreeSet<QueueChain>, ask: &[Question]) -> Result<(), Unattached> {
        self.families.iter().for_each(|af| clear_maps(&mut self.tables, *af));
        self.tables.set_questions(ask.to_vec());
        let mut changes: Vec<_> = self.families.iter().map(|af| Change::FreshTable(af.number())).collect();
        changes.extend(wanted.iter().map(|&chain| Change::Add(chain, self.range, self.method)));
        self.tables.change(&changes).map_err(|error| Unattached(explain(&error)))?;
        self.attached = wanted;
        loopback::fit(!self.attached.is_empty());
        self.idle.clear();
        self.asked = ask.to_vec();
        self.followed.clear();
        self.judged.clear();
        Ok(())
    }

    fn wanted(&self, needed: &[(Af, Passes)], all: bool) -> BTreeSet<QueueChain> {
        let mut wanted = BTreeSet::new();
        for (af, passes) in needed.iter().filter(|(af, _)| self.families.contains(af)) {
            for hook in Hook::ALL.into_iter().filter(|&hook| all || passes.taken(hook)) {
                wanted.insert(QueueChain { family: af.number(), hook: hook as u8, priority: priority(hook) });
            }
        }
        wanted
    }
}

/// Takes away what a datapath that is no longer there left; `false` if there was nothing.
pub(crate) fn clear_leftovers() -> Result<bool, Unattached> {
    let open = || -> Result<bool, Error> {
        let mut tables = NfTables::open(TABLE)?;
        let mut any = false;
        for af in [Af::V4, Af::V6] {
            clear_maps(&mut tables, af);
            if tables.has_table(af.number())? {
                tables.change(&[Change::NoTable(af.number())])?;
                any = true;
            }
        }
        loopback::fit(false);
        Ok(any)
    };
    open().map_err(|error| Unattached(explain(&error)))
}

impl fmt::Display for Unattached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unattached {}

/// Takes our chain out of the table `mangle`, and that away if nothing else is in it. It is no matter if this fails: the chain
/// does nothing without packets that are sent to it.
fn clear_maps(tables: &mut NfTables, af: Af) {
    if tables.has_map(af.number()).unwrap_or(false) {
        let _ = tables.change(&[Change::NoMap(af.number())]);
        let _ = tables.change(&[Change::NoMapTable(af.number())]);
    }
}

/// One chain does a hook's whole work, so it stands where the first of the kernel's tables would: what others do at the
/// same hook later (filters of nf_tables, say) sees packets as x_tables would have left them. POSTROUTING and INPUT come
/// last instead, as source NAT and confirmation do.
fn priority(hook: Hook) -> i32 {
    match hook {
        Hook::Prerouting | Hook::Output => -300,
        Hook::Forward => -150,
        Hook::Input | Hook::Postrouting => 100,
    }
}

fn is_without_family(error: &Error) -> bool {
    matches!(error.errno(), libc::EAFNOSUPPORT | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT)
}

fn explain(error: &Error) -> String {
    match error.errno() {
        libc::EPERM | libc::EACCES => {
            format!(
                "{error}\nThis takes CAP_NET_ADMIN in the network namespace: run it as root or under `unshare -Urn'."
            )
        }
        libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT => no_nf_tables(error),
        libc::ENOENT | libc::EINVAL => format!("{error}\n{NO_QUEUE}"),
        _ => error.to_string(),
    }
}

fn no_nf_tables(error: &Error) -> String {
    format!(
        "{error}\nThe kernel has no nf_tables here (CONFIG_NF_TABLES, CONFIG_NF_TABLES_IPV4, CONFIG_NF_TABLES_IPV6): try \
         `modprobe nf_tables'. Attaching through the legacy tables is not supported."
    )
}

/// What to do where neither way to name a queue works.
const NO_QUEUE: &str = "The kernel's nf_tables can hand no packet to user space: it needs either the `queue' expression \
    (CONFIG_NFT_QUEUE, `modprobe nft_queue') or the NFQUEUE target through nft_compat (CONFIG_NFT_COMPAT and \
    CONFIG_NETFILTER_XT_TARGET_NFQUEUE, `modprobe -a nft_compat xt_NFQUEUE'). Attaching through the legacy tables is not \
    supported.";

/// The name of the table that is ours.
pub(crate) const TABLE: &str = "xt_datapath";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_privilege_and_missing_kernel_parts_are_told_apart() {
        let refused = |errno| explain(&Error::Refused { errno, step: None });
        assert!(refused(libc::EPERM).contains("CAP_NET_ADMIN"));
        assert!(refused(libc::ENOENT).contains("modprobe -a nft_compat xt_NFQUEUE"));
        assert!(refused(libc::EOPNOTSUPP).contains("modprobe nf_tables"));
    }
}
