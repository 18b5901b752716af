//! What a program may hold. As bpf_check_classic().

use libxt::ext::matches::bpf::Instruction;

use super::run::{CELLS, Operand, Operation, Size, Step, Test, Value};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

/// Takes a program apart, if every step of it can be run and every path ends.
pub(super) fn check(program: &[Instruction]) -> Result<Box<[Step]>, Refused> {
    let steps: Vec<Step> = program.iter().map(read).collect::<Result<_, _>>()?;
    for (at, step) in steps.iter().enumerate() {
        let left = steps.len() - at - 1;
        let leaves = match *step {
            Step::Jump(further) => further as usize >= left,
            Step::Branch { yes, no, .. } => usize::from(yes.max(no)) >= left,
            _ => false,
        };
        if leaves {
            return Err(Refused::invalid("bpf: a jump leads out of the program"));
        }
    }
    if !matches!(steps.last(), Some(Step::Return(_))) {
        return Err(Refused::invalid("bpf: the program does not end in a return"));
    }
    written_before_read(&steps)?;
    Ok(steps.into())
}

/// One instruction. As chk_code_allowed().
fn read(instruction: &Instruction) -> Result<Step, Refused> {
    let &Instruction { code, jump_true: yes, jump_false: no, operand: k } = instruction;
    let cell = || match u8::try_from(k) {
        Ok(cell) if usize::from(cell) < CELLS => Ok(cell),
        _ => Err(Refused::invalid("bpf: there are sixteen cells")),
    };
    let with = if code & 0x08 == 0 { Operand::Constant(k) } else { Operand::Index };
    let size = match code & 0x18 {
        0x00 => Size::Word,
        0x08 => Size::Half,
        _ => Size::Byte,
    };
    let test = |test| Ok(Step::Branch { test, with, yes, no });
    match code {
        // BPF_LD: absolute, indexed.
        0x20 | 0x28 | 0x30 if k >= ANCILLARY => ancillary(k),
        0x20 | 0x28 | 0x30 => Ok(Step::Load { size, at: k, indexed: false }),
        0x40 | 0x48 | 0x50 => Ok(Step::Load { size, at: k, indexed: true }),
        0x00 => Ok(Step::LoadValue(Value::Constant(k))),
        0x60 => Ok(Step::LoadValue(Value::Cell(cell()?))),
        0x80 => Ok(Step::LoadValue(Value::Length)),
        // BPF_LDX.
        0x01 => Ok(Step::IndexValue(Value::Constant(k))),
        0x61 => Ok(Step::IndexValue(Value::Cell(cell()?))),
        0x81 => Ok(Step::IndexValue(Value::Length)),
        0xb1 => Ok(Step::IndexHeader(k)),
        0x02 => Ok(Step::Store(cell()?)),
        0x03 => Ok(Step::StoreIndex(cell()?)),
        0x84 => Ok(Step::Negate),
        // BPF_JMP.
        0x05 => Ok(Step::Jump(k)),
        0x15 | 0x1d => test(Test::Equal),
        0x25 | 0x2d => test(Test::Greater),
        0x35 | 0x3d => test(Test::GreaterOrEqual),
        0x45 | 0x4d => test(Test::AnyBit),
        // BPF_RET, BPF_MISC.
        0x06 => Ok(Step::Return(Some(k))),
        0x16 => Ok(Step::Return(None)),
        0x07 => Ok(Step::ToIndex),
        0x87 => Ok(Step::ToAccumulator),
        _ => {
            let operation = operation(code).ok_or(Refused::invalid("bpf: an unknown instruction"))?;
            match (operation, with) {
                (Operation::Divide | Operation::Remainder, Operand::Constant(0)) => {
                    Err(Refused::invalid("bpf: a division by zero"))
                }
                (Operation::ShiftLeft | Operation::ShiftRight, Operand::Constant(32..)) => {
                    Err(Refused::invalid("bpf: a shift by more than 31 bits"))
                }
                _ => Ok(Step::Compute(operation, with)),
            }
        }
    }
}

/// BPF_ALU.
const fn operation(code: u16) -> Option<Operation> {
    Some(match code & !0x08 {
        0x04 => Operation::Add,
        0x14 => Operation::Subtract,
        0x24 => Operation::Multiply,
        0x34 => Operation::Divide,
        0x44 => Operation::Or,
        0x54 => Operation::And,
        0x64 => Operation::ShiftLeft,
        0x74 => Operation::ShiftRight,
        0x94 => Operation::Remainder,
        0xa4 => Operation::Xor,
        _ => return None,
    })
}

