//! The two tuples of a connection as the slab keeps them: what both have in common stands there once.

use libxt::family::Af;

use super::tuple::Ports;
use super::{Address, Direction, Tuple};
use crate::nat::{Manip, Target};

/// Both tuples, 75 bytes of them instead of 80.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    af: Af,
    protocol: u8,
    kind: Kind,
    ends: [Ends; 2],
}

/// What the directions differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    /// As [`Tuple::port_bytes`].
    ports: [u8; 4],
    source: Address,
    destination: Address,
}

/// Which of [`Ports`] the ports are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ports,
    Icmp,
    Keys,
    None,
}

impl Pair {
    /// Of two tuples of one family, one protocol, and one kind of ports.
    pub(super) fn new([original, reply]: [Tuple; 2]) -> Self {
        debug_assert!((original.af, original.protocol) == (reply.af, reply.protocol));
        Self {
            af: original.af,
            protocol: original.protocol,
            kind: Kind::of(original.ports),
            ends: [Ends::of(&original), Ends::of(&reply)],
        }
    }

    /// The tuple of a direction.
    #[inline]
    pub(super) fn tuple(&self, direction: Direction) -> Tuple {
        let Ends { ports: [a, b, c, d], source, destination } = self.ends[direction as usize];
        let (first, second) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let ports = match self.kind {
            Kind::Ports => Ports::Ports { source: first, destination: second },
            Kind::Icmp => Ports::Icmp { kind: c, code: d, id: first },
            Kind::Keys => Ports::Keys { source: first, destination: second },
            Kind::None => Ports::None,
        };
        Tuple { af: self.af, protocol: self.protocol, source, destination, ports }
    }

    /// The address and the port, id or key that a packet of a direction shall have on one side when it leaves: what
    /// answers come to, or from. The inverse of the other direction's tuple without making that.
    #[inline]
    pub(super) fn target(&self, direction: Direction, manip: Manip) -> Target {
        let Ends { ports: [a, b, c, d], source, destination } = &self.ends[direction.opposite() as usize];
        let (first, second) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
        match manip {
            // An echo id stands first, whoever sends it.
            Manip::Source if self.kind == Kind::Icmp => Target { address: *destination, port: first },
            Manip::Source => Target { address: *destination, port: second },
            Manip::Destination => Target { address: *source, port: first },
        }
    }

    /// Original and reply.
    pub(super) fn tuples(&self) -> [Tuple; 2] {
        [Direction::Original, Direction::Reply].map(|direction| self.tuple(direction))
    }

    /// Whether a tuple is that of a direction: what mostly differs is looked at first.
    #[inline]
    pub(super) fn is(&self, direction: Direction, tuple: &Tuple) -> bool {
        self.ends[direction as usize] == Ends::of(tuple)
            && (self.af, self.protocol, self.kind) == (tuple.af, tuple.protocol, Kind::of(tuple.ports))
    }

    /// Puts another reply tuple of the same protocol in.
    pub(super) fn set_reply(&mut self, reply: &Tuple) {
        self.ends[1] = Ends::of(reply);
    }
}

impl Ends {
    #[inline]
    fn of(tuple: &Tuple) -> Self {
        Self { ports: tuple.port_bytes(), source: tuple.source, destination: tuple.destination }
    }
}

impl Kind {
    fn of(ports: Ports) -> Self {
        match ports {
            Ports::Ports { .. } => Self::Ports,
            Ports::Icmp { .. } => Self::Icmp,
            Ports::Keys { .. } => Self::Keys,
            Ports::None => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tuple() -> impl Strategy<Value = Tuple> {
        let ports = prop_oneof![
            any::<(u16, u16)>().prop_map(|(source, destination)| Ports::Ports { source, destination }),
            any::<(u8, u16)>().prop_map(|(code, id)| Ports::Icmp { kind: 8, code, id }),
            any::<(u16, u16)>().prop_map(|(source, destination)| Ports::Keys { source, destination }),
            Just(Ports::None),
        ];
        (any::<bool>(), any::<u8>(), any::<[u8; 16]>(), any::<[u8; 16]>(), ports).prop_map(
            |(short, protocol, source, destination, ports)| {
                let af = if short { Af::V4 } else { Af::V6 };
                Tuple { af, protocol, source: Address(source), destination: Address(destination), ports }
            },
        )
    }

    proptest! {
        #[test]
        fn both_tuples_come_out_as_they_went_in(original in tuple(), port: u16) {
            let reply = original.inverse().unwrap_or(original).with_destination_port(port);
            let mut pair = Pair::new([original, reply]);
            prop_assert_eq!(pair.tuples(), [original, reply]);
            prop_assert!(pair.is(Direction::Original, &original) && pair.is(Direction::Reply, &reply));
            prop_assert_eq!(pair.is(Direction::Original, &reply), original == reply);
            for direction in [Direction::Original, Direction::Reply] {
                let Some(leaving) = pair.tuple(direction.opposite()).inverse() else { continue };
                for manip in [Manip::Source, Manip::Destination] {
                    prop_assert_eq!(pair.target(direction, manip), Target::of(&leaving, manip));
                }
            }
            pair.set_reply(&original);
            prop_assert_eq!(pair.tuples(), [original; 2]);
        }

        #[test]
        fn what_is_not_the_tuple_is_none(one in tuple(), other in tuple(), protocol: u8) {
            let pair = Pair::new([one; 2]);
            let alike = Tuple { protocol, ..one };
            for tuple in [other, alike] {
                prop_assert_eq!(pair.is(Direction::Original, &tuple), tuple == one);
            }
        }
    }
}
