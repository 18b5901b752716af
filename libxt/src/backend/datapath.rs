//! The datapath's tables: the kernel's calls as frames on the socket of this network namespace.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use zerocopy::IntoBytes;

use super::frame::{self, Call, Frame, Received};
use super::kernel::{COUNTERS, NUM_COUNTERS};
use super::{Backend, Counters, Get, Unavailable};
use crate::errno;
use crate::family::Af;
use crate::rundir;

/// The tables of one family in the datapath of this network namespace.
#[derive(Debug)]
pub struct Datapath {
    af: Af,
    socket: OwnedFd,
    reason: Option<String>,
}

impl Datapath {
    /// Connects to the datapath of this network namespace.
    pub fn open(af: Af) -> Result<Self, Unavailable> {
        Self::connect(af, &rundir::tables_socket()?)
    }

    /// Connects to the datapath that listens at `path`.
    pub fn connect(af: Af, path: &Path) -> Result<Self, Unavailable> {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        socket.connect(&SockAddr::unix(path)?).map_err(|error| match error.raw_os_error() {
            Some(errno @ (libc::ENOENT | libc::ECONNREFUSED)) => Unavailable::because(errno, NOBODY_THERE),
            Some(libc::EACCES) => Unavailable { errno: libc::EPERM, reason: None },
            _ => error.into(),
        })?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { af, socket: socket.into(), reason: None })
    }

    fn call(&mut self, call: Call, data: &[u8]) -> io::Result<Vec<u8>> {
        self.reason = None;
        let question = Frame { call, af: self.af, errno: 0, reason: String::new(), data: data.into() };
        let answer = frame::send(self.socket.as_fd(), &question).and_then(|()| frame::receive(self.socket.as_fd()));
        let answer = match answer {
            Ok(Received::Frame(answer)) => answer,
            Ok(Received::Garbage(why)) => return Err(self.fail(libc::EPROTO, format!("the datapath answered {why}"))),
            Ok(Received::Closed) => {
                return Err(self.fail(libc::ECONNRESET, "the datapath closed the connection".to_owned()));
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                return Err(match errno {
                    libc::EAGAIN => {
                        let seconds = PATIENCE.as_secs();
                        self.fail(libc::ETIMEDOUT, format!("the datapath did not answer within {seconds} seconds"))
                    }
                    libc::EPIPE | libc::ECONNRESET => {
                        self.fail(libc::ECONNRESET, "the datapath closed the connection".to_owned())
                    }
                    _ => self.fail(errno, format!("no word with the datapath: {}", errno::text(errno))),
                });
            }
        };
        if answer.errno != 0 {
            if !answer.reason.is_empty() {
                self.reason = Some(answer.reason);
            }
            return Err(io::Error::from_raw_os_error(answer.errno));
        }
        Ok(answer.data.into_owned())
    }

    fn fail(&mut self, errno: i32, reason: String) -> io::Error {
        self.reason = Some(reason);
        io::Error::from_raw_os_error(errno)
    }
}

impl Backend for Datapath {
    fn af(&self) -> Af {
        self.af
    }

    fn get(&mut self, what: Get, value: &mut Vec<u8>) -> io::Result<()> {
        let len = frame::answer_len(what, value)?;
        let mut question = value.clone();
        // The question is the struct without the room for its answer.
        question.resize(if what == Get::Entries { frame::GET_ENTRIES } else { len }, 0);
        let answer = self.call(Call::Get(what), &question)?;
        if answer.len() != len {
            return Err(self.fail(libc::EPROTO, "the datapath answered another length than asked for".to_owned()));
        }
        *value = answer;
        Ok(())
    }

    fn replace(&mut self, blob: &mut [u8], old: &mut [Counters]) -> io::Result<()> {
        let count = u32::try_from(old.len()).map_err(|_| io::Error::from_raw_os_error(libc::ENOMEM))?;
        if let Some(field) = blob.get_mut(NUM_COUNTERS..COUNTERS) {
            field.copy_from_slice(&count.to_ne_bytes());
        }
        let counters = self.call(Call::Replace, blob)?;
        if counters.len() != size_of_val(old) {
            return Err(self.fail(libc::EPROTO, "the datapath answered another number of counters".to_owned()));
        }
        old.as_mut_bytes().copy_from_slice(&counters);
        Ok(())
    }

    fn add_counters(&mut self, blob: &[u8]) -> io::Result<()> {
        self.call(Call::AddCounters, blob).map(drop)
    }

    fn table_names(&mut self) -> io::Result<Vec<String>> {
        let names = self.call(Call::TableNames, &[])?;
        Ok(String::from_utf8_lossy(&names).lines().map(str::to_owned).collect())
    }

    fn reason(&self) -> Option<String> {
        self.reason.clone()
    }
}

const NOBODY_THERE: &str = "No datapath runs in this network namespace (start one with `xt-datapath run')";
/// A swap of the largest tables takes a few seconds; who says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);
