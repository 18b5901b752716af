//! `-m bpf`: asks a program of the administrator's own.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::pinned;
use crate::value::text::Text;

/// Where the program is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bpf {
    /// Here: instructions of classic BPF, at most [`INSTRUCTIONS`].
    Bytecode(Vec<Instruction>),
    /// An object in the BPF file system.
    Pinned {
        /// Its path, at most 511 bytes.
        path: Box<Text<512>>,
        /// The descriptor it was opened with, which means nothing to other processes.
        descriptor: i32,
    },
}

/// struct sock_filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Instruction {
    /// What is done.
    pub code: u16,
    /// How many instructions are skipped if the condition holds.
    pub jump_true: u8,
    /// How many if it does not.
    pub jump_false: u8,
    /// The operand.
    pub operand: u32,
}

impl Default for Bpf {
    fn default() -> Self {
        Self::Bytecode(Vec::new())
    }
}

impl Extension for Bpf {
    const NAME: &'static str = "bpf";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[
        Revision::new(1, size_of::<Info1>()).user_size(size_of::<Info1>() - size_of::<u64>()),
        Revision::new(0, size_of::<Info0>()).user_size(size_of::<Info0>() - size_of::<u64>()),
    ];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("bytecode", " program", "a program of classic BPF: \"count,code jt jf k,...\"", set_bytecode),
        Opt::new("object-pinned", " path", "a program that is pinned in the BPF file system", set_pinned),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen.count_ones() != 1 {
            return Err(Problem::new("bpf: one of --bytecode or --pinned is required"));
        }
        Ok(())
    }

    fn fits(&self, number: u8) -> bool {
        number >= 1 || matches!(self, Self::Bytecode(_))
    }

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let malformed = Malformed("bpf");
        let (count, program) = match revision {
            0 => {
                let (info, _) = Info0::read_from_prefix(info).map_err(|_| malformed)?;
                (info.count, info.program)
            }
            _ => {
                let (info, _) = Info1::read_from_prefix(info).map_err(|_| malformed)?;
                match info.mode {
                    BYTECODE => (info.count, info.program),
                    PINNED => {
                        let mut path = [0; 512];
                        path.copy_from_slice(info.program.as_bytes());
                        return Ok(Self::Pinned { path: Box::new(Text(path)), descriptor: info.descriptor });
                    }
                    _ => return Err(Malformed("bpf mode")),
                }
            }
        };
        let program = program.get(..count.into()).ok_or(Malformed("bpf length"))?;
        Ok(Self::Bytecode(program.to_vec()))
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let malformed = Malformed("bpf");
        let mut bytes =
            Info1 { mode: BYTECODE, count: 0, descriptor: 0, program: [Instruction::default(); 64], kernel: [0; 8] };
        match self {
            Self::Bytecode(program) => {
                bytes.count = u16::try_from(program.len()).map_err(|_| malformed)?;
                bytes.program.get_mut(..program.len()).ok_or(malformed)?.copy_from_slice(program);
            }
            Self::Pinned { path, descriptor } => {
                bytes.mode = PINNED;
                bytes.descriptor = *descriptor;
                bytes.program.as_mut_bytes().copy_from_slice(&path.0);
            }
        }
        let written = match revision {
            0 => {
                let Info1 { count, program, .. } = bytes;
                Info0 { count, pad: [0; 2], program, end: [0; 4], kernel: [0; 8] }.write_to_prefix(info).is_ok()
            }
            _ => bytes.write_to_prefix(info).is_ok(),
        };
        if written { Ok(()) } else { Err(malformed) }
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        match self {
            Self::Bytecode(program) => {
                write!(w, " --bytecode \"{}", program.len())?;
                for instruction in program {
                    write!(w, ",{instruction}")?;
                }
                w.write_str("\"")
            }
            Self::Pinned { path, .. } => write!(w, " --object-pinned {path}"),
        }
    }

    /// As the tools have it: without a space before, and with a NUL behind a program.
    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str("match bpf ")?;
        match self {
            Self::Bytecode(program) => {
                for (place, instruction) in program.iter().enumerate() {
                    write!(w, "{}{instruction}", if place == 0 { "" } else { "," })?;
                }
                w.write_str("\0")
            }
            Self::Pinned { path, .. } => write!(w, "pinned {path}"),
        }
    }
}

/// `code jt jf k`.
impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.code, self.jump_true, self.jump_false, self.operand)
    }
}

