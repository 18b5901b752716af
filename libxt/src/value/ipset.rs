//! A set of ipset in a rule: its number, asked of the kernel by name, and which addresses and ports of a packet are looked up.
#![allow(unsafe_code)]

use std::fmt::{self, Write};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Given, Malformed, Problem};
use crate::family::Af;
use crate::value::text::Text;

/// A set, and a direction for each of its dimensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// The kernel's number of the set.
    pub index: u16,
    /// How many directions there are, at most [`DIMENSIONS`].
    pub dimensions: u8,
    /// Bit *n* if direction *n*, counted from 1, is `src`; the other bits are clear.
    pub sources: u8,
}

impl Lookup {
    /// No set.
    pub const NONE: Self = Self { index: u16::MAX, dimensions: 0, sources: 0 };

    /// `name directions` as two words follow an option; as `parse_match_set` and `parse_target` of upstream.
    ///
    /// A set of the other family is refused, one of no family (`list:set`) is not.
    pub fn parse(given: &Given<'_>) -> Result<Self, Problem> {
        let name = given.value;
        let Some(directions) = given.second else {
            return Err(Problem::new(format!("--{} requires two args.", given.option)));
        };
        if name.len() >= NAME_LEN {
            return Err(Problem::new(format!("setname `{name}' too long, max {} characters.", NAME_LEN - 1)));
        }
        let index = find(name, given.around.af)?;
        let mut sources = 0;
        let mut dimensions = 0;
        for direction in directions.split(',') {
            if dimensions == DIMENSIONS {
                return Err(Problem::new(format!("Can't be more src/dst options than {DIMENSIONS}.")));
            }
            dimensions += 1;
            // What follows the three letters is not looked at.
            if direction.starts_with("src") {
                sources |= 1 << dimensions;
            } else if !direction.starts_with("dst") {
                // Spelt as upstream spells it.
                return Err(Problem::new("You must spefify (the comma separated list of) 'src' or 'dst'."));
            }
        }
        Ok(Self { index, dimensions, sources })
    }

    /// From struct xt_set_info, its flag bits that are no directions apart.
    pub fn decode(info: Info) -> Result<(Self, u8), Malformed> {
        if info.dimensions > DIMENSIONS {
            return Err(Malformed("set dimensions"));
        }
        let Info { index, dimensions, flags } = info;
        Ok((Self { index, dimensions, sources: flags & SOURCES }, flags & !SOURCES))
    }

    /// As struct xt_set_info, with the flag bits that are no directions.
    pub const fn encode(self, flags: u8) -> Info {
        Info { index: self.index, dimensions: self.dimensions, flags: self.sources | flags }
    }

    /// From struct xt_set_info_v0; the second value is whether it is inverted.
    pub fn decode_v0(info: &InfoV0) -> Result<(Self, bool), Malformed> {
        let mut set = Self { index: info.index, ..Self::default() };
        let mut directions = info.flags.iter().map(|flags| flags & (SRC_V0 | DST_V0)).take_while(|flags| *flags != 0);
        for direction in directions.by_ref().take(usize::from(DIMENSIONS_V0)) {
            set.dimensions += 1;
            set.sources |= u8::from(direction & SRC_V0 != 0) << set.dimensions;
        }
        let inverted = info.flags.first().is_some_and(|first| first & INVERT_V0 != 0);
        if directions.next().is_some() { Err(Malformed("set dimensions")) } else { Ok((set, inverted)) }
    }

    /// As struct xt_set_info_v0, which has room for [`DIMENSIONS_V0`] directions.
    pub fn encode_v0(self, inverted: bool) -> InfoV0 {
        let mut info = InfoV0 { index: self.index, ..InfoV0::default() };
        for (place, flags) in info.flags.iter_mut().take(self.dimensions.min(DIMENSIONS_V0).into()).enumerate() {
            *flags = if self.sources & 2 << place != 0 { SRC_V0 } else { DST_V0 };
        }
        info.flags[0] |= if inverted { INVERT_V0 } else { 0 };
        info
    }

    /// Whether there is a set.
    pub fn is_some(self) -> bool {
        self.index != u16::MAX
    }
}

/// `name directions`; a set that the kernel has no more is shown by its number.
impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match name(self.index) {
            Some(name) => write!(f, "{name}")?,
            None => write!(f, "#{}", self.index)?,
        }
        for dimension in 1..=self.dimensions {
            f.write_char(if dimension == 1 { ' ' } else { ',' })?;
            f.write_str(if self.sources & 1 << dimension != 0 { "src" } else { "dst" })?;
        }
        Ok(())
    }
}

