//! `-j SNAT`: another source. What all NAT has is here.

use crate::ext::Surroundings;
use crate::ext::targets::snat::Snat;
use crate::translate::operand::Span;
use crate::translate::{Outcome, Statement, Translate, Untranslatable};
use crate::value::address::Text;
use crate::value::nat::Range;

impl Translate for Snat {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        add_nat(to, "snat", &self.range)
    }
}

/// `VERB [to ADDRESSES[:PORTS]] [flags]`; ports that are shifted cannot be said.
pub(super) fn add_nat(to: &mut Statement<'_>, verb: &str, range: &Range) -> Outcome {
    let mut destination = String::new();
    if let Some((first, last)) = range.addresses {
        let span = if first == last { Text(first).to_string() } else { format!("{}-{}", Text(first), Text(last)) };
        destination = if first.is_ipv6() && range.ports.is_some() { format!("[{span}]") } else { span };
    }
    if let Some(ports) = range.ports {
        if ports.base.is_some() {
            return Err(Untranslatable);
        }
        destination += &format!(":{}", Span(ports.min, ports.max));
    }
    to.add(format_args!("{verb}"));
    if !destination.is_empty() {
        to.add(format_args!("to {destination}"));
    }
    let flags = [(range.random, "random"), (range.random_fully, "fully-random"), (range.persistent, "persistent")];
    let flags: Vec<&str> = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
    if !flags.is_empty() {
        to.add(format_args!("{}", flags.join(",")));
    }
    Ok(())
}
