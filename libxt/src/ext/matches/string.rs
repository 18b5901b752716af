//! `-m string`: searches the packet for a pattern.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::octets;
use crate::value::text::Text;

/// The pattern is found, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringMatch {
    /// The first byte of the packet at which a match may begin.
    pub from: u16,
    /// The last byte at which a match may begin.
    pub to: u16,
    /// The algorithm's name: `bm` or `kmp`.
    pub algorithm: Text<16>,
    /// The pattern; bytes from `len` on are of no meaning.
    pub pattern: [u8; PATTERN_LEN],
    /// How many bytes the pattern has.
    pub len: u8,
    /// Capital and small letters are the same.
    pub ignore_case: bool,
    /// `!`.
    pub inverted: bool,
}

impl Default for StringMatch {
    fn default() -> Self {
        Self {
            from: 0,
            to: u16::MAX,
            algorithm: Text::default(),
            pattern: [0; PATTERN_LEN],
            len: 0,
            ignore_case: false,
            inverted: false,
        }
    }
}

impl Extension for StringMatch {
    const NAME: &'static str = "string";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(1, size_of::<Info1>()).user_size(152)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("from", " offset", "where a match may begin at the earliest, 0 to 65535", set_from),
        Opt::new("to", " offset", "where a match may begin at the latest, 0 to 65535", set_to),
        Opt::new("algo", " name", "how to search: bm (Boyer-Moore) or kmp (Knuth-Morris-Pratt)", set_algorithm)
            .mandatory(),
        Opt::new("string", " pattern", "what to search for", set_string).invertible().excludes(&["hex-string"]),
        Opt::new(
            "hex-string",
            " pattern",
            "the same, with bytes in hexadecimal between bars: |0d 0a|",
            set_hexadecimal,
        )
        .invertible()
        .excludes(&["string"]),
        Opt::flag("icase", "ignore case", set_ignore_case),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen & (STRING | HEXADECIMAL) == 0 {
            return Err(Problem::new("STRING match: You must specify `--string' or `--hex-string'"));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info1::read_from_prefix(info).map_err(|_| Malformed("string"))?;
        if usize::from(info.len) > info.pattern.len() {
            return Err(Malformed("string.patlen"));
        }
        Ok(Self {
            from: info.from,
            to: info.to,
            algorithm: Text(info.algorithm),
            pattern: info.pattern,
            len: info.len,
            ignore_case: info.flags & IGNORE_CASE != 0,
            inverted: info.flags & INVERT != 0,
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info1 {
            from: self.from,
            to: self.to,
            algorithm: self.algorithm.0,
            pattern: self.pattern,
            len: self.len,
            flags: if self.inverted { INVERT } else { 0 } | if self.ignore_case { IGNORE_CASE } else { 0 },
            pad: [0; 2],
            kernel: 0,
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("string"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        let option = if self.is_binary() { "hex-string" } else { "string" };
        write!(w, "{} --{option} ", if self.inverted { " !" } else { "" })?;
        self.write_pattern(w)?;
        write!(w, " --algo {}", self.algorithm)?;
        if self.from != 0 {
            write!(w, " --from {}", self.from)?;
        }
        if self.to != u16::MAX {
            write!(w, " --to {}", self.to)?;
        }
        if self.ignore_case { w.write_str(" --icase") } else { Ok(()) }
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        write!(w, " STRING match {} ", if self.inverted { "!" } else { "" })?;
        self.write_pattern(w)?;
        write!(w, " ALGO name {}", self.algorithm)?;
        if self.from != 0 {
            write!(w, " FROM {}", self.from)?;
        }
        if self.to != u16::MAX {
            write!(w, " TO {}", self.to)?;
        }
        if self.ignore_case { w.write_str(" ICASE") } else { Ok(()) }
    }
}

impl StringMatch {
    /// The pattern's bytes.
    pub fn bytes(&self) -> &[u8] {
        self.pattern.get(..usize::from(self.len)).unwrap_or(&self.pattern)
    }

    /// A pattern that text cannot show, or whose end would be taken for the quote's.
    fn is_binary(&self) -> bool {
        self.bytes().last() == Some(&b'\\') || self.bytes().iter().any(|byte| !(b' '..=b'~').contains(byte))
    }

    fn write_pattern(&self, w: &mut dyn Write) -> fmt::Result {
        if self.is_binary() {
            w.write_str("\"|")?;
            for byte in self.bytes() {
                write!(w, "{byte:02x}")?;
            }
            return w.write_str("|\"");
        }
        w.write_str("\"")?;
        for byte in self.bytes() {
            if matches!(byte, b'"' | b'\\') {
                w.write_str("\\")?;
            }
            w.write_char((*byte).into())?;
        }
        w.write_str("\"")
    }

    fn set(&mut self, bytes: &[u8], given: &Given<'_>) -> Result<(), Problem> {
        let room = self.pattern.get_mut(..bytes.len());
        let room = room.ok_or_else(|| too_long(given.value))?;
        room.copy_from_slice(bytes);
        self.len = bytes.len() as u8;
        self.inverted |= given.inverted;
        Ok(())
    }
}

fn set_from(to: &mut StringMatch, given: &Given<'_>) -> Result<(), Problem> {
    to.from = given.word(0, u16::MAX)?;
    Ok(())
}

fn set_to(to: &mut StringMatch, given: &Given<'_>) -> Result<(), Problem> {
    to.to = given.word(0, u16::MAX)?;
    Ok(())
}

fn set_algorithm(to: &mut StringMatch, given: &Given<'_>) -> Result<(), Problem> {
    to.algorithm = given.text(0)?;
    Ok(())
}

fn set_string(to: &mut StringMatch, given: &Given<'_>) -> Result<(), Problem> {
    to.set(&octets::bytes(given.value), given)
}

fn set_hexadecimal(to: &mut StringMatch, given: &Given<'_>) -> Result<(), Problem> {
    to.set(&parse(given.value)?, given)
}

fn set_ignore_case(to: &mut StringMatch, _given: &Given<'_>) -> Result<(), Problem> {
    to.ignore_case = true;
    Ok(())
}

/// Text with bytes in hexadecimal between bars; a backslash takes the next character as it is. As the tools have it, the
/// character behind a closing bar is an ordinary one whatever it is, but for another bar within hexadecimal.
fn parse(value: &str) -> Result<Vec<u8>, Problem> {
    let refused = |text: &str| Err(Problem::new(text));
    let text = octets::bytes(value);
    if text.is_empty() {
        return refused("STRING must contain at least one char");
    }
    let (mut bytes, mut rest, mut hexadecimal) = (Vec::new(), &*text, false);
    loop {
        if bytes.len() >= PATTERN_LEN && !rest.is_empty() {
            return Err(too_long(value));
        }
        rest = match *rest {
            [] => return Ok(bytes),
            [b'\\', ..] if hexadecimal => return refused("Cannot include literals in hex data"),
            [b'\\'] => return refused("Bad literal placement at end of string"),
            [b'\\', literal, ref after @ ..] => {
                bytes.push(literal);
                rest = after;
                continue;
            }
            [b'|', ref after @ ..] => {
                hexadecimal = !hexadecimal;
                let blanks = after.iter().take_while(|byte| hexadecimal && **byte == b' ').count();
                match &after[blanks..] {
                    [] => return Ok(bytes),
                    after => after,
                }
            }
            _ => rest,
        };
        rest = match *rest {
            [high, low, ref after @ ..] if hexadecimal => {
                if after.is_empty() {
                    return refused("Invalid hex block");
                }
                bytes.push(digit(high)? << 4 | digit(low)?);
                after.strip_prefix(b" ").unwrap_or(after)
            }
            _ if hexadecimal => return refused("Odd number of hex digits"),
            [byte, ref after @ ..] => {
                bytes.push(byte);
                after
            }
            [] => return Ok(bytes),
        };
    }
}

fn too_long(value: &str) -> Problem {
    Problem::new(format!("STRING too long \"{value}\""))
}

fn digit(byte: u8) -> Result<u8, Problem> {
    let character = char::from(byte);
    let digit = character.to_digit(16).ok_or_else(|| Problem::new(format!("Invalid hex char '{character}'")))?;
    Ok(digit as u8)
}

/// Positions in the option table.
const STRING: u64 = 0b1000;
const HEXADECIMAL: u64 = 0b1_0000;

/// XT_STRING_MAX_PATTERN_SIZE.
const PATTERN_LEN: usize = 128;
const INVERT: u8 = 1;
const IGNORE_CASE: u8 = 1 << 1;

/// struct xt_string_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    from: u16,
    to: u16,
    algorithm: [u8; 16],
    pattern: [u8; PATTERN_LEN],
    len: u8,
    flags: u8,
    pad: [u8; 2],
    kernel: u64,
}
