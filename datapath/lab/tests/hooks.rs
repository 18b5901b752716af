//! Every match and every target in every built-in chain of every table where it is legal, beside the kernel.

#![allow(clippy::print_stdout, reason = "a test suite reports on its standard output")]

mod hook;

use std::process::ExitCode;

use hook::{
    changing,
    looking::{self, Share},
    refusing, registry,
};

fn main() -> ExitCode {
    lab::suite::main(&[
        ("every_extension_is_in_a_plan_or_it_is_said_why_not", registry::complete),
        ("matches_of_packets_match_and_miss_at_every_hook", || looking::play(Share::Plain, false)),
        ("matches_of_ipv6_packets_match_and_miss_at_every_hook", || looking::play(Share::Plain, true)),
        ("matches_of_connections_match_and_miss_at_every_hook", || looking::play(Share::Tracked, false)),
        ("matches_of_ipv6_connections_match_and_miss_at_every_hook", || looking::play(Share::Tracked, true)),
        ("matches_that_the_kernel_judges_do_so_at_every_hook", || looking::play(Share::Kernels, false)),
        ("matches_that_the_kernel_judges_do_so_at_every_hook_of_ipv6", || looking::play(Share::Kernels, true)),
        ("both_refuse_what_stands_in_a_chain_that_does_not_take_it", refusing::play),
        ("targets_do_their_work_at_every_hook", || changing::play(false)),
        ("targets_do_their_work_on_ipv6_at_every_hook", || changing::play(true)),
    ])
}
