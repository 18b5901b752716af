//! `-m srh`: compares the IPv6 segment routing header.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::family::Af;
use crate::value::address::{self, Text};
use crate::value::network::Network;

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Srh {
    /// The protocol of the next header.
    pub next_header: u8,
    /// The header's length, in units of 8 bytes.
    pub length: u8,
    /// How many segments are left.
    pub segments_left: u8,
    /// The index of the last segment.
    pub last_entry: u8,
    /// The tag.
    pub tag: u16,
    /// The previous, the next and the last segment.
    pub segments: [Network; 3],
    /// `IP6T_SRH_*`: which of them are compared, and how.
    pub conditions: u16,
    /// `IP6T_SRH_INV_*`: which comparisons are turned round.
    pub inversions: u16,
}

/// Bit, end of the option's name, and field of each comparison with a number.
const NUMBERS: [(u16, &str, Field); 11] = [
    (0x001, "next-hdr", Field::NextHeader),
    (0x002, "hdr-len-eq", Field::Length),
    (0x004, "hdr-len-gt", Field::Length),
    (0x008, "hdr-len-lt", Field::Length),
    (0x010, "segs-left-eq", Field::SegmentsLeft),
    (0x020, "segs-left-gt", Field::SegmentsLeft),
    (0x040, "segs-left-lt", Field::SegmentsLeft),
    (0x080, "last-entry-eq", Field::LastEntry),
    (0x100, "last-entry-gt", Field::LastEntry),
    (0x200, "last-entry-lt", Field::LastEntry),
    (0x400, "tag", Field::Tag),
];

/// Bit and name of each comparison with a segment.
const SEGMENTS: [(u16, &str); 3] = [(0x800, "psid"), (0x1000, "nsid"), (0x2000, "lsid")];

/// All of `SEGMENTS`, which revision 0 lacks.
const ANY_SEGMENT: u16 = 0x3800;

#[derive(Clone, Copy, Debug)]
enum Field {
    NextHeader,
    Length,
    SegmentsLeft,
    LastEntry,
    Tag,
}

impl Extension for Srh {
    const NAME: &'static str = "srh";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[
        Revision::new(1, size_of::<Info1>()).only(Families::V6),
        Revision::new(0, size_of::<Info0>()).only(Families::V6),
    ];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("srh-next-hdr", " number", "the protocol of the next header", set_number).invertible(),
        Opt::new("srh-hdr-len-eq", " length", "the header's length in units of 8 bytes", set_number).invertible(),
        Opt::new("srh-hdr-len-gt", " length", "it is longer than this", set_number).invertible(),
        Opt::new("srh-hdr-len-lt", " length", "it is shorter than this", set_number).invertible(),
        Opt::new("srh-segs-left-eq", " number", "so many segments are left", set_number).invertible(),
        Opt::new("srh-segs-left-gt", " number", "more than so many are left", set_number).invertible(),
        Opt::new("srh-segs-left-lt", " number", "fewer than so many are left", set_number).invertible(),
        Opt::new("srh-last-entry-eq", " number", "the index of the last segment", set_number).invertible(),
        Opt::new("srh-last-entry-gt", " number", "it is greater than this", set_number).invertible(),
        Opt::new("srh-last-entry-lt", " number", "it is less than this", set_number).invertible(),
        Opt::new("srh-tag", " number", "the tag", set_number).invertible(),
        Opt::new("srh-psid", " address[/mask]", "the segment before the current one", set_segment).invertible(),
        Opt::new("srh-nsid", " address[/mask]", "the segment after the current one", set_segment).invertible(),
        Opt::new("srh-lsid", " address[/mask]", "the last segment", set_segment).invertible(),
    ];

    fn fits(&self, number: u8) -> bool {
        number >= 1 || self.conditions & ANY_SEGMENT == 0
    }

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let malformed = Malformed("srh");
        let (head, segments, [conditions, inversions]) = match revision {
            0 => {
                let (info, _) = Info0::read_from_prefix(info).map_err(|_| malformed)?;
                let [conditions, inversions] = info.flags;
                (info.head, Default::default(), [conditions & !ANY_SEGMENT, inversions & !ANY_SEGMENT])
            }
            _ => {
                let (info, _) = Info1::read_from_prefix(info).map_err(|_| malformed)?;
                let [[a, b, c], [d, e, g]] = [info.addresses, info.masks];
                let segments = [(a, d), (b, e), (c, g)].map(|(address, mask)| Network { address, mask });
                (info.head, segments, info.flags)
            }
        };
        Ok(Self {
            next_header: head.next_header,
            length: head.length,
            segments_left: head.segments_left,
            last_entry: head.last_entry,
            tag: head.tag,
            segments,
            conditions,
            inversions,
        })
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let head = Head {
            next_header: self.next_header,
            length: self.length,
            segments_left: self.segments_left,
            last_entry: self.last_entry,
            tag: self.tag,
        };
        let flags = [self.conditions, self.inversions];
        let written = match revision {
            0 => Info0 { head, flags }.write_to_prefix(info).is_ok(),
            _ => {
                let addresses = self.segments.map(|segment| segment.address);
                let masks = self.segments.map(|segment| segment.mask);
                Info1 { head, pad: [0; 2], addresses, masks, flags }.write_to_prefix(info).is_ok()
            }
        };
        if written { Ok(()) } else { Err(Malformed("srh")) }
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        for (bit, name, field) in NUMBERS {
            if self.conditions & bit != 0 {
                let not = if self.inversions & bit != 0 { " !" } else { "" };
                write!(w, "{not} --srh-{name} {}", self.field(field))?;
            }
        }
        for ((bit, name), segment) in SEGMENTS.into_iter().zip(&self.segments) {
            if self.conditions & bit != 0 {
                let not = if self.inversions & bit != 0 { " !" } else { "" };
                write!(w, "{not} --srh-{name} {}", shown(segment))?;
            }
        }
        Ok(())
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" srh")?;
        for (bit, name, field) in NUMBERS {
            if self.conditions & bit != 0 {
                let not = if self.inversions & bit != 0 { "!" } else { "" };
                write!(w, " {name}:{not}{}", self.field(field))?;
            }
        }
        for ((bit, name), segment) in SEGMENTS.into_iter().zip(&self.segments) {
            if self.conditions & bit != 0 {
                let not = if self.inversions & bit != 0 { "!" } else { "" };
                write!(w, " {name} {not} {}", shown(segment))?;
            }
        }
        Ok(())
    }
}

