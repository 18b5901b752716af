//! Helpers that are programs, which come and go by messages.

use crate::conntrack::Refusal;
use crate::effects::Effects;
use crate::helper::HelperId;
use crate::helper::user::UserHelper;
use crate::host::Now;

use super::Engine;

impl Engine {
    /// Puts a helper in, or changes the one of its name, family and protocol. [`Self::handovers`] are others then.
    pub fn put_helper(&mut self, helper: UserHelper) -> Result<(), Refusal> {
        let (name, af, protocol) = (helper.name, helper.af, helper.protocol);
        let before = self.tracker.find_helper(name.as_bytes(), af, protocol);
        let before = before.and_then(|id| self.tracker.user_helper(id).cloned());
        self.tracker.put_helper(helper)?;
        if self.name_all() {
            return Ok(());
        }
        match before {
            Some(before) => self.tracker.put_helper(before)?,
            None => self.tracker.forget_helper(name.as_bytes(), af, protocol),
        }
        self.name_all();
        Err(Refusal::NoSpace)
    }

    /// Puts a kept helper back at the place of its [`HelperId::user_number`], if that is free. Call it before tables and
    /// connections are restored.
    pub fn restore_helper(&mut self, number: u8, helper: UserHelper) {
        self.tracker.restore_helper(number, helper);
        self.name_all();
    }

    /// Takes a helper out that no rule names. [`Self::handovers`] are others then.
    pub fn remove_helper(&mut self, id: HelperId, now: Now, out: &mut Effects) {
        self.tracker.remove_helper(id, now, out);
        self.name_all();
    }

    /// Has rules and helpers name what they keep; whether all of it has a number.
    fn name_all(&mut self) -> bool {
        self.stores.begin();
        for family in &mut self.families {
            family.tables.open(&mut self.stores);
        }
        let opened = self.tracker.user_helpers.open(&mut self.stores);
        self.stores.end();
        opened.is_ok()
    }
}
