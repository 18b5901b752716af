//! `-m owner`: compares who owns the socket that a local packet comes from.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::account::Account;
use crate::value::condition::Condition;
use crate::value::number;

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub user: Option<Condition<Ids>>,
    /// The group's number.
    pub group: Option<Condition<Ids>>,
    /// There is a socket; inverted, there is none.
    pub socket: Option<Condition<()>>,
    /// `group` looks at supplementary groups, too.
    pub supplementary: bool,
}

/// Numbers of users or groups, from the first to the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The first.
    pub min: u32,
    /// The last; the order is left to the kernel to check.
    pub max: u32,
}

impl Extension for Owner {
    const NAME: &'static str = "owner";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(1, size_of::<Info1>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("uid-owner", " user[-user]", "the user: a name, a number, or a range of numbers", set_user)
            .invertible(),
        Opt::new("gid-owner", " group[-group]", "the group: a name, a number, or a range of numbers", set_group)
            .invertible(),
        Opt::flag("socket-exists", "there is a socket at all", set_socket).invertible(),
        Opt::flag("suppl-groups", "--gid-owner looks at supplementary groups, too", set_supplementary),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen == 0 {
            return Err(Problem::new("owner: At least one of --uid-owner, --gid-owner or --socket-exists is required"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info1::read_from_prefix(info).map_err(|_| Malformed("owner"))?;
        let inverted = |bit| info.invert & bit != 0;
        let ids = |[min, max]: [u32; 2], bit| {
            (info.flags & bit != 0).then(|| Condition::new(Ids { min, max }, inverted(bit)))
        };
        Ok(Self {
            user: ids(info.user, USER),
            group: ids(info.group, GROUP),
            socket: (info.flags & SOCKET != 0).then(|| Condition::new((), inverted(SOCKET))),
            supplementary: info.flags & SUPPLEMENTARY != 0,
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let mut flags = if self.supplementary { SUPPLEMENTARY } else { 0 };
        let mut invert = 0;
        let mut set = |bit, inverted| {
            flags |= bit;
            invert |= if inverted { bit } else { 0 };
        };
        let user = self.user.inspect(|user| set(USER, user.inverted)).unwrap_or_default().value;
        let group = self.group.inspect(|group| set(GROUP, group.inverted)).unwrap_or_default().value;
        if let Some(socket) = self.socket {
            set(SOCKET, socket.inverted);
        }
        let bytes = Info1 { user: [user.min, user.max], group: [group.min, group.max], flags, invert, pad: [0; 2] };
        bytes.write_to_prefix(info).map_err(|_| Malformed("owner"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        if let Some(socket) = self.socket {
            write!(w, "{} --socket-exists", socket.not())?;
        }
        for (option, ids) in [("uid-owner", self.user), ("gid-owner", self.group)] {
            if let Some(ids) = ids {
                write!(w, "{} --{option} {}", ids.not(), ids.value)?;
            }
        }
        if self.supplementary { w.write_str(" --suppl-groups") } else { Ok(()) }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        if let Some(socket) = self.socket {
            write!(w, "{} owner socket exists", socket.not())?;
        }
        for (word, ids, account) in [("UID", self.user, Account::User), ("GID", self.group, Account::Group)] {
            let Some(ids) = ids else { continue };
            write!(w, "{} owner {word} match ", ids.not())?;
            match account.name(ids.value.min).filter(|_| !numeric && ids.value.min == ids.value.max) {
                Some(name) => w.write_str(&name)?,
                None => write!(w, "{}", ids.value)?,
            }
        }
        if self.supplementary { w.write_str(" incl. suppl. groups") } else { Ok(()) }
    }
}

impl Ids {
    /// Whether a number is among them.
    pub const fn contain(self, id: u32) -> bool {
        self.min <= id && id <= self.max
    }
}

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max { write!(f, "{}", self.min) } else { write!(f, "{}-{}", self.min, self.max) }
    }
}

fn set_user(to: &mut Owner, given: &Given<'_>) -> Result<(), Problem> {
    to.user = Some(Condition::new(parse(given, Account::User)?, given.inverted));
    Ok(())
}

fn set_group(to: &mut Owner, given: &Given<'_>) -> Result<(), Problem> {
    to.group = Some(Condition::new(parse(given, Account::Group)?, given.inverted));
    Ok(())
}

fn set_socket(to: &mut Owner, given: &Given<'_>) -> Result<(), Problem> {
    to.socket = Some(Condition::new((), given.inverted));
    Ok(())
}

fn set_supplementary(to: &mut Owner, given: &Given<'_>) -> Result<(), Problem> {
    if to.group.is_none() {
        return Err(given.bad_param("you need to use --gid-owner first"));
    }
    to.supplementary = true;
    Ok(())
}

fn parse(given: &Given<'_>, account: Account) -> Result<Ids, Problem> {
    if let Some(id) = account.id(given.value) {
        return Ok(Ids { min: id, max: id });
    }
    let bad = || given.bad_param(given.value);
    // The highest number stands for «no user».
    let id = |text| {
        let (id, rest) = number::parse_prefix(text)?;
        (id < u32::MAX.into()).then_some((id as u32, rest))
    };
    let (min, rest) = id(given.value).ok_or_else(bad)?;
    let (max, rest) = match rest.strip_prefix(['-', ':']) {
        Some(max) => id(max).ok_or_else(bad)?,
        None => (min, rest),
    };
    if rest.is_empty() { Ok(Ids { min, max }) } else { Err(bad()) }
}

const USER: u8 = 1;
const GROUP: u8 = 1 << 1;
const SOCKET: u8 = 1 << 2;
const SUPPLEMENTARY: u8 = 1 << 3;

/// struct xt_owner_match_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    user: [u32; 2],
    group: [u32; 2],
    flags: u8,
    invert: u8,
    pad: [u8; 2],
}
