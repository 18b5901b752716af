//! What the socket options carry: questions, answers, and the head of a new table.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{EXTENSION_NAME_LEN, HOOKS, TABLE_NAME_LEN};

/// struct xt_counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes, from the network header on.
    pub bytes: u64,
}

/// struct ipt_getinfo and struct ip6t_getinfo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct GetInfo {
    /// Table name, the caller's.
    pub name: [u8; TABLE_NAME_LEN],
    /// Bit *h* if the table has a chain at hook *h*.
    pub valid_hooks: u32,
    /// Where each hook's chain begins.
    pub hook_entry: [u32; HOOKS],
    /// Where each hook's policy stands.
    pub underflow: [u32; HOOKS],
    /// Entries in the table.
    pub num_entries: u32,
    /// Bytes of all entries.
    pub size: u32,
}

/// struct ipt_get_entries and struct ip6t_get_entries, without the entries that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct GetEntries {
    /// Table name, the caller's.
    pub name: [u8; TABLE_NAME_LEN],
    /// Bytes of all entries, as `GET_INFO` said; another number is refused with `EAGAIN`.
    pub size: u32,
    /// Zero: the entries begin at a multiple of 8.
    pub pad: u32,
}

/// struct ipt_replace and struct ip6t_replace, without the entries that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Replace {
    /// Table name.
    pub name: [u8; TABLE_NAME_LEN],
    /// Which hooks have a chain; must be the table's own.
    pub valid_hooks: u32,
    /// Entries in the new table.
    pub num_entries: u32,
    /// Bytes of all entries.
    pub size: u32,
    /// Where each hook's chain begins.
    pub hook_entry: [u32; HOOKS],
    /// Where each hook's policy stands.
    pub underflow: [u32; HOOKS],
    /// How many counters the caller has room for: the entries of the old table.
    pub num_counters: u32,
    /// Address of that room, filled in by the kernel backend alone.
    pub counters: u64,
}

/// struct xt_counters_info, without the counters that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct CountersInfo {
    /// Table name.
    pub name: [u8; TABLE_NAME_LEN],
    /// How many counters follow: one for each entry.
    pub num_counters: u32,
    /// Zero: the counters begin at a multiple of 8.
    pub pad: u32,
}

/// struct xt_get_revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct GetRevision {
    /// The extension's name.
    pub name: [u8; EXTENSION_NAME_LEN],
    /// The revision asked for.
    pub revision: u8,
}

impl GetRevision {
    /// The bytes of the question; `None` if the name is too long.
    pub fn question(name: &str, revision: u8) -> Option<Vec<u8>> {
        Some(Self { name: super::name_field(name)?, revision }.as_bytes().to_vec())
    }
}

const _: () = assert!(size_of::<Counters>() == 16);
const _: () = assert!(size_of::<GetInfo>() == 84);
const _: () = assert!(size_of::<GetEntries>() == 40);
const _: () = assert!(size_of::<Replace>() == 96);
const _: () = assert!(size_of::<CountersInfo>() == 40);
const _: () = assert!(size_of::<GetRevision>() == 30);
