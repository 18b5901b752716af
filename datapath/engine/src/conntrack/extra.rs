//! What few connections have, apart from the slab: a helper, a master, expectations, labels, adjusted sequence numbers.

use super::connection::{Connection, SECOND, Traits, event};
use super::expect::{CLASSES, Link};
use super::policy::PolicyId;
use super::proxied::Proxied;
use super::table::{NONE, Table};
use super::{ConnId, Direction, Refusal, Tracker, Tuple, status};
use crate::helper::sequence::Shift;
use crate::helper::{self, Helper, HelperId, Memory};
use crate::{Effects, Now};

/// `struct nf_conn_help`, `struct nf_conn_seqadj`, `struct nf_conn_timeout`, `struct nf_conn_labels`, `ct->secmark` and `ct->master`.
#[derive(Clone, Debug, Default)]
pub(super) struct Extra {
    /// `nfct_help(ct)`: the connection has room for a helper, and perhaps one.
    pub(super) help: Option<Help>,
    /// The connection that announced this one.
    pub(super) master: Option<Master>,
    /// How many connections have this one as their master.
    pub(super) children: u32,
    /// What is expected because of it, the newest first.
    pub(super) expectations: Link,
    /// How many of each class.
    pub(super) expecting: [u8; CLASSES],
    /// The policy that says how long it lives.
    pub(super) timeouts: Option<PolicyId>,
    /// `ct->secmark`.
    pub(super) secmark: u32,
    /// 128 label bits, the lowest first, if the connection has room for them.
    pub(super) labels: [u32; 4],
    /// What SYNPROXY keeps, if it opened the connection.
    pub(super) proxied: Option<Proxied>,
    /// How sequence numbers of each direction are moved.
    pub(super) shifts: Option<[Shift; 2]>,
}

/// `struct nf_conn_help`.
#[derive(Clone, Debug, Default)]
pub(super) struct Help {
    pub(super) helper: Option<HelperId>,
    /// What the helper keeps in mind.
    pub(super) memory: Memory,
}

/// A connection's master as it was when the connection began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Master {
    pub(super) id: ConnId,
    /// Its original tuple.
    pub(super) tuple: Tuple,
    /// Its helper.
    pub(super) helper: Option<HelperId>,
}

/// All that is there, addressed by [`Connection`]'s `extra`.
#[derive(Debug, Default)]
pub(super) struct Extras {
    all: Vec<Extra>,
    free: Vec<u32>,
}

impl Table {
    /// What a connection has besides.
    pub(super) fn extra(&self, index: u32) -> Option<&Extra> {
        self.extras.all.get(self.at(index).extra as usize)
    }

    /// The same, to change.
    pub(super) fn extra_mut(&mut self, index: u32) -> Option<&mut Extra> {
        let at = self.at(index).extra;
        self.extras.all.get_mut(at as usize)
    }

    /// Gives a connection room for what few have.
    pub(super) fn add_extra(&mut self, index: u32) -> &mut Extra {
        let mut at = self.at(index).extra;
        if at == NONE {
            at = self.extras.free.pop().unwrap_or_else(|| {
                self.extras.all.push(Extra::default());
                self.extras.all.len() as u32 - 1
            });
            self.at_mut(index).extra = at;
        }
        &mut self.extras.all[at as usize]
    }

    /// Takes it away again; what it was comes back.
    pub(super) fn drop_extra(&mut self, index: u32) -> Option<Extra> {
        let at = core::mem::replace(&mut self.at_mut(index).extra, NONE);
        let extra = self.extras.all.get_mut(at as usize)?;
        self.extras.free.push(at);
        Some(core::mem::take(extra))
    }

    /// 128 label bits, bit 0 the lowest; `None` if the connection has no room for labels.
    pub(super) fn labels(&self, index: u32) -> Option<u128> {
        let words = self.extra(index).map_or([0; 4], |extra| extra.labels);
        let [a, b, c, d] = words.map(u128::from);
        self.at(index).traits.has(Traits::LABELS).then_some(a | b << 32 | c << 64 | d << 96)
    }

