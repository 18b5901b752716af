//! nf_tables base chains that hand a hook's packets to NFQUEUE: what attaches a datapath to its network namespace.
//!
//! A change is one batch, which the kernel takes as a whole or not at all. No base chain is taken away while packets may wait
//! in a queue: the kernel would drop them all, of the whole namespace.

use std::io;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;

mod ask;
mod error;
mod expression;
mod follow;
pub mod judge;

pub use ask::Question;
pub use error::Error;
pub use judge::{Ends, Probe};

use crate::message::{Builder, Header, Messages, Nfgen, flag, kind, netfilter, subsystem};
#[cfg(doc)]
use crate::queue::COPY_RANGE;

/// A base chain with one rule, which queues all it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueChain {
    /// `NFPROTO_IPV4` (2) or `NFPROTO_IPV6` (10).
    pub family: u8,
    /// `NF_INET_*`.
    pub hook: u8,
    /// Its place among the hook's other users; lower is earlier.
    pub priority: i32,
}

/// Where a rule sends packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRange {
    /// The first queue's number.
    pub first: u16,
    /// How many queues, at least one; flows are spread over them.
    pub total: u16,
    /// Packets pass while nobody listens (`NFQ_FLAG_BYPASS`); otherwise they are dropped.
    pub bypass: bool,
    /// The queue is chosen by CPU instead of by flow (`NFQ_FLAG_CPU_FANOUT`).
    pub cpu_fanout: bool,
    /// How far behind its queue a packet comes that is longer than [`COPY_RANGE`]. Where a queue is not asked for super-packets
    /// whole, the kernel cuts them there; otherwise it would cut off their end.
    pub long: Option<u16>,
}

/// How a rule can name a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The expression `queue` (`CONFIG_NFT_QUEUE`).
    Native,
    /// The x_tables target NFQUEUE, revision 3, through nft_compat (`CONFIG_NFT_COMPAT`).
    Compat,
}

/// One step of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Makes sure that the family has the table, with nothing in it.
    FreshTable(u8),
    /// Makes sure that the family has no such table.
    NoTable(u8),
    /// Adds a chain with its rules, which ask [`NfTables::set_questions`].
    Add(QueueChain, QueueRange, Method),
    /// Gives a chain its rules anew.
    Again(QueueChain, QueueRange, Method),
    /// Tries whether a rule can ask a question, without touching any packet; by its place among the questions.
    Try(u8, QueueRange, Method, usize),
    /// Has a chain let everything pass, which stays where it is: without it the kernel would drop what waits in queues.
    Idle(QueueChain),
    /// Makes sure that behind a chain, at the same hook, there is another that carries out [`NfTables::set_handovers`].
    Follow(QueueChain),
    /// Makes sure that a family's packets for [`NfTables::set_probes`] are judged that do not map.
    Judge(u8, Ends),
    /// Makes sure that those are judged that map, in the table `mangle`.
    Map(u8, Ends),
    /// Takes the chain of those that map away.
    NoMap(u8),
    /// Takes the table `mangle` away if nothing is in it.
    NoMapTable(u8),
    /// Tries whether a rule can hold the first probe, without touching any packet.
    TryJudge(u8, Ends),
    /// Makes sure that the family has the table, and tries whether a rule can queue, without touching any packet.
    Probe(u8, QueueRange, Method),
}

/// The kernel's nf_tables in this network namespace, and the name of the one table that is ours.
#[derive(Debug)]
pub struct NfTables {
    socket: Socket,
    table: &'static str,
    sequence: u32,
    handovers: Vec<Handover>,
    questions: Vec<Question>,
    probes: Vec<Probe>,
}

/// What the kernel itself does to packets that a verdict marked for it, see [`tag`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// Its number in [`tag::slot`].
    pub number: u8,
    /// What is done.
    pub action: Action,
    /// It ends the packet's way here (NFQUEUE): dropped packets do not meet it.
    pub last: bool,
}

/// What a [`Handover`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// An x_tables target, through nft_compat.
    Target {
        /// Its name.
        name: &'static str,
        /// Its revision.
        revision: u8,
        /// Its info, `XT_ALIGN`ed.
        info: Vec<u8>,
    },
    /// An x_tables match, through nft_compat, for the sake of what it counts.
    Match {
        /// Its name.
        name: &'static str,
        /// Its revision.
        revision: u8,
        /// Its info, `XT_ALIGN`ed.
        info: Vec<u8>,
    },
    /// The expression `tproxy`, in PREROUTING alone; a packet that finds no transparent socket is dropped.
    Proxy {
        /// `NFPROTO_IPV4` (2) or `NFPROTO_IPV6` (10).
        family: u8,
        /// The socket's address, of 4 or 16 bytes; without it, that of the device the packet came in by.
        address: Option<Vec<u8>>,
        /// The socket's port; 0 is the packet's own.
        port: u16,
    },
}

