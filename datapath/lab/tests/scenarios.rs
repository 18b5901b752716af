//! What the kernel does in tricky cases, said as a test each: first shown on the kernel, then repeated on the datapath
//! and compared packet by packet, counter by counter, entry by entry, event by event.

mod scenario;

use std::process::ExitCode;

fn main() -> ExitCode {
    lab::suite::main(
        &[
            scenario::tracking::TESTS,
            scenario::fragments::TESTS,
            scenario::waiting::TESTS,
            scenario::headers::TESTS,
            scenario::protocols::TESTS,
            scenario::tcp::TESTS,
            scenario::hardening::TESTS,
            scenario::clash::TESTS,
            scenario::other::TESTS,
            scenario::nat::TESTS,
            scenario::origins::TESTS,
            scenario::leaving::TESTS,
            scenario::rerouted::TESTS,
            scenario::rules::TESTS,
            scenario::found::TESTS,
            scenario::state::TESTS,
            scenario::clients::TESTS,
            scenario::full::TESTS,
            scenario::links::TESTS,
            scenario::many::TESTS,
            scenario::mapped::TESTS,
            scenario::outside::TESTS,
            scenario::handing::TESTS,
            scenario::programs::TESTS,
            scenario::accounting::TESTS,
            scenario::asked::TESTS,
            scenario::sockets::TESTS,
            scenario::systems::TESTS,
            scenario::synproxy::TESTS,
            scenario::answers::TESTS,
            scenario::helpers::TESTS,
            scenario::irc::TESTS,
            scenario::judged::TESTS,
            scenario::amanda::TESTS,
            scenario::sane::TESTS,
            scenario::snmp::TESTS,
            scenario::pptp::TESTS,
            scenario::sip::TESTS,
            scenario::h323::calls::TESTS,
            scenario::h323::random::TESTS,
            scenario::h323::registration::TESTS,
        ]
        .concat(),
    )
}
