//! The kernel's own structs (uAPI), byte for byte: what stands in a table's blob and what the socket options carry.
//!
//! Every struct is explicit about its padding and its size is asserted at compile time. Numbers are in host order, as
//! the kernel has them, except addresses, which are in network order. The bytes of a whole table are walked by
//! [`crate::blob`]; nothing here reads past what it is given.

mod entry;
mod socket;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::family::Af;
use crate::octets;
use crate::value::header::Header;

pub use entry::{EntryHead, ErrorTarget, Ip, Ip6, Ip6tEntry, IptEntry, StandardTarget, TargetHead};
pub use socket::{Counters, CountersInfo, GetEntries, GetInfo, GetRevision, Replace};

/// A family as a type parameter: its structs, its socket level and its option numbers.
pub trait Family: Copy + Default + std::fmt::Debug + Send + Sync + 'static {
    /// The family as a plain number.
    const AF: Af;
    /// struct ipt_entry or struct ip6t_entry.
    type Entry: EntryHead + FromBytes + IntoBytes + KnownLayout + Immutable;
    /// Bytes of [`Self::Entry`], which is also the smallest `target_offset`.
    const ENTRY_LEN: usize = size_of::<Self::Entry>();
    /// The socket level: `SOL_IP` or `SOL_IPV6`.
    const LEVEL: i32;
    /// `IPT_SO_GET_REVISION_MATCH` of the family.
    const GET_REVISION_MATCH: i32;
    /// `IPT_SO_GET_REVISION_TARGET` of the family.
    const GET_REVISION_TARGET: i32;
}

/// The structs of `linux/netfilter_ipv4/ip_tables.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct V4;

/// The structs of `linux/netfilter_ipv6/ip6_tables.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct V6;

impl Family for V4 {
    const AF: Af = Af::V4;
    type Entry = IptEntry;
    const LEVEL: i32 = 0;
    const GET_REVISION_MATCH: i32 = 66;
    const GET_REVISION_TARGET: i32 = 67;
}

impl Family for V6 {
    const AF: Af = Af::V6;
    type Entry = Ip6tEntry;
    const LEVEL: i32 = 41;
    const GET_REVISION_MATCH: i32 = 68;
    const GET_REVISION_TARGET: i32 = 69;
}

/// Bytes of the family's entry struct: 112 or 168.
pub const fn entry_len(af: Af) -> usize {
    match af {
        Af::V4 => V4::ENTRY_LEN,
        Af::V6 => V6::ENTRY_LEN,
    }
}

/// `XT_ALIGN`: the next multiple of 8, or `usize::MAX` if there is none.
pub const fn align(len: usize) -> usize {
    match len.checked_next_multiple_of(ALIGNMENT) {
        Some(aligned) => aligned,
        None => usize::MAX,
    }
}

/// The header value at the start of an entry's bytes; `None` if they are too short.
pub fn read_entry(af: Af, bytes: &[u8]) -> Option<(Header, Offsets)> {
    fn read<F: Family>(bytes: &[u8]) -> Option<(Header, Offsets)> {
        let (entry, _) = F::Entry::read_from_prefix(bytes).ok()?;
        Some((entry.header(), entry.offsets()))
    }
    match af {
        Af::V4 => read::<V4>(bytes),
        Af::V6 => read::<V6>(bytes),
    }
}

/// Writes an entry struct at the start of `bytes`; `None` if they are too short.
pub fn write_entry(af: Af, header: &Header, offsets: &Offsets, bytes: &mut [u8]) -> Option<()> {
    match af {
        Af::V4 => IptEntry::new(header, offsets).write_to_prefix(bytes).ok(),
        Af::V6 => Ip6tEntry::new(header, offsets).write_to_prefix(bytes).ok(),
    }
}

/// What an entry struct holds beside the header value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// `nfcache`: nothing reads it.
    pub nfcache: u32,
    /// Where the target begins, counted from the entry's start.
    pub target: u16,
    /// Where the next entry begins, counted from this one's start.
    pub next: u16,
    /// `comefrom`: the kernel's note of the hooks from which the entry is reached.
    pub comefrom: u32,
    /// Packets and bytes that matched.
    pub counters: Counters,
}

/// The alignment of everything in a blob (`XT_ALIGN`).
pub const ALIGNMENT: usize = 8;
/// `XT_TABLE_MAXNAMELEN`: bytes of a table's name with its terminating zero.
pub const TABLE_NAME_LEN: usize = 32;
/// `XT_FUNCTION_MAXNAMELEN`: bytes of a user chain's name in its ERROR entry, with the terminating zero.
pub const FUNCTION_NAME_LEN: usize = 30;
/// `XT_EXTENSION_MAXNAMELEN`: bytes of a match's or target's name with its terminating zero.
pub const EXTENSION_NAME_LEN: usize = 29;
/// `XT_ERROR_TARGET`: marks the head of a user chain and the end of the table.
pub const ERROR_TARGET: &str = "ERROR";
/// `XT_STANDARD_TARGET`: a verdict or a jump.
pub const STANDARD_TARGET: &str = "";
/// `XT_RETURN` as a verdict.
pub const RETURN: i32 = -5;
/// `NF_ACCEPT` as a verdict.
pub const ACCEPT: i32 = -2;
/// `NF_DROP` as a verdict.
pub const DROP: i32 = -1;
/// `NF_QUEUE` as a verdict.
pub const QUEUE: i32 = -4;
/// `NF_INET_NUMHOOKS`.
pub const HOOKS: usize = 5;
/// `IPT_SO_SET_REPLACE`, in both families.
pub const SET_REPLACE: i32 = 64;
/// `IPT_SO_SET_ADD_COUNTERS`, in both families.
pub const SET_ADD_COUNTERS: i32 = 65;
/// `IPT_SO_GET_INFO`, in both families.
pub const GET_INFO: i32 = 64;
/// `IPT_SO_GET_ENTRIES`, in both families.
pub const GET_ENTRIES: i32 = 65;

/// The text of a name field up to its zero; `None` if there is no zero or the text is not UTF-8.
pub fn name_of(field: &[u8]) -> Option<&str> {
    let end = field.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(field.get(..end)?).ok()
}

/// `name` in a field of `N` bytes, with at least one zero after it; `None` if it is too long.
pub fn name_field<const N: usize>(name: &str) -> Option<[u8; N]> {
    let mut field = [0; N];
    let name = octets::bytes(name);
    if name.len() >= N {
        return None;
    }
    field.get_mut(..name.len())?.copy_from_slice(&name);
    Some(field)
}
