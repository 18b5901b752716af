//! FTP (RFC 959, RFC 2428): data connections of both modes. As nf_conntrack_ftp.c and nf_nat_ftp.c.

mod command;

use libxt::family::Af;

use super::text::Text;
use super::{About, Call, Helper, Memory, Policy};
use crate::Verdict;
use crate::conntrack::expect::{Expected, Follow};
use crate::conntrack::tuple::{Ports, protocol};
use crate::conntrack::{Address, Direction, Relation, Tuple};
use crate::wire::u32_at;
use command::{Found, Named, find};

pub(crate) struct Ftp;

/// Where lines of each direction begin: sequence numbers behind a line feed (`struct nf_ct_ftp_master`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines([Starts; 2]);

/// Two of them, for one that is sent once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Starts {
    known: [u32; 2],
    len: u8,
}

impl Helper for Ftp {
    fn about(&self) -> &'static About {
        &About {
            name: "ftp",
            protocols: &[protocol::TCP],
            families: &[Af::V4, Af::V6],
            policies: &[Policy { most: 1, timeout: 300 }],
        }
    }

    fn help(&self, call: &mut Call<'_, '_>) -> Verdict {
        if call.relation != Relation::Established {
            return Verdict::Accept;
        }
        let (Some(sequence), Some(&last)) = (u32_at(call.segment(), 4), call.payload().last()) else {
            return Verdict::Accept;
        };
        // What was joined is read in one stretch.
        call.packet.data.pull(call.headers.end);
        // As the sender counts: rewriting comes after.
        let next = sequence.wrapping_add(call.payload().len() as u32);
        let at = call.direction as usize;
        let begins = matches!(call.memory(), Some(Memory::Ftp(lines)) if lines.0[at].contains(sequence));
        if begins {
            match find(call.payload(), call.direction, &call.tuple(call.direction)) {
                Found::Nothing => {}
                Found::Part => return Verdict::Drop,
                Found::Command(named) => {
                    let elsewhere = named.elsewhere(&call.tuple(call.direction));
                    if elsewhere.is_some() && !call.parameters().ftp_loose {
                        // Nobody opens a way to a third.
                    } else if !announce(call, &named, elsewhere) {
                        note(call, at, last, next);
                        return Verdict::Drop;
                    }
                }
            }
        }
        note(call, at, last, next);
        Verdict::Accept
    }
}

/// A line ended here. As update_nl_seq().
fn note(call: &mut Call<'_, '_>, at: usize, last: u8, next: u32) {
    if last != b'\n' {
        return;
    }
    let Some(memory) = call.memory() else { return };
    if let Memory::Nothing = memory {
        *memory = Memory::Ftp(Lines::default());
    }
    if let Memory::Ftp(lines) = memory {
        lines.0[at].insert(next);
    }
}

/// Expects the data connection, and has the command say what the other side can reach.
fn announce(call: &mut Call<'_, '_>, named: &Named, elsewhere: Option<Address>) -> bool {
    let (here, there) = (call.direction, call.direction.opposite());
    let back = call.tuple(there);
    let ports = Ports::Ports { source: 0, destination: named.port };
    let destination = elsewhere.unwrap_or(back.destination);
    let tuple = Tuple { protocol: protocol::TCP, ports, destination, ..back };
    let expected = Expected::new(Some(back.source), None, tuple);
    if !call.translated() {
        return call.expect(expected).is_ok();
    }
    let expected = Expected {
        follow: Follow::Master,
        direction: here.opposite(),
        saved: (expected.saved.0, named.port),
        ..expected
    };
    let Some(port) = call.expect_somewhere(expected) else { return false };
    let mut text = Text::default();
    named.kind.write(back.af, back.destination, port, &mut text);
    if call.mangle(named.at, named.length, text.bytes()) {
        return true;
    }
    call.unexpect(&expected.tuple.with_destination_port(port));
    false
}

impl Starts {
    fn contains(&self, sequence: u32) -> bool {
        self.known[..usize::from(self.len).min(2)].contains(&sequence)
    }

    fn insert(&mut self, sequence: u32) {
        if self.contains(sequence) {
            return;
        }
        match self.len {
            0 | 1 => {
                self.known[usize::from(self.len)] = sequence;
                self.len += 1;
            }
            _ => {
                let after = |a: u32, b: u32| b.wrapping_sub(a) > i32::MAX.cast_unsigned();
                let oldest = usize::from(!after(self.known[1], self.known[0]));
                if after(sequence, self.known[oldest]) {
                    self.known[oldest] = sequence;
                }
            }
        }
    }
}

/// Which way a command goes.
const fn is_question(direction: Direction) -> bool {
    matches!(direction, Direction::Original)
}
