//! `-m tcp`: ports, an option and flags.

use crate::ext::Surroundings;
use crate::ext::matches::tcp::Tcp;
use crate::translate::operand::{add_ports, not};
use crate::translate::{Outcome, Statement, Translate};
use crate::value::condition::Condition;
use crate::value::port::Ports;
use crate::value::tcp_flags::TcpFlags;

impl Translate for Tcp {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let compared = |ports: Condition<Ports>| Some(ports).filter(|ports| ports.value != Ports::ALL);
        add_ports(to, "tcp sport", compared(self.source));
        add_ports(to, "tcp dport", compared(self.destination));
        if self.option.value != 0 {
            let word = if self.option.inverted { "missing" } else { "exists" };
            to.add(format_args!("tcp option {} {word}", self.option.value));
        }
        let flags = self.flags;
        if flags.value.mask.0 != 0 || flags.inverted {
            let (wanted, mask) = (names(flags.value.compared), names(flags.value.mask));
            to.add(format_args!("tcp flags {}{wanted} / {mask}", not(flags.inverted)));
        }
        Ok(())
    }
}

fn names(flags: TcpFlags) -> String {
    if flags.0 == 0 { "0x0".to_owned() } else { flags.to_string().to_ascii_lowercase() }
}
