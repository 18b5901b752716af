//! `-m devgroup`: compares the groups of the devices that a packet comes and goes by.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::condition::Condition;
use crate::value::mark::Masked;
use crate::value::named::GROUPS;

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devgroup {
    /// The group of the device it came in by.
    pub source: Option<Condition<Masked>>,
    /// The group of the device it goes out by.
    pub destination: Option<Condition<Masked>>,
}

impl Extension for Devgroup {
    const NAME: &'static str = "devgroup";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("src-group", " group[/mask]", "the group of the device it came in by", set_source).invertible(),
        Opt::new("dst-group", " group[/mask]", "the group of the device it goes out by", set_destination).invertible(),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 {
            return Err(Problem::new("devgroup match: You must specify either '--src-group' or '--dst-group'"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("devgroup"))?;
        let group = |[value, mask]: [u32; 2], bit, invert| {
            (info.flags & bit != 0).then(|| Condition::new(Masked { value, mask }, info.flags & invert != 0))
        };
        Ok(Self {
            source: group(info.source, SOURCE, NOT_SOURCE),
            destination: group(info.destination, DESTINATION, NOT_DESTINATION),
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let mut bytes = Info { flags: 0, source: [0; 2], destination: [0; 2] };
        if let Some(Condition { value, inverted }) = self.source {
            bytes.flags |= SOURCE | if inverted { NOT_SOURCE } else { 0 };
            bytes.source = [value.value, value.mask];
        }
        if let Some(Condition { value, inverted }) = self.destination {
            bytes.flags |= DESTINATION | if inverted { NOT_DESTINATION } else { 0 };
            bytes.destination = [value.value, value.mask];
        }
        bytes.write_to_prefix(info).map_err(|_| Malformed("devgroup"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        self.write(w, "--", false)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        self.write(w, "", numeric)
    }
}

impl Devgroup {
    fn write(&self, w: &mut dyn Write, dashes: &str, numeric: bool) -> fmt::Result {
        for (name, group) in [("src", self.source), ("dst", self.destination)] {
            if let Some(group) = group {
                write!(w, "{} {dashes}{name}-group {}", group.not(), GROUPS.shown(group.value, numeric))?;
            }
        }
        Ok(())
    }
}

fn set_source(to: &mut Devgroup, given: &Given<'_>) -> Result<(), Problem> {
    to.source = Some(Condition::new(GROUPS.parse(given)?, given.inverted));
    Ok(())
}

fn set_destination(to: &mut Devgroup, given: &Given<'_>) -> Result<(), Problem> {
    to.destination = Some(Condition::new(GROUPS.parse(given)?, given.inverted));
    Ok(())
}

const SOURCE: u32 = 1;
const NOT_SOURCE: u32 = 2;
const DESTINATION: u32 = 4;
const NOT_DESTINATION: u32 = 8;

/// struct xt_devgroup_info; each group with its mask.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    flags: u32,
    source: [u32; 2],
    destination: [u32; 2],
}
