//! Connections that SYNPROXY opened: what it keeps of them, and what it does to their numbers.

use super::connection::{Traits, event};
use super::extra::Extra;
use super::proto::{State, tcp};
use super::{ConnId, Direction, Tracker, status};
use crate::helper::sequence::Shift;

/// `struct nf_conn_synproxy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proxied {
    /// The number that the client was told the server begins with.
    pub(crate) number: u32,
    /// The timestamp that it was told.
    pub(crate) time: u32,
    /// By how much the server's timestamps are ahead of those that the client knows.
    pub(crate) offset: u32,
}

/// How far such a connection is, as SYNPROXY tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `TCP_CONNTRACK_SYN_SENT`.
    SynSent,
    /// `TCP_CONNTRACK_SYN_RECV`.
    SynRecv,
    /// `TCP_CONNTRACK_CLOSE`.
    Close,
    /// Any other.
    Other,
}

impl Extra {
    /// By how much the server's numbers and times are moved.
    pub(super) fn moved(&self) -> Option<(u32, u32)> {
        let proxied = self.proxied?;
        Some((self.shifts?[Direction::Reply as usize].after.cast_unsigned(), proxied.offset))
    }
}

impl Tracker {
    /// How far a connection is that SYNPROXY opened; `None` for any other.
    pub(crate) fn phase(&self, id: ConnId) -> Option<Phase> {
        self.proxied(id)?;
        let State::Tcp(tcp) = &self.table.get(id)?.state else { return None };
        Some(match tcp.state {
            tcp::state::SYN_SENT => Phase::SynSent,
            tcp::state::SYN_RECV => Phase::SynRecv,
            tcp::state::CLOSE => Phase::Close,
            _ => Phase::Other,
        })
    }

    /// What SYNPROXY keeps. As nfct_synproxy().
    pub(crate) fn proxied(&self, id: ConnId) -> Option<&Proxied> {
        self.table.get(id).filter(|connection| !connection.is_plain())?;
        self.table.extra(id.index)?.proxied.as_ref()
    }

    /// The same, to change: somebody may hear of it at the packet's last stage.
    pub(crate) fn proxied_mut(&mut self, id: ConnId) -> Option<&mut Proxied> {
        self.proxied(id)?;
        self.table.at_mut(id.index).note(event::SYNPROXY);
        self.table.extra_mut(id.index)?.proxied.as_mut()
    }

    /// The largest window that a side offered. As `td_maxwin`.
    pub(crate) fn largest_window(&self, id: ConnId, direction: Direction) -> Option<u32> {
        let State::Tcp(tcp) = &self.table.get(id)?.state else { return None };
        Some(tcp.largest_window(direction))
    }

    /// All sequence numbers of a direction are moved from now on. As nf_ct_seqadj_init(), which by 0 changes nothing.
    pub(crate) fn move_numbers(&mut self, id: ConnId, direction: Direction, by: u32) {
        if by == 0 || self.table.get(id).is_none() {
            return;
        }
        let Some(shifts) = self.table.extra_mut(id.index).and_then(|extra| extra.shifts.as_mut()) else { return };
        let Shift { before, after, .. } = &mut shifts[direction as usize];
        (*before, *after) = (by.cast_signed(), by.cast_signed());
        self.table.at_mut(id.index).gain(status::SEQ_ADJUST);
        self.touch(id.index);
    }

    /// That numbers are moved is told at the packet's last stage.
    pub(crate) fn tell_of_moved(&mut self, id: ConnId) {
        if self.proxied(id).is_some() {
            self.table.at_mut(id.index).note(event::MOVED);
        }
    }

    /// A connection that outlived its process is what it was; which number and time its client was told is forgotten.
    pub(super) fn stand_in_again(&mut self, index: u32, numbers: u32, times: u32) {
        self.stand_in(index);
        let id = self.table.id(index);
        self.move_numbers(id, Direction::Reply, numbers);
        if let Some(proxied) = self.table.extra_mut(index).and_then(|extra| extra.proxied.as_mut()) {
            proxied.offset = times;
        }
    }

    /// A connection begins as one that SYNPROXY opens. As nf_ct_add_synproxy().
    pub(super) fn stand_in(&mut self, index: u32) {
        let extra = self.table.add_extra(index);
        extra.proxied = Some(Proxied::default());
        extra.shifts.get_or_insert_default();
        self.table.at_mut(index).traits.set(Traits::PROXIED, true);
    }
}
