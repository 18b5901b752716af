//! The checks after the last word: what a command needs, what does not go together; then the [`Command`].

use std::borrow::Cow;

use libxt::abi::EXTENSION_NAME_LEN;
use libxt::octets;
use libxt::rule::{Rule, Target};
use libxt::value::address;
use libxt::value::header::{self, Range};

use super::{Reader, usage};
use crate::command::options::{Action, ONCE};
use crate::command::words::too_long;
use crate::command::{Command, Display, Jump, Parsed};
use crate::failure::Failure;

impl<'a> Reader<'_, 'a> {
    /// The checks after the last word, and the command.
    pub(super) fn finish(mut self) -> Result<Parsed<'a>, Failure> {
        if self.wait.is_none() && self.interval {
            return Err(usage("--wait-interval only makes sense with --wait\n"));
        }
        let table = self.table.unwrap_or("filter");
        if table == "nat" && (self.policy == Some("DROP") || self.jump == Some("DROP")) {
            return Err(usage(NAT_DROP));
        }
        let around = self.header.surroundings();
        for one in &mut self.grammar.matches {
            one.object.check(&around)?;
        }
        if let Some((_, target)) = &mut self.grammar.target {
            target.check(&around)?;
        }
        if !self.scanner.is_at_end() {
            return Err(usage("unknown arguments found on commandline"));
        }
        let action = self.action.ok_or_else(|| usage("no command specified"))?;
        if self.inverted {
            return Err(usage("nothing appropriate following !"));
        }
        let [sources, destinations] = self.ranges(action)?;
        self.check_legality(action)?;
        if let Some(chain) = self.chain.filter(|chain| octets::len(chain) >= EXTENSION_NAME_LEN) {
            return Err(too_long(chain));
        }
        if action.takes_rule() {
            self.check_interfaces()?;
        }
        let display = Display {
            numeric: self.has(b'n'),
            exact: self.has(b'x'),
            line_numbers: self.has(b'0'),
            verbose: self.verbose,
        };
        let word = Cow::Borrowed(self.jump.unwrap_or_default());
        let jump = Jump { word, is_goto: self.header.is_goto(), shadowed: None };
        let has_counters = self.has(b'c');
        let mut rule = Rule::new(self.program.af);
        rule.header = self.header;
        rule.counters = self.counters;
        rule.matches = self.grammar.matches.into_iter().map(|one| one.object).collect();
        if let Some((_, target)) = self.grammar.target {
            rule.target = Target::Extension(target);
        }
        Ok(Parsed::Run(Box::new(Command {
            table: table.into(),
            wait: self.wait.unwrap_or_default(),
            modprobe: self.modprobe.map(Cow::from),
            action,
            also: self.also,
            chain: self.chain.map(Cow::from),
            number: self.number,
            new_name: self.new_name.map(Cow::from),
            policy: self.policy.map(Cow::from),
            has_counters,
            display,
            sources,
            destinations,
            jump,
            rule,
            bangs: self.bangs,
        })))
    }

    fn ranges(&self, action: Action) -> Result<[Cow<'static, [Range]>; 2], Failure> {
        let read = |text: Option<&str>| match text {
            Some(text) => {
                let ranges = address::parse_ranges(self.program.af, text);
                ranges.map(Cow::Owned).map_err(|bad| Failure::Usage(bad.0))
            }
            None => Ok(Cow::Borrowed(ANY)),
        };
        let [sources, destinations] = [read(self.sources)?, read(self.destinations)?];
        let inverted = self.header.inversions & (header::INV_SOURCE | header::INV_DESTINATION) != 0;
        if inverted && (sources.len() > 1 || destinations.len() > 1) {
            return Err(usage("! not allowed with multiple source or destination IP addresses"));
        }
        if action == Action::Replace && (sources.len() != 1 || destinations.len() != 1) {
            return Err(usage("Replacement rule does not specify a unique address"));
        }
        Ok([sources, destinations])
    }

    /// The interface that a built-in chain's packets do not have yet.
    fn check_interfaces(&self) -> Result<(), Failure> {
        let chain = self.chain.unwrap_or_default();
        let letter = match chain {
            "PREROUTING" | "INPUT" => b'o',
            "POSTROUTING" | "OUTPUT" => b'i',
            _ => return Ok(()),
        };
        if !self.has(letter) {
            return Ok(());
        }
        Err(Failure::Usage(format!("Can't use -{} with {chain}\n", char::from(letter))))
    }

    fn check_legality(&self, action: Action) -> Result<(), Failure> {
        for (_, &option) in ONCE.iter().enumerate().filter(|(index, _)| self.given & 1 << index != 0) {
            let also = self.also.is_some_and(|also| also.admits(option));
            if !action.admits(option) && !also {
                return Err(Failure::Usage(format!("Illegal option `-{}' with this command", char::from(option))));
            }
        }
        Ok(())
    }
}

/// What a rule matches that names no address.
const ANY: &[Range] = &[Range { address: [0; 16], mask: [0; 16] }];

const NAT_DROP: &str = "\nThe \"nat\" table is not intended for filtering, the use of DROP is therefore inhibited.\n\n";
