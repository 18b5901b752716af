//! `conntrack`: lists, follows and edits the connections of a datapath or of the running kernel.
//!
//! An argument vector becomes a [`command::Command`] ([`reader`]), which nothing has acted on yet; [`run`] then asks the table and
//! [`show`] writes what it hears. Messages on stderr carry the program's name and version and are the original's.
//!
//! Options are read by a getopt of our own rather than by clap: abbreviations, permuted words, arguments that may be in
//! the next word, options that come to life once `-p` named a protocol, and their error texts are part of the contract.
#![deny(unsafe_code)]

mod backend;
mod command;
mod error;
mod events;
mod expectations;
mod getopt;
mod help;
mod labels;
mod load;
mod local_time;
mod options;
mod parse;
mod protocol;
mod reader;
mod run;
mod select;
mod show;

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<Vec<u8>> = std::env::args_os().skip(1).map(OsString::into_vec).collect();
    let result = match arguments.as_slice() {
        // Only as the first word is it an option at all.
        [first, file, ..] if first == b"-R" || first == b"--load-file" => load::load(file),
        _ => reader::parse(&arguments).and_then(|command| run::run(&command)),
    };
    let code = match result {
        Ok(code) => code,
        Err(error) => {
            let _ = io::stderr().write_all(error.to_string().as_bytes());
            error.exit_code()
        }
    };
    ExitCode::from(code)
}
