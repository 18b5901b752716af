//! TFTP (RFC 1350): the answer to a request comes from another port. As nf_conntrack_tftp.c and nf_nat_tftp.c.

use libxt::family::Af;

use super::{About, Call, Helper, Policy};
use crate::Verdict;
use crate::conntrack::Direction;
use crate::conntrack::expect::{Expected, Follow};
use crate::conntrack::tuple::{Ports, protocol};

pub(crate) struct Tftp;

const READ: [u8; 2] = [0, 1];
const WRITE: [u8; 2] = [0, 2];

impl Helper for Tftp {
    fn about(&self) -> &'static About {
        &About {
            name: "tftp",
            protocols: &[protocol::UDP],
            families: &[Af::V4, Af::V6],
            policies: &[Policy { most: 1, timeout: 300 }],
        }
    }

    fn help(&self, call: &mut Call<'_, '_>) -> Verdict {
        let asked = call.payload().first_chunk::<2>();
        if !matches!(asked, Some(&(READ | WRITE))) {
            return Verdict::Accept;
        }
        let answer = call.tuple(Direction::Reply);
        let back = answer.with_ports(Ports::Ports { source: 0, destination: answer.destination_port() });
        let mut expected = Expected::new(Some(answer.source), None, back);
        if call.translated() {
            let port = call.tuple(Direction::Original).source_port();
            expected = Expected {
                follow: Follow::Master,
                direction: Direction::Reply,
                saved: (expected.saved.0, port),
                ..expected
            };
        }
        match call.expect(expected) {
            Ok(()) => Verdict::Accept,
            Err(_) => Verdict::Drop,
        }
    }
}
