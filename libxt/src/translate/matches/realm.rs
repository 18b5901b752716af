//! `-m realm`: the realm of the route, by name or number.

use crate::ext::Surroundings;
use crate::ext::matches::realm::Realm;
use crate::translate::operand::add_named;
use crate::translate::{Outcome, Statement, Translate};
use crate::value::named::REALMS;

impl Translate for Realm {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        let realm = self.realm;
        add_named(to, "rtclassid", realm.inverted, realm.value, &REALMS.shown(realm.value, false));
        Ok(())
    }
}
