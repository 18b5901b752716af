//! The commands at work: requests to the table, lines to stdout, the summary to stderr.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;
use std::time::{SystemTime, UNIX_EPOCH};

use nfnl::attr::Malformed;
use nfnl::conntrack::{CpuStats, Filter, Flow, GlobalStats, ProtocolInfo, message};
use nfnl::message::{Builder, Header, Message, Nfgen, flag, netfilter, subsystem};
use nfnl::request::Requester;

use crate::backend::Backend;
use crate::command::{Action, Command, Table};
use crate::error::{Asked, Error, PROGRAM};
use crate::options::Opt;
use crate::show::{self, Frame, Kind};
use crate::{events, help, select};

/// Does what is asked; the exit code is the result.
pub(crate) fn run(command: &Command) -> Result<u8, Error> {
    match command.action {
        Action::Version => {
            command.warn();
            writeln!(io::stdout(), "{PROGRAM}")?;
            return Ok(0);
        }
        Action::Help => {
            command.warn();
            io::stdout().write_all(help::text(command.protocol).as_bytes())?;
            return Ok(0);
        }
        _ => {}
    }
    command.warn();
    if command.action == Action::Event {
        return events::follow(command, Backend::open()?);
    }
    let mut session = Session::open(command)?;
    let result = session.run();
    // Where stdout is no terminal the original's summary comes ahead of what stdio still holds; XML it flushes itself.
    if result.is_err() || command.output.xml || io::stdout().is_terminal() {
        session.out.flush()?;
    }
    let (count, what) = result?;
    match (count, what) {
        (Some(count), Some(what)) => Command::summary(count, what),
        (None, Some(what)) => eprintln!("{PROGRAM}: {what}"),
        (_, None) => {}
    }
    session.out.flush()?;
    let must = matches!(command.action, Action::Delete | Action::Update | Action::Get);
    Ok(u8::from(must && count == Some(0)))
}

/// Does what a line of `-R` asks: only of a flush there is something to say.
pub(crate) fn run_quietly(command: &Command) -> Result<(), Error> {
    let mut session = Session::open(command)?;
    let result = session.run();
    session.out.flush()?;
    if let (None, Some(what)) = result? {
        eprintln!("{PROGRAM}: {what}");
    }
    Ok(())
}

