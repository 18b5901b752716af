//! `-m icmp6`: the type, where nft has a name for it; a code cannot be said.

use super::icmp::name;
use crate::ext::Surroundings;
use crate::ext::matches::icmp6::Icmp6;
use crate::translate::operand::not;
use crate::translate::{Outcome, Statement, Translate, Untranslatable};

impl Translate for Icmp6 {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let name = name(NAMES, self.icmp).ok_or(Untranslatable)?;
        to.add(format_args!("icmpv6 type {}{name}", not(self.inverted)));
        Ok(())
    }
}

const NAMES: &[(u8, &str)] = &[
    (1, "destination-unreachable"),
    (2, "packet-too-big"),
    (3, "time-exceeded"),
    (4, "parameter-problem"),
    (128, "echo-request"),
    (129, "echo-reply"),
    (133, "nd-router-solicit"),
    (134, "nd-router-advert"),
    (135, "nd-neighbor-solicit"),
    (136, "nd-neighbor-advert"),
    (137, "nd-redirect"),
];
