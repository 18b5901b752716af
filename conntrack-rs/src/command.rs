//! The command line as a value: what is asked, of which table, with which template and filters.

use std::net::IpAddr;
use std::path::PathBuf;

use nfnl::conntrack::{Flow, Tuple};

use crate::error::PROGRAM;
use crate::labels::Labels;
use crate::options::Given;
use crate::protocol::Protocol;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    List,
    Create,
    Add,
    Update,
    Delete,
    Get,
    Flush,
    Event,
    Counter,
    Stats,
    Help,
    Version,
}

/// Of which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Conntrack,
    Expect,
    Dying,
    Unconfirmed,
}

/// `-o`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) xml: bool,
    pub(crate) json: bool,
    pub(crate) extended: bool,
    pub(crate) timestamp: bool,
    pub(crate) id: bool,
    pub(crate) ktimestamp: bool,
    pub(crate) labels: bool,
    pub(crate) save: bool,
}

/// `-e`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventMask {
    pub(crate) new: bool,
    pub(crate) update: bool,
    pub(crate) destroy: bool,
}

/// What an entry shall be or look like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    /// What was said of it. Its status holds the bits that were named without `!`.
    pub(crate) flow: Flow,
    /// The status bits that were named at all.
    pub(crate) status_mask: u32,
    /// The mark and its mask.
    pub(crate) mark: Option<(u32, u32)>,
    /// Source and destination as networks: address and mask.
    pub(crate) networks: [Option<(IpAddr, IpAddr)>; 2],
    /// What `-l` looks for.
    pub(crate) labelled: Option<u128>,
    /// What `--label-add` sets or `--label-del` clears.
    pub(crate) labels: Option<u128>,
    /// What an expectation expects.
    pub(crate) expected: Tuple,
    /// Which bits of that count.
    pub(crate) mask: Tuple,
    /// Fields that options of the protocol gave.
    pub(crate) fields: u16,
}

/// A whole command line.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) action: Action,
    /// Whether an action was named at all; without one it is help.
    pub(crate) named: bool,
    pub(crate) table: Table,
    pub(crate) given: Given,
    /// `AF_INET`, `AF_INET6`, or 0 if nothing told.
    pub(crate) family: u8,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) template: Template,
    pub(crate) output: Output,
    pub(crate) events: EventMask,
    pub(crate) buffer_size: Option<u64>,
    /// The file that names label bits, if not the usual one.
    pub(crate) label_map: Option<PathBuf>,
    /// The names of label bits, if the file could be read.
    pub(crate) label_names: Option<Labels>,
    /// Warnings, to be written before anything is done.
    pub(crate) warnings: Vec<String>,
}

impl Command {
    /// Writes the warnings.
    pub(crate) fn warn(&self) {
        for warning in &self.warnings {
            eprintln!("{warning}");
        }
    }

    /// The summary line.
    pub(crate) fn summary(count: u64, what: &str) {
        eprintln!("{PROGRAM}: {count} {what}");
    }
}
