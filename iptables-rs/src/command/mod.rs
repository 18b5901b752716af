//! A command line of `iptables`, parsed and carried out: `-A`, `-L` and the others, with every option of a rule.
//!
//! [`parse`] does nothing but read; [`Command::run`] edits an open table. Locking, opening and writing back are the
//! caller's, so that a restore can run many commands on one table.

use std::io::Write;

use libxt::backend::Backend;
use libxt::table::Table;

use crate::failure::Failure;
use crate::program::Program;

/// What a command line asks for.
#[derive(Debug)]
pub enum Parsed {
    /// A command on a table.
    Run(Box<Command>),
    /// Only this text on stdout (`-h`, `-V`).
    Show(String),
    /// Nothing: a line for the other family, in a restore (`-4`, `-6`).
    Nothing,
}

/// A command with its options and its rule, checked as far as that can be done without a table.
#[derive(Debug)]
pub struct Command {
    /// `-t`, else `filter`.
    pub table: String,
    /// `-w`: `None` without it, else the seconds to wait, 0 for ever.
    pub wait: Option<u32>,
}

/// What outlives one command of a restore: which revisions the backend has.
#[derive(Debug, Default)]
pub struct Session {}

/// Reads a command line; `words` begin with the program's name. `Role::Restore` reads lines of a restore input.
pub fn parse(program: Program, words: &[String]) -> Result<Parsed, Failure> {
    let _ = (program, words);
    Err(Failure::Usage("no command specified".to_owned()))
}

impl Command {
    /// Carries the command out on an open table, without writing the table back.
    pub fn run(
        &self,
        session: &mut Session,
        table: &mut Table,
        backend: &mut dyn Backend,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let _ = (session, table, backend, out);
        Ok(())
    }
}
