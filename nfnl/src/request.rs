//! Questions and their answers: sequence numbers, acknowledgements, dumps of many parts, errors with their text.

use std::fmt;
use std::io;
use std::ops::ControlFlow;

use crate::attr::{Attributes, Malformed, align};
use crate::message::{Builder, Header, Message, Messages, flag, kind};
use crate::transport::Transport;

/// Why a request failed.
#[derive(Debug)]
pub enum Error {
    /// The socket failed.
    Io(io::Error),
    /// The other end refused.
    Refused {
        /// The errno, positive.
        errno: i32,
        /// `NLMSGERR_ATTR_MSG`, if it said more.
        text: Option<String>,
    },
    /// The answer cannot be read.
    Malformed(Malformed),
}

/// How a dump ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was seen.
    Complete,
    /// The table changed meanwhile (`NLM_F_DUMP_INTR`): something may be missing or seen twice.
    Interrupted,
    /// The caller stopped it.
    Stopped,
}

/// One who asks and waits for the answer.
#[derive(Debug)]
pub struct Requester<T> {
    transport: T,
    sequence: u32,
    sent: Vec<u8>,
    received: Vec<u8>,
}

/// What an `NLMSG_ERROR` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement<'a> {
    /// The errno, positive; 0 is success.
    pub errno: i32,
    /// `NLMSGERR_ATTR_MSG`, if any.
    pub text: Option<&'a [u8]>,
}

impl<T: Transport> Requester<T> {
    /// Asks over this transport; the first sequence number is `sequence`.
    pub fn new(transport: T, sequence: u32) -> Self {
        Self { transport, sequence, sent: Vec::new(), received: Vec::new() }
    }

