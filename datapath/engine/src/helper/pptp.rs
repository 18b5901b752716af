//! PPTP (RFC 2637): a control connection over TCP makes calls, whose data go over GRE. As nf_conntrack_pptp.c and
//! nf_nat_pptp.c.
//!
//! One call a connection: what the kernel keeps in mind is enough for no more.

mod message;

use libxt::family::Af;

use super::{About, Call, Helper, Memory, Policy};
use crate::conntrack::expect::{Expected, Follow};
use crate::conntrack::tuple::{Ports, protocol};
use crate::conntrack::{ConnId, Direction, Relation, Tracker, Tuple};
use crate::{Effects, Now, Verdict};
use message::{CALL, HEADER, Message, OTHER_CALL, kind};

pub(crate) struct Pptp;

/// What is known of a control connection: `struct nf_ct_pptp_master` and `struct nf_nat_pptp`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    control: Control,
    dialled: Dialled,
    /// The client's call id as the server knows it (`pns_call_id`).
    pub(crate) client_call: u16,
    /// The server's (`pac_call_id`).
    pub(crate) server_call: u16,
    /// The client's as it chose it, if it is translated.
    inner_client_call: u16,
    /// Packets whose other key is known, a direction each.
    keys: [Option<Tuple>; 2],
}

/// `enum pptp_ctrlsess_state`, in its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Control {
    #[default]
    None,
    Error,
    Stopping,
    Requested,
    Confirmed,
}

/// `enum pptp_ctrlcall_state`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Dialled {
    #[default]
    None,
    OutRequested,
    OutConfirmed,
    InRequested,
    InReplied,
    InConfirmed,
    Clearing,
}

impl Helper for Pptp {
    fn about(&self) -> &'static About {
        &About {
            name: "pptp",
            protocols: &[protocol::TCP],
            families: &[Af::V4],
            policies: &[Policy { most: 2, timeout: 300 }],
        }
    }

    fn help(&self, call: &mut Call<'_, '_>) -> Verdict {
        if call.relation != Relation::Established {
            return Verdict::Accept;
        }
        let Some(message) = Message::read(call.payload()) else { return Verdict::Accept };
        let mut session = match call.memory() {
            Some(Memory::Pptp(session)) => core::mem::take(session),
            _ => Session::default(),
        };
        let heard = match call.direction {
            Direction::Original => session.ask(&message),
            Direction::Reply => session.answer(&message, call),
        };
        let id = match (heard, call.translated()) {
            (Some(()), true) => session.rename(&message, call),
            _ => None,
        };
        if let Some(memory) = call.memory() {
            *memory = Memory::Pptp(session);
        }
        match id {
            Some((at, id)) if !call.mangle(HEADER + at, 2, &id.to_be_bytes()) => Verdict::Drop,
            _ => Verdict::Accept,
        }
    }

    fn end(&self, tracker: &mut Tracker, id: ConnId, now: Now, out: &mut Effects) {
        if let Some(Memory::Pptp(session)) = tracker.memory(id) {
            let mut session = core::mem::take(session);
            session.hang_up(tracker, id, now, out);
        }
    }
}

impl Session {
    /// What the client says; `None` if it makes no sense now. As pptp_outbound_pkt().
    fn ask(&mut self, message: &Message) -> Option<()> {
        match message.kind {
            kind::START_REQUEST if self.control == Control::None => self.control = Control::Requested,
            kind::STOP_REQUEST => self.control = Control::Stopping,
            kind::OUT_REQUEST if self.control == Control::Confirmed => {
                self.dialled = Dialled::OutRequested;
                self.client_call = message.call;
            }
            kind::IN_REPLY if matches!(self.dialled, Dialled::InRequested | Dialled::InReplied) => {
                if self.server_call != message.other_call {
                    return None;
                }
                if message.accepts {
                    self.dialled = Dialled::InReplied;
                    self.client_call = message.call;
                } else {
                    self.dialled = Dialled::None;
                }
            }
            kind::CLEAR_REQUEST if self.control == Control::Confirmed => self.dialled = Dialled::Clearing,
            kind::LINK_INFO | kind::ECHO_REQUEST | kind::ECHO_REPLY => {}
            _ => return None,
        }
        Some(())
    }

    /// What the server says. As pptp_inbound_pkt().
    fn answer(&mut self, message: &Message, call: &mut Call<'_, '_>) -> Option<()> {
        match message.kind {
            kind::START_REPLY if self.control >= Control::Requested => {
                self.control = if message.accepts { Control::Confirmed } else { Control::Error };
            }
            kind::STOP_REPLY if self.control <= Control::Stopping => {
                self.control = if message.accepts { Control::None } else { Control::Error };
            }
            kind::OUT_REPLY
                if self.control == Control::Confirmed
                    && matches!(self.dialled, Dialled::OutRequested | Dialled::OutConfirmed) =>
            {
                if self.client_call != message.other_call {
                    return None;
                }
                if message.accepts {
                    self.dialled = Dialled::OutConfirmed;
                    self.server_call = message.call;
                    self.expect(call);
                } else {
                    self.dialled = Dialled::None;
                }
            }
            kind::IN_REQUEST if self.control == Control::Confirmed => {
                self.dialled = Dialled::InRequested;
                self.server_call = message.call;
            }
            kind::IN_CONNECTED
                if self.control == Control::Confirmed
                    && matches!(self.dialled, Dialled::InReplied | Dialled::InConfirmed) =>
            {
                if self.client_call != message.call {
                    return None;
                }
                self.dialled = Dialled::InConfirmed;
                self.expect(call);
            }
            kind::DISCONNECT => {
                self.dialled = Dialled::None;
                self.hang_up(call.tracker, call.id, call.now, call.out);
            }
            kind::WAN_ERROR | kind::LINK_INFO | kind::ECHO_REQUEST | kind::ECHO_REPLY => {}
            _ => return None,
        }
        Some(())
    }

