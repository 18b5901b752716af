//! The options, their long names, and which of them go with which command.

use crate::command::{Action, Table};
use crate::error::Error;
use crate::getopt::{Argument, Long};
use Argument::{No, Optional, Required};

/// An option, in the order in which missing and illegal ones are complained of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Opt {
    Source,
    Destination,
    ReplySource,
    ReplyDestination,
    Protocol,
    Timeout,
    Status,
    Zero,
    EventMask,
    TupleSource,
    TupleDestination,
    MaskSource,
    MaskDestination,
    #[allow(dead_code, reason = "it has a place in the tables, but is never counted as given")]
    NatRange,
    Mark,
    Id,
    Family,
    SourceNat,
    DestinationNat,
    Output,
    Secmark,
    BufferSize,
    AnyNat,
    Zone,
    Label,
    LabelAdd,
    LabelDel,
    OriginalZone,
    ReplyZone,
    LabelMap,
}

/// A set of options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given(u32);

/// What a short or long option of the command itself stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A command's letter.
    Letter(u8),
    /// An option of a protocol, by its index there.
    Protocol(usize),
}

/// How an option stands to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// It may not be given.
    Illegal,
    /// It must be given.
    Needed,
    /// It may be given.
    Allowed,
    /// It is one of the pairs, one of which must be given.
    Pair,
}

/// Every option's name in complaints; the place is [`Opt`]'s number.
const NAMES: [&str; 30] = [
    "src",
    "dst",
    "reply-src",
    "reply-dst",
    "protonum",
    "timeout",
    "status",
    "zero",
    "event-mask",
    "tuple-src",
    "tuple-dst",
    "mask-src",
    "mask-dst",
    "nat-range",
    "mark",
    "id",
    "family",
    "src-nat",
    "dst-nat",
    "output",
    "secmark",
    "buffer-size",
    "any-nat",
    "zone",
    "label",
    "label-add",
    "label-del",
    "orig-zone",
    "reply-zone",
    "labelmap",
];

impl Given {
    /// Puts one in.
    pub(crate) fn add(&mut self, option: Opt) {
        self.0 |= 1 << option as u8;
    }

    /// Whether this one is in.
    pub(crate) fn has(self, option: Opt) -> bool {
        self.0 >> option as u8 & 1 != 0
    }

    /// Whether any of these is in.
    pub(crate) fn any(self, options: &[Opt]) -> bool {
        options.iter().any(|&option| self.has(option))
    }
}

/// Whether a letter is an option, and its argument.
pub(crate) fn short(letter: u8) -> Option<Argument> {
    Some(match letter {
        b'L' | b'I' | b'U' | b'D' | b'G' | b'E' | b'F' | b'A' | b'C' | b'n' | b'g' | b'j' | b'>' => Optional,
        b'h' | b'V' | b'z' | b'S' => No,
        b's' | b'd' | b'r' | b'q' | b'p' | b't' | b'u' | b'e' | b'a' | b'[' | b']' | b'{' | b'}' | b'm' | b'i'
        | b'f' | b'o' | b'c' | b'b' | b'w' | b'l' | b'<' | b'(' | b')' | b'M' => Required,
        _ => return None,
    })
}

/// The long options.
pub(crate) const LONG: &[Long<Word>] = &[
    long("dump", Optional, b'L'),
    long("create", Optional, b'I'),
    long("add", Optional, b'A'),
    long("delete", Optional, b'D'),
    long("update", Optional, b'U'),
    long("get", Optional, b'G'),
    long("flush", Optional, b'F'),
    long("event", Optional, b'E'),
    long("counter", Optional, b'C'),
    long("stats", No, b'S'),
    long("version", No, b'V'),
    long("help", No, b'h'),
    long("orig-src", Required, b's'),
    long("src", Required, b's'),
    long("orig-dst", Required, b'd'),
    long("dst", Required, b'd'),
    long("reply-src", Required, b'r'),
    long("reply-dst", Required, b'q'),
    long("protonum", Required, b'p'),
    long("timeout", Required, b't'),
    long("status", Required, b'u'),
    long("zero", No, b'z'),
    long("event-mask", Required, b'e'),
    long("tuple-src", Required, b'['),
    long("tuple-dst", Required, b']'),
    long("mask-src", Required, b'{'),
    long("mask-dst", Required, b'}'),
    long("nat-range", Required, b'a'),
    long("mark", Required, b'm'),
    long("secmark", Required, b'c'),
    long("id", Required, b'i'),
    long("family", Required, b'f'),
    long("src-nat", Optional, b'n'),
    long("dst-nat", Optional, b'g'),
    long("output", Required, b'o'),
    long("buffer-size", Required, b'b'),
    long("any-nat", Optional, b'j'),
    long("zone", Required, b'w'),
    long("label", Required, b'l'),
    long("label-add", Required, b'<'),
    long("label-del", Optional, b'>'),
    long("orig-zone", Required, b'('),
    long("reply-zone", Required, b')'),
    long("labelmap", Required, b'M'),
];

