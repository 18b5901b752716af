//! Amanda: the backup server's client names the ports that the server shall connect to. As nf_conntrack_amanda.c and
//! nf_nat_amanda.c.

use std::fmt::Write;

use libxt::family::Af;

use super::text::{Text, find, number};
use super::{About, Call, Helper, Policy};
use crate::Verdict;
use crate::conntrack::expect::{Expected, Follow};
use crate::conntrack::tuple::{Ports, protocol};
use crate::conntrack::{Direction, Tuple};

pub(crate) struct Amanda;

/// What stands in front of a port.
const STREAMS: [&[u8]; 4] = [b"DATA ", b"MESG ", b"INDEX ", b"STATE "];
/// Digits of a port.
const DIGITS: usize = 5;

impl Helper for Amanda {
    fn about(&self) -> &'static About {
        &About {
            name: "amanda",
            protocols: &[protocol::UDP],
            families: &[Af::V4, Af::V6],
            policies: &[Policy { most: 4, timeout: 180 }],
        }
    }

    fn help(&self, call: &mut Call<'_, '_>) -> Verdict {
        if call.direction == Direction::Original {
            return Verdict::Accept;
        }
        // A client may take its time.
        call.refresh(call.parameters().amanda_master);
        const CONNECT: &[u8] = b"CONNECT ";
        let Some(start) = find(call.payload(), CONNECT).map(|at| at + CONNECT.len()) else { return Verdict::Accept };
        let Some(stop) = call.payload().get(start..).and_then(|rest| find(rest, b"\n")) else { return Verdict::Accept };
        // Where the line ended before ports in it became longer or shorter.
        let stop = start + stop;
        for stream in STREAMS {
            let Some(line) = call.payload().get(start..stop) else { break };
            let Some(at) = find(line, stream).map(|at| at + stream.len()) else { continue };
            let digits = line.get(at..).unwrap_or_default();
            let (port, length) = number(digits.get(..DIGITS).unwrap_or(digits));
            let port = port as u16;
            if port == 0 {
                break;
            }
            if !announce(call, start + at, length, port) {
                return Verdict::Drop;
            }
        }
        Verdict::Accept
    }
}

/// Expects the server's connection to a port, and has the answer name one that is free outside.
fn announce(call: &mut Call<'_, '_>, at: usize, length: usize, port: u16) -> bool {
    let asked = call.tuple(Direction::Original);
    let tuple = Tuple { protocol: protocol::TCP, ports: Ports::Ports { source: 0, destination: port }, ..asked };
    let expected = Expected::new(Some(asked.source), None, tuple);
    if !call.translated() {
        return call.expect(expected).is_ok();
    }
    let expected = Expected {
        follow: Follow::Master,
        direction: Direction::Original,
        saved: (expected.saved.0, port),
        ..expected
    };
    let Some(port) = call.expect_somewhere(expected) else { return false };
    let mut text = Text::default();
    let _ = write!(text, "{port}");
    if call.mangle(at, length, text.bytes()) {
        return true;
    }
    call.unexpect(&expected.tuple.with_destination_port(port));
    false
}