    /// Asks for something to be done and waits until it is (`NLM_F_ACK` is set). Messages that come before the
    /// acknowledgement go to `each`.
    pub fn act(
        &mut self,
        mut header: Header,
        build: impl FnOnce(Header, &mut Vec<u8>) -> Result<(), Malformed>,
        each: impl FnMut(Message<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        header.flags |= flag::REQUEST | flag::ACK;
        self.send(header, build)?;
        self.answers(false, each).map(|_| ())
    }

    /// Asks for one message; without an acknowledgement behind it.
    pub fn ask(
        &mut self,
        mut header: Header,
        build: impl FnOnce(Header, &mut Vec<u8>) -> Result<(), Malformed>,
        each: impl FnMut(Message<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        header.flags |= flag::REQUEST;
        self.send(header, build)?;
        self.answers(true, each).map(|_| ())
    }

    /// Asks for a dump (`NLM_F_DUMP` is set) and hands over every message of it.
    pub fn dump(
        &mut self,
        mut header: Header,
        build: impl FnOnce(Header, &mut Vec<u8>) -> Result<(), Malformed>,
        each: impl FnMut(Message<'_>) -> ControlFlow<()>,
    ) -> Result<Ended, Error> {
        header.flags |= flag::REQUEST | flag::DUMP;
        self.send(header, build)?;
        self.answers(false, each)
    }

    /// The transport.
    pub fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    fn send(
        &mut self,
        mut header: Header,
        build: impl FnOnce(Header, &mut Vec<u8>) -> Result<(), Malformed>,
    ) -> Result<(), Error> {
        self.sequence = self.sequence.wrapping_add(1);
        header.sequence = self.sequence;
        self.sent.clear();
        build(header, &mut self.sent)?;
        self.transport.send(&self.sent)?;
        Ok(())
    }

    /// Reads until the answer to the last request is complete; with `single`, one message completes it.
    fn answers(&mut self, single: bool, mut each: impl FnMut(Message<'_>) -> ControlFlow<()>) -> Result<Ended, Error> {
        let mut ended = Ended::Complete;
        loop {
            self.transport.recv(&mut self.received)?;
            for message in Messages::new(&self.received) {
                let message = message?;
                if message.header.sequence != self.sequence {
                    continue;
                }
                if message.header.flags & flag::DUMP_INTR != 0 {
                    ended = Ended::Interrupted;
                }
                match message.header.kind {
                    kind::NOOP | kind::OVERRUN => {}
                    kind::ERROR => return Acknowledgement::read(&message)?.result().map(|()| ended),
                    kind::DONE => {
                        let status = message.payload.first_chunk().copied().map_or(0, i32::from_ne_bytes);
                        let done = Acknowledgement { errno: status.min(0).saturating_abs(), text: None };
                        return done.result().map(|()| ended);
                    }
                    _ => {
                        if each(message).is_break() {
                            return Ok(Ended::Stopped);
                        }
                        // The kernel marks even a single answer as one of many.
                        if single {
                            return Ok(ended);
                        }
                    }
                }
            }
        }
    }
}

impl<'a> Acknowledgement<'a> {
    /// Reads an `NLMSG_ERROR`.
    pub fn read(message: &Message<'a>) -> Result<Self, Malformed> {
        let (errno, rest) = message.payload.split_first_chunk::<4>().ok_or(Malformed { what: "nlmsgerr" })?;
        let errno = i32::from_ne_bytes(*errno).saturating_abs();
        let mut text = None;
        if message.header.flags & flag::ACK_TLVS != 0 {
            let quoted = if message.header.flags & flag::CAPPED != 0 {
                HEADER
            } else {
                rest.first_chunk().copied().map_or(HEADER, |len| u32::from_ne_bytes(len) as usize)
            };
            let attributes = rest.get(align(quoted)..).unwrap_or(&[]);
            for attribute in Attributes::new(attributes).flatten() {
                if attribute.kind == ATTR_MSG {
                    text = Some(attribute.text());
                }
            }
        }
        Ok(Self { errno, text })
    }

    /// Writes it as the answer to a request, whose header alone is quoted.
    pub fn write(&self, request: Header, request_len: u32, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let text = self.text.filter(|_| self.errno != 0);
        let flags = flag::CAPPED | if text.is_some() { flag::ACK_TLVS } else { 0 };
        let header = Header { kind: kind::ERROR, flags, sequence: request.sequence, port: request.port };
        let mut builder = Builder::new(header, out);
        builder
            .raw(&self.errno.saturating_neg().to_ne_bytes())
            .raw(&request_len.to_ne_bytes())
            .raw(&request.kind.to_ne_bytes().into_iter().chain(request.flags.to_ne_bytes()).collect::<Vec<_>>())
            .raw(&request.sequence.to_ne_bytes())
            .raw(&request.port.to_ne_bytes());
        if let Some(text) = text {
            builder.nul_terminated(ATTR_MSG, text);
        }
        builder.finish()
    }

    fn result(&self) -> Result<(), Error> {
        match self.errno {
            0 => Ok(()),
            errno => {
                Err(Error::Refused { errno, text: self.text.map(|text| String::from_utf8_lossy(text).into_owned()) })
            }
        }
    }
}

impl Error {
    /// The errno behind it, if there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Io(error) => error.raw_os_error(),
            Self::Refused { errno, .. } => Some(*errno),
            Self::Malformed(_) => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Refused { errno, text } => {
                io::Error::from_raw_os_error(*errno).fmt(f)?;
                text.as_ref().map_or(Ok(()), |text| write!(f, ": {text}"))
            }
            Self::Malformed(malformed) => malformed.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

/// `NLMSGERR_ATTR_MSG`.
const ATTR_MSG: u16 = 1;
/// `sizeof(struct nlmsghdr)`.
const HEADER: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Nfgen;
    use std::collections::VecDeque;
    use std::os::fd::{AsFd, BorrowedFd};

    /// Answers from a script; the descriptor is never used.
    struct Scripted {
        answers: VecDeque<Vec<u8>>,
        sent: Vec<Vec<u8>>,
    }

    impl AsFd for Scripted {
        fn as_fd(&self) -> BorrowedFd<'_> {
            unreachable!()
        }
    }

    impl Transport for Scripted {
        fn send(&mut self, message: &[u8]) -> io::Result<()> {
            self.sent.push(message.to_vec());
            Ok(())
        }
        fn recv(&mut self, buf: &mut Vec<u8>) -> io::Result<()> {
            *buf = self.answers.pop_front().ok_or(io::ErrorKind::UnexpectedEof)?;
            Ok(())
        }
        fn subscribe(&mut self, _: u32) -> io::Result<()> {
            Ok(())
        }
        fn set_buffer_size(&mut self, size: usize) -> io::Result<usize> {
            Ok(size)
        }
    }

    fn part(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut builder = Builder::new(Header { kind, flags, sequence, port: 0 }, &mut out);
        builder.raw(payload);
        builder.finish().unwrap();
        out
    }

    fn requester(answers: Vec<Vec<u8>>) -> Requester<Scripted> {
        Requester::new(Scripted { answers: answers.into(), sent: Vec::new() }, 99)
    }

    fn empty(header: Header, out: &mut Vec<u8>) -> Result<(), Malformed> {
        Builder::netfilter(header, Nfgen::of(2), out).finish()
    }

    #[test]
    fn a_dump_ends_with_done_and_says_when_it_was_interrupted() {
        let mut seen = Vec::new();
        let mut one = requester(vec![
            part(256, flag::MULTI, 100, &[1, 0, 0, 0]),
            part(256, flag::MULTI, 42, &[9, 0, 0, 0]),
            part(256, flag::MULTI | flag::DUMP_INTR, 100, &[2, 0, 0, 0]),
            part(kind::DONE, flag::MULTI, 100, &[0; 4]),
        ]);
        let ended = one.dump(Header::default(), empty, |message| {
            seen.push(message.payload[0]);
            ControlFlow::Continue(())
        });
        assert_eq!(ended.unwrap(), Ended::Interrupted);
        assert_eq!(seen, [1, 2], "an answer to another request is passed over");
        let sent = Messages::new(&one.transport.sent[0]).next().unwrap().unwrap().header;
        assert_eq!((sent.sequence, sent.flags), (100, flag::REQUEST | flag::DUMP));
    }

    #[test]
    fn an_error_carries_its_errno_and_its_text() {
        let request = Header { kind: 256, flags: flag::REQUEST, sequence: 100, port: 0 };
        let mut answer = Vec::new();
        Acknowledgement { errno: 22, text: Some(b"no such thing") }.write(request, 20, &mut answer).unwrap();
        let error = requester(vec![answer]).act(Header::default(), empty, |_| ControlFlow::Continue(()));
        let error = error.unwrap_err();
        assert_eq!(error.errno(), Some(22));
        assert_eq!(error.to_string(), "Invalid argument (os error 22): no such thing");
    }

    #[test]
    fn an_acknowledgement_of_zero_is_success() {
        let request = Header { kind: 256, flags: flag::REQUEST, sequence: 100, port: 0 };
        let mut answer = Vec::new();
        Acknowledgement { errno: 0, text: None }.write(request, 20, &mut answer).unwrap();
        assert_eq!(answer.len(), 36);
        requester(vec![answer]).act(Header::default(), empty, |_| ControlFlow::Continue(())).unwrap();
    }
}
