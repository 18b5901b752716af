//! The options that `-p` brings to life, protocol by protocol.

use nfnl::conntrack::ProtocolInfo;

use crate::command::{Action, Table, Template};
use crate::error::Error;
use crate::getopt::Argument;
use crate::options::{Rule, check_pair};
use crate::parse;

/// A protocol as the command line knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Protocol {
    /// Its number.
    pub(crate) number: u8,
    /// Its options, names and places; none for protocols that have no ports.
    pub(crate) options: &'static [(&'static str, Field)],
}

/// What an option of a protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    SourcePort,
    DestinationPort,
    ReplySourcePort,
    ReplyDestinationPort,
    MaskPort,
    MaskDestinationPort,
    TuplePort,
    TupleDestinationPort,
    State,
    OriginalTag,
    ReplyTag,
    Role,
    IcmpType,
    IcmpCode,
    IcmpId,
}

const PORTS: &[(&str, Field)] = &[
    ("sport", Field::SourcePort),
    ("orig-port-src", Field::SourcePort),
    ("dport", Field::DestinationPort),
    ("orig-port-dst", Field::DestinationPort),
    ("reply-port-src", Field::ReplySourcePort),
    ("reply-port-dst", Field::ReplyDestinationPort),
    ("mask-port-src", Field::MaskPort),
    ("mask-port-dst", Field::MaskDestinationPort),
    ("tuple-port-src", Field::TuplePort),
    ("tuple-port-dst", Field::TupleDestinationPort),
    // Those of the stateful protocols follow; each protocol takes as many as it has.
    ("state", Field::State),
    ("orig-vtag", Field::OriginalTag),
    ("reply-vtag", Field::ReplyTag),
];
const DCCP: &[(&str, Field)] = &[
    ("sport", Field::SourcePort),
    ("orig-port-src", Field::SourcePort),
    ("dport", Field::DestinationPort),
    ("orig-port-dst", Field::DestinationPort),
    ("reply-port-src", Field::ReplySourcePort),
    ("reply-port-dst", Field::ReplyDestinationPort),
    ("mask-port-src", Field::MaskPort),
    ("mask-port-dst", Field::MaskDestinationPort),
    ("tuple-port-src", Field::TuplePort),
    ("tuple-port-dst", Field::TupleDestinationPort),
    ("state", Field::State),
    ("role", Field::Role),
];
const GRE: &[(&str, Field)] = &[
    ("srckey", Field::SourcePort),
    ("orig-key-src", Field::SourcePort),
    ("dstkey", Field::DestinationPort),
    ("orig-key-dst", Field::DestinationPort),
    ("reply-key-src", Field::ReplySourcePort),
    ("reply-key-dst", Field::ReplyDestinationPort),
    ("mask-key-src", Field::MaskPort),
    ("mask-key-dst", Field::MaskDestinationPort),
    ("tuple-key-src", Field::TuplePort),
    ("tuple-key-dst", Field::TupleDestinationPort),
];
const ICMP: &[(&str, Field)] =
    &[("icmp-type", Field::IcmpType), ("icmp-code", Field::IcmpCode), ("icmp-id", Field::IcmpId)];
const ICMPV6: &[(&str, Field)] =
    &[("icmpv6-type", Field::IcmpType), ("icmpv6-code", Field::IcmpCode), ("icmpv6-id", Field::IcmpId)];

/// Protocols with a name of their own.
const KNOWN: [(&str, u8); 8] =
    [("tcp", 6), ("udp", 17), ("udplite", 136), ("sctp", 132), ("dccp", 33), ("icmp", 1), ("icmpv6", 58), ("gre", 47)];

/// `enum tcp_conntrack`; LISTEN is the old name of the last.
pub(crate) const TCP_STATES: [&str; 10] = [
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];
/// `enum sctp_conntrack`; the original shows the last two and falls over them in a command line.
pub(crate) const SCTP_STATES: [&str; 10] = [
    "NONE",
    "CLOSED",
    "COOKIE_WAIT",
    "COOKIE_ECHOED",
    "ESTABLISHED",
    "SHUTDOWN_SENT",
    "SHUTDOWN_RECD",
    "SHUTDOWN_ACK_SENT",
    "HEARTBEAT_SENT",
    "HEARTBEAT_ACKED",
];
/// `enum ct_dccp_states`.
pub(crate) const DCCP_STATES: [&str; 10] =
    ["NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE", "INVALID"];

