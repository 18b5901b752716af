//! The commands on the table of expectations.

use std::io::Write;
use std::ops::ControlFlow;

use nfnl::attr::Malformed;
use nfnl::conntrack::Tuple;
use nfnl::expect::{self, Expectation};
use nfnl::message::{Builder, Header, Nfgen, flag, netfilter, subsystem};

use crate::command::{Action, Command};
use crate::error::{Asked, Error};
use crate::run::{Session, Summary, now, write_empty};
use crate::show::{self, Frame, Kind};

impl Session<'_> {
    /// Carries a command out.
    pub(crate) fn expectations(&mut self) -> Result<Summary, Error> {
        let kind = |number| netfilter(subsystem::CTNETLINK_EXP, number);
        match self.command.action {
            Action::List => {
                let all = self.dump_expectations()?;
                for expectation in &all {
                    self.show_expectation(expectation)?;
                }
                if self.command.output.xml && !all.is_empty() {
                    self.out.write_all(show::expect::XML_FOOTER.as_bytes())?;
                }
                Ok((Some(self.shown), Some("expectations have been shown.")))
            }
            Action::Counter => {
                let all = self.dump_expectations()?;
                writeln!(self.out, "{}", all.len())?;
                Ok((None, None))
            }
            Action::Create => {
                let flags = flag::CREATE | flag::EXCL;
                self.tell(Header { kind: kind(expect::NEW), flags, ..Header::default() }, &draft(self.command))?;
                Ok((None, None))
            }
            Action::Delete => {
                let wanted = wanted(self.command);
                self.tell(Header { kind: kind(expect::DELETE), ..Header::default() }, &wanted)?;
                // As the original, which counts those it showed.
                Ok((Some(0), Some("expectations have been shown.")))
            }
            Action::Get => {
                let wanted = &wanted(self.command);
                let mut found = None;
                let asked = self.requester.ask(
                    Header { kind: kind(expect::GET), ..Header::default() },
                    |header, out| write(header, wanted, out),
                    |answer| {
                        found = Some(Expectation::read(&answer));
                        ControlFlow::Break(())
                    },
                );
                asked.map_err(|error| Error::of_request(error, Asked::Other))?;
                if let Some(found) = found {
                    let found = found.map_err(|error| Error::of_request(error.into(), Asked::Other))?;
                    self.show_expectation(&found)?;
                }
                Ok((None, None))
            }
            Action::Flush => {
                let header = Header { kind: kind(expect::DELETE), ..Header::default() };
                let asked = self.requester.act(header, write_empty, |_| ControlFlow::Continue(()));
                asked.map_err(|error| Error::of_request(error, Asked::Other))?;
                Ok((None, Some("expectation table has been emptied.")))
            }
            Action::Stats => {
                let mut lines = Vec::new();
                let header = Header { kind: kind(expect::GET_STATS_CPU), ..Header::default() };
                let asked = self.requester.dump(header, write_empty, |answer| {
                    if let Ok((nfgen, attributes)) = answer.netfilter() {
                        lines.push(expect::CpuStats::parse(attributes).map(|stats| (nfgen.resource, stats)));
                    }
                    ControlFlow::Continue(())
                });
                asked.map_err(|error| Error::of_request(error, Asked::Other))?;
                for line in lines {
                    let (cpu, stats) = line.map_err(|error| Error::of_request(error.into(), Asked::Other))?;
                    let expect::CpuStats { new, create, delete } = stats;
                    writeln!(
                        self.out,
                        "cpu={cpu:<4}\texpect_new={new} expect_create={create} expect_delete={delete} "
                    )?;
                }
                Ok((None, None))
            }
            Action::Add | Action::Update | Action::Event | Action::Help | Action::Version => Ok((None, None)),
        }
    }

    fn dump_expectations(&mut self) -> Result<Vec<Expectation>, Error> {
        let family = self.command.family;
        let mut all = Vec::new();
        let header = Header { kind: netfilter(subsystem::CTNETLINK_EXP, expect::GET), ..Header::default() };
        let build = |header: Header, out: &mut Vec<u8>| Builder::netfilter(header, Nfgen::of(family), out).finish();
        let asked = self.requester.dump(header, build, |answer| {
            all.push(Expectation::read(&answer));
            ControlFlow::Continue(())
        });
        asked.map_err(|error| Error::of_request(error, Asked::Other))?;
        all.into_iter().map(|one| one.map_err(|error| Error::of_request(error.into(), Asked::Other))).collect()
    }

    fn tell(&mut self, header: Header, expectation: &Expectation) -> Result<(), Error> {
        let asked =
            self.requester.act(header, |header, out| write(header, expectation, out), |_| ControlFlow::Continue(()));
        asked.map_err(|error| {
            if header.flags & flag::CREATE != 0 && error.errno() == Some(libc::ENOENT) {
                return Error::Other("Operation failed: master conntrack not found".into());
            }
            Error::of_request(error, Asked::Other)
        })
    }

    fn show_expectation(&mut self, expectation: &Expectation) -> Result<(), Error> {
        let output = self.command.output;
        let mut line = String::new();
        if output.xml && self.shown == 0 {
            line.push_str(show::expect::XML_HEADER);
        }
        let frame = Frame { kind: Kind::Entry, output, labels: None, now: now(), port: 0 };
        show::expect::line(&mut line, expectation, &frame).map_err(|error| Error::Other(error.to_string()))?;
        line.push('\n');
        self.out.write_all(line.as_bytes())?;
        self.shown += 1;
        Ok(())
    }
}

/// The expectation that -I describes: the tuple that is given as that of a connection is the master's.
fn draft(command: &Command) -> Expectation {
    let template = &command.template;
    Expectation {
        family: command.family,
        master: whole(template.flow.original),
        tuple: whole(template.expected),
        mask: whole(template.mask),
        timeout: template.flow.timeout,
        ..Expectation::default()
    }
}

/// The expectation that -G and -D look for: there it is the expected one.
fn wanted(command: &Command) -> Expectation {
    let tuple = whole(command.template.flow.original);
    Expectation { family: command.family, tuple, ..Expectation::default() }
}

/// A tuple of ICMP has a type, a code and an identifier; what was not given is 0.
fn whole(mut tuple: Tuple) -> Tuple {
    if matches!(tuple.protocol, Some(1 | 58)) {
        tuple.icmp_type.get_or_insert(0);
        tuple.icmp_code.get_or_insert(0);
        tuple.icmp_id.get_or_insert(0);
    }
    tuple
}

fn write(header: Header, expectation: &Expectation, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut builder = Builder::netfilter(header, expectation.nfgen(), out);
    expectation.emit(&mut builder);
    builder.finish()
}