/// What stands at negative places. As bpf_anc_helper(); what a queued packet does not tell is left to the kernel.
const fn ancillary(k: u32) -> Result<Step, Refused> {
    const UNKNOWN: Refused = Refused::new(errno::EOPNOTSUPP, "bpf: a queued packet does not tell what is loaded");
    Ok(Step::LoadValue(match k - ANCILLARY {
        0 => Value::Protocol,
        4 => Value::PacketType,
        8 => Value::DeviceIndex,
        12 => Value::Attribute,
        16 => Value::NestedAttribute,
        20 => Value::Mark,
        28 => Value::DeviceType,
        40 => Value::Mixed,
        56 => Value::Random,
        // Receive queue, hash, CPU, VLAN tag, the payload's place, VLAN protocol.
        24 | 32 | 36 | 44 | 48 | 52 | 60 => return Err(UNKNOWN),
        _ => return Err(Refused::invalid("bpf: an unknown ancillary load")),
    }))
}

/// No path may read a cell that it has not written. As check_load_and_stores().
fn written_before_read(steps: &[Step]) -> Result<(), Refused> {
    let mut known = vec![u16::MAX; steps.len()];
    let mut written = 0_u16;
    for (at, step) in steps.iter().enumerate() {
        written &= known.get(at).copied().unwrap_or(0);
        let mut meet = |further: usize| {
            if let Some(known) = known.get_mut(at + 1 + further) {
                *known &= written;
            }
        };
        match *step {
            Step::Store(cell) | Step::StoreIndex(cell) => written |= 1 << cell,
            Step::LoadValue(Value::Cell(cell)) | Step::IndexValue(Value::Cell(cell)) if written >> cell & 1 == 0 => {
                return Err(Refused::invalid("bpf: a cell is read before it is written"));
            }
            Step::Jump(further) => {
                meet(further as usize);
                written = u16::MAX;
            }
            Step::Branch { yes, no, .. } => {
                meet(yes.into());
                meet(no.into());
                written = u16::MAX;
            }
            _ => {}
        }
    }
    Ok(())
}

/// `SKF_AD_OFF`: places from here on are no bytes.
const ANCILLARY: u32 = (-0x1000_i32).cast_unsigned();

#[cfg(test)]
mod tests {
    use libxt::family::Af;

    use super::super::run::{Facts, run};
    use super::*;
    use crate::ext::scene::Random;

    fn program(steps: &[(u16, u8, u8, u32)]) -> Vec<Instruction> {
        let instruction =
            |&(code, jump_true, jump_false, operand)| Instruction { code, jump_true, jump_false, operand };
        steps.iter().map(instruction).collect()
    }

    fn result(steps: &[(u16, u8, u8, u32)]) -> Option<u32> {
        result_at(steps, Some((7, 1)))
    }

    fn result_at(steps: &[(u16, u8, u8, u32)], device: Option<(u32, u16)>) -> Option<u32> {
        let packet = [0x45, 0, 0, 24, 1, 2, 3, 4, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 0xff, 0xfe];
        let link = [0xaa, 0, 0, 0, 0, 1, 0xbb, 0, 0, 0, 0, 2, 8, 0];
        let facts = Facts { packet: &packet, link: Some(&link), af: Af::V4, packet_type: 1, device, mark: 0x99 };
        Some(run(&check(&program(steps)).ok()?, &facts, &mut Random::new(1)))
    }

    const RETURN: (u16, u8, u8, u32) = (0x16, 0, 0, 0);

    #[test]
    fn bytes_are_read_in_network_order_and_never_past_the_end() {
        assert_eq!(result(&[(0x30, 0, 0, 9), RETURN]), Some(17));
        assert_eq!(result(&[(0x28, 0, 0, 22), RETURN]), Some(0xfffe));
        assert_eq!(result(&[(0x20, 0, 0, 20), RETURN]), Some(0x1234_fffe));
        assert_eq!(result(&[(0x20, 0, 0, 21), (0x06, 0, 0, 5)]), Some(0));
        // Behind the header, whose length its first byte says.
        assert_eq!(result(&[(0xb1, 0, 0, 0), (0x48, 0, 0, 0), RETURN]), Some(0x1234));
        assert_eq!(result(&[(0x01, 0, 0, u32::MAX), (0x50, 0, 0, 10), RETURN]), Some(17));
    }

