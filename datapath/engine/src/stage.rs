//! What runs at each hook and in which order: the kernel's hook priorities, said once.

use crate::packet::Hook;

/// One step at a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reassembly of fragments, −400; only while something is tracked.
    Defragment,
    /// The raw table, −300.
    Raw,
    /// Connection tracking looks the packet up, −200.
    Track,
    /// The mangle table, −150.
    Mangle,
    /// The nat table's destination half, −100 (in INPUT: none).
    DestinationNat,
    /// The filter table, 0.
    Filter,
    /// The security table, 50.
    Security,
    /// The nat table's source half, 100.
    SourceNat,
    /// What SYNPROXY opened is translated and answered, last but one.
    Proxy,
    /// Helpers look at the payload, 300.
    Help,
    /// The connection enters the table, last.
    Confirm,
}

/// The stages of each hook, indexed by [`Hook`]'s number.
pub const STAGES: [&[Stage]; 5] = [
    &[Stage::Defragment, Stage::Raw, Stage::Track, Stage::Mangle, Stage::DestinationNat],
    &[Stage::Mangle, Stage::Filter, Stage::Security, Stage::SourceNat, Stage::Proxy, Stage::Help, Stage::Confirm],
    &[Stage::Mangle, Stage::Filter, Stage::Security],
    &[
        Stage::Defragment,
        Stage::Raw,
        Stage::Track,
        Stage::Mangle,
        Stage::DestinationNat,
        Stage::Filter,
        Stage::Security,
    ],
    &[Stage::Mangle, Stage::SourceNat, Stage::Proxy, Stage::Help, Stage::Confirm],
];

/// The stages of a hook.
pub const fn stages(hook: Hook) -> &'static [Stage] {
    STAGES[hook as usize]
}