impl Srh {
    fn field(&self, field: Field) -> u16 {
        match field {
            Field::NextHeader => self.next_header.into(),
            Field::Length => self.length.into(),
            Field::SegmentsLeft => self.segments_left.into(),
            Field::LastEntry => self.last_entry.into(),
            Field::Tag => self.tag,
        }
    }
}

/// Address and length, the length always.
fn shown(segment: &Network) -> String {
    let address = Text(address::to_ip(Af::V6, &segment.address));
    format!("{address}/{}", segment.prefix_len(Af::V6).map_or(-1, u32::cast_signed))
}

/// Several comparisons of one field share its number, the last one typed.
fn set_number(to: &mut Srh, given: &Given<'_>) -> Result<(), Problem> {
    let name = given.option.strip_prefix("srh-").unwrap_or_default();
    let Some((bit, _, field)) = NUMBERS.into_iter().find(|(_, own, _)| *own == name) else { return Ok(()) };
    match field {
        Field::NextHeader => to.next_header = given.byte(0, u8::MAX)?,
        Field::Length => to.length = given.byte(0, u8::MAX)?,
        Field::SegmentsLeft => to.segments_left = given.byte(0, u8::MAX)?,
        Field::LastEntry => to.last_entry = given.byte(0, u8::MAX)?,
        Field::Tag => to.tag = given.word(0, u16::MAX)?,
    }
    to.conditions |= bit;
    to.inversions |= if given.inverted { bit } else { 0 };
    Ok(())
}

fn set_segment(to: &mut Srh, given: &Given<'_>) -> Result<(), Problem> {
    let network = given.network()?;
    let name = given.option.strip_prefix("srh-").unwrap_or_default();
    for ((bit, own), segment) in SEGMENTS.into_iter().zip(&mut to.segments) {
        if own == name {
            *segment = network;
            to.conditions |= bit;
            to.inversions |= if given.inverted { bit } else { 0 };
        }
    }
    Ok(())
}

/// What both revisions begin with.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Head {
    next_header: u8,
    length: u8,
    segments_left: u8,
    last_entry: u8,
    tag: u16,
}

/// struct ip6t_srh.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info0 {
    head: Head,
    flags: [u16; 2],
}

/// struct ip6t_srh1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info1 {
    head: Head,
    pad: [u8; 2],
    addresses: [[u8; 16]; 3],
    masks: [[u8; 16]; 3],
    flags: [u16; 2],
}