/// How `skb->priority` says between a verdict and the chain behind what is still to be done. The lowest four bits are the
/// packet's own priority, which it gets back.
pub mod tag {
    /// The bits that say that it is such a word.
    pub const MASK: u32 = 0xf000_0000;
    /// What follows is to be done, and the packet goes on.
    pub const GO_ON: u32 = 0xa000_0000;
    /// What follows is to be done, and the packet is dropped.
    pub const DROP: u32 = 0xb000_0000;
    /// The packet is a copy that TEE made.
    pub const COPY: u32 = 0xc000_0000;
    /// The packet's own priority.
    pub const OWN: u32 = 0xf;
    /// How many numbers one word holds.
    pub const SLOTS: u32 = 3;

    /// A number in a slot.
    pub const fn slot(slot: u32, number: u8) -> u32 {
        (number as u32) << (4 + 8 * slot)
    }

    /// Whether a priority is a word that was meant for the chain behind.
    pub const fn is(priority: u32) -> bool {
        matches!(priority & MASK, GO_ON | DROP)
    }
}

impl QueueChain {
    /// The name of the chain behind it.
    pub(crate) fn name_behind(&self) -> &'static str {
        let names = ["prerouting-2", "input-2", "forward-2", "output-2", "postrouting-2"];
        names.get(usize::from(self.hook)).unwrap_or(&"unknown-2")
    }

    /// The chain's name, after its hook.
    pub fn name(&self) -> &'static str {
        ["prerouting", "input", "forward", "output", "postrouting"].get(usize::from(self.hook)).unwrap_or(&"unknown")
    }
}

impl NfTables {
    /// Opens a socket for changes to the table of this name.
    pub fn open(table: &'static str) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        let _ = socket.set_cap_ack(true);
        socket.set_non_blocking(true)?;
        Ok(Self { socket, table, sequence: 0, handovers: Vec::new(), questions: Vec::new(), probes: Vec::new() })
    }

    /// What chains do that are made with [`Change::Follow`] from now on.
    pub fn set_handovers(&mut self, handovers: Vec<Handover>) {
        self.handovers = handovers;
    }

    /// What chains ask that are made with [`Change::Add`] from now on, or anew with [`Change::Again`].
    pub fn set_questions(&mut self, questions: Vec<Question>) {
        self.questions = questions;
    }

    /// What is judged from the next [`Change::Judge`] on.
    pub fn set_probes(&mut self, probes: Vec<Probe>) {
        self.probes = probes;
    }

