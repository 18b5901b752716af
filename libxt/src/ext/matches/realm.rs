//! `-m realm`: compares the routing realm of the packet's route.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::mark::Masked;
use crate::value::named::REALMS;

/// `(realm & mask) == value`, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    /// The realm and the bits of it that count.
    pub realm: Condition<Masked>,
}

impl Default for Realm {
    fn default() -> Self {
        Self { realm: Condition::new(Masked { value: 0, mask: 0 }, false) }
    }
}

impl Extension for Realm {
    const NAME: &'static str = "realm";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).only(Families::V4)];
    const OPTIONS: &'static [Opt<Self>] =
        &[Opt::new("realm", " realm[/mask]", "the routing realm: a number, optionally masked, or a name", set_realm)
            .invertible()
            .mandatory()];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("realm"))?;
        Ok(Self { realm: Condition::new(Masked { value: info.id, mask: info.mask }, info.invert != 0) })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let Masked { value: id, mask } = self.realm.value;
        let bytes = Info { id, mask, invert: self.realm.inverted.into(), pad: [0; 3] };
        bytes.write_to_prefix(info).map_err(|_| Malformed("realm"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        write!(w, "{} --realm {}", self.realm.not(), REALMS.shown(self.realm.value, false))
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        write!(w, "{} realm {}", self.realm.not(), REALMS.shown(self.realm.value, numeric))
    }
}

fn set_realm(to: &mut Realm, given: &Given<'_>) -> Result<(), Problem> {
    to.realm = Condition::new(REALMS.parse(given)?, given.inverted);
    Ok(())
}

/// struct xt_realm_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    id: u32,
    mask: u32,
    invert: u8,
    pad: [u8; 3],
}
