//! `-j TOS`: the code point, as if every packet were IPv6.

use crate::ext::Surroundings;
use crate::ext::targets::tos::Tos;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Tos {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let (value, kept) = (self.tos.value >> 2, !self.tos.mask >> 2);
        match (self.tos.value, self.tos.mask) {
            (_, 0x3f | 0xff) => to.add(format_args!("ip6 dscp set {value:#04x}")),
            (0, _) => to.add(format_args!("ip6 dscp set ip6 dscp and {kept:#04x}")),
            (all, mask) if all == mask => to.add(format_args!("ip6 dscp set ip6 dscp or {value:#04x}")),
            (_, 0) => to.add(format_args!("ip6 dscp set ip6 dscp xor {value:#04x}")),
            _ => to.add(format_args!("ip6 dscp set ip6 dscp and {kept:#04x} xor {value:#04x}")),
        }
        Ok(())
    }
}
