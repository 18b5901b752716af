//! A [`Command`] carried out on an open table.

use std::io::Write;

use libxt::backend::Backend;
use libxt::blob;
use libxt::ext::Object;
use libxt::family::Af;
use libxt::rule::{self, Encoded, Target};
use libxt::table::{self, ChainId, During, NewRule, Refused, Table, verdict_number};

use super::library::{Keeper, Library};
use super::options::Action;
use super::{Command, list, words};
use crate::failure::Failure;
use crate::say;

/// What outlives one command of a restore: the extensions loaded, and room for a rule's bytes.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) library: Library,
    encoded: Encoded,
}

impl Command<'_> {
    /// Whether the table has to be written back after it.
    pub(crate) fn edits(&self) -> bool {
        !matches!(self.action, Action::List | Action::ListRules | Action::Check) || self.also.is_some()
    }

    /// Carries the command out on an open table, without writing the table back. It may be carried out again, on
    /// another table.
    pub(crate) fn run(
        &mut self,
        session: &mut Session,
        table: &mut Table,
        backend: &mut dyn Backend,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let done = self.act(session, table, backend, out);
        // As do_command4(): the dump comes whatever libiptc said, but not after a usage error, which exits at once.
        if self.display.verbose > 1 && matches!(done, Ok(()) | Err(Failure::Refused(_))) {
            list::dump(table, out)?;
            // libiptc words a refusal after its last call, which is the dump.
            return done.map_err(|failure| match failure {
                Failure::Refused(refused) => Failure::Refused(Refused { during: During::Edit, ..refused }),
                failure => failure,
            });
        }
        done
    }

    fn act(
        &mut self,
        session: &mut Session,
        table: &mut Table,
        backend: &mut dyn Backend,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        if self.action.takes_rule() {
            self.resolve_target(table)?;
        }
        match self.action {
            Action::Append | Action::Insert | Action::Replace | Action::Delete | Action::Check => {
                self.rules(session, table, backend, out)?;
            }
            Action::DeleteNumber => table.delete_number(self.chain(), self.number.saturating_sub(1))?,
            Action::Flush => self.each_chain(table, out, "Flushing", true, Table::flush)?,
            Action::Zero => self.each_chain(table, out, "Zeroing", true, Table::zero)?,
            Action::DeleteChain => self.each_chain(table, out, "Deleting", false, Table::delete_chain)?,
            Action::ZeroNumber => table.zero_number(self.chain(), self.number)?,
            Action::NewChain => table.create(self.chain())?,
            Action::RenameChain => table.rename(self.chain(), self.new_name.as_deref().unwrap_or_default())?,
            Action::SetPolicy => {
                let counters = self.has_counters.then_some(self.rule.counters);
                table.set_policy(self.chain(), self.policy.as_deref().unwrap_or_default(), counters)?;
            }
            Action::List => list::list(self, table, out)?,
            Action::ListRules => list::list_rules(self, table, out)?,
        }
        match self.also {
            Some(Action::Zero) => self.each_chain(table, out, "Zeroing", true, Table::zero)?,
            Some(Action::ZeroNumber) => table.zero_number(self.chain(), self.number)?,
            _ => (),
        }
        Ok(())
    }

    fn chain(&self) -> &str {
        self.chain.as_deref().unwrap_or_default()
    }

    /// What the word after `-j` or `-g` means in this table.
    fn resolve_target(&mut self, table: &Table) -> Result<(), Failure> {
        let word = &*self.jump.word;
        let is_chain = table.find(word).is_some();
        let warned = self.jump.shadowed.is_some();
        if let Some(extension) = self.jump.shadowed.take() {
            self.rule.target = Target::Extension(extension);
        }
        if matches!(self.rule.target, Target::Extension(_)) {
            if is_chain {
                if !warned {
                    say!("Warning: using chain {word}, not extension");
                }
                let target = std::mem::replace(&mut self.rule.target, Target::Chain(word.to_owned()));
                if let Target::Extension(extension) = target {
                    self.jump.shadowed = Some(extension);
                }
            }
            return Ok(());
        }
        self.rule.target = match verdict_number(word) {
            _ if is_chain => Target::Chain(word.to_owned()),
            _ if word.is_empty() => Target::None,
            _ if self.jump.is_goto => return Err(Failure::Usage(format!("goto '{word}' is not a chain"))),
            Some(verdict) => Target::Verdict(verdict),
            None => return Err(words::not_loaded("target", word)),
        };
        Ok(())
    }

    /// One rule for each pair of addresses. As upstream, a refusal of one does not keep the others from being tried.
    fn rules(
        &mut self,
        session: &mut Session,
        table: &mut Table,
        backend: &mut dyn Backend,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let Session { library, encoded } = session;
        let mut keeper = Keeper::Open(backend);
        let af = self.rule.header.af;
        let mut outcome = Ok(());
        for &source in &*self.sources {
            for &destination in &*self.destinations {
                self.rule.header.source = source;
                self.rule.header.destination = destination;
                let mut revision = |object: &dyn Object| Some(library.revision(af, object, &mut keeper));
                rule::encode(&self.rule, &mut revision, encoded)
                    .map_err(|problem| Failure::Usage(problem.to_string()))?;
                let new = encoded.as_new_rule();
                if self.display.verbose > 0 {
                    self.echo(af, &new, out)?;
                }
                let chain = self.chain.as_deref().unwrap_or_default();
                let index = self.number.saturating_sub(1);
                let done = match self.action {
                    Action::Append => table.append(chain, &new),
                    Action::Insert => table.insert(chain, &new, index),
                    Action::Replace => table.replace(chain, &new, index),
                    Action::Delete => table.delete(chain, &new),
                    _ => table.check(chain, &new),
                };
                if let Err(refused) = done {
                    outcome = Err(refused.into());
                }
            }
        }
        outcome
    }

    /// The rule as `-v` shows it before it is edited in.
    fn echo(&self, af: Af, new: &NewRule<'_>, out: &mut dyn Write) -> Result<(), Failure> {
        let Ok(entry) = blob::entry_at(af, new.bytes, 0) else { return Ok(()) };
        let is_module = matches!(self.rule.target, Target::Extension(_));
        let shown = table::Rule { entry, target: &self.jump.word, is_module };
        let columns = rule::Columns { numeric: true, echo: true, ..rule::Columns::default() };
        let mut text = String::new();
        if rule::list_line(&mut text, &shown, 0, columns).is_ok() {
            out.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    /// The chain named, or all of them (`for_each_chain4`).
    fn each_chain(
        &self,
        table: &mut Table,
        out: &mut dyn Write,
        doing: &str,
        built_in_too: bool,
        edit: fn(&mut Table, &str) -> Result<(), Refused>,
    ) -> Result<(), Failure> {
        let names = match &self.chain {
            Some(chain) => vec![chain.to_string()],
            None => {
                let wanted = |&id: &ChainId| built_in_too || table.describe(id).policy.is_none();
                table.chains().filter(wanted).map(|id| table.describe(id).name.to_owned()).collect()
            }
        };
        let mut outcome = Ok(());
        for name in names {
            if self.display.verbose > 0 {
                writeln!(out, "{doing} chain `{name}'")?;
            }
            if let Err(refused) = edit(table, &name) {
                outcome = Err(refused.into());
            }
        }
        outcome
    }
}
