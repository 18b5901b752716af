//! The machine of classic BPF: an accumulator, an index, sixteen cells. As bpf_convert_filter() has it run.

use libxt::family::Af;

use crate::ext::scene::Random;
use crate::wire::{u16_at, u32_at};

/// One instruction, its operands in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To the accumulator, from the packet at a place, or at a place behind the index.
    Load { size: Size, at: u32, indexed: bool },
    /// To the accumulator.
    LoadValue(Value),
    /// To the index.
    IndexValue(Value),
    /// To the index: the length of an IPv4 header, whose first byte is at the place.
    IndexHeader(u32),
    /// The accumulator to a cell.
    Store(u8),
    /// The index to a cell.
    StoreIndex(u8),
    /// The accumulator with an operand.
    Compute(Operation, Operand),
    /// The accumulator's two's complement.
    Negate,
    /// So many steps further.
    Jump(u32),
    /// So many steps further if it holds, or if not.
    Branch { test: Test, with: Operand, yes: u8, no: u8 },
    /// The accumulator to the index.
    ToIndex,
    /// The index to the accumulator.
    ToAccumulator,
    /// The end, with a value or with the accumulator.
    Return(Option<u32>),
}

/// How much is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Word,
    Half,
    Byte,
}

/// What can be loaded besides the packet's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Constant(u32),
    Length,
    Cell(u8),
    Protocol,
    PacketType,
    DeviceIndex,
    DeviceType,
    Mark,
    Random,
    /// The accumulator, exclusive or the index.
    Mixed,
    /// Where the netlink attribute of the type in the index starts, of those from the accumulator's place on.
    Attribute,
    /// The same, inside of the attribute at the accumulator's place.
    NestedAttribute,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Equal,
    Greater,
    GreaterOrEqual,
    AnyBit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Constant(u32),
    Index,
}

/// What a program can ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// From the network header on.
    pub(super) packet: &'a [u8],
    /// The Ethernet header it came with.
    pub(super) link: Option<&'a [u8; 14]>,
    pub(super) af: Af,
    /// `PACKET_*`.
    pub(super) packet_type: u32,
    /// Index and hardware type of the device it is at.
    pub(super) device: Option<(u32, u16)>,
    pub(super) mark: u32,
}

/// What a checked program returns; 0 also where it reads bytes that are not there, or divides by zero.
pub(super) fn run(program: &[Step], facts: &Facts<'_>, random: &mut Random) -> u32 {
    let (mut a, mut x, mut cells, mut at) = (0_u32, 0_u32, [0_u32; CELLS], 0);
    while let Some(step) = program.get(at) {
        at += 1;
        let operand = |operand: Operand| match operand {
            Operand::Constant(constant) => constant,
            Operand::Index => x,
        };
        let loaded = match *step {
            Step::Load { size, at, indexed } => facts.load(size, if indexed { x.wrapping_add(at) } else { at }),
            Step::LoadValue(value) | Step::IndexValue(value) => value.of(facts, [a, x], &cells, random),
            Step::IndexHeader(at) => facts.load(Size::Byte, at).map(|byte| (byte & 15) * 4),
            _ => Some(0),
        };
        let Some(loaded) = loaded else {
            // Where there is no device, bpf_convert_filter() leaves what is in the accumulator.
            let without_device = matches!(step, Step::LoadValue(Value::DeviceIndex | Value::DeviceType));
            return if without_device { a } else { 0 };
        };
        match *step {
            Step::Load { .. } | Step::LoadValue(_) => a = loaded,
            Step::IndexValue(_) | Step::IndexHeader(_) => x = loaded,
            Step::Store(cell) => *cells.get_mut(usize::from(cell)).unwrap_or(&mut 0) = a,
            Step::StoreIndex(cell) => *cells.get_mut(usize::from(cell)).unwrap_or(&mut 0) = x,
            Step::Compute(operation, with) => match operation.of(a, operand(with)) {
                Some(result) => a = result,
                None => return 0,
            },
            Step::Negate => a = a.wrapping_neg(),
            Step::Jump(further) => at += further as usize,
            Step::Branch { test, with, yes, no } => {
                at += usize::from(if test.holds(a, operand(with)) { yes } else { no });
            }
            Step::ToIndex => x = a,
            Step::ToAccumulator => a = x,
            Step::Return(value) => return value.unwrap_or(a),
        }
    }
    0
}

