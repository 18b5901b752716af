//! What the kernel judges of packets as they stand before a rule: it is sent one that looks like them, and tells
//! by `send` what became of it, see [`nfnl::nftables::judge`].

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Mutex;

use engine::host::{Likeness, Mapped};
use engine::{Device, Prepared, Refused};
use libxt::family::Af;
use nfnl::nftables::Ends;
use nfnl::nftables::judge::word;
use nfnl::queue::{Glance, Sink};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Priority;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::sets::Sets;
use crate::state::lock;
use crate::stderr::complain;

/// What it is asked with, opened when a rule first needs it.
#[derive(Debug, Default)]
pub(crate) struct Probes(Mutex<Opened>);

#[derive(Debug, Default)]
struct Opened {
    sink: Option<Sink>,
    seen: Option<Glance>,
    v4: Option<Raw>,
    v6: Option<Raw>,
    /// It was said that the kernel could not be asked.
    said: bool,
}

/// Ways on which a family's packets are sent; none of them arrives.
#[derive(Debug)]
struct Raw {
    home: Way,
    /// By another device, while loopback is down.
    away: Option<Way>,
}

/// A raw socket that is bound to a device.
#[derive(Debug)]
struct Way {
    socket: Socket,
    device: u32,
    to: SockAddr,
    mark: u32,
    word: u32,
}

impl Probes {
    /// Opens what a family needs.
    pub(crate) fn open(&self, af: Af, ends: Ends) -> io::Result<()> {
        let mut opened = lock(&self.0);
        if opened.sink.is_none() {
            opened.sink = Some(Sink::open(ends.sink)?);
        }
        if opened.seen.is_none() {
            opened.seen = Some(Glance::open(ends.seen)?);
        }
        *opened.of(af) = Some(Raw::open(af)?);
        Ok(())
    }

    /// What the kernel says; what cannot be asked is not so.
    pub(crate) fn ask(&self, number: u8, likeness: &Likeness<'_>) -> bool {
        let mut opened = lock(&self.0);
        opened.send(number, likeness).is_ok()
    }

    /// What the kernel makes of the packet, if it can be asked.
    pub(crate) fn map(&self, number: u8, likeness: &Likeness<'_>) -> Option<Mapped> {
        let mut opened = lock(&self.0);
        let word = opened.send(number, likeness).ok()?;
        // It was there before `send` came back.
        let (mark, priority) = opened.seen.as_ref()?.take().ok()??;
        Some(Mapped { mark, priority: Some(priority).filter(|priority| *priority != word) })
    }
}

impl Opened {
    /// Sends a packet for a probe; the answer to a yes is its word.
    fn send(&mut self, number: u8, likeness: &Likeness<'_>) -> io::Result<u32> {
        let sent = match self.of(likeness.af) {
            Some(raw) => raw.send(number, likeness),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        match &sent {
            Err(error) if error.raw_os_error() != Some(libc::EPERM) && !self.said => {
                complain(&format!("a rule matches nothing: the kernel cannot be asked: {error}"));
                self.said = true;
            }
            Ok(_) => self.said = false,
            Err(_) => {}
        }
        sent
    }

    fn of(&mut self, af: Af) -> &mut Option<Raw> {
        match af {
            Af::V4 => &mut self.v4,
            Af::V6 => &mut self.v6,
        }
    }
}

impl Raw {
    fn open(af: Af) -> io::Result<Self> {
        let here = match af {
            Af::V4 => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            Af::V6 => SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        };
        Ok(Self { home: Way::open(af, b"lo", LOOPBACK, here.into())?, away: None })
    }

    fn send(&mut self, number: u8, likeness: &Likeness<'_>) -> io::Result<u32> {
        let nowhere = likeness.af == Af::V4 && likeness.head.get(12..16) == Some(&[0; 4]);
        let word = word(number, nowhere);
        match (self.home.send(word, likeness), likeness.device) {
            (Err(error), Some(device)) if error.raw_os_error() != Some(libc::EPERM) => {
                if self.away.as_ref().is_none_or(|away| away.device != device.index) {
                    self.away = Some(Way::by(likeness.af, device)?);
                }
                self.away.as_mut().map_or(Err(error), |away| away.send(word, likeness))
            }
            (sent, _) => sent,
        }
        .map(|()| word)
    }
}

impl Way {
    /// To all hosts of a device's link, the one address to which every device in use knows the way.
    fn by(af: Af, device: &Device) -> io::Result<Self> {
        let name = device.name.split(|byte| *byte == 0).next().unwrap_or_default();
        let all = match af {
            Af::V4 => SocketAddr::from((Ipv4Addr::new(224, 0, 0, 1), 0)),
            Af::V6 => SocketAddrV6::new(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), 0, 0, device.index).into(),
        };
        Self::open(af, name, device.index, all.into())
    }

    fn open(af: Af, name: &[u8], device: u32, to: SockAddr) -> io::Result<Self> {
        let domain = if af == Af::V4 { Domain::IPV4 } else { Domain::IPV6 };
        // IPPROTO_RAW: the header is ours, so only the way goes by the address.
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
        socket.set_nonblocking(true)?;
        // Loopback's address might be routed elsewhere.
        socket.bind_device(Some(name))?;
        Ok(Self { socket, device, to, mark: 0, word: 0 })
    }

    fn send(&mut self, word: u32, likeness: &Likeness<'_>) -> io::Result<()> {
        if word != self.word {
            setsockopt(&self.socket, Priority, &word.cast_signed())?;
            self.word = word;
        }
        if likeness.mark != self.mark {
            self.socket.set_mark(likeness.mark)?;
            self.mark = likeness.mark;
        }
        match self.send_long(likeness, likeness.length) {
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => self.send_long(likeness, SHORTER),
            sent => sent,
        }
    }

    fn send_long(&self, likeness: &Likeness<'_>, length: usize) -> io::Result<()> {
        let rest = FILLING.get(..length.saturating_sub(likeness.head.len())).unwrap_or(&FILLING);
        let pieces = [IoSlice::new(likeness.head), IoSlice::new(rest)];
        self.socket.send_to_vectored(&pieces, &self.to).map(drop)
    }
}

/// Settles what of a table is left to the kernel, and whether what its rules name is there. As the checks of xt_set.c and
/// nfacct_mt_checkentry().
pub(crate) fn settle(prepared: &mut Prepared, sets: &Sets) -> Result<(), Refused> {
    let left = sets.check(prepared.sets())?;
    prepared.leave_sets(|set| left.contains(set));
    sets.check_left(&prepared.left_sets())?;
    let mut limited = Vec::new();
    for name in prepared.counters() {
        match nfnl::accounting::find(name) {
            Ok(Some(counter)) if counter.limited => limited.push(name.to_vec()),
            Ok(Some(_)) => {}
            Ok(None) => return Err(Refused::new(libc::ENOENT, "nfacct: there is no such counter")),
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::ENOENT);
                return Err(Refused::new(errno, "nfacct: the kernel has no counters (CONFIG_NETFILTER_NETLINK_ACCT)"));
            }
        }
    }
    prepared.leave_counters(|name| limited.iter().any(|limited| limited == name));
    Ok(())
}

/// `LOOPBACK_IFINDEX`.
const LOOPBACK: u32 = 1;
/// As long as every link of IPv6 carries it, for what is too long for a device.
const SHORTER: usize = 1280;
/// What follows the ports: no header that anybody would take for true.
static FILLING: [u8; 1 << 16] = [0xff; 1 << 16];