/// Seconds since 1970, where sequence numbers start.
fn seconds() -> u32 {
    u32::try_from((now() / 1_000_000_000) & 0xffff_ffff).unwrap_or(0)
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// What a command leaves to say: a count and its words.
pub(crate) type Summary = (Option<u64>, Option<&'static str>);

pub(crate) struct Session<'a> {
    pub(crate) command: &'a Command,
    pub(crate) requester: Requester<Backend>,
    pub(crate) out: BufWriter<io::Stdout>,
    line: String,
    pub(crate) shown: u64,
}

impl<'a> Session<'a> {
    fn open(command: &'a Command) -> Result<Self, Error> {
        Ok(Self {
            command,
            requester: Requester::new(Backend::open()?, seconds()),
            out: BufWriter::with_capacity(64 * 1024, io::stdout()),
            line: String::new(),
            shown: 0,
        })
    }

    fn run(&mut self) -> Result<Summary, Error> {
        if self.command.table == Table::Expect {
            return self.expectations();
        }
        match self.command.action {
            Action::List => self.list(),
            Action::Get => self.get(),
            Action::Create | Action::Add => self.create(),
            Action::Delete => self.delete(),
            Action::Update => self.update(),
            Action::Flush => self.flush(),
            Action::Counter => self.counter(),
            Action::Stats => self.stats(),
            Action::Event | Action::Help | Action::Version => Ok((None, None)),
        }
    }

    fn list(&mut self) -> Result<Summary, Error> {
        let number = match self.command.table {
            Table::Dying => message::GET_DYING,
            Table::Unconfirmed => message::GET_UNCONFIRMED,
            _ if self.command.given.has(Opt::Zero) => message::GET_CTRZERO,
            _ => message::GET,
        };
        let command = self.command;
        self.dump(number, &filter(command), |session, flow| {
            if select::means(command, &flow) {
                session.show(&flow)?;
            }
            Ok(())
        })?;
        self.end_of_listing()?;
        Ok((Some(self.shown), Some("flow entries have been shown.")))
    }

    fn get(&mut self) -> Result<Summary, Error> {
        let mut found = None;
        let wanted = &draft(self.command);
        let asked = self.requester.ask(
            Header { kind: netfilter(subsystem::CTNETLINK, message::GET), ..Header::default() },
            |header, out| write_flow(header, wanted, out),
            |answer| {
                found = Some(Flow::read(&answer));
                ControlFlow::Break(())
            },
        );
        asked.map_err(|error| Error::of_request(error, Asked::Get))?;
        if let Some(flow) = found {
            let flow = flow.map_err(|error| Error::of_request(error.into(), Asked::Get))?;
            if select::means(self.command, &flow) {
                self.show(&flow)?;
            }
        }
        self.end_of_listing()?;
        Ok((Some(self.shown), Some("flow entries have been shown.")))
    }

    fn create(&mut self) -> Result<Summary, Error> {
        let add = self.command.action == Action::Add;
        let what = if add { "flow entries have been added." } else { "flow entries have been created." };
        let flow = draft(self.command);
        match self.act(message::NEW, flag::CREATE | flag::EXCL, &flow) {
            Ok(()) => Ok((Some(1), Some(what))),
            Err(error) if add && error.errno() == Some(libc::EEXIST) => Ok((Some(0), Some(what))),
            Err(error) => Err(Error::of_request(error, if add { Asked::Add } else { Asked::Create })),
        }
    }

    fn delete(&mut self) -> Result<Summary, Error> {
        let command = self.command;
        let mut doomed = Requester::new(Backend::open()?, seconds());
        // As the original: status and mark are compared here alone, so UNREPLIED, which only the table knows, is all.
        let filter = Filter { family: command.family, ..Filter::default() };
        self.dump(message::GET, &filter, |session, flow| {
            if !select::means(command, &flow) {
                return Ok(());
            }
            match act(&mut doomed, message::DELETE, 0, &flow) {
                Ok(()) => session.show(&flow),
                // Someone else was faster.
                Err(error) if error.errno() == Some(libc::ENOENT) => Ok(()),
                Err(error) => Err(Error::of_request(error, Asked::Delete)),
            }
        })?;
        Ok((Some(self.shown), Some("flow entries have been deleted.")))
    }

    fn update(&mut self) -> Result<Summary, Error> {
        let command = self.command;
        let mut other = Requester::new(Backend::open()?, seconds());
        let mut count = 0;
        let filter = Filter { family: command.family, ..Filter::default() };
        self.dump(message::GET, &filter, |session, flow| {
            if !select::means_to_update(command, &flow) {
                return Ok(());
            }
            let Some(changed) = change(command, &flow) else { return Ok(()) };
            match act(&mut other, message::NEW, 0, &changed) {
                Ok(()) => {}
                Err(error) if error.errno() == Some(libc::ENOENT) => return Ok(()),
                Err(error) => return Err(Error::of_request(error, Asked::Other)),
            }
            let mut found = None;
            let asked = other.ask(
                Header { kind: netfilter(subsystem::CTNETLINK, message::GET), ..Header::default() },
                |header, out| write_flow(header, &changed, out),
                |answer| {
                    found = Flow::read(&answer).ok();
                    ControlFlow::Break(())
                },
            );
            match asked {
                Ok(()) => {
                    count += 1;
                    found.map_or(Ok(()), |flow| session.show(&flow))
                }
                // The change was its end.
                Err(error) if error.errno() == Some(libc::ENOENT) => Ok(()),
                Err(error) => Err(Error::of_request(error, Asked::Get)),
            }
        })?;
        self.end_of_listing()?;
        Ok((Some(count), Some("flow entries have been updated.")))
    }

    fn flush(&mut self) -> Result<Summary, Error> {
        let flow = Flow { family: self.command.family, ..Flow::default() };
        self.act(message::DELETE, 0, &flow).map_err(|error| Error::of_request(error, Asked::Other))?;
        Ok((None, Some("connection tracking table has been emptied.")))
    }

    fn counter(&mut self) -> Result<Summary, Error> {
        let mut stats = Ok(GlobalStats::default());
        let header = Header { kind: netfilter(subsystem::CTNETLINK, message::GET_STATS), ..Header::default() };
        let asked = self.requester.ask(header, write_empty, |answer| {
            stats = answer.netfilter().and_then(|(_, attributes)| GlobalStats::parse(attributes));
            ControlFlow::Break(())
        });
        asked.map_err(|error| Error::of_request(error, Asked::Other))?;
        let stats = stats.map_err(|error| Error::of_request(error.into(), Asked::Other))?;
        writeln!(self.out, "{}", stats.entries)?;
        Ok((None, None))
    }

    fn stats(&mut self) -> Result<Summary, Error> {
        let mut lines = Vec::new();
        let header = Header { kind: netfilter(subsystem::CTNETLINK, message::GET_STATS_CPU), ..Header::default() };
        let asked = self.requester.dump(header, write_empty, |answer| {
            if let Ok((nfgen, attributes)) = answer.netfilter() {
                lines.push(CpuStats::parse(attributes).map(|stats| (nfgen.resource, stats)));
            }
            ControlFlow::Continue(())
        });
        asked.map_err(|error| Error::of_request(error, Asked::Other))?;
        for line in lines {
            let (cpu, stats) = line.map_err(|error| Error::of_request(error.into(), Asked::Other))?;
            write!(self.out, "cpu={cpu:<4}\t")?;
            for (name, value) in [
                ("found", stats.found),
                ("invalid", stats.invalid),
                ("insert", stats.insert),
                ("insert_failed", stats.insert_failed),
                ("drop", stats.drop),
                ("early_drop", stats.early_drop),
                ("error", stats.error),
                ("search_restart", stats.search_restart),
                ("clash_resolve", stats.clash_resolve),
                ("chaintoolong", stats.chain_too_long),
            ] {
                if let Some(value) = value {
                    write!(self.out, "{name}={value} ")?;
                }
            }
            writeln!(self.out)?;
        }
        Ok((None, None))
    }

    /// Hands every entry of a dump to `each`; the first error ends it.
    fn dump(
        &mut self,
        number: u8,
        filter: &Filter,
        mut each: impl FnMut(&mut Self, Flow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let header = Header { kind: netfilter(subsystem::CTNETLINK, number), ..Header::default() };
        let build = |header: Header, out: &mut Vec<u8>| {
            let mut builder = Builder::netfilter(header, Nfgen::of(filter.family), out);
            filter.emit(&mut builder);
            builder.finish()
        };
        let mut failed = None;
        // The closure needs the rest of the session while the requester is at work.
        let requester = std::mem::replace(&mut self.requester, Requester::new(Backend::open()?, seconds()));
        let mut requester = requester;
        let asked = requester.dump(header, build, |answer: Message<'_>| {
            let done = Flow::read(&answer)
                .map_err(|error| Error::of_request(error.into(), Asked::Other))
                .and_then(|flow| each(self, flow));
            match done {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        self.requester = requester;
        match failed {
            Some(error) => Err(error),
            None => asked.map(|_| ()).map_err(|error| Error::of_request(error, Asked::Other)),
        }
    }

    fn act(&mut self, number: u8, flags: u16, flow: &Flow) -> Result<(), nfnl::request::Error> {
        act(&mut self.requester, number, flags, flow)
    }

    fn show(&mut self, flow: &Flow) -> Result<(), Error> {
        let command = self.command;
        self.line.clear();
        if command.output.xml && self.shown == 0 && matches!(command.action, Action::List | Action::Get) {
            self.line.push_str(show::XML_HEADER);
        }
        // Who names labels sees them.
        let labels = command.label_names.as_ref();
        let kind = if command.output.save && command.action == Action::Delete { Kind::Destroy } else { Kind::Entry };
        let frame = Frame { kind, output: command.output, labels, now: now(), port: 0 };
        show::line(&mut self.line, flow, &frame).map_err(|error| Error::Other(error.to_string()))?;
        self.line.push('\n');
        self.out.write_all(self.line.as_bytes())?;
        self.shown += 1;
        Ok(())
    }

    fn end_of_listing(&mut self) -> Result<(), Error> {
        if self.command.output.xml && self.shown > 0 && self.command.action == Action::List {
            self.out.write_all(show::XML_FOOTER.as_bytes())?;
        }
        Ok(())
    }
}

fn act(requester: &mut Requester<Backend>, number: u8, flags: u16, flow: &Flow) -> Result<(), nfnl::request::Error> {
    let header = Header { kind: netfilter(subsystem::CTNETLINK, number), flags, ..Header::default() };
    requester.act(header, |header, out| write_flow(header, flow, out), |_| ControlFlow::Continue(()))
}

fn write_flow(header: Header, flow: &Flow, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut builder = Builder::netfilter(header, Nfgen::of(flow.family), out);
    flow.emit(&mut builder);
    builder.finish()
}

pub(crate) fn write_empty(header: Header, out: &mut Vec<u8>) -> Result<(), Malformed> {
    Builder::netfilter(header, Nfgen::default(), out).finish()
}

/// What the table itself can filter.
fn filter(command: &Command) -> Filter {
    let template = &command.template;
    Filter {
        family: command.family,
        mark: template.mark,
        status: template.flow.status.map(|bits| (bits, template.status_mask)),
        zone: None,
        tuples: None,
    }
}

/// The entry that `-I`, `-A` and `-G` name: the direction that was not said is the other one's inverse.
fn draft(command: &Command) -> Flow {
    let mut flow = command.template.flow.clone();
    if matches!(flow.original.protocol, Some(1 | 58)) {
        flow.original.icmp_id.get_or_insert(0);
    }
    if command.action == Action::Get {
        complete(&mut flow);
        return flow;
    }
    let given = command.given;
    if flow.family == 0 {
        flow.family = 2;
    }
    flow.mark = command.template.mark.map(|(value, _)| value);
    flow.labels = command.template.labels;
    flow.status = flow.status.map(|bits| bits | CONFIRMED);
    let original = given.any(&[Opt::Source, Opt::Destination]);
    let reply = given.any(&[Opt::ReplySource, Opt::ReplyDestination]);
    if original && !reply {
        flow.reply = nfnl::conntrack::Tuple { zone: flow.reply.zone, ..flow.original.inverse() };
    } else if reply && !original {
        // Only options of the reply's ports, or a protocol without ports, say the reply's protocol.
        let plain = command.protocol.filter(|protocol| protocol.options.is_empty());
        let protocol = flow.reply.protocol.or(plain.map(|protocol| protocol.number)).unwrap_or(0);
        // Types of ICMP are said of the original alone; the table refuses a reply without one.
        let protocol = if matches!(flow.original.protocol, Some(1 | 58)) {
            flow.reply.icmp_type = Some(u8::MAX);
            flow.original.protocol.unwrap_or(0)
        } else {
            protocol
        };
        flow.original = nfnl::conntrack::Tuple { zone: flow.original.zone, ..flow.reply.inverse() };
        flow.original.protocol = Some(protocol);
        flow.reply.protocol = Some(protocol);
    } else {
        let plain = command.protocol.filter(|protocol| protocol.options.is_empty());
        flow.reply.protocol = flow.reply.protocol.or(plain.map(|protocol| protocol.number));
        if matches!(flow.original.protocol, Some(1 | 58)) {
            let nfnl::conntrack::Tuple { protocol, icmp_type, icmp_code, icmp_id, .. } = flow.original.inverse();
            flow.reply = nfnl::conntrack::Tuple { protocol, icmp_type, icmp_code, icmp_id, ..flow.reply };
        }
    }
    complete(&mut flow);
    // Each family's ICMP has answers of its own; the other's have none.
    if matches!((flow.family, flow.original.protocol), (10, Some(1)) | (2, Some(58))) {
        flow.reply.icmp_type = Some(u8::MAX);
    }
    flow
}

/// A tuple of which a part is said is said whole: what is missing is zero.
fn complete(flow: &mut Flow) {
    let zero = if flow.family == 10 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    for tuple in [&mut flow.original, &mut flow.reply] {
        if tuple.source.is_some() || tuple.destination.is_some() {
            tuple.source.get_or_insert(zero);
            tuple.destination.get_or_insert(zero);
        }
        if tuple.source_port.is_some() || tuple.destination_port.is_some() {
            tuple.source_port.get_or_insert(0);
            tuple.destination_port.get_or_insert(0);
        }
    }
}

/// The message that changes an entry as `-U` asks; nothing if that would leave it as it is.
fn change(command: &Command, flow: &Flow) -> Option<Flow> {
    let template = &command.template;
    let wanted = &template.flow;
    let mut changed = Flow {
        family: flow.family,
        // As the original: without the zone, so entries of other zones are not found and stay as they are.
        original: flow.original,
        timeout: wanted.timeout,
        protocol: wanted.protocol,
        ..Flow::default()
    };
    let mut differs = wanted.timeout.is_some() && wanted.timeout != flow.timeout;
    if let (Some(ProtocolInfo::Tcp { state, .. }), Some(ProtocolInfo::Tcp { state: now, .. })) =
        (wanted.protocol, flow.protocol)
    {
        differs |= state.is_some() && state != now;
    }
    if let Some((value, mask)) = template.mark {
        let mark = flow.mark.unwrap_or(0) & !mask ^ value;
        differs |= Some(mark) != flow.mark;
        changed.mark = Some(mark);
    }
    if let Some(bits) = wanted.status {
        let status = flow.status.unwrap_or(0) | bits;
        differs |= Some(status) != flow.status;
        changed.status = Some(status);
    }
    if let Some(bits) = template.labels {
        let now = flow.labels.unwrap_or(0);
        let set = if command.given.has(Opt::LabelDel) { 0 } else { bits };
        differs |= now & !bits | set != now;
        // The table keeps what the mask leaves out, and flips the rest.
        changed.labels = Some(set);
        changed.labels_mask = Some(bits);
    }
    differs.then_some(changed)
}

/// `IPS_CONFIRMED`, without which no entry can be made.
const CONFIRMED: u32 = 1 << 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_changed_within_their_mask() {
        let words = [b"-U".to_vec(), b"-f".to_vec(), b"ipv4".to_vec()];
        let mut command = crate::reader::parse(&words).unwrap();
        let flow = Flow { family: 2, labels: Some(0b110), ..Flow::default() };
        assert!(change(&command, &flow).is_none());
        command.template.labels = Some(0b011);
        command.given.add(Opt::LabelAdd);
        let added = change(&command, &flow).unwrap();
        assert_eq!((added.labels, added.labels_mask), (Some(0b011), Some(0b011)));
        let mut command = crate::reader::parse(&words).unwrap();
        command.template.labels = Some(0b010);
        command.given.add(Opt::LabelDel);
        let cleared = change(&command, &flow).unwrap();
        assert_eq!((cleared.labels, cleared.labels_mask), (Some(0), Some(0b010)));
        assert!(change(&command, &Flow { labels: Some(0b100), ..flow }).is_none());
    }

    #[test]
    fn a_label_looked_for_is_not_set() {
        let mut command = crate::reader::parse(&[b"-U".to_vec(), b"-m".to_vec(), b"1".to_vec()]).unwrap();
        command.template.labelled = Some(1);
        let flow = Flow { labels: Some(2), ..Flow::default() };
        assert!(!select::means_to_update(&command, &flow) && !select::means(&command, &flow));
        assert!(change(&command, &flow).unwrap().labels.is_none());
    }
}
