//! Helpers that are programs: what they are called, what they may expect, and the queue their packets go to. As
//! nfnetlink_cthelper.c.

use libxt::family::Af;
use libxt::value::text::Text;

use super::{About, Helper, HelperId, Policy, built_in};
use crate::conntrack::{Direction, Refusal, Relation, Tracked, Tracker};
use crate::effects::Effects;
use crate::ext::handover;
use crate::ext::stores::Stores;
use crate::host::Now;
use crate::ruleset::Refused;

/// The name of a helper or of a class of its expectations (`NF_CT_HELPER_NAME_LEN`).
pub type Name = Text<16>;

/// A helper that is a program: `struct nf_conntrack_helper` with `NF_CT_HELPER_F_USERSPACE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserHelper {
    /// Its name.
    pub name: Name,
    /// The family of its connections.
    pub af: Af,
    /// Their transport protocol.
    pub protocol: u8,
    /// The queue that their packets go to, by its lower half.
    pub queue: u32,
    /// The classes of its expectations, one to [`CLASSES`].
    pub classes: Vec<Class>,
    /// Bytes that it keeps in mind of a connection, at most [`PRIVATE`]. It is the program that keeps them.
    pub private: u32,
    /// Packets are handed over (`NFCT_HELPER_STATUS_ENABLED`); else they pass.
    pub enabled: bool,
}

/// A class of expectations: `struct nf_conntrack_expect_policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its name.
    pub name: Name,
    /// How many a master may have at once, 0 for any number.
    pub most: u8,
    /// Seconds that one lives.
    pub timeout: u32,
}

/// Classes at most (`NF_CT_MAX_EXPECT_CLASSES`).
pub const CLASSES: usize = 4;
/// The most that a helper may keep in mind (`NF_CT_HELPER_DATA` bytes of `struct nf_conn_help`).
pub const PRIVATE: u32 = 32;
/// Helpers at most; the kernel has no bound but its memory.
pub const MOST: usize = 100;
/// Ids from here on are those of programs.
const FIRST: u8 = 128;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct UserHelpers {
    slots: Vec<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    helper: UserHelper,
    /// Has packets queued.
    queue: handover::Rule,
}

impl UserHelpers {
    fn known(&self, id: HelperId) -> Option<&Known> {
        self.slots.get(usize::from(id.0.checked_sub(FIRST)?))?.as_ref()
    }

    fn all(&self) -> impl Iterator<Item = (HelperId, &Known)> {
        let numbered = (FIRST..).zip(&self.slots);
        numbered.filter_map(|(number, slot)| Some((HelperId(number), slot.as_ref()?)))
    }

    fn place(&mut self, id: HelperId) -> Option<&mut Option<Known>> {
        self.slots.get_mut(usize::from(id.0.checked_sub(FIRST)?))
    }

    /// Names what hands packets over, as rules do.
    pub(crate) fn open(&mut self, stores: &mut Stores) -> Result<(), Refused> {
        self.slots.iter_mut().flatten().try_for_each(|known| known.queue.open(stores))
    }
}

impl UserHelper {
    /// One as [`crate::Engine::put_helper`] takes it; what is beyond bounds is cut.
    fn bounded(mut self) -> Self {
        self.classes.truncate(CLASSES);
        self
    }

    fn known(self) -> Known {
        let queue = handover::Rule::asking(self.af, self.queue as u16);
        Known { helper: self.bounded(), queue }
    }
}

impl HelperId {
    /// As a number that outlives a crash; 0 is none.
    pub(crate) fn number(id: Option<Self>) -> u8 {
        id.map_or(0, |id| id.0.saturating_add(1))
    }

    /// The helper of such a number.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        let id = Self(number.checked_sub(1)?);
        (built_in(id).is_some() || (FIRST..).take(MOST).any(|user| user == id.0)).then_some(id)
    }

    /// The number of one that is a program, from 1 to [`MOST`].
    pub fn user_number(self) -> Option<u8> {
        self.0.checked_sub(FIRST).map(|place| place.saturating_add(1))
    }
}