impl Protocol {
    /// By its name in any case, its number, or its name in the system's list of protocols.
    pub(crate) fn find(name: &[u8]) -> Result<Self, Error> {
        let text = parse::text(name);
        let known = KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(&text)).map(|&(_, number)| number);
        known
            .or_else(|| text.parse::<u8>().ok().filter(|_| text.starts_with(|c: char| c.is_ascii_digit())))
            .or_else(|| listed(&text))
            .map(Self::of)
            .ok_or_else(|| Error::Parameter(format!("`{text}' unsupported protocol")))
    }

    fn of(number: u8) -> Self {
        let options = match number {
            6 => PORTS.get(..11),
            17 | 136 => PORTS.get(..10),
            132 => Some(PORTS),
            33 => Some(DCCP),
            47 => Some(GRE),
            1 => Some(ICMP),
            58 => Some(ICMPV6),
            _ => None,
        };
        Self { number, options: options.unwrap_or(&[]) }
    }

    /// The names under which its options are found.
    pub(crate) fn long(self) -> impl Iterator<Item = (usize, &'static str, Argument)> {
        self.options.iter().enumerate().map(|(index, &(name, _))| (index, name, Argument::Required))
    }

    /// Takes one of its options.
    pub(crate) fn take(self, index: usize, value: &[u8], template: &mut Template) -> Result<(), Error> {
        let Some(&(_, field)) = self.options.get(index) else { return Ok(()) };
        template.fields |= 1 << field as u16;
        let key = |value: &[u8]| match self.number {
            47 => u16::try_from(parse::number(value, b'k', u64::from(u16::MAX)).unwrap_or(0)).unwrap_or(0),
            _ => parse::low16(value),
        };
        let flow = &mut template.flow;
        match field {
            Field::SourcePort | Field::DestinationPort => {
                let place = match field {
                    Field::SourcePort => &mut flow.original.source_port,
                    _ => &mut flow.original.destination_port,
                };
                *place = Some(key(value));
                flow.original.protocol = Some(self.number);
            }
            Field::ReplySourcePort | Field::ReplyDestinationPort => {
                let place = match field {
                    Field::ReplySourcePort => &mut flow.reply.source_port,
                    _ => &mut flow.reply.destination_port,
                };
                *place = Some(key(value));
                flow.reply.protocol = Some(self.number);
            }
            Field::MaskPort => template.mask.source_port = Some(key(value)),
            Field::MaskDestinationPort => template.mask.destination_port = Some(key(value)),
            Field::TuplePort => template.expected.source_port = Some(key(value)),
            Field::TupleDestinationPort => template.expected.destination_port = Some(key(value)),
            Field::IcmpType => flow.original.icmp_type = Some(parse::low8(value)),
            Field::IcmpCode => flow.original.icmp_code = Some(parse::low8(value)),
            Field::IcmpId => flow.original.icmp_id = Some(parse::low16(value)),
            Field::State => {
                let state = state(self.number, value)?;
                match flow.protocol.as_mut() {
                    Some(ProtocolInfo::Tcp { state: place, .. })
                    | Some(ProtocolInfo::Sctp { state: place, .. })
                    | Some(ProtocolInfo::Dccp { state: place, .. }) => *place = Some(state),
                    None => {}
                }
            }
            Field::OriginalTag | Field::ReplyTag => {
                if let Some(ProtocolInfo::Sctp { tags, .. }) = flow.protocol.as_mut() {
                    // In the bytes' own order, as the original reads and writes them.
                    let tag = Some(u32::from_be(parse::low32(value)));
                    if field == Field::OriginalTag { tags[0] = tag } else { tags[1] = tag }
                }
            }
            Field::Role => {
                if let Some(ProtocolInfo::Dccp { role, .. }) = flow.protocol.as_mut() {
                    let text = parse::text(value);
                    // Nothing at all begins the first.
                    let known = parse::named(&text, &[("client", 0), ("server", 1)]).or(text.is_empty().then_some(0));
                    *role = Some(known.ok_or_else(|| Error::Parameter(format!("Unknown DCCP role `{text}'")))?);
                }
            }
        }
        Ok(())
    }

    /// What `-p` alone puts into the template.
    pub(crate) fn begin(self, template: &mut Template) {
        template.flow.original.protocol = Some(self.number);
        template.expected.protocol = Some(self.number);
        template.mask.protocol = Some(self.number);
        template.flow.protocol = match self.number {
            // Liberal about windows: nobody knows those of a connection made by hand.
            6 => Some(ProtocolInfo::Tcp { state: None, scales: [None; 2], flags: [Some((0x0a, 0x0a)); 2] }),
            132 => Some(ProtocolInfo::Sctp { state: None, tags: [None; 2] }),
            33 => Some(ProtocolInfo::Dccp { state: None, role: None, handshake: None }),
            _ => None,
        };
    }

    /// Its options in the order in which the original looks at them.
    fn in_order(self) -> Vec<(&'static str, Field)> {
        let mut options = self.options.to_vec();
        options.sort_by_key(|(_, field)| match field {
            Field::State => 1,
            Field::TuplePort | Field::TupleDestinationPort => 2,
            Field::OriginalTag | Field::ReplyTag | Field::Role => 3,
            _ => 0,
        });
        options
    }

    /// Complains of options of its own that are missing or have no place.
    pub(crate) fn check(self, action: Action, table: Table, template: &Template) -> Result<(), Error> {
        if table == Table::Expect {
            return self.check_expectation(action, template);
        }
        let exact = matches!(action, Action::Create | Action::Add | Action::Get);
        let create = exact && action != Action::Get;
        let has = |field: Field| template.fields >> field as u16 & 1 != 0;
        let mut seen = 0u16;
        for (name, field) in self.in_order() {
            if seen >> field as u16 & 1 != 0 {
                continue;
            }
            seen |= 1 << field as u16;
            let rule = match field {
                Field::State | Field::OriginalTag | Field::ReplyTag | Field::Role if create => Rule::Needed,
                Field::IcmpType | Field::IcmpCode if exact => Rule::Needed,
                Field::MaskPort | Field::MaskDestinationPort | Field::TuplePort | Field::TupleDestinationPort => {
                    Rule::Illegal
                }
                Field::OriginalTag | Field::ReplyTag if !matches!(action, Action::Update | Action::Get) => {
                    Rule::Illegal
                }
                Field::Role => Rule::Illegal,
                _ => Rule::Allowed,
            };
            rule.check(name, has(field))?;
        }
        let pairs =
            [Field::SourcePort, Field::DestinationPort, Field::ReplySourcePort, Field::ReplyDestinationPort].map(has);
        match self.number {
            6 | 17 | 33 | 132 | 136 if exact => {
                check_pair(pairs, ["sport", "dport"], ["reply-src-port", "reply-dst-port"])
            }
            47 if exact => check_pair(pairs, ["srckey", "dstkey"], ["reply-src-key", "reply-dst-key"]),
            _ => Ok(()),
        }
    }

    /// The same of an expectation: a new one has a tuple and a mask, one that is looked for a reply.
    fn check_expectation(self, action: Action, template: &Template) -> Result<(), Error> {
        let create = action == Action::Create;
        let mut seen = 0u16;
        for (name, field) in self.in_order() {
            if seen >> field as u16 & 1 != 0 {
                continue;
            }
            seen |= 1 << field as u16;
            let rule = match field {
                Field::SourcePort | Field::DestinationPort => Rule::Needed,
                // GRE's reply is asked for always.
                Field::ReplySourcePort | Field::ReplyDestinationPort if create && self.number != 47 => Rule::Illegal,
                Field::ReplySourcePort | Field::ReplyDestinationPort => Rule::Needed,
                Field::MaskPort | Field::MaskDestinationPort | Field::TuplePort | Field::TupleDestinationPort => {
                    if create {
                        Rule::Needed
                    } else {
                        Rule::Illegal
                    }
                }
                Field::OriginalTag | Field::ReplyTag | Field::Role if create => Rule::Needed,
                Field::State | Field::OriginalTag | Field::ReplyTag | Field::Role => Rule::Illegal,
                Field::IcmpType | Field::IcmpCode | Field::IcmpId => Rule::Illegal,
            };
            rule.check(name, template.fields >> field as u16 & 1 != 0)?;
        }
        Ok(())
    }
}