/// The number of the set called `name`, as `get_set_byname` asks for it.
fn find(name: &str, af: Af) -> Result<u16, Problem> {
    let socket = Questions::open().map_err(|_| Problem::other("Can't open socket to ipset.\n"))?;
    let version = socket.version().map_err(|_| Problem::other("Kernel module xt_set is not loaded in.\n"))?;
    let mut question = ByName { operation: GET_BY_NAME, version, family: 0, set: Text::<NAME_LEN>::cut(name).0 };
    let asked = socket.ask(question.as_mut_bytes());
    asked.map_err(|error| {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        Problem::other(format!("Problem when communicating with ipset, errno={errno}.\n"))
    })?;
    let index = index_of(&question.set);
    if index == u16::MAX {
        return Err(Problem::new(format!("Set {name} doesn't exist.\n")));
    }
    let other = match (question.family, af) {
        (NFPROTO_IPV4, Af::V6) => "IPv4",
        (NFPROTO_IPV6, Af::V4) => "IPv6",
        _ => return Ok(index),
    };
    Err(Problem::new(format!("The protocol family of set {name} is {other}, which is not applicable.\n")))
}

/// The name of a set, as `get_set_byid` asks for it; `None` if there is none or the kernel does not say.
fn name(index: u16) -> Option<Text<NAME_LEN>> {
    let socket = Questions::open().ok()?;
    let mut question = ByIndex::new_zeroed();
    question.operation = GET_BY_INDEX;
    question.version = socket.version().ok()?;
    *question.set.first_chunk_mut()? = index.to_ne_bytes();
    socket.ask(question.as_mut_bytes()).ok()?;
    let name = Text(question.set);
    (!name.is_empty()).then_some(name)
}

fn index_of(set: &[u8; NAME_LEN]) -> u16 {
    let [low, high, ..] = *set;
    u16::from_ne_bytes([low, high])
}

/// The socket that ipset answers at.
struct Questions(OwnedFd);

impl Questions {
    fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
        Ok(Self(socket.into()))
    }

    fn version(&self) -> io::Result<u32> {
        let mut question = [GET_VERSION, 0];
        self.ask(question.as_mut_bytes())?;
        let [_, version] = question;
        Ok(version)
    }

    /// Puts the answer in the place of the question.
    fn ask(&self, question: &mut [u8]) -> io::Result<()> {
        let mut len = libc::socklen_t::try_from(question.len()).map_err(|_| io::Error::from(io::ErrorKind::Other))?;
        // SAFETY: the kernel writes at most `len` bytes, and `question` is exactly that long.
        let done = unsafe {
            libc::getsockopt(self.0.as_raw_fd(), libc::SOL_IP, SO_IP_SET, question.as_mut_ptr().cast(), &raw mut len)
        };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// How many directions a rule can name (IPSET_DIM_MAX).
pub const DIMENSIONS: u8 = 6;
/// How many fit revision 0.
pub const DIMENSIONS_V0: u8 = 5;
/// IPSET_INV_MATCH, in struct xt_set_info.
pub const INVERT: u8 = 1;
/// IPSET_RETURN_NOMATCH, in struct xt_set_info.
pub const RETURN_NOMATCH: u8 = 1 << 7;

/// IPSET_MAXNAMELEN, its terminator included.
const NAME_LEN: usize = 32;
/// The bits of directions 1 to 6 (IPSET_DIM_ONE_SRC and the following).
const SOURCES: u8 = 0x7e;
/// IPSET_SRC, IPSET_DST and IPSET_MATCH_INV of revision 0.
const SRC_V0: u32 = 1;
const DST_V0: u32 = 2;
const INVERT_V0: u32 = 4;

const SO_IP_SET: libc::c_int = 83;
/// IP_SET_OP_*.
const GET_BY_INDEX: u32 = 7;
const GET_BY_NAME: u32 = 8;
const GET_VERSION: u32 = 0x100;
const NFPROTO_IPV4: u32 = 2;
const NFPROTO_IPV6: u32 = 10;

/// struct xt_set_info.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Info {
    index: u16,
    dimensions: u8,
    flags: u8,
}

/// struct xt_set_info_v0.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct InfoV0 {
    index: u16,
    pad: [u8; 2],
    flags: [u32; 7],
}

/// struct ip_set_req_get_set_family.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct ByName {
    operation: u32,
    version: u32,
    family: u32,
    set: [u8; NAME_LEN],
}

/// struct ip_set_req_get_set.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct ByIndex {
    operation: u32,
    version: u32,
    set: [u8; NAME_LEN],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_stand_in_the_order_of_their_dimensions() {
        let set = Lookup { index: u16::MAX, dimensions: 3, sources: 0b1010 };
        assert_eq!(set.to_string(), "#65535 src,dst,src");
        assert_eq!(Lookup::decode(set.encode(INVERT)), Ok((set, INVERT)));
        assert_eq!(Lookup::decode_v0(&set.encode_v0(true)), Ok((set, true)));
    }

    #[test]
    fn more_dimensions_than_there_can_be_are_malformed() {
        assert!(Lookup::decode(Info { index: 1, dimensions: 7, flags: 0 }).is_err());
        assert!(Lookup::decode_v0(&InfoV0 { index: 1, pad: [0; 2], flags: [1; 7] }).is_err());
    }
}