    /// Sets all labels.
    pub(super) fn set_labels(&mut self, index: u32, labels: u128) {
        if labels != 0 || self.extra(index).is_some() {
            let words = [labels, labels >> 32, labels >> 64, labels >> 96];
            self.add_extra(index).labels = words.map(|word| (word & 0xffff_ffff) as u32);
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn extras(&self) -> usize {
        self.extras.all.len() - self.extras.free.len()
    }
}

impl Connection {
    /// Whether it has a helper, a master, or anything else that few connections have.
    pub(crate) fn is_plain(&self) -> bool {
        self.extra == NONE
    }
}

impl Tracker {
    /// 128 label bits of a connection, bit 0 the lowest; `None` if it has no room for labels.
    pub fn labels(&self, id: ConnId) -> Option<u128> {
        self.table.get(id)?;
        self.table.labels(id.index)
    }

    /// Sets a label bit (`-m connlabel --set`), 0 to 127; `false` if the connection has no room for labels.
    pub fn set_label(&mut self, id: ConnId, bit: u8) -> bool {
        let Some(had) = self.labels(id).filter(|_| bit < 128) else { return false };
        if had >> bit & 1 == 0 {
            self.table.set_labels(id.index, had | 1 << bit);
            self.table.at_mut(id.index).note(event::LABEL);
        }
        true
    }

    /// The helper of a connection that reads its packets here.
    pub(crate) fn helper(&self, id: ConnId) -> Option<&'static dyn Helper> {
        helper::built_in(self.helper_id(id)?)
    }

    /// Which helper a connection has. As nfct_help(ct)->helper.
    pub(crate) fn helper_id(&self, id: ConnId) -> Option<HelperId> {
        self.table.get(id)?;
        self.table.extra(id.index)?.help.as_ref()?.helper
    }

    /// Whether a connection has room for a helper. As nfct_help().
    pub fn has_help(&self, id: ConnId) -> bool {
        self.table.get(id).is_some() && self.table.extra(id.index).is_some_and(|extra| extra.help.is_some())
    }

    /// Whether another connection announced it. As `ct->master`.
    pub(crate) fn has_master(&self, id: ConnId) -> bool {
        self.table.get(id).is_some() && self.table.extra(id.index).is_some_and(|extra| extra.master.is_some())
    }

    /// What the connection's helper keeps in mind.
    pub(crate) fn memory(&mut self, id: ConnId) -> Option<&mut Memory> {
        self.table.get(id)?;
        Some(&mut self.table.extra_mut(id.index)?.help.as_mut()?.memory)
    }

    /// The helper of the connection that announced this one. As helper_mt() asks for it.
    pub(crate) fn master_helper(&self, id: ConnId) -> Option<HelperId> {
        self.table.get(id)?;
        self.table.extra(id.index)?.master?.helper
    }

    /// The original tuple of the connection that announced this one.
    pub(crate) fn master_tuple(&self, id: ConnId) -> Option<Tuple> {
        self.table.get(id)?;
        Some(self.table.extra(id.index)?.master?.tuple)
    }

    /// No connection has this helper any more. As unhelp().
    pub(crate) fn dismiss(&mut self, helper: HelperId) {
        for index in 0..self.table.slots() {
            let Some(extra) = self.table.extra_mut(index) else { continue };
            let help = extra.help.as_mut().filter(|help| help.helper == Some(helper));
            let helped = help.map(|help| *help = Help::default()).is_some();
            let master = extra.master.as_mut().filter(|master| master.helper == Some(helper));
            let announced = master.map(|master| master.helper = None).is_some();
            if helped || announced {
                self.touch(index);
            }
        }
    }

    /// Changes a connection's helper by hand, as far as that goes: none may be given, and only the empty name takes one away.
    /// As ctnetlink_change_helper().
    pub fn change_helper(&mut self, id: ConnId, name: &[u8], now: Now, out: &mut Effects) -> Result<(), Refusal> {
        let connection = self.table.get(id).ok_or(Refusal::Missing)?;
        let tuple = connection.tuple(Direction::Original);
        let extra = self.table.extra(id.index);
        let has = extra.and_then(|extra| extra.help.as_ref()?.helper);
        if extra.is_some_and(|extra| extra.master.is_some()) {
            let same = has.is_some_and(|helper| self.helper_name(helper).as_bytes() == name);
            return if same { Ok(()) } else { Err(Refusal::Busy) };
        }
        let room = extra.is_some_and(|extra| extra.help.is_some());
        if name.is_empty() {
            if has.is_some() {
                self.disappoint(id.index, now, out);
                self.assign(id.index, None);
            }
            return Ok(());
        }
        let wanted = self.find_helper(name, tuple.af, tuple.protocol).ok_or(Refusal::Unsupported)?;
        match (room, has) {
            (false, _) => Err(Refusal::Unsupported),
            (true, Some(has)) if has == wanted => Ok(()),
            (true, _) => Err(Refusal::Busy),
        }
    }

    /// The connection lives so many seconds from now on. As nf_ct_refresh().
    pub(crate) fn extend(&mut self, id: ConnId, seconds: u32, now: Now) {
        if self.table.get(id).is_some() {
            self.refresh(id.index, u64::from(seconds) * SECOND, now);
        }
    }

    /// Gives a connection a helper. As nf_ct_helper_ext_add() with a helper.
    pub(super) fn assign(&mut self, index: u32, helper: Option<HelperId>) {
        self.table.add_extra(index).help = Some(Help { helper, memory: Memory::default() });
    }

    /// How sequence numbers of each direction are moved, if they are at all. As nfct_seqadj().
    pub(crate) fn shifts(&self, id: ConnId) -> Option<&[Shift; 2]> {
        self.table.get(id)?;
        self.table.extra(id.index)?.shifts.as_ref()
    }

    /// The payload of a direction has grown by `by` bytes in the segment that starts at `sequence`. As nf_ct_seqadj_set().
    pub(crate) fn shift(&mut self, id: ConnId, direction: Direction, sequence: u32, by: i32) {
        if by == 0 || self.table.get(id).is_none() {
            return;
        }
        let Some(shifts) = self.table.extra_mut(id.index).and_then(|extra| extra.shifts.as_mut()) else { return };
        shifts[direction as usize].grow(sequence, by);
        self.table.at_mut(id.index).gain(status::SEQ_ADJUST);
        self.touch(id.index);
    }

    /// NAT has changed the connection: one that has a helper may have its payload rewritten. As the part of
    /// nf_nat_setup_info() that adds nf_conn_seqadj.
    pub(super) fn make_shiftable(&mut self, index: u32) {
        if let Some(extra) = self.table.extra_mut(index)
            && extra.help.is_some()
        {
            extra.shifts.get_or_insert_default();
        }
    }
}
