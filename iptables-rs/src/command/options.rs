//! The base options of a command line, and which of them each command admits.

use libxt::getopt::Takes;

/// One long name of a base option and its letter. `'0'` is `--line-numbers`, which has no short form.
pub(super) struct Long {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    pub(super) letter: u8,
}

/// What a command line is to do. Only `-Z` may stand beside `-L` or `-S`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Insert,
    Delete,
    DeleteNumber,
    Replace,
    Append,
    List,
    Flush,
    Zero,
    NewChain,
    DeleteChain,
    SetPolicy,
    RenameChain,
    ListRules,
    ZeroNumber,
    Check,
}

impl Action {
    /// The letter in messages.
    pub(super) fn letter(self) -> char {
        match self {
            Self::Insert => 'I',
            Self::Delete | Self::DeleteNumber => 'D',
            Self::Replace => 'R',
            Self::Append => 'A',
            Self::List => 'L',
            Self::Flush => 'F',
            Self::Zero | Self::ZeroNumber => 'Z',
            Self::NewChain => 'N',
            Self::DeleteChain => 'X',
            Self::SetPolicy => 'P',
            Self::RenameChain => 'E',
            Self::ListRules => 'S',
            Self::Check => 'C',
        }
    }

    /// Whether a rule belongs to it.
    pub(super) fn takes_rule(self) -> bool {
        matches!(self, Self::Insert | Self::Delete | Self::Replace | Self::Append | Self::Check)
    }

    /// Whether the option of that letter may stand beside it (`commands_v_options`).
    pub(super) fn admits(self, option: u8) -> bool {
        match option {
            b'v' => true,
            b's' | b'd' | b'p' | b'j' | b'i' | b'o' | b'f' => self.takes_rule(),
            b'n' | b'x' | b'0' => self == Self::List,
            b'c' => matches!(self, Self::Insert | Self::Replace | Self::Append | Self::SetPolicy),
            _ => true,
        }
    }
}

/// The options that may be given once, in the order in which their legality is checked.
pub(super) const ONCE: &[u8; 12] = b"nsdpjvxio0cf";

/// Whether `!` may stand before the option of that letter.
pub(super) fn is_invertible(option: u8) -> bool {
    b"sdpiof".contains(&option)
}

/// The letter of a short option and what it takes.
pub(super) fn short(letter: u8) -> Option<Takes> {
    match letter {
        b'A' | b'C' | b'D' | b'E' | b'I' | b'M' | b'N' | b'P' | b'R' | b'c' | b'd' | b'g' | b'i' | b'j' | b'm'
        | b'o' | b'p' | b's' | b't' => Some(Takes::Required),
        b'F' | b'L' | b'S' | b'W' | b'X' | b'Z' | b'h' | b'w' => Some(Takes::Optional),
        b'4' | b'6' | b'V' | b'b' | b'f' | b'n' | b'v' | b'x' => Some(Takes::Nothing),
        _ => None,
    }
}

/// The base options for completions: the letter where there is one, the long name, the argument.
pub(crate) fn base_options() -> impl Iterator<Item = (Option<char>, &'static str, Takes)> {
    LONG.iter().map(|long| (short(long.letter).map(|_| long.letter.into()), long.name, long.takes))
}

/// The option of a long name.
pub(super) fn long(name: &str) -> Option<&'static Long> {
    // Nearly every name differs in its length or its first byte.
    let (len, first) = (name.len(), name.as_bytes().first());
    LONG.iter().find(|long| long.name.len() == len && long.name.as_bytes().first() == first && long.name == name)
}

/// Every long name.
pub(super) const LONG: &[Long] = &[
    required("append", b'A'),
    required("delete", b'D'),
    required("check", b'C'),
    required("insert", b'I'),
    required("replace", b'R'),
    optional("list", b'L'),
    optional("list-rules", b'S'),
    optional("flush", b'F'),
    optional("zero", b'Z'),
    required("new-chain", b'N'),
    optional("delete-chain", b'X'),
    required("rename-chain", b'E'),
    required("policy", b'P'),
    required("source", b's'),
    required("destination", b'd'),
    required("src", b's'),
    required("dst", b'd'),
    required("protocol", b'p'),
    required("in-interface", b'i'),
    required("jump", b'j'),
    required("table", b't'),
    required("match", b'm'),
    flag("numeric", b'n'),
    required("out-interface", b'o'),
    flag("verbose", b'v'),
    optional("wait", b'w'),
    optional("wait-interval", b'W'),
    flag("exact", b'x'),
    flag("fragments", b'f'),
    flag("version", b'V'),
    optional("help", b'h'),
    flag("line-numbers", b'0'),
    required("modprobe", b'M'),
    required("set-counters", b'c'),
    required("goto", b'g'),
    flag("ipv4", b'4'),
    flag("ipv6", b'6'),
];

const fn required(name: &'static str, letter: u8) -> Long {
    Long { name, takes: Takes::Required, letter }
}

const fn optional(name: &'static str, letter: u8) -> Long {
    Long { name, takes: Takes::Optional, letter }
}

const fn flag(name: &'static str, letter: u8) -> Long {
    Long { name, takes: Takes::Nothing, letter }
}