const fn long(name: &'static str, argument: Argument, letter: u8) -> Long<Word> {
    Long { name, argument, is: Word::Letter(letter) }
}

/// Complains of an option that is missing or has no place.
pub(crate) fn check(action: Option<Action>, table: Table, given: Given) -> Result<(), Error> {
    let rules = action.map_or(UNNAMED, |action| rules(action, table));
    let mut pairs = false;
    for (index, (name, rule)) in NAMES.iter().zip(rules.bytes()).enumerate() {
        let rule = Rule::of(rule);
        rule.check(name, given.0 >> index & 1 != 0)?;
        pairs |= rule == Rule::Pair;
    }
    if !pairs {
        return Ok(());
    }
    let ends = [Opt::Source, Opt::Destination, Opt::ReplySource, Opt::ReplyDestination].map(|end| given.has(end));
    check_pair(ends, ["src", "dst"], ["reply-src", "reply-dst"])
}

/// One of two pairs must be there.
pub(crate) fn check_pair(ends: [bool; 4], original: [&str; 2], reply: [&str; 2]) -> Result<(), Error> {
    let names = match ends {
        [true, true, _, _] | [_, _, true, true] => return Ok(()),
        [false, false, true, false] | [false, false, false, true] => reply,
        _ => original,
    };
    Err(Error::Parameter(format!("you have to specify `--{}' and `--{}'", names[0], names[1])))
}

impl Rule {
    /// Of a digit in a table: blank, needed, allowed, pair.
    pub(crate) fn of(digit: u8) -> Self {
        match digit {
            b'1' => Self::Needed,
            b'2' => Self::Allowed,
            b'3' => Self::Pair,
            _ => Self::Illegal,
        }
    }

    /// Complains if the option must be or must not be there.
    pub(crate) fn check(self, name: &str, given: bool) -> Result<(), Error> {
        match (self, given) {
            (Self::Illegal, true) => Err(Error::Parameter(format!("Illegal option `--{name}' with this command"))),
            (Self::Needed, false) => {
                Err(Error::Parameter(format!("You need to supply the `--{name}' option for this command")))
            }
            _ => Ok(()),
        }
    }
}

/// A digit for each option: 0 illegal, 1 needed, 2 allowed, 3 one of the pairs.
fn rules(action: Action, table: Table) -> &'static str {
    match (action, table) {
        (Action::List, Table::Expect) => LIST_EXPECT,
        (Action::Create, Table::Expect) => CREATE_EXPECT,
        (Action::Get | Action::Delete, Table::Expect) => GET_EXPECT,
        (Action::Event, Table::Expect) => EVENT_EXPECT,
        (Action::List, _) => LIST,
        (Action::Create | Action::Add, _) => CREATE,
        (Action::Update, _) => UPDATE,
        (Action::Delete, _) => DELETE,
        (Action::Get, _) => GET,
        (Action::Flush, Table::Conntrack) => FLUSH,
        (Action::Event, _) => EVENT,
        (Action::Help, _) => HELP,
        _ => NONE,
    }
}

// The letters in the order of [`Opt`]: s d r q p t u z e [ ] { } a m i f n g o c b j w l < > ( ) M
const LIST: &str = "222220220002202022222022200222";
const CREATE: &str = "333311200000002002200002020220";
const UPDATE: &str = "222222200002202222220000222002";
const DELETE: &str = "222222200002202222220002200222";
const GET: &str = "333310000000000200020000200000";
const FLUSH: &str = "000000000000000020000000000000";
const EVENT: &str = "222220002002202022222222200222";
const HELP: &str = "000020000000000000000000000000";
// The original's help without a command goes with this one.
const UNNAMED: &str = "000000000000000000000000000020";
const NONE: &str = "000000000000000000000000000000";
const LIST_EXPECT: &str = "000000000000000020020000000000";
const CREATE_EXPECT: &str = "112211200111100000000000000000";
const GET_EXPECT: &str = "112210000000000000000000000000";
const EVENT_EXPECT: &str = "000000000000000000020000000000";