    /// Makes all changes or none.
    pub fn change(&mut self, changes: &[Change]) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let first = self.sequence.wrapping_add(1);
        let (batch, steps) = self.batch(changes, first);
        self.sequence = self.sequence.wrapping_add(steps.len() as u32 + 2);
        self.socket.send(&batch, 0)?;
        // The kernel has made or refused the change and queued all its answers by now.
        let mut acknowledged = 0;
        let mut refusal = None;
        while let Some(answer) = self.receive()? {
            for message in Messages::new(&answer).flatten().filter(|message| message.header.kind == kind::ERROR) {
                let Some(step) = message.header.sequence.checked_sub(first) else { continue };
                let errno = message.payload.first_chunk().copied().map_or(libc::EPROTO, i32::from_ne_bytes);
                if errno == 0 {
                    acknowledged += 1;
                } else if refusal.is_none() {
                    let step = (step as usize).checked_sub(1).and_then(|index| steps.get(index)).copied();
                    refusal = Some(Error::Refused { errno: errno.saturating_neg(), step });
                }
            }
        }
        match refusal {
            Some(refusal) => Err(refusal),
            None if acknowledged < steps.len() => Err(Error::Refused { errno: libc::EPROTO, step: None }),
            None => Ok(()),
        }
    }

    /// Whether the family has the table.
    pub fn has_table(&mut self, family: u8) -> io::Result<bool> {
        let table = self.table;
        self.has(MSG_GETTABLE, MSG_NEWTABLE, family, |get| {
            get.text(TABLE_NAME, table);
        })
    }

    /// Whether the family has the chain of [`Change::Map`].
    pub fn has_map(&mut self, family: u8) -> io::Result<bool> {
        self.has(MSG_GETCHAIN, MSG_NEWCHAIN, family, |get| {
            get.text(CHAIN_TABLE, judge::MAPPING_TABLE).text(CHAIN_NAME, judge::MAPPING_NAME);
        })
    }

    fn has(&mut self, get: u8, answers: u8, family: u8, what: impl FnOnce(&mut Builder<'_>)) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut request = Vec::new();
        let mut get = self.start(get, flag::REQUEST | flag::ACK, self.sequence, family, &mut request);
        what(&mut get);
        get.finish().map_err(io::Error::other)?;
        self.socket.send(&request, 0)?;
        let mut found = false;
        while let Some(answer) = self.receive()? {
            for message in Messages::new(&answer).flatten() {
                found |= message.header.kind == netfilter(subsystem::NFTABLES, answers);
            }
        }
        Ok(found)
    }

    /// The bytes of a batch, and the step that each message after the first is part of.
    fn batch(&self, changes: &[Change], first: u32) -> (Vec<u8>, Vec<Change>) {
        let mut bytes = Vec::new();
        let mut steps = Vec::new();
        mark_batch(BATCH_BEGIN, first, &mut bytes);
        for &change in changes {
            let mut add = |message, flags, family, fill: &dyn Fn(&mut Builder<'_>)| {
                steps.push(change);
                let sequence = first.wrapping_add(steps.len() as u32);
                let mut builder = self.start(message, flags | flag::REQUEST | flag::ACK, sequence, family, &mut bytes);
                fill(&mut builder);
                // Names and numbers of fixed size always fit.
                let _ = builder.finish();
            };
            let table = |builder: &mut Builder<'_>| {
                builder.text(TABLE_NAME, self.table);
            };
            match change {
                Change::FreshTable(family) => {
                    add(MSG_NEWTABLE, flag::CREATE, family, &table);
                    add(MSG_DELTABLE, 0, family, &table);
                    add(MSG_NEWTABLE, flag::CREATE, family, &table);
                }
                Change::NoTable(family) => {
                    add(MSG_NEWTABLE, flag::CREATE, family, &table);
                    add(MSG_DELTABLE, 0, family, &table);
                }
                Change::Add(chain, range, method) => {
                    add(MSG_NEWCHAIN, flag::CREATE, chain.family, &|builder| {
                        put_chain(builder, self.table, chain);
                    });
                    for rule in ask::rules(&self.questions, chain, range) {
                        add(MSG_NEWRULE, flag::CREATE | flag::APPEND, chain.family, &|builder| {
                            rule.put(builder, (self.table, chain.name()), range, method);
                        });
                    }
                }
                Change::Idle(chain) => add(MSG_DELRULE, 0, chain.family, &|builder| {
                    builder.text(RULE_TABLE, self.table).text(RULE_CHAIN, chain.name());
                }),
                Change::Again(chain, range, method) => {
                    add(MSG_DELRULE, 0, chain.family, &|builder| {
                        builder.text(RULE_TABLE, self.table).text(RULE_CHAIN, chain.name());
                    });
                    for rule in ask::rules(&self.questions, chain, range) {
                        add(MSG_NEWRULE, flag::CREATE | flag::APPEND, chain.family, &|builder| {
                            rule.put(builder, (self.table, chain.name()), range, method);
                        });
                    }
                }
                Change::Probe(family, range, method) | Change::Try(family, range, method, _) => {
                    add(MSG_NEWTABLE, flag::CREATE, family, &table);
                    // A chain without a hook sees no packet.
                    let chain = |builder: &mut Builder<'_>| {
                        builder.text(CHAIN_TABLE, self.table).text(CHAIN_NAME, PROBE);
                    };
                    add(MSG_NEWCHAIN, flag::CREATE, family, &chain);
                    add(MSG_NEWRULE, flag::CREATE | flag::APPEND, family, &|builder| {
                        let asked = match change {
                            Change::Try(.., place) => self.questions.get(place),
                            _ => None,
                        };
                        let rule = ask::Rule { yes: asked.into_iter().collect(), long: false };
                        rule.put(builder, (self.table, PROBE), range, method);
                    });
                    add(MSG_DELCHAIN, 0, family, &chain);
                }
                Change::TryJudge(family, ends) => {
                    let maps = self.probes.first().is_some_and(|probe| probe.maps);
                    let table = if maps { judge::MAPPING_TABLE } else { self.table };
                    add(MSG_NEWTABLE, flag::CREATE, family, &|builder| {
                        builder.text(TABLE_NAME, table);
                    });
                    let chain = |builder: &mut Builder<'_>| {
                        builder.text(CHAIN_TABLE, table).text(CHAIN_NAME, judge::PROBE);
                    };
                    add(MSG_NEWCHAIN, flag::CREATE, family, &chain);
                    add(MSG_NEWRULE, flag::CREATE | flag::APPEND, family, &|builder| {
                        builder.text(RULE_TABLE, table).text(RULE_CHAIN, judge::PROBE);
                        judge::Rule::Judge(0).put(builder, &self.probes, ends);
                    });
                    add(MSG_DELCHAIN, 0, family, &chain);
                }
                Change::Judge(family, ends) | Change::Map(family, ends) => {
                    let maps = matches!(change, Change::Map(..));
                    let (table, name, priority) = match maps {
                        true => (judge::MAPPING_TABLE, judge::MAPPING_NAME, judge::MAPPING_PRIORITY),
                        false => (self.table, judge::NAME, judge::PRIORITY),
                    };
                    add(MSG_NEWTABLE, flag::CREATE, family, &|builder| {
                        builder.text(TABLE_NAME, table);
                    });
                    let chain = QueueChain { family, hook: judge::HOOK, priority };
                    add(MSG_NEWCHAIN, flag::CREATE, family, &|builder| {
                        put_base_chain(builder, table, name, chain);
                    });
                    let named = |builder: &mut Builder<'_>| {
                        builder.text(RULE_TABLE, table).text(RULE_CHAIN, name);
                    };
                    add(MSG_DELRULE, 0, family, &named);
                    for rule in judge::rules(family, &self.probes, maps) {
                        add(MSG_NEWRULE, flag::CREATE | flag::APPEND, family, &|builder| {
                            named(builder);
                            rule.put(builder, &self.probes, ends);
                        });
                    }
                }
                Change::NoMap(family) => {
                    add(MSG_DELRULE, 0, family, &|builder| {
                        builder.text(RULE_TABLE, judge::MAPPING_TABLE).text(RULE_CHAIN, judge::MAPPING_NAME);
                    });
                    add(MSG_DELCHAIN, 0, family, &|builder| {
                        builder.text(CHAIN_TABLE, judge::MAPPING_TABLE).text(CHAIN_NAME, judge::MAPPING_NAME);
                    });
                }
                // Not with what others have in it.
                Change::NoMapTable(family) => add(MSG_DELTABLE, flag::NONREC, family, &|builder| {
                    builder.text(TABLE_NAME, judge::MAPPING_TABLE);
                }),
                Change::Follow(chain) => {
                    let family = chain.family;
                    let behind = QueueChain { priority: chain.priority.saturating_add(1), ..chain };
                    add(MSG_NEWCHAIN, flag::CREATE, family, &|builder| {
                        put_base_chain(builder, self.table, chain.name_behind(), behind);
                    });
                    let named = |builder: &mut Builder<'_>| {
                        builder.text(RULE_TABLE, self.table).text(RULE_CHAIN, chain.name_behind());
                    };
                    add(MSG_DELRULE, 0, family, &named);
                    for rule in follow::rules(&self.handovers, chain.hook) {
                        add(MSG_NEWRULE, flag::CREATE | flag::APPEND, family, &|builder| {
                            named(builder);
                            rule.put(builder, &self.handovers);
                        });
                    }
                }
            }
        }
        mark_batch(BATCH_END, first.wrapping_add(steps.len() as u32 + 1), &mut bytes);
        (bytes, steps)
    }

    fn start<'v>(&self, message: u8, flags: u16, sequence: u32, family: u8, out: &'v mut Vec<u8>) -> Builder<'v> {
        let header = Header { kind: netfilter(subsystem::NFTABLES, message), flags, sequence, port: 0 };
        Builder::netfilter(header, Nfgen::of(family), out)
    }

    /// The next answer that waits, if any.
    fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut answer = Vec::with_capacity(16 << 10);
        match self.socket.recv(&mut answer, 0) {
            Ok(_) => Ok(Some(answer)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn mark_batch(message: u16, sequence: u32, out: &mut Vec<u8>) {
    let header = Header { kind: message, flags: flag::REQUEST, sequence, port: 0 };
    let nfgen = Nfgen { family: 0, version: 0, resource: u16::from(subsystem::NFTABLES) };
    let _ = Builder::netfilter(header, nfgen, out).finish();
}

fn put_chain(builder: &mut Builder<'_>, table: &str, chain: QueueChain) {
    put_base_chain(builder, table, chain.name(), chain);
}

fn put_base_chain(builder: &mut Builder<'_>, table: &str, name: &str, chain: QueueChain) {
    builder
        .text(CHAIN_TABLE, table)
        .text(CHAIN_NAME, name)
        .nest(CHAIN_HOOK, |hook| {
            hook.be32(HOOK_NUMBER, u32::from(chain.hook)).be32(HOOK_PRIORITY, chain.priority.cast_unsigned());
        })
        .be32(CHAIN_POLICY, NF_ACCEPT)
        // Reinjection itself routes again what changed in OUTPUT, so no chain need be of type `route`.
        .text(CHAIN_TYPE, "filter");
}

/// The chain that comes and goes in a probe.
const PROBE: &str = "probe";

const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const MSG_NEWTABLE: u8 = 0;
const MSG_GETTABLE: u8 = 1;
const MSG_DELTABLE: u8 = 2;
const MSG_NEWCHAIN: u8 = 3;
const MSG_GETCHAIN: u8 = 4;
const MSG_DELCHAIN: u8 = 5;
const MSG_NEWRULE: u8 = 6;
const MSG_DELRULE: u8 = 8;

const NF_ACCEPT: u32 = 1;
const TABLE_NAME: u16 = 1;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const RULE_COMPAT: u16 = 5;
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const QUEUE_NUMBER: u16 = 1;
const QUEUE_TOTAL: u16 = 2;
const QUEUE_FLAGS: u16 = 3;
const TARGET_NAME: u16 = 1;
const TARGET_REVISION: u16 = 2;
const TARGET_INFO: u16 = 3;
const COMPAT_PROTOCOL: u16 = 1;
const COMPAT_FLAGS: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: QueueChain = QueueChain { family: 2, hook: 1, priority: 0 };
    const RANGE: QueueRange = QueueRange { first: 0, total: 4, bypass: true, cpu_fanout: false, long: None };

    /// The rule's expressions without the counter, and its compat attribute, as `strace` shows them for
    /// `iptables-nft -A INPUT -j NFQUEUE --queue-balance 0:3 --queue-bypass` (1.8.9).
    #[test]
    fn the_compat_rule_has_the_bytes_that_iptables_nft_sends() {
        let mut bytes = Vec::new();
        let mut builder = Builder::netfilter(Header::default(), Nfgen::of(2), &mut bytes);
        ask::Rule { yes: Vec::new(), long: false }.put(&mut builder, ("filter", "INPUT"), RANGE, Method::Compat);
        builder.finish().unwrap();
        let target = b"\x34\x00\x01\x80\x0b\x00\x01\x00target\x00\x00\x24\x00\x02\x80\x0c\x00\x01\x00NFQUEUE\x00\
            \x08\x00\x02\x00\x00\x00\x00\x03\x0c\x00\x03\x00\x00\x00\x04\x00\x01\x00\x00\x00";
        assert!(bytes.windows(target.len()).any(|window| window == target));
        assert!(bytes.ends_with(b"\x14\x00\x05\x80\x08\x00\x01\x00\x00\x00\x00\x00\x08\x00\x02\x00\x00\x00\x00\x00"));
    }

    #[test]
    fn a_batch_numbers_its_messages_and_stands_between_begin_and_end() {
        let tables = NfTables {
            socket: Socket::new(NETLINK_NETFILTER).unwrap(),
            table: "t",
            sequence: 0,
            handovers: Vec::new(),
            questions: Vec::new(),
            probes: Vec::new(),
        };
        let changes = [Change::FreshTable(2), Change::Add(CHAIN, RANGE, Method::Native), Change::Idle(CHAIN)];
        let (bytes, steps) = tables.batch(&changes, 1);
        let messages: Vec<_> = Messages::new(&bytes).map(Result::unwrap).collect();
        assert_eq!(messages.len(), steps.len() + 2);
        assert_eq!(messages.first().unwrap().header.kind, BATCH_BEGIN);
        assert_eq!(messages.last().unwrap().header.kind, BATCH_END);
        for (index, message) in messages.iter().enumerate() {
            assert_eq!(message.header.sequence as usize, index + 1);
        }
    }

    #[test]
    fn a_refusal_names_the_chain_and_the_reason() {
        let step = Some(Change::Add(CHAIN, RANGE, Method::Native));
        let error = Error::Refused { errno: libc::ENOENT, step };
        assert_eq!(
            error.to_string(),
            "nf_tables refused chain input with `queue`: No such file or directory (os error 2)"
        );
    }
}
