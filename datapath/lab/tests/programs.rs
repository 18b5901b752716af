//! Programs from Debian through both routers: the same payload at the far end, and on the way the same connections,
//! expectations and events. `LAB_JUDGE` names the second router; without it the programs prove themselves on the kernel.

mod program;

use std::process::ExitCode;

use lab::suite;

fn main() -> ExitCode {
    suite::main(
        &[
            program::ftp::TESTS,
            program::tftp::TESTS,
            program::plain::TESTS,
            program::errors::TESTS,
            program::sip::TESTS,
            program::irc::TESTS,
            program::names::TESTS,
            program::pptp::TESTS,
            program::sctp::TESTS,
        ]
        .concat(),
    )
}