fn set_bytecode(to: &mut Bpf, given: &Given<'_>) -> Result<(), Problem> {
    let no_length = || Problem::new("bpf: error parsing program length");
    let (count, rest) = scan(given.value).ok_or_else(no_length)?;
    let mut rest = Some(rest.strip_prefix(',').ok_or_else(no_length)?);
    let count = usize::from(count as u16);
    if count > INSTRUCTIONS {
        return Err(Problem::new("bpf: number of instructions exceeds maximum"));
    }
    if count == 0 {
        return Err(Problem::new("bpf: illegal zero length program"));
    }
    let mut program = Vec::with_capacity(count);
    while let Some(text) = rest.filter(|text| !text.is_empty()) {
        if program.len() == count {
            return Err(Problem::new("bpf: real program length exceeds the encoded length parameter"));
        }
        let bad = || Problem::new(format!("bpf: error at instr {}", program.len()));
        program.push(Instruction::parse(text).ok_or_else(bad)?);
        rest = text.split_once(',').map(|(_, after)| after);
    }
    if program.len() != count {
        return Err(Problem::new("bpf: parsed program length is less than the encoded length parameter"));
    }
    *to = Bpf::Bytecode(program);
    Ok(())
}

fn set_pinned(to: &mut Bpf, given: &Given<'_>) -> Result<(), Problem> {
    let descriptor = pinned::open(given.value).map_err(|_| Problem::new("bpf: failed to get bpf object"))?;
    *to = Bpf::Pinned { path: Box::new(given.text(0)?), descriptor };
    Ok(())
}

impl Instruction {
    /// Four numbers at the start of `text`; what does not fit its field is cut, and what follows is not looked at.
    fn parse(text: &str) -> Option<Self> {
        let (code, rest) = scan(text)?;
        let (jump_true, rest) = scan(rest)?;
        let (jump_false, rest) = scan(rest)?;
        let (operand, _) = scan(rest)?;
        Some(Self {
            code: code as u16,
            jump_true: jump_true as u8,
            jump_false: jump_false as u8,
            operand: operand as u32,
        })
    }
}

/// A decimal number as `sscanf` reads `%u`: blanks and a sign before it, at most 64 bits.
fn scan(text: &str) -> Option<(u64, &str)> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 {
        return None;
    }
    let number = match digits[..end].parse::<u64>() {
        Ok(number) if negative => number.wrapping_neg(),
        Ok(number) => number,
        Err(_) => u64::MAX,
    };
    Some((number, &digits[end..]))
}

/// XT_BPF_MAX_NUM_INSTR.
pub const INSTRUCTIONS: usize = 64;

/// XT_BPF_MODE_BYTECODE and XT_BPF_MODE_PATH_PINNED.
const BYTECODE: u16 = 0;
const PINNED: u16 = 1;

/// struct xt_bpf_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info0 {
    count: u16,
    pad: [u8; 2],
    program: [Instruction; INSTRUCTIONS],
    end: [u8; 4],
    kernel: [u8; 8],
}

/// struct xt_bpf_info_v1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    mode: u16,
    count: u16,
    descriptor: i32,
    program: [Instruction; INSTRUCTIONS],
    kernel: [u8; 8],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Af;

    #[test]
    fn numbers_are_read_as_sscanf_reads_them() {
        assert_eq!(Instruction::parse("65542 300 -1 4294967297").map(|one| one.to_string()), Some("6 44 255 1".into()));
        assert_eq!(Instruction::parse(" 6 0 0 -1 7").map(|one| one.to_string()), Some("6 0 0 4294967295".into()));
        assert_eq!(Instruction::parse("6 0 0"), None);
        assert_eq!(Instruction::parse("0x6 0 0 1"), None);
    }

    /// Read back with GET_ENTRIES after `iptables-legacy -m bpf --object-pinned /x/one`.
    #[test]
    fn a_pinned_object_is_a_mode_a_descriptor_and_a_path() {
        let around = Surroundings::new(Af::V4);
        let bytes = [&[1, 0, 0, 0, 3, 0, 0, 0][..], b"/x/one", &[0; 514]].concat();
        let value = Bpf::Pinned { path: Box::new(Text::cut("/x/one")), descriptor: 3 };
        assert_eq!(Bpf::decode(1, &bytes, &around).as_ref(), Ok(&value));
        let mut info = vec![0; bytes.len()];
        value.encode(1, &mut info, &around).unwrap();
        assert_eq!(info, bytes);
        assert!(!value.fits(0));
        let mut text = String::new();
        value.save(&mut text, &around).unwrap();
        value.print(&mut text, &around, false).unwrap();
        assert_eq!(text, " --object-pinned /x/onematch bpf pinned /x/one");
    }

    #[test]
    fn a_program_longer_than_its_field_is_malformed() {
        let mut bytes = vec![0; size_of::<Info1>()];
        bytes[2] = 65;
        assert!(Bpf::decode(1, &bytes, &Surroundings::new(Af::V6)).is_err());
        bytes[0] = 2;
        assert!(Bpf::decode(1, &bytes, &Surroundings::new(Af::V6)).is_err());
    }
}
