//! `-m dccp`: ports and types; an option cannot be said.

use crate::ext::Surroundings;
use crate::ext::matches::dccp::{Dccp, TYPES};
use crate::translate::operand::{add_ports, not, set_of};
use crate::translate::{Outcome, Statement, Translate, Untranslatable};

impl Translate for Dccp {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        if self.option.is_some() {
            return Err(Untranslatable);
        }
        add_ports(to, "dccp sport", self.source);
        add_ports(to, "dccp dport", self.destination);
        if let Some(types) = self.types {
            let given = TYPES.iter().filter(|(bits, _)| types.value & bits != 0);
            let names: Vec<String> = given
                .map(|(_, name)| if *name == "INVALID" { "10-15".to_owned() } else { name.to_ascii_lowercase() })
                .collect();
            let what = if let [one] = &names[..] { one.clone() } else { set_of(&names) };
            to.add(format_args!("dccp type {}{what}", not(types.inverted)));
        }
        Ok(())
    }
}