    /// Which call id a message of a translated connection says instead of its own, and where behind the header. As
    /// pptp_outbound_pkt() and pptp_inbound_pkt() of nf_nat_pptp.c.
    fn rename(&mut self, message: &Message, call: &Call<'_, '_>) -> Option<(usize, u16)> {
        match (call.direction, message.kind) {
            (Direction::Original, kind::OUT_REQUEST) => {
                // Unique as long as source ports are.
                self.inner_client_call = self.client_call;
                self.client_call = call.tuple(Direction::Reply).destination_port();
                Some((CALL, self.client_call))
            }
            (Direction::Original, kind::IN_REPLY | kind::CLEAR_REQUEST) => Some((CALL, self.client_call)),
            (Direction::Reply, kind::OUT_REPLY) => Some((OTHER_CALL, self.inner_client_call)),
            (Direction::Reply, kind::IN_CONNECTED | kind::WAN_ERROR | kind::DISCONNECT | kind::LINK_INFO) => {
                Some((CALL, self.inner_client_call))
            }
            _ => None,
        }
    }

    /// Expects GRE from either end. As exp_gre().
    fn expect(&mut self, call: &mut Call<'_, '_>) {
        let (client, server) = (self.client_call, self.server_call);
        let mut there = gre(&call.tuple(Direction::Original), client, server);
        let mut back = gre(&call.tuple(Direction::Reply), server, client);
        if call.translated() {
            there = Expected { saved: (there.saved.0, client), ..there };
            there.tuple = there.tuple.with_source_port(self.inner_client_call);
            back = Expected { direction: Direction::Reply, saved: (back.saved.0, self.inner_client_call), ..back };
        }
        if call.expect(there).is_err() {
            return;
        }
        if call.expect(back).is_err() {
            return call.unexpect(&there.tuple);
        }
        let both = [there.tuple, back.tuple];
        let alike = |known: &Option<Tuple>, tuple: &Tuple| known.is_none_or(|known| is_place_of(&known, tuple));
        if !self.keys.iter().zip(&both).all(|(known, tuple)| alike(known, tuple)) {
            // A second call, of which nothing is kept in mind.
            if alike(&self.keys[0], &both[0]) {
                self.forget_keys(call.tracker, call.id);
            }
            call.unexpect(&there.tuple);
            call.unexpect(&back.tuple);
            return;
        }
        for (known, tuple) in self.keys.iter_mut().zip(both) {
            if known.is_none() {
                call.tracker.keymap.add(&tuple, call.id);
                *known = Some(tuple);
            }
        }
    }

    /// As nf_ct_gre_keymap_destroy().
    fn forget_keys(&mut self, tracker: &mut Tracker, id: ConnId) {
        for tuple in self.keys.iter_mut().filter_map(Option::take) {
            tracker.keymap.remove(&tuple, id);
        }
    }

    /// The call's connections, or what is expected of them, are over. As pptp_destroy_siblings().
    fn hang_up(&mut self, tracker: &mut Tracker, id: ConnId, now: Now, out: &mut Effects) {
        self.forget_keys(tracker, id);
        let Some(master) = tracker.get(id) else { return };
        let zone = master.zones()[0];
        let keys = [(self.client_call, self.server_call), (self.server_call, self.client_call)];
        let ends = [Direction::Original, Direction::Reply].map(|direction| master.tuple(direction));
        for (tuple, (source, destination)) in ends.iter().zip(keys) {
            let tuple = Tuple { protocol: protocol::GRE, ports: Ports::Keys { source, destination }, ..*tuple };
            match tracker.find(&tuple, zone, now) {
                Some((sibling, _)) => tracker.end(sibling, now, out),
                None => drop(tracker.unexpect_any(&tuple, zone, now, out)),
            }
        }
    }
}

/// GRE between the ends of a connection.
fn gre(ends: &Tuple, source: u16, destination: u16) -> Expected {
    let tuple = Tuple { protocol: protocol::GRE, ports: Ports::Keys { source, destination }, ..*ends };
    Expected { follow: Follow::Pptp, ..Expected::new(Some(ends.source), Some(source), tuple) }
}

/// As gre_key_cmpfn().
fn is_place_of(known: &Tuple, tuple: &Tuple) -> bool {
    (known.source, known.destination, known.destination_port())
        == (tuple.source, tuple.destination, tuple.destination_port())
}
