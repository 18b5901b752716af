//! `-j NFQUEUE`: hands the packet to a program.

use std::fmt::{self, Write};

use zerocopy::IntoBytes;

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// Which queue, and what if nobody listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nfqueue {
    /// The first queue.
    pub queue: u16,
    /// How many queues from it on share the packets, 1 or more.
    pub total: u16,
    /// If nobody listens the packet goes on instead of being dropped.
    pub bypass: bool,
    /// The CPU chooses the queue, not the connection.
    pub cpu_fanout: bool,
}

impl Default for Nfqueue {
    fn default() -> Self {
        Self { queue: 0, total: 1, bypass: false, cpu_fanout: false }
    }
}

impl Extension for Nfqueue {
    const NAME: &'static str = "NFQUEUE";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(3, 8), Revision::new(2, 6), Revision::new(1, 4), Revision::new(0, 2)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("queue-num", " number", "the queue, 0 to 65535", set_queue).excludes(&["queue-balance"]),
        Opt::new("queue-balance", " first:last", "share the packets among these queues", set_balance)
            .excludes(&["queue-num"]),
        Opt::flag("queue-bypass", "go on if nobody listens", set_bypass),
        Opt::flag("queue-cpu-fanout", "choose the queue by CPU", set_fanout).requires(&["queue-balance"]),
    ];

    fn fits(&self, number: u8) -> bool {
        match number {
            0 => self.total == 1 && !self.bypass && !self.cpu_fanout,
            1 => !self.bypass && !self.cpu_fanout,
            2 => !self.cpu_fanout,
            _ => true,
        }
    }

    fn decode(revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let words = match revision {
            0 => 1,
            1 => 2,
            _ => 3,
        };
        let mut read = [0, 1, 0];
        for (word, bytes) in read.iter_mut().zip(info.as_chunks().0).take(words) {
            *word = u16::from_ne_bytes(*bytes);
        }
        if info.len() < words * 2 {
            return Err(Malformed("NFQUEUE"));
        }
        let [queue, total, flags] = read;
        Ok(Self { queue, total, bypass: flags & BYPASS != 0, cpu_fanout: flags & CPU_FANOUT != 0 })
    }

    fn encode(&self, revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let flags = if self.bypass { BYPASS } else { 0 } | if self.cpu_fanout { CPU_FANOUT } else { 0 };
        let written = match revision {
            0 => self.queue.write_to_prefix(info).is_ok(),
            1 => [self.queue, self.total].write_to_prefix(info).is_ok(),
            _ => [self.queue, self.total, flags].write_to_prefix(info).is_ok(),
        };
        if written { Ok(()) } else { Err(Malformed("NFQUEUE")) }
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        self.write(w, "--queue-")
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" NFQUEUE")?;
        self.write(w, "")
    }
}

impl Nfqueue {
    fn write(&self, w: &mut dyn Write, prefix: &str) -> fmt::Result {
        if self.total == 1 {
            write!(w, " {prefix}num {}", self.queue)?;
        } else {
            let last = u32::from(self.queue) + u32::from(self.total);
            write!(w, " {prefix}balance {}:{}", self.queue, last.saturating_sub(1))?;
        }
        for (set, name) in [(self.bypass, "bypass"), (self.cpu_fanout, "cpu-fanout")] {
            if set {
                write!(w, " {prefix}{name}")?;
            }
        }
        Ok(())
    }
}

fn set_queue(to: &mut Nfqueue, given: &Given<'_>) -> Result<(), Problem> {
    to.queue = given.word(0, u16::MAX)?;
    Ok(())
}

fn set_balance(to: &mut Nfqueue, given: &Given<'_>) -> Result<(), Problem> {
    let (first, last) = given.range(u16::MAX.into())?;
    if !given.value.contains(':') {
        return Err(Problem::new(format!("Bad range \"{}\"", given.value)));
    }
    if first >= last {
        return Err(Problem::new(format!("{first} should be less than {last}")));
    }
    to.queue = first as u16;
    // 65,536 queues wrap to none, which the kernel refuses.
    to.total = (last - first + 1) as u16;
    Ok(())
}

fn set_bypass(to: &mut Nfqueue, _given: &Given<'_>) -> Result<(), Problem> {
    to.bypass = true;
    Ok(())
}

fn set_fanout(to: &mut Nfqueue, _given: &Given<'_>) -> Result<(), Problem> {
    to.cpu_fanout = true;
    Ok(())
}

const BYPASS: u16 = 1;
const CPU_FANOUT: u16 = 1 << 1;