impl Facts<'_> {
    /// Bytes at a place, which may count from the link layer's header or from the network's. As bpf_skb_load_helper_*() and
    /// bpf_internal_load_pointer_neg_helper().
    fn load(&self, size: Size, at: u32) -> Option<u32> {
        match at {
            0..=0x7fff_ffff => read(self.packet, at as usize, size),
            NETWORK.. => read(self.packet, (at - NETWORK) as usize, size),
            LINK.. => {
                let link = self.link?;
                let at = (at - LINK) as usize;
                match at.checked_sub(link.len()) {
                    Some(behind) => read(self.packet, behind, size),
                    None => {
                        let begin = link.get(at..)?.iter().chain(self.packet.iter());
                        let mut bytes = [0; 4];
                        bytes.iter_mut().zip(begin).for_each(|(to, from)| *to = *from);
                        (at + size.bytes() <= link.len() + self.packet.len()).then(|| read(&bytes, 0, size))?
                    }
                }
            }
            _ => None,
        }
    }

    /// As __skb_get_nlattr() and __skb_get_nlattr_nest(): 0 if there is none.
    fn attribute(&self, [at, kind]: [u32; 2], nested: bool) -> u32 {
        let packet = self.packet;
        let whole = |at: usize| packet.get(at..).filter(|rest| rest.len() >= ATTRIBUTE);
        let mut place = at as usize;
        let Some(mut rest) = whole(place) else { return 0 };
        if nested {
            let Some((length, _)) = attribute_head(rest) else { return 0 };
            let Some(inside) = rest.get(ATTRIBUTE..length) else { return 0 };
            place += ATTRIBUTE;
            rest = inside;
        }
        while let Some((length, found)) = attribute_head(rest) {
            if length < ATTRIBUTE || length > rest.len() {
                break;
            }
            if u32::from(found) == kind & 0xffff {
                return place as u32;
            }
            let step = length.next_multiple_of(4);
            rest = rest.get(step..).unwrap_or_default();
            place += step;
        }
        0
    }
}

/// Length and type of a netlink attribute.
fn attribute_head(bytes: &[u8]) -> Option<(usize, u16)> {
    let &[a, b, c, d] = bytes.first_chunk()?;
    Some((u16::from_ne_bytes([a, b]).into(), u16::from_ne_bytes([c, d]) & 0x3fff))
}

impl Value {
    /// `None` ends the program.
    fn of(self, facts: &Facts<'_>, registers: [u32; 2], cells: &[u32; CELLS], random: &mut Random) -> Option<u32> {
        let [a, x] = registers;
        Some(match self {
            Self::Constant(constant) => constant,
            Self::Length => facts.packet.len() as u32,
            Self::Cell(cell) => cells.get(usize::from(cell)).copied()?,
            Self::Protocol if facts.af == Af::V4 => 0x0800,
            Self::Protocol => 0x86dd,
            Self::PacketType => facts.packet_type,
            Self::DeviceIndex => facts.device?.0,
            Self::DeviceType => facts.device?.1.into(),
            Self::Mark => facts.mark,
            Self::Random => random.draw(),
            Self::Mixed => a ^ x,
            Self::Attribute => facts.attribute(registers, false),
            Self::NestedAttribute => facts.attribute(registers, true),
        })
    }
}

impl Operation {
    /// `None` for a division by zero.
    fn of(self, a: u32, b: u32) -> Option<u32> {
        Some(match self {
            Self::Add => a.wrapping_add(b),
            Self::Subtract => a.wrapping_sub(b),
            Self::Multiply => a.wrapping_mul(b),
            Self::Divide => a.checked_div(b)?,
            Self::Remainder => a.checked_rem(b)?,
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
            Self::ShiftLeft => a.wrapping_shl(b),
            Self::ShiftRight => a.wrapping_shr(b),
        })
    }
}

impl Test {
    const fn holds(self, a: u32, b: u32) -> bool {
        match self {
            Self::Equal => a == b,
            Self::Greater => a > b,
            Self::GreaterOrEqual => a >= b,
            Self::AnyBit => a & b != 0,
        }
    }
}

impl Size {
    const fn bytes(self) -> usize {
        match self {
            Self::Word => 4,
            Self::Half => 2,
            Self::Byte => 1,
        }
    }
}

fn read(bytes: &[u8], at: usize, size: Size) -> Option<u32> {
    match size {
        Size::Word => u32_at(bytes, at),
        Size::Half => u16_at(bytes, at).map(u32::from),
        Size::Byte => bytes.get(at).copied().map(u32::from),
    }
}

/// `BPF_MEMWORDS`.
pub(super) const CELLS: usize = 16;
/// `SKF_NET_OFF`: places from here on count from the network header.
const NETWORK: u32 = (-0x10_0000_i32).cast_unsigned();
/// `SKF_LL_OFF`: places from here on count from the link layer's header.
const LINK: u32 = (-0x20_0000_i32).cast_unsigned();
/// Bytes of a netlink attribute's head.
const ATTRIBUTE: usize = 4;
