//! From the words of a command line to its value, with the complaints that reading them brings.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nfnl::conntrack::NatRange;

use crate::command::{Action, Command, EventMask, Output, Table, Template};
use crate::error::Error;
use crate::getopt::{Getopt, Long, Step};
use crate::labels::Labels;
use crate::options::{self, Given, LONG, Opt, Word};
use crate::parse;
use crate::protocol::Protocol;

/// Reads the words; nothing is done yet.
pub(crate) fn parse(words: &[Vec<u8>]) -> Result<Command, Error> {
    let mut reader = Reader {
        action: None,
        command: Command {
            action: Action::Help,
            named: false,
            table: Table::Conntrack,
            given: Given::default(),
            family: 0,
            protocol: None,
            template: Template::default(),
            output: Output::default(),
            events: EventMask::default(),
            buffer_size: None,
            label_map: None,
            label_names: None,
            warnings: Vec::new(),
        },
        masks: [None; 2],
    };
    match reader.read(words) {
        Ok(()) => reader.finish(),
        Err(error) => {
            // The original has written them by then.
            reader.command.warn();
            Err(error)
        }
    }
}
/// What has been read so far.
struct Reader {
    action: Option<Action>,
    command: Command,
    masks: [Option<IpAddr>; 2],
}

impl Reader {
    fn read(&mut self, words: &[Vec<u8>]) -> Result<(), Error> {
        let mut getopt = Getopt::new(words);
        let mut long = LONG.to_vec();
        while let Some(step) = getopt.step(options::short, &long) {
            match step {
                Step::Unknown(word) => {
                    return Err(Error::Parameter(format!("unknown option `{}'", parse::text(word))));
                }
                Step::Missing(word) => {
                    return Err(Error::Parameter(format!("option `{}' requires an argument", parse::text(word))));
                }
                Step::Short(letter, value) | Step::Long(Word::Letter(letter), value) => {
                    self.letter(letter, value, &getopt)?;
                    if letter == b'p' {
                        long = LONG.to_vec();
                        let own = self.command.protocol.into_iter().flat_map(Protocol::long);
                        long.extend(own.map(|(index, name, argument)| Long {
                            name,
                            argument,
                            is: Word::Protocol(index),
                        }));
                    }
                }
                Step::Long(Word::Protocol(index), value) => {
                    if let Some(protocol) = self.command.protocol {
                        protocol.take(index, value.unwrap_or_default(), &mut self.command.template)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn letter(&mut self, letter: u8, value: Option<&[u8]>, getopt: &Getopt<'_>) -> Result<(), Error> {
        if let Some(action) = action(letter) {
            // A word in the option's own word is passed over: -Lexpect lists connections.
            return self.act(action, getopt.loose_word().filter(|_| value.is_none()));
        }
        let given = value.unwrap_or_default();
        let command = &mut self.command;
        let flow = &mut command.template.flow;
        let option = match letter {
            b's' | b'd' => {
                let (ip, mask) = self.network(given)?;
                let (index, option) = if letter == b's' { (0, Opt::Source) } else { (1, Opt::Destination) };
                let flow = &mut self.command.template.flow;
                *if index == 0 { &mut flow.original.source } else { &mut flow.original.destination } = Some(ip);
                if let Some(mask) = mask {
                    self.masks[index] = Some(mask);
                    self.command.given.add(if index == 0 { Opt::MaskSource } else { Opt::MaskDestination });
                }
                option
            }
            b'r' | b'q' => {
                let (option, name) = match letter {
                    b'r' => (Opt::ReplySource, "reply-src"),
                    _ => (Opt::ReplyDestination, "reply-dst"),
                };
                let ip = self.plain_address(given, name)?;
                let reply = &mut self.command.template.flow.reply;
                *if letter == b'r' { &mut reply.source } else { &mut reply.destination } = Some(ip);
                option
            }
            b'{' | b'}' => {
                let name = if letter == b'{' { "mask-src" } else { "mask-dst" };
                let ip = self.plain_address(given, name)?;
                self.mask(usize::from(letter == b'}'), ip)
            }
            b'[' | b']' => {
                let (ip, mask) = self.network(given)?;
                let expected = &mut self.command.template.expected;
                *if letter == b'[' { &mut expected.source } else { &mut expected.destination } = Some(ip);
                if let Some(mask) = mask {
                    let option = self.mask(usize::from(letter == b']'), mask);
                    self.command.given.add(option);
                }
                if letter == b'[' { Opt::TupleSource } else { Opt::TupleDestination }
            }
            b'p' => {
                let protocol = Protocol::find(given)?;
                command.protocol = Some(protocol);
                protocol.begin(&mut command.template);
                Opt::Protocol
            }
            b't' => {
                flow.timeout = Some(parse::low32(given));
                Opt::Timeout
            }
            b'u' => {
                self.status(given)?;
                Opt::Status
            }
            b'e' => {
                for event in parse::list(given, |word| parse::named(word, EVENTS))? {
                    let mask = &mut command.events;
                    mask.new |= event.new;
                    mask.update |= event.update;
                    mask.destroy |= event.destroy;
                }
                Opt::EventMask
            }
            b'o' => {
                for set in parse::list(given, |word| parse::named(word, OUTPUTS))? {
                    set(&mut command.output);
                }
                let Output { save, xml, json, extended, timestamp, id, ktimestamp, labels } = command.output;
                if save && (xml || json || extended || timestamp || id || ktimestamp || labels) {
                    return Err(Error::Other(
                        "cannot combine save output with any other output type, use -o save only".into(),
                    ));
                }
                if xml && json {
                    return Err(Error::Other("cannot combine json output with xml output".into()));
                }
                if labels && command.label_names.is_none() {
                    command.label_names = Labels::load(command.label_map.as_deref(), &mut command.warnings);
                }
                Opt::Output
            }
            b'z' => Opt::Zero,
            b'a' => {
                command.warnings.push("WARNING: ignoring -a, deprecated option.".into());
                return Ok(());
            }
            b'm' => {
                command.template.mark = Some(parse::masked(given, b'm')?);
                Opt::Mark
            }
            b'c' => {
                flow.secmark = u32::try_from(parse::number(given, b'c', u64::from(u32::MAX))?).ok();
                Opt::Secmark
            }
            b'i' => {
                flow.id = u32::try_from(parse::number(given, b'i', u64::from(u32::MAX))?).ok();
                Opt::Id
            }
            b'w' | b'(' | b')' => {
                let zone = u16::try_from(parse::number(given, b'w', u64::from(u16::MAX))?).ok();
                match letter {
                    b'w' => flow.zone = zone,
                    b'(' => flow.original.zone = zone,
                    _ => flow.reply.zone = zone,
                }
                match letter {
                    b'w' => Opt::Zone,
                    b'(' => Opt::OriginalZone,
                    _ => Opt::ReplyZone,
                }
            }
            b'f' => {
                // Whatever follows.
                let family = match given {
                    [b'i', b'p', b'v', b'4', ..] => 2,
                    [b'i', b'p', b'v', b'6', ..] => 10,
                    _ => {
                        let text = parse::text(given);
                        return Err(Error::Parameter(format!("`{text}' unsupported protocol")));
                    }
                };
                self.set_family(family)?;
                Opt::Family
            }
            b'n' | b'g' | b'j' => {
                let option = match letter {
                    b'n' => Opt::SourceNat,
                    b'g' => Opt::DestinationNat,
                    _ => Opt::AnyNat,
                };
                // As with commands, only the next word counts.
                self.nat(letter, getopt.loose_word().filter(|_| value.is_none()))?;
                option
            }
            b'M' => {
                let word = "option `--labelmap'";
                if command.label_map.is_some() {
                    return Err(Error::Parameter(format!("{word} can only be given once")));
                }
                // By then the names have been looked up.
                if command.output.labels || command.given.any(&[Opt::Label, Opt::LabelAdd, Opt::LabelDel]) {
                    return Err(Error::Parameter(format!("{word} must come before the labels")));
                }
                command.label_map = Some(PathBuf::from(OsStr::from_bytes(given)));
                Opt::LabelMap
            }
            b'b' => {
                command.buffer_size = Some(u64::try_from(parse::atol(given)).unwrap_or(0));
                Opt::BufferSize
            }
            b'l' | b'<' | b'>' => {
                let (option, list) = match letter {
                    b'l' => (Opt::Label, value),
                    b'<' => (Opt::LabelAdd, value),
                    _ => (Opt::LabelDel, getopt.loose_word().filter(|_| value.is_none())),
                };
                command.given.add(option);
                self.labels(letter, list)?;
                option
            }
            _ => return Ok(()),
        };
        self.command.given.add(option);
        Ok(())
    }

    /// A command's letter; the table's name may follow as a word.
    fn act(&mut self, action: Action, word: Option<&[u8]>) -> Result<(), Error> {
        let table = match word {
            None => Table::Conntrack,
            Some(word) => [
                ("expect", Table::Expect),
                ("conntrack", Table::Conntrack),
                ("dying", Table::Dying),
                ("unconfirmed", Table::Unconfirmed),
            ]
            .into_iter()
            .find(|(name, _)| name.as_bytes().starts_with(word))
            .map(|(_, table)| table)
            .ok_or_else(|| Error::Parameter(format!("unknown type `{}'", parse::text(word))))?,
        };
        if action == Action::Update && table == Table::Expect {
            return Err(Error::Parameter("Can't do --update on expectations".into()));
        }
        if action == Action::Add && table == Table::Expect {
            return Err(Error::Parameter("Can't do --add on expectations".into()));
        }
        if matches!(table, Table::Dying | Table::Unconfirmed) && action != Action::List {
            return Err(Error::Parameter("Can't do that command with tables `dying' and `unconfirmed'".into()));
        }
        self.set_action(action)?;
        self.command.table = table;
        Ok(())
    }

    fn set_action(&mut self, action: Action) -> Result<(), Error> {
        match self.action.replace(action) {
            None => Ok(()),
            Some(_) => Err(Error::Parameter("Invalid commands combination".into())),
        }
    }

    fn family(&mut self, ip: IpAddr) -> Result<(), Error> {
        self.set_family(if ip.is_ipv4() { 2 } else { 10 })
    }

    /// An address and, if bits of it do not count, its mask.
    fn network(&mut self, given: &[u8]) -> Result<(IpAddr, Option<IpAddr>), Error> {
        let network = parse::network(given)?;
        self.family(network.ip)?;
        Ok((network.ip, network.mask()?))
    }

    /// An address that may have no length behind it.
    fn plain_address(&mut self, given: &[u8], name: &str) -> Result<IpAddr, Error> {
        let network = parse::network(given)?;
        self.family(network.ip)?;
        match network.has_length() {
            true => Err(Error::Parameter(format!("CIDR notation unavailable for `--{name}'"))),
            false => Ok(network.ip),
        }
    }

    /// The mask of the source (0) or the destination (1).
    fn mask(&mut self, index: usize, ip: IpAddr) -> Opt {
        if let Some(mask) = self.masks.get_mut(index) {
            *mask = Some(ip);
        }
        let mask = &mut self.command.template.mask;
        *if index == 0 { &mut mask.source } else { &mut mask.destination } = Some(ip);
        if index == 0 { Opt::MaskSource } else { Opt::MaskDestination }
    }

    fn set_family(&mut self, family: u8) -> Result<(), Error> {
        if self.command.family != 0 && self.command.family != family {
            return Err(Error::Parameter("mismatched address family".into()));
        }
        self.command.family = family;
        self.command.template.flow.family = family;
        Ok(())
    }

    fn status(&mut self, list: &[u8]) -> Result<(), Error> {
        let (mut bits, mut mask) = (0, 0);
        let read = |negated: bool, word: &str| match word.starts_with("UNREPLIED") && !negated {
            true => Some((true, (SEEN_REPLY, None))),
            false => Some((negated, parse::named(word, STATUSES)?)),
        };
        for (negated, (value, warning)) in parse::negatable(list, read)? {
            if let Some(warning) = warning {
                self.command.warnings.push(warning.into());
            }
            mask |= value;
            if !negated {
                bits |= value;
            }
        }
        let template = &mut self.command.template;
        template.flow.status = Some(template.flow.status.unwrap_or(0) | bits);
        template.status_mask |= mask;
        Ok(())
    }

    fn nat(&mut self, letter: u8, value: Option<&[u8]>) -> Result<(), Error> {
        let (ip, port) = match value {
            Some(value) => parse::address_and_port(value)?,
            None => (None, None),
        };
        if let Some(ip) = ip {
            self.family(ip)?;
        }
        let range = NatRange { min: ip, max: None, ports: port.map(|port| (port, port)) };
        let flow = &mut self.command.template.flow;
        if matches!(letter, b'n' | b'j') {
            flow.source_nat = Some(range);
        }
        if matches!(letter, b'g' | b'j') {
            flow.destination_nat = Some(range);
        }
        Ok(())
    }

    fn labels(&mut self, letter: u8, list: Option<&[u8]>) -> Result<(), Error> {
        let command = &mut self.command;
        if command.label_names.is_none() {
            command.label_names = Labels::load(command.label_map.as_deref(), &mut command.warnings);
        }
        if command.given.has(Opt::LabelAdd) && command.given.has(Opt::LabelDel) {
            return Err(Error::Other("cannot use --label-add and --label-del at the same time".into()));
        }
        // To clear without naming any is to clear all.
        let mut bits = if list.is_none() { u128::MAX } else { 0 };
        for name in list.into_iter().flat_map(|list| list.split(|&byte| byte == b',')) {
            let bit = command.label_names.as_ref().and_then(|names| names.bit(name));
            bits |= 1u128 << bit.ok_or_else(|| Error::Parameter(format!("unknown label '{}'", parse::text(name))))?;
        }
        let template = &mut command.template;
        *if letter == b'l' { &mut template.labelled } else { &mut template.labels } = Some(bits);
        Ok(())
    }

    /// Checks what can only be checked at the end.
    fn finish(mut self) -> Result<Command, Error> {
        let checked = self.check();
        if checked.is_err() {
            self.command.warn();
        }
        checked.map(|()| self.command)
    }

    fn check(&mut self) -> Result<(), Error> {
        let action = self.action.unwrap_or(Action::Help);
        self.command.action = action;
        self.command.named = self.action.is_some();
        let command = &mut self.command;
        let given = command.given;
        for index in 0..2 {
            let original = &mut command.template.flow.original;
            let place = if index == 0 { &mut original.source } else { &mut original.destination };
            if let (Some(mask), Some(ip)) = (self.masks.get(index).copied().flatten(), *place)
                && !matches!(action, Action::Create | Action::Add | Action::Get)
                && command.table != Table::Expect
            {
                *place = None;
                if let Some(network) = command.template.networks.get_mut(index) {
                    *network = Some((ip, mask));
                }
            }
        }
        if given.has(Opt::AnyNat) && given.any(&[Opt::SourceNat, Opt::DestinationNat]) {
            return Err(Error::Parameter("cannot specify `--src-nat' or `--dst-nat' with `--any-nat'".into()));
        }
        options::check(self.action, command.table, given)?;
        if matches!(action, Action::Help | Action::Version) {
            return Ok(());
        }
        if let Some(protocol) = command.protocol {
            protocol.check(action, command.table, &command.template)?;
        }
        if (action, command.table) == (Action::List, Table::Conntrack) && given.has(Opt::Zero) && given.any(&FILTERS) {
            return Err(Error::Parameter("Can't use -z with filtering parameters".into()));
        }
        for (masked, plain, name) in
            [(Opt::MaskSource, Opt::Source, "src"), (Opt::MaskDestination, Opt::Destination, "dst")]
        {
            if given.has(masked) && !given.has(plain) && command.table == Table::Conntrack {
                return Err(Error::Parameter(format!("Can't use --mask-{name} without --{name}")));
            }
        }
        Ok(())
    }
}

fn action(letter: u8) -> Option<Action> {
    Some(match letter {
        b'L' => Action::List,
        b'I' => Action::Create,
        b'A' => Action::Add,
        b'U' => Action::Update,
        b'D' => Action::Delete,
        b'G' => Action::Get,
        b'F' => Action::Flush,
        b'E' => Action::Event,
        b'C' => Action::Counter,
        b'S' => Action::Stats,
        b'h' => Action::Help,
        b'V' => Action::Version,
        _ => return None,
    })
}

/// What chooses entries; only all of them can be set to zero.
const FILTERS: [Opt; 12] = [
    Opt::Source,
    Opt::Destination,
    Opt::ReplySource,
    Opt::ReplyDestination,
    Opt::Protocol,
    Opt::Mark,
    Opt::Status,
    Opt::Zone,
    Opt::OriginalZone,
    Opt::ReplyZone,
    Opt::Secmark,
    Opt::Label,
];

/// `IPS_SEEN_REPLY`, which UNREPLIED is the lack of.
const SEEN_REPLY: u32 = 1 << 1;

/// Bits of `-u`, and the warning of those that it does not take.
const STATUSES: &[(&str, (u32, Option<&str>))] = &[
    ("SRC_NAT", (0, Some("WARNING: ignoring SRC_NAT, use --src-nat instead"))),
    ("DST_NAT", (0, Some("WARNING: ignoring DST_NAT, use --dst-nat instead"))),
    ("ASSURED", (1 << 2, None)),
    ("SEEN_REPLY", (1 << 1, None)),
    ("UNSET", (0, None)),
    ("FIXED_TIMEOUT", (1 << 10, None)),
    ("EXPECTED", (1 << 0, None)),
    ("OFFLOAD", (1 << 14, None)),
    ("HW_OFFLOAD", (1 << 15, None)),
];

const EVENTS: &[(&str, EventMask)] = &[
    ("ALL", EventMask { new: true, update: true, destroy: true }),
    ("NEW", EventMask { new: true, update: false, destroy: false }),
    ("UPDATES", EventMask { new: false, update: true, destroy: false }),
    ("DESTROY", EventMask { new: false, update: false, destroy: true }),
];

/// What a word of `-o` switches on.
type Switch = fn(&mut Output);

const OUTPUTS: &[(&str, Switch)] = &[
    ("xml", |output| output.xml = true),
    ("extended", |output| output.extended = true),
    ("timestamp", |output| output.timestamp = true),
    ("id", |output| output.id = true),
    ("ktimestamp", |output| output.ktimestamp = true),
    ("labels", |output| output.labels = true),
    ("userspace", |_| {}),
    ("save", |output| output.save = true),
    ("json", |output| output.json = true),
];