    #[test]
    fn negative_places_count_from_the_network_header_or_the_link_layers() {
        assert_eq!(result(&[(0x30, 0, 0, 0xfff0_0009), RETURN]), Some(17));
        assert_eq!(result(&[(0x28, 0, 0, 0xffe0_000c), RETURN]), Some(0x0800));
        assert_eq!(result(&[(0x20, 0, 0, 0xffe0_000c), RETURN]), Some(0x0800_4500));
        assert_eq!(result(&[(0x30, 0, 0, 0xffe0_0017), RETURN]), Some(17));
        assert_eq!(result(&[(0x30, 0, 0, 0x8000_0000), (0x06, 0, 0, 5)]), Some(0));
    }

    #[test]
    fn ancillary_loads_tell_what_is_no_byte() {
        let load = |k: u32| result(&[(0x20, 0, 0, ANCILLARY + k), RETURN]);
        assert_eq!(
            [load(0), load(4), load(8), load(20), load(28)],
            [Some(0x800), Some(1), Some(7), Some(0x99), Some(1)]
        );
        assert_eq!((load(32), load(36), load(2), load(64)), (None, None, None, None));
        // Without a device the program ends with what it has.
        for device in [8, 28] {
            let program = [(0x00, 0, 0, 6), (0x20, 0, 0, ANCILLARY + device), (0x06, 0, 0, 5)];
            assert_eq!(result_at(&program, None), Some(6));
        }
        let mixed = [(0x00, 0, 0, 6), (0x01, 0, 0, 3), (0x20, 0, 0, ANCILLARY + 40), RETURN];
        assert_eq!(result(&mixed), Some(5));
    }

    #[test]
    fn arithmetic_wraps_and_a_division_by_a_zero_index_ends_in_zero() {
        assert_eq!(result(&[(0x00, 0, 0, 3), (0x14, 0, 0, 5), RETURN]), Some(u32::MAX - 1));
        assert_eq!(result(&[(0x00, 0, 0, 3), (0x84, 0, 0, 0), RETURN]), Some(3_u32.wrapping_neg()));
        assert_eq!(result(&[(0x00, 0, 0, 3), (0x3c, 0, 0, 0), (0x06, 0, 0, 5)]), Some(0));
        // Of an index the lowest five bits shift.
        assert_eq!(result(&[(0x00, 0, 0, 3), (0x01, 0, 0, 33), (0x6c, 0, 0, 0), RETURN]), Some(6));
        assert_eq!(result(&[(0x34, 0, 0, 0), RETURN]), None);
        assert_eq!(result(&[(0x64, 0, 0, 32), RETURN]), None);
    }

    #[test]
    fn jumps_lead_forward_and_stay_inside() {
        let branch = |yes, no| result(&[(0x30, 0, 0, 9), (0x15, yes, no, 17), (0x06, 0, 0, 1), (0x06, 0, 0, 2)]);
        assert_eq!((branch(0, 1), branch(1, 0), branch(2, 0)), (Some(1), Some(2), None));
        assert_eq!(result(&[(0x05, 0, 0, 1), (0x06, 0, 0, 1), (0x06, 0, 0, 2)]), Some(2));
        assert_eq!(result(&[(0x05, 0, 0, 1), (0x06, 0, 0, 1)]), None);
        assert_eq!(result(&[(0x05, 0, 0, u32::MAX), (0x06, 0, 0, 1)]), None);
    }

    #[test]
    fn a_program_ends_in_a_return_and_reads_no_cell_that_some_path_did_not_write() {
        assert_eq!(result(&[(0x00, 0, 0, 1)]), None);
        assert_eq!(result(&[]), None);
        assert_eq!(result(&[(0x60, 0, 0, 3), RETURN]), None);
        assert_eq!(result(&[(0x00, 0, 0, 8), (0x02, 0, 0, 3), (0x61, 0, 0, 3), (0x87, 0, 0, 0), RETURN]), Some(8));
        assert_eq!(result(&[(0x02, 0, 0, 16), RETURN]), None);
        // One way round the store.
        let round = [(0x15, 1, 0, 0), (0x02, 0, 0, 0), (0x60, 0, 0, 0), RETURN];
        assert_eq!(result(&round), None);
    }
}
