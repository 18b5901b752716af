//! What `ttl`/`hl` compare and `TTL`/`HL` change: the number of hops a packet may still make.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// How a packet's TTL or hop limit is compared (`IPT_TTL_EQ`… and `IP6T_HL_EQ`…, which are the same numbers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Comparison {
    /// `== n`
    #[default]
    Equal,
    /// `!= n`
    NotEqual,
    /// `< n`
    Less,
    /// `> n`
    Greater,
}

/// What is done to a packet's TTL or hop limit (`IPT_TTL_SET`… and `IP6T_HL_SET`…, which are the same numbers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Change {
    /// Becomes n.
    #[default]
    Set,
    /// Grows by n, at most to 255.
    Increment,
    /// Falls by n, at least to 0.
    Decrement,
}

impl Comparison {
    /// The comparison of a mode byte.
    pub const fn from_mode(mode: u8) -> Option<Self> {
        match mode {
            0 => Some(Self::Equal),
            1 => Some(Self::NotEqual),
            2 => Some(Self::Less),
            3 => Some(Self::Greater),
            _ => None,
        }
    }

    /// The operator as `-L` shows it.
    pub const fn operator(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::Greater => ">",
        }
    }

    /// The option as `-S` shows it: what stands before and after the option's prefix (`--ttl`, `--hl`).
    pub const fn option(self) -> (&'static str, &'static str) {
        match self {
            Self::Equal => ("", "eq"),
            Self::NotEqual => ("! ", "eq"),
            Self::Less => ("", "lt"),
            Self::Greater => ("", "gt"),
        }
    }
}

impl Change {
    /// The change of a mode byte.
    pub const fn from_mode(mode: u8) -> Option<Self> {
        match mode {
            0 => Some(Self::Set),
            1 => Some(Self::Increment),
            2 => Some(Self::Decrement),
            _ => None,
        }
    }

    /// The verb as `-L` shows it.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Set => "set to",
            Self::Increment => "increment by",
            Self::Decrement => "decrement by",
        }
    }

    /// The end of the option's name.
    pub const fn option(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Increment => "inc",
            Self::Decrement => "dec",
        }
    }
}

/// struct ipt_ttl_info, struct ip6t_hl_info, struct ipt_TTL_info and struct ip6t_HL_info: the mode and its number.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(crate) struct Info {
    pub(crate) mode: u8,
    pub(crate) hops: u8,
}
