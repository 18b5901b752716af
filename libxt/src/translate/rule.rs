//! What all rules have: interfaces, fragments, protocol and addresses, then the matches, the counter and the jump.

use super::operand::header_word;
use super::{Numbers, Outcome, Statement, Untranslatable, extension};
use crate::ext::{Object, Surroundings};
use crate::family::Af;
use crate::rule::{Rule, Target};
use crate::value::address::{self, Text};
use crate::value::header::{
    F_FRAGMENT_V4, Header, INV_DESTINATION, INV_FRAGMENT, INV_INPUT, INV_OUTPUT, INV_PROTOCOL, INV_SOURCE, Range,
};
use crate::value::interface::Interface;
use crate::value::protocol;

/// The statement that says a rule; a target's name is followed by `goto` if the rule's flags say so.
///
/// # Errors
/// If a match or the target has no translation; the search stops at the first.
pub fn rule<'n>(rule: &Rule, numbers: &'n mut Numbers) -> Result<Statement<'n>, Untranslatable> {
    let mut statement = Statement::new(numbers);
    let to = &mut statement;
    let Rule { header, matches, target, .. } = rule;
    let around = header.surroundings();
    let inverted = |flag| header.inversions & flag != 0;
    interface(to, "iifname", &header.input, inverted(INV_INPUT));
    interface(to, "oifname", &header.output, inverted(INV_OUTPUT));
    if header.af == Af::V4 && header.flags & F_FRAGMENT_V4 != 0 {
        to.add(format_args!("ip frag-off & 0x1fff {}", if inverted(INV_FRAGMENT) { "0" } else { "!= 0" }));
    }
    protocol_of(to, header, matches);
    range(to, header.af, "saddr", &header.source, inverted(INV_SOURCE));
    range(to, header.af, "daddr", &header.destination, inverted(INV_DESTINATION));
    to.space();
    for object in matches {
        extension(&**object, to, &around)?;
    }
    to.add(format_args!("counter"));
    jump(to, header, target, &around)?;
    Ok(statement)
}

fn interface(to: &mut Statement<'_>, key: &str, interface: &Interface, inverted: bool) {
    let name = interface.text();
    // In nft an asterisk at the end is what a plus is here, and one that is meant itself is escaped.
    let pattern = match (name.strip_suffix('+'), name.strip_suffix('*')) {
        _ if name.is_empty() => return,
        (Some(""), _) if !inverted => return,
        // No interface is called so: the rule can never match.
        (Some(""), _) => return to.add(format_args!("{key} \"INVAL/D\"")),
        (Some(beginning), _) => format!("{beginning}*"),
        (None, Some(beginning)) => format!("{beginning}\\*"),
        (None, None) => name.into_owned(),
    };
    let not = if inverted { "!= " } else { "" };
    to.add(format_args!("{key} {not}\"{pattern}\""));
}

/// The protocol, unless a match of the same name says it too.
fn protocol_of(to: &mut Statement<'_>, header: &Header, matches: &[Box<dyn Object>]) {
    if header.protocol == 0 {
        return;
    }
    let name = protocol::name(header.protocol);
    if matches.iter().any(|object| Some(object.name()) == name) {
        return;
    }
    let key = match header.af {
        Af::V4 => "ip protocol",
        Af::V6 => "meta l4proto",
    };
    let not = if header.inversions & INV_PROTOCOL != 0 { "!= " } else { "" };
    match name {
        Some(name) => to.add(format_args!("{key} {not}{name}")),
        None => to.add(format_args!("{key} {not}{}", header.protocol)),
    }
}

fn range(to: &mut Statement<'_>, af: Af, key: &str, range: &Range, inverted: bool) {
    let Range { address, mask } = range;
    let len = address::mask_len(af, mask);
    if len == Some(0) && !inverted {
        return;
    }
    let word = header_word(af);
    let not = if inverted { "!= " } else { "" };
    let address = Text(address::to_ip(af, address));
    match len {
        Some(len) if len as usize == 8 * af.address_len() => to.add(format_args!("{word} {key} {not}{address}")),
        Some(len) => to.add(format_args!("{word} {key} {not}{address}/{len}")),
        None => {
            let mask = Text(address::to_ip(af, mask));
            let sign = if inverted { "!=" } else { "==" };
            to.add(format_args!("{word} {key} & {mask} {sign} {address}"));
        }
    }
}

fn jump(to: &mut Statement<'_>, header: &Header, target: &Target, around: &Surroundings) -> Outcome {
    match target {
        Target::None => {}
        Target::Verdict(verdict) => to.add(format_args!("{}", verdict_word(*verdict).ok_or(Untranslatable)?)),
        Target::Chain(chain) if header.is_goto() => to.add(format_args!("goto {chain}")),
        Target::Chain(chain) => to.add(format_args!("jump {chain}")),
        Target::Extension(object) => extension(&**object, to, around)?,
    }
    Ok(())
}

/// `QUEUE` has none: its one queue is not one of `nfnetlink_queue`.
fn verdict_word(verdict: i32) -> Option<&'static str> {
    match crate::table::verdict_name(verdict) {
        "ACCEPT" => Some("accept"),
        "DROP" => Some("drop"),
        "RETURN" => Some("return"),
        _ => None,
    }
}
