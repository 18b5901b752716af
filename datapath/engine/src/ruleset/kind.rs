//! The five tables: names, hooks, and the bytes each starts with.

use libxt::abi::{self, Replace};
use libxt::family::Af;
use libxt::value::header::Header;
use zerocopy::IntoBytes;

use crate::packet::Hook;

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// `raw`, before tracking.
    Raw = 0,
    /// `mangle`.
    Mangle = 1,
    /// `nat`, for first packets.
    Nat = 2,
    /// `filter`.
    Filter = 3,
    /// `security`.
    Security = 4,
}

impl Kind {
    /// All five.
    pub const ALL: [Self; 5] = [Self::Raw, Self::Mangle, Self::Nat, Self::Filter, Self::Security];

    /// The table's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Mangle => "mangle",
            Self::Nat => "nat",
            Self::Filter => "filter",
            Self::Security => "security",
        }
    }

    /// The table of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Bit *n* if it has a chain at `NF_INET_*` number *n*.
    pub const fn hooks(self) -> u32 {
        match self {
            Self::Raw => 0b0_1001,
            Self::Mangle => 0b1_1111,
            Self::Nat => 0b1_1011,
            Self::Filter | Self::Security => 0b0_1110,
        }
    }

    /// Whether it has a chain at a hook.
    pub const fn has(self, hook: Hook) -> bool {
        self.hooks() & 1 << hook as u32 != 0
    }

    /// The blob of the table as it is when first asked for: empty chains that accept. As ipt_alloc_initial_table().
    pub(crate) fn initial(self, af: Af) -> Vec<u8> {
        let entry = abi::entry_len(af);
        let (standard, error) = (entry + size_of::<abi::StandardTarget>(), entry + size_of::<abi::ErrorTarget>());
        let hooks: Vec<usize> = (0..abi::HOOKS).filter(|hook| self.hooks() & 1 << hook != 0).collect();
        let size = hooks.len() * standard + error;
        let mut head = Replace {
            name: abi::name_field(self.name()).unwrap_or_default(),
            valid_hooks: self.hooks(),
            num_entries: hooks.len() as u32 + 1,
            size: size as u32,
            ..Replace::default()
        };
        let mut entries = Vec::with_capacity(size);
        for hook in hooks {
            head.hook_entry[hook] = entries.len() as u32;
            head.underflow[hook] = entries.len() as u32;
            let target = abi::StandardTarget {
                head: abi::TargetHead { size: size_of::<abi::StandardTarget>() as u16, ..abi::TargetHead::default() },
                verdict: abi::ACCEPT,
                pad: 0,
            };
            push(&mut entries, af, target.as_bytes());
        }
        let name = abi::name_field(abi::ERROR_TARGET).unwrap_or_default();
        let head_of_error =
            abi::TargetHead { size: size_of::<abi::ErrorTarget>() as u16, name, ..abi::TargetHead::default() };
        let errorname = abi::name_field(abi::ERROR_TARGET).unwrap_or_default();
        push(&mut entries, af, abi::ErrorTarget { head: head_of_error, errorname, pad: [0; 2] }.as_bytes());
        let mut blob = head.as_bytes().to_vec();
        blob.extend(entries);
        blob
    }
}

fn push(to: &mut Vec<u8>, af: Af, target: &[u8]) {
    let (start, entry) = (to.len(), abi::entry_len(af));
    to.resize(start + entry, 0);
    let offsets = abi::Offsets { target: entry as u16, next: (entry + target.len()) as u16, ..abi::Offsets::default() };
    let _ = abi::write_entry(af, &Header::any(af), &offsets, &mut to[start..]);
    to.extend(target);
}
