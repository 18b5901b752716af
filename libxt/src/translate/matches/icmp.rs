//! `-m icmp`: the type, where nft has a name for it; a code cannot be said.

use crate::ext::Surroundings;
use crate::ext::matches::icmp::Icmp4;
use crate::translate::operand::not;
use crate::translate::{Outcome, Statement, Translate, Untranslatable};
use crate::value::icmp::Icmp;

impl Translate for Icmp4 {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        if self.icmp.kind == ANY {
            to.add(format_args!("ip protocol icmp"));
            return Ok(());
        }
        let name = name(NAMES, self.icmp).ok_or(Untranslatable)?;
        to.add(format_args!("icmp type {}{name}", not(self.inverted)));
        Ok(())
    }
}

/// The name of a type with whatever code.
pub(super) fn name(names: &'static [(u8, &str)], icmp: Icmp) -> Option<&'static str> {
    names.iter().find(|(kind, _)| icmp.any_code() && *kind == icmp.kind).map(|(_, name)| *name)
}

/// The number by which every type is meant.
const ANY: u8 = 255;

const NAMES: &[(u8, &str)] = &[
    (0, "echo-reply"),
    (3, "destination-unreachable"),
    (4, "source-quench"),
    (5, "redirect"),
    (8, "echo-request"),
    (9, "router-advertisement"),
    (10, "router-solicitation"),
    (11, "time-exceeded"),
    (12, "parameter-problem"),
    (13, "timestamp-request"),
    (14, "timestamp-reply"),
    (17, "address-mask-request"),
    (18, "address-mask-reply"),
];
