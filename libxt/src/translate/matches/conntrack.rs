//! `-m conntrack` and `-m state`: everything about the connection.

use crate::ext::Surroundings;
use crate::ext::matches::conntrack::{Conntrack, Direction, State, StateAlias, Status};
use crate::family::Af;
use crate::translate::operand::{Span, add_ports, add_span, not};
use crate::translate::{Outcome, Statement, Translate};
use crate::value::address::Text;
use crate::value::condition::Condition;
use crate::value::network::Network;

impl Translate for Conntrack {
    fn translate(&self, to: &mut Statement<'_>, around: &Surroundings) -> Outcome {
        let direction = match self.direction {
            Some(Direction::Original) => Some("original"),
            Some(Direction::Reply) => Some("reply"),
            None => None,
        };
        if let Some(direction) = direction {
            to.add(format_args!("ct direction {direction}"));
        }
        if let Some(Condition { value, inverted }) = self.protocol {
            let key = format!("ct {} protocol", direction.unwrap_or("original"));
            add_span(to, &key, inverted, &Span(value, value));
        }
        if let Some(state) = self.state {
            add_state(to, state, self.status.is_some_and(|status| status.inverted));
        }
        if let Some(status) = self.status {
            add_status(to, status);
            // The place of no status stays empty before what follows.
            if status.value.0 == 0 && self.has_more() {
                to.add_raw(format_args!(" "));
            }
        }
        if let Some(Condition { value: (min, max), inverted }) = self.expires {
            add_span(to, "ct expiration", inverted, &Span(min, max));
        }
        add_network(to, around.af, "ct original saddr", self.orig_source);
        add_network(to, around.af, "ct original daddr", self.orig_destination);
        add_network(to, around.af, "ct reply saddr", self.reply_source);
        add_network(to, around.af, "ct reply daddr", self.reply_destination);
        for (key, ports) in [
            ("ct original proto-src", self.orig_source_port),
            ("ct original proto-dst", self.orig_destination_port),
            ("ct reply proto-src", self.reply_source_port),
            ("ct reply proto-dst", self.reply_destination_port),
        ] {
            add_ports(to, key, ports);
        }
        Ok(())
    }
}

impl Translate for StateAlias {
    fn translate(&self, to: &mut Statement<'_>, around: &Surroundings) -> Outcome {
        self.0.translate(to, around)
    }
}

impl Conntrack {
    /// Whether there is anything to say behind the status.
    fn has_more(&self) -> bool {
        let networks = [self.orig_source, self.orig_destination, self.reply_source, self.reply_destination];
        let ports =
            [self.orig_source_port, self.orig_destination_port, self.reply_source_port, self.reply_destination_port];
        self.expires.is_some() || networks.iter().any(Option::is_some) || ports.iter().any(Option::is_some)
    }
}

/// The two states that NAT gives are statuses in nft: one is said alone, whatever else there is, and the `!` that counts
/// for it is that of `--ctstatus`.
fn add_state(to: &mut Statement<'_>, state: Condition<State>, status_inverted: bool) {
    let not = if status_inverted { "!=" } else { "" };
    if state.value.meets(State::SNAT) {
        to.add(format_args!("ct status {not}snat"));
    } else if state.value.meets(State::DNAT) {
        to.add(format_args!("ct status {not}dnat"));
    } else {
        let names = state.value.to_string().to_ascii_lowercase();
        to.add(format_args!("ct state {}{names}", bang(state.inverted)));
    }
}

fn add_status(to: &mut Statement<'_>, status: Condition<Status>) {
    let names = if status.value.0 == 0 { String::new() } else { status.value.to_string() };
    let names = names.to_ascii_lowercase().replace('_', "-");
    to.add(format_args!("ct status {}{names}", bang(status.inverted)));
}

fn add_network(to: &mut Statement<'_>, af: Af, key: &str, network: Option<Condition<Network>>) {
    let Some(Condition { value, inverted }) = network else { return };
    let address = Text(value.address(af));
    match value.prefix_len(af) {
        Some(len) if len as usize != 8 * af.address_len() => {
            to.add(format_args!("{key} {}{address}/{len}", not(inverted)));
        }
        _ => to.add(format_args!("{key} {}{address}", not(inverted))),
    }
}

fn bang(inverted: bool) -> &'static str {
    if inverted { "! " } else { "" }
}
