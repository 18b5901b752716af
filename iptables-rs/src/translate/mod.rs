//! `iptables-translate`: a command line in the words of nft. No table is opened, and no right needed.

mod base_chain;
mod restore;

use std::io::{self, Write};

use libxt::octets::Raw;
use libxt::translate::Numbers;

use crate::command::{self, Keeper, Parsed, Session, Statement};
use crate::program::Program;
use crate::{say, tell};

pub(crate) use restore::run as run_restore;

/// Translates the command that `words` (the program's name first) are, and returns the exit code.
pub(crate) fn run(program: Program, words: &[String]) -> u8 {
    let mut out = Raw(io::stdout().lock());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let command = match command::parse(program, &words, &mut Session::default(), &mut Keeper::Nobody) {
        Ok(Parsed::Run(command)) => command,
        Ok(Parsed::Show(text)) => return u8::from(out.write_all(text.as_bytes()).is_err()),
        Ok(Parsed::Nothing) => return 0,
        Err(failure) => {
            tell(&failure.text(program, None));
            return failure.exit_code();
        }
    };
    let Some(statements) = command.translate(&words, &mut Numbers::default()) else {
        say!("Translation not implemented");
        // As upstream, which has begun by then. Nobody can be told that the output is closed.
        let _ = out.write_all(b"nft ");
        return 1;
    };
    let mut text = String::new();
    for statement in statements {
        text += &match statement {
            Statement::Plain(words) => format!("nft {words}\n"),
            Statement::Quoted(words) => format!("nft '{words}'\n"),
            Statement::Comment(words) => format!("nft # {words}\n"),
        };
    }
    u8::from(out.write_all(text.as_bytes()).is_err())
}
