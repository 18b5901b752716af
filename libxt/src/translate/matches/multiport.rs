//! `-m multiport`: a set of ports.

use crate::ext::Surroundings;
use crate::ext::matches::multiport::{Multiport, Which};
use crate::translate::operand::{Span, not, set_of};
use crate::translate::{Outcome, Statement, Translate, Untranslatable};
use crate::value::protocol;

impl Translate for Multiport {
    fn translate(&self, to: &mut Statement<'_>, around: &Surroundings) -> Outcome {
        let protocol = protocol::name(around.protocol).ok_or(Untranslatable)?;
        let key = match self.which {
            Which::Source => "sport",
            Which::Destination => "dport",
            Which::Either => {
                // The ends of a range stand for it, and a `!` is lost.
                let ends = self
                    .ports
                    .iter()
                    .flat_map(|ports| [Some(ports.min), (ports.max != ports.min).then_some(ports.max)]);
                let pairs: Vec<String> =
                    ends.flatten().map(|port| format!("0-65535 . {port}, {port} . 0-65535")).collect();
                to.add(format_args!("{protocol} sport . {protocol} dport {}", set_of(&pairs)));
                return Ok(());
            }
        };
        let ports: Vec<Span<u16>> = self.ports.iter().map(|ports| Span::from(*ports)).collect();
        let ports = if let [one] = &ports[..] { one.to_string() } else { set_of(&ports) };
        to.add(format_args!("{protocol} {key} {}{ports}", not(self.inverted)));
        Ok(())
    }
}
