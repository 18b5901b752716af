//! `-m udp`: the ports, where a `!` counts for both that stands before the source, and for none that does not.

use crate::ext::Surroundings;
use crate::ext::matches::udp::Udp;
use crate::translate::operand::add_ports;
use crate::translate::{Outcome, Statement, Translate};
use crate::value::condition::Condition;
use crate::value::port::Ports;

impl Translate for Udp {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let compared = |ports: Condition<Ports>| Some(ports).filter(|ports| ports.value != Ports::ALL);
        add_ports(to, "udp sport", compared(self.source));
        add_ports(to, "udp dport", compared(Condition::new(self.destination.value, self.source.inverted)));
        Ok(())
    }
}