/// The name that listings show.
pub(crate) fn name(number: u8) -> &'static str {
    KNOWN.iter().find(|&&(_, known)| known == number).map_or("unknown", |&(name, _)| name)
}

/// The name that `-h` and `-o save` show: the system's where there is none of our own.
pub(crate) fn known_name(number: u8) -> Option<&'static str> {
    KNOWN.iter().find(|&&(_, known)| known == number).map(|&(name, _)| name)
}

fn state(protocol: u8, value: &[u8]) -> Result<u8, Error> {
    let (names, kind): (&[&str], _) = match protocol {
        6 => (&TCP_STATES, "TCP"),
        132 => (&SCTP_STATES, "SCTP"),
        _ => (&DCCP_STATES, "DCCP"),
    };
    let text = parse::text(value);
    if protocol == 6 && text == "LISTEN" {
        return Ok(9);
    }
    let found = names.iter().position(|&name| name == text).and_then(|index| u8::try_from(index).ok());
    let unknown = if protocol == 33 { "Unknown" } else { "unknown" };
    found.ok_or_else(|| Error::Parameter(format!("{unknown} {kind} state `{text}'")))
}

/// From /etc/protocols, by name or alias.
fn listed(wanted: &str) -> Option<u8> {
    let list = std::fs::read_to_string("/etc/protocols").ok()?;
    list.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let name = words.next()?;
        let number = words.next()?.parse().ok()?;
        (name == wanted || words.any(|alias| alias == wanted)).then_some(number)
    })
}
