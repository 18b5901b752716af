//! `-E`: follows the table until a signal ends it.

use std::io::{self, Write};
use std::os::fd::AsFd;

use nfnl::conntrack::{Flow, message};
use nfnl::expect::{self, Expectation};
use nfnl::message::{Messages, flag, subsystem};
use nfnl::transport::{Transport, group};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::backend::Backend;
use crate::command::{Command, EventMask, Table};
use crate::error::{Asked, Error};
use crate::options::Opt;
use crate::run::now;
use crate::select;
use crate::show::{self, Frame, Kind};

/// Writes events as they come; INT or TERM end it with a summary.
pub(crate) fn follow(command: &Command, mut backend: Backend) -> Result<u8, Error> {
    let failed = |error: io::Error| Error::of_request(error.into(), Asked::Other);
    // From here on the two signals wait to be read; none of them is lost between two polls.
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGINT);
    mask.add(Signal::SIGTERM);
    mask.thread_block().map_err(|error| failed(error.into()))?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC).map_err(|error| failed(error.into()))?;

    if let Some(size) = command.buffer_size {
        let granted = backend.set_buffer_size(usize::try_from(size).unwrap_or(usize::MAX)).map_err(failed)?;
        eprintln!("NOTICE: Netlink socket buffer size has been set to {granted} bytes.");
    }
    let expectations = command.table == Table::Expect;
    for group in groups(command, expectations) {
        backend.subscribe(group).map_err(failed)?;
    }
    let mut follower = Follower { command, line: String::new(), shown: 0 };
    let mut frame = Vec::new();
    loop {
        let mut fds =
            [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(backend.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
        let ready = |index: usize| fds.get(index).and_then(PollFd::any).unwrap_or(false);
        let (ended, readable) = (ready(0), ready(1));
        if readable {
            match backend.recv(&mut frame) {
                Ok(()) => follower.write(&frame)?,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => eprint!("{OVERRUN}"),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(Error::Other("the datapath is gone".into()));
                }
                Err(error) => return Err(failed(error)),
            }
        } else if ended {
            if command.output.xml && follower.shown > 0 {
                let footer = if expectations { show::expect::XML_FOOTER } else { show::XML_FOOTER };
                io::stdout().write_all(footer.as_bytes())?;
            }
            Command::summary(
                follower.shown,
                if expectations { "expectation events have been shown." } else { "flow events have been shown." },
            );
            return Ok(0);
        }
    }
}

fn groups(command: &Command, expectations: bool) -> Vec<u32> {
    let mask = if command.given.has(Opt::EventMask) {
        command.events
    } else {
        EventMask { new: true, update: true, destroy: true }
    };
    let all = if expectations {
        [group::CONNTRACK_EXP_NEW, group::CONNTRACK_EXP_UPDATE, group::CONNTRACK_EXP_DESTROY]
    } else {
        [group::CONNTRACK_NEW, group::CONNTRACK_UPDATE, group::CONNTRACK_DESTROY]
    };
    let wanted = [mask.new, mask.update, mask.destroy];
    all.into_iter().zip(wanted).filter(|&(_, wanted)| wanted).map(|(group, _)| group).collect()
}

struct Follower<'a> {
    command: &'a Command,
    line: String,
    shown: u64,
}

impl Follower<'_> {
    /// Writes the events of a datagram, whole lines at once.
    fn write(&mut self, frame: &[u8]) -> Result<(), Error> {
        let command = self.command;
        self.line.clear();
        for message in Messages::new(frame).map_while(Result::ok) {
            let expectation = command.table == Table::Expect;
            let kind = match message.netfilter_kind() {
                (subsystem::CTNETLINK_EXP, expect::NEW) if expectation => {
                    if message.header.flags & (flag::CREATE | flag::EXCL) != 0 { Kind::New } else { Kind::Update }
                }
                (subsystem::CTNETLINK_EXP, expect::DELETE) if expectation => Kind::Destroy,
                (subsystem::CTNETLINK, message::NEW) if message.header.flags & (flag::CREATE | flag::EXCL) != 0 => {
                    Kind::New
                }
                (subsystem::CTNETLINK, message::NEW) => Kind::Update,
                (subsystem::CTNETLINK, message::DELETE) => Kind::Destroy,
                _ => continue,
            };
            let labels = command.label_names.as_ref();
            let port = message.header.port;
            let frame = Frame { kind, output: command.output, labels, now: now(), port };
            if expectation {
                let Ok(expectation) = Expectation::read(&message) else { continue };
                if command.output.xml && self.shown == 0 {
                    self.line.push_str(show::expect::XML_HEADER);
                }
                show::expect::line(&mut self.line, &expectation, &frame)
                    .map_err(|error| Error::Other(error.to_string()))?;
                self.line.push('\n');
                self.shown += 1;
                continue;
            }
            let Ok(flow) = Flow::read(&message) else { continue };
            if !select::means(command, &flow) {
                continue;
            }
            if command.output.xml && self.shown == 0 {
                self.line.push_str(show::XML_HEADER);
            }
            show::line(&mut self.line, &flow, &frame).map_err(|error| Error::Other(error.to_string()))?;
            self.line.push('\n');
            self.shown += 1;
        }
        let mut out = io::stdout().lock();
        out.write_all(self.line.as_bytes())?;
        out.flush()?;
        Ok(())
    }
}

const OVERRUN: &str = "\
WARNING: We have hit ENOBUFS! We are losing events.
This message means that the current netlink socket buffer size is too small.
Please, check --buffer-size in conntrack(8) manpage.
";