impl Tracker {
    /// The helper of a name for a family and a transport protocol. As __nf_conntrack_helper_find().
    pub fn find_helper(&self, name: &[u8], af: Af, protocol: u8) -> Option<HelperId> {
        super::find(name, af, protocol).or_else(|| {
            let same = |known: &Known| {
                let helper = &known.helper;
                (helper.name.as_bytes(), helper.af, helper.protocol) == (name, af, protocol)
            };
            self.user_helpers.all().find(|(_, known)| same(known)).map(|(id, _)| id)
        })
    }

    /// All helpers that are programs.
    pub fn user_helpers(&self) -> impl Iterator<Item = (HelperId, &UserHelper)> {
        self.user_helpers.all().map(|(id, known)| (id, &known.helper))
    }

    /// A helper that is a program.
    pub fn user_helper(&self, id: HelperId) -> Option<&UserHelper> {
        self.user_helpers.known(id).map(|known| &known.helper)
    }

    /// What a helper is called.
    pub(crate) fn helper_name(&self, id: HelperId) -> Name {
        match built_in(id).map(<dyn Helper>::about) {
            Some(About { name, .. }) => Name::cut(name),
            None => self.user_helpers.known(id).map_or_else(Name::default, |known| known.helper.name),
        }
    }

    /// What holds of a class of a helper's expectations; `None` if it has no such class.
    pub(crate) fn class_of(&self, id: HelperId, class: u32) -> Option<Policy> {
        let class = usize::try_from(class).ok()?;
        match built_in(id) {
            Some(helper) => helper.policy(class, &self.settings().helpers),
            None => {
                let class = self.user_helpers.known(id)?.helper.classes.get(class)?;
                Some(Policy { most: class.most, timeout: class.timeout })
            }
        }
    }

    /// The number of what asks the program that is the helper of a packet's connection, where one is. As
    /// nfnl_userspace_cthelper().
    pub(crate) fn task_of(&self, tracked: Tracked, handing: &[bool]) -> Option<u8> {
        let Tracked::Of { id, direction, relation } = tracked else { return None };
        // As nf_confirm().
        if (direction, relation) == (Direction::Reply, Relation::Related) {
            return None;
        }
        let known = self.user_helpers.known(self.helper_id(id)?)?;
        known.queue.number(handing).filter(|_| known.helper.enabled)
    }

    /// Puts a helper in, or changes one of the same kind.
    pub(crate) fn put_helper(&mut self, helper: UserHelper) -> Result<(), Refusal> {
        match self.find_helper(helper.name.as_bytes(), helper.af, helper.protocol) {
            Some(id) => match self.user_helpers.place(id) {
                Some(place) => *place = Some(helper.known()),
                None => return Err(Refusal::Exists),
            },
            None => {
                let slots = &mut self.user_helpers.slots;
                match slots.iter().position(Option::is_none) {
                    Some(free) => slots[free] = Some(helper.known()),
                    None if slots.len() < MOST => slots.push(Some(helper.known())),
                    None => return Err(Refusal::Full),
                }
            }
        }
        Ok(())
    }

    /// Puts a kept helper back at its place; nothing if that is taken or beyond what there may be.
    pub(crate) fn restore_helper(&mut self, number: u8, helper: UserHelper) {
        let place = usize::from(number).wrapping_sub(1);
        if place >= MOST {
            return;
        }
        let slots = &mut self.user_helpers.slots;
        slots.resize_with(slots.len().max(place + 1), || None);
        slots[place].get_or_insert_with(|| helper.known());
    }

    /// Takes a helper out: its connections have none any more, and what was expected because of it is not. As
    /// nf_conntrack_helper_unregister().
    pub(crate) fn remove_helper(&mut self, helper: HelperId, now: Now, out: &mut Effects) {
        for at in 0..self.expectation_places() {
            if self.is_announced_by(at, helper) {
                self.unexpect_at(at, now, out);
            }
        }
        self.dismiss(helper);
        if let Some(place) = self.user_helpers.place(helper) {
            *place = None;
        }
    }

    /// Takes a helper out that no connection has.
    pub(crate) fn forget_helper(&mut self, name: &[u8], af: Af, protocol: u8) {
        let id = self.find_helper(name, af, protocol);
        if let Some(place) = id.and_then(|id| self.user_helpers.place(id)) {
            *place = None;
        }
    }
}
