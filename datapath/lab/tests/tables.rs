//! The table side beside the kernel's: what counters say, and what packets notice, while tables change under full traffic.
//!
//! `LAB_TABLE_PACKETS` says how many packets a test sends at least; 20,000 without it.

#![allow(clippy::print_stdout, reason = "a test suite reports on its standard output")]

mod table;

use std::process::ExitCode;

use table::{counters, long, replacing};

fn main() -> ExitCode {
    lab::suite::main(&[counters::TESTS, replacing::TESTS, long::TESTS].concat())
}
