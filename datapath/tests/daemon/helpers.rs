//! Helpers that are programs: made by messages, named by rules, given packets, and what they announce.

use std::io;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use lab::frame::{Ip, View, ethernet};
use lab::held::Held;
use lab::port::Port;
use lab::router::{Daemon, Judge, built};
use lab::topology::{Bench, CLIENT, LAN, SERVER, WAN};
use nfnl::conntrack::Tuple;
use nfnl::expect::{self, Expectation};
use nfnl::helper::{self, DISABLED, ENABLED, Helper, Policies, Policy};
use nfnl::message::{Builder, Header, flag, netfilter, subsystem};
use nfnl::request::Requester;
use nfnl::transport::Datapath;

use crate::process::eventually;

const UDP: u8 = 17;
const QUEUE: u16 = 7;
/// Far more than any of it takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a program asks of the datapath.
struct Program(Requester<Datapath>);

impl Program {
    /// From within the router.
    fn connect(bench: &Bench) -> io::Result<Self> {
        bench.router.within(|| Ok(Self(Requester::new(Datapath::open()?, 0))))?
    }

    /// The errno of the answer, 0 if it was done.
    fn helper(&mut self, number: u8, flags: u16, helper: &Helper) -> i32 {
        let header = Header { kind: netfilter(subsystem::CTHELPER, number), flags, ..Header::default() };
        let done = self.0.act(header, |header, out| helper.write(header, out), |_| ControlFlow::Continue(()));
        done.map_or_else(|error| error.errno().unwrap_or(-1), |()| 0)
    }

    fn all(&mut self) -> io::Result<Vec<Helper>> {
        helper::list(&mut self.0).map_err(io::Error::other)
    }

    /// Announces a connection from the server to a port of the client's, which the router's address stands for.
    fn expect(&mut self, client_port: u16, router_port: u16) -> i32 {
        let end = |source: [u8; 4], source_port, destination: [u8; 4], destination_port| Tuple {
            source: Some(IpAddr::from(source)),
            destination: Some(IpAddr::from(destination)),
            protocol: Some(UDP),
            source_port: Some(source_port),
            destination_port: Some(destination_port),
            ..Tuple::default()
        };
        let expectation = Expectation {
            family: 2,
            master: end([10, 1, 0, 2], client_port, [10, 2, 0, 2], 999),
            tuple: end([10, 2, 0, 2], 0, [10, 2, 0, 1], router_port),
            mask: end([255; 4], 0, [255; 4], u16::MAX),
            timeout: Some(300),
            helper: Some(b"talk".to_vec()),
            class: Some(0),
            nat: Some((1, end([10, 1, 0, 2], 5555, [0; 4], 0))),
            function: Some(b"nat-follow-master".to_vec()),
            ..Expectation::default()
        };
        let flags = flag::CREATE | flag::EXCL;
        let header = Header { kind: netfilter(subsystem::CTNETLINK_EXP, expect::NEW), flags, ..Header::default() };
        let done = self.0.act(
            header,
            |header, out| {
                let mut builder = Builder::netfilter(header, expectation.nfgen(), out);
                expectation.emit(&mut builder);
                builder.finish()
            },
            |_| ControlFlow::Continue(()),
        );
        done.map_or_else(|error| error.errno().unwrap_or(-1), |()| 0)
    }
}

/// A helper of UDP with one class.
fn talk() -> Helper {
    let policy = Policy { name: Some(b"media".to_vec()), most: Some(2), timeout: Some(300) };
    Helper {
        name: Some(b"talk".to_vec()),
        tuple: Some(helper::Tuple { family: Some(2), protocol: Some(UDP) }),
        queue: Some(QUEUE.into()),
        policies: Some(Policies { count: Some(1), sets: [Some(policy), None, None, None] }),
        private: Some(32),
        status: Some(ENABLED),
    }
}

/// The same with nothing said but what it is.
fn named() -> Helper {
    Helper { queue: None, policies: None, private: None, status: None, ..talk() }
}

/// A datagram with this payload arrives; its ports.
pub(crate) fn arrives(link: &mut Port, payload: &[u8]) -> io::Result<(u16, u16)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let frame = link.receive(deadline)?;
        let frame = frame.ok_or_else(|| io::Error::other(format!("{payload:?} does not arrive")))?;
        let Some(view) = View::of(frame.bytes.get(14..).unwrap_or_default()) else { continue };
        if let Some(ports) = view.ports().filter(|_| view.payload.ends_with(payload)) {
            return Ok(ports);
        }
    }
}

/// Requests are answered as nfnetlink_cthelper answers them.
pub(crate) fn messages() -> io::Result<()> {
    let bench = Bench::new(Judge::Datapath, &built())?;
    let mut program = Program::connect(&bench)?;
    let policies = |count, sets| Some(Policies { count: Some(count), sets });
    let media = || talk().policies.and_then(|all| all.sets.into_iter().next().flatten());
    let excl = flag::CREATE | flag::EXCL;
    let long = Some(b"sixteen letters!".to_vec());
    let family = |family| Some(helper::Tuple { family: Some(family), protocol: Some(UDP) });
    for (number, flags, asked, wanted) in [
        (helper::NEW, excl, Helper { name: None, ..talk() }, libc::EINVAL),
        (helper::NEW, excl, Helper { name: long, ..talk() }, libc::ERANGE),
        (helper::NEW, excl, Helper { tuple: None, ..talk() }, libc::EINVAL),
        (helper::NEW, excl, Helper { tuple: family(7), ..talk() }, libc::EOPNOTSUPP),
        (helper::NEW, excl, Helper { policies: None, ..talk() }, libc::EINVAL),
        (helper::NEW, excl, Helper { policies: policies(0, [media(), None, None, None]), ..talk() }, libc::EINVAL),
        (helper::NEW, excl, Helper { policies: policies(2, [media(), None, None, None]), ..talk() }, libc::EINVAL),
        (helper::NEW, excl, Helper { policies: policies(5, [media(), None, None, None]), ..talk() }, libc::EOVERFLOW),
        (helper::NEW, excl, Helper { private: None, ..talk() }, libc::EINVAL),
        (helper::NEW, excl, Helper { private: Some(33), ..talk() }, libc::ENOMEM),
        // The datapath's own.
        (helper::NEW, excl, Helper { queue: Some(30_720), ..talk() }, libc::EINVAL),
        (helper::DELETE, 0, Helper::default(), 0),
        (helper::NEW, excl, Helper { name: Some(b"tftp".to_vec()), ..talk() }, libc::EEXIST),
        (helper::NEW, excl, talk(), 0),
        (helper::NEW, excl, talk(), libc::EEXIST),
        (helper::NEW, flag::CREATE, talk(), libc::EBUSY),
        (helper::NEW, 0, Helper { policies: policies(2, [media(), media(), None, None]), ..named() }, libc::EBUSY),
        (helper::NEW, 0, Helper { queue: Some(9), status: Some(DISABLED), ..named() }, 0),
        (helper::NEW, excl, Helper { tuple: family(10), ..talk() }, 0),
        (helper::DELETE, 0, Helper { name: Some(b"none".to_vec()), ..Helper::default() }, libc::ENOENT),
        (helper::DELETE, 0, Helper { tuple: family(10), ..Helper::default() }, 0),
    ] {
        assert_eq!(program.helper(number, flags, &asked), wanted, "{number} {flags:#x} {asked:?}");
    }
    assert_eq!(program.all()?, [Helper { queue: Some(9), status: Some(DISABLED), ..talk() }]);
    Ok(())
}

/// A program is given the packets of its connections, and what it announces comes.
pub(crate) fn conversation() -> io::Result<()> {
    let mut bench = Bench::new(Judge::Datapath, &built())?;
    let assign = "iptables -t raw -A PREROUTING -p udp --dport 999 -j CT --helper talk";
    let words = |line: &'static str| line.split(' ').collect::<Vec<_>>();
    let refused = bench.router.run(&words(assign))?;
    assert!(refused.code() != 0 && refused.stderr.contains("no such helper"), "{}", refused.stderr);
    let mut program = Program::connect(&bench)?;
    assert_eq!(program.helper(helper::NEW, flag::CREATE | flag::EXCL, &talk()), 0);
    for rule in [
        assign,
        "iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE",
        "iptables -t mangle -A FORWARD -m helper --helper talk -m conntrack --ctstate RELATED -m comment --comment announced",
    ] {
        bench.router.must(&words(rule))?;
    }
    let says = |bench: &mut Bench, port: u16, text: &[u8]| {
        bench.lan.send(&ethernet(LAN, CLIENT, &Ip::between([10, 1, 0, 2], [10, 2, 0, 2]).udp(port, 999, text)))
    };
    // Nobody listens, and nothing is held up.
    says(&mut bench, 4001, b"nobody hears")?;
    arrives(&mut bench.wan, b"nobody hears")?;
    // The helper outlives a crash, and who asks it.
    for _ in 0..2 {
        if let Some(daemon) = &mut bench.daemon {
            daemon.crash()?;
        }
        bench.daemon = Some(Daemon::start(&bench.router)?);
    }
    program = Program::connect(&bench)?;
    assert_eq!(program.all()?, [talk()]);
    let mut queue = bench.router.within(|| Held::open(QUEUE))??;
    says(&mut bench, 4001, b"somebody does")?;
    assert!(queue.take()?.ends_with(b"somebody does"));
    says(&mut bench, 4000, b"call me")?;
    let heard = queue.take()?;
    assert!(heard.ends_with(b"call me") && heard.get(12..16) == Some(&[10, 2, 0, 1]), "it is translated: {heard:?}");
    // What is said while the first is held comes behind it.
    says(&mut bench, 4000, b"soon")?;
    assert!(queue.take()?.ends_with(b"soon"));
    assert_eq!([6000, 6001, 6002].map(|port| program.expect(4000, port)), [0; 3], "a new one takes the oldest's place");
    let expected = bench.router.must(&["conntrack", "-L", "expect"])?;
    let shows = |text: &str| expected.lines().filter(|line| line.contains(text)).count();
    assert_eq!((shows("helper=talk"), shows("dport=6000")), (2, 0), "{expected}");
    queue.release()?;
    arrives(&mut bench.wan, b"call me")?;
    arrives(&mut bench.wan, b"soon")?;
    let call = Ip::between([10, 2, 0, 2], [10, 2, 0, 1]).udp(7000, 6001, b"as you wished");
    bench.wan.send(&ethernet(WAN, SERVER, &call))?;
    // The helper that the message names is not heard, and what it announces has none.
    assert_eq!(arrives(&mut bench.lan, b"as you wished")?, (7000, 5555));
    let saved = bench.router.must(&["iptables-save", "-c", "-t", "mangle"])?;
    assert!(saved.lines().any(|line| line.starts_with("[1:") && line.contains("announced")), "{saved}");
    // One that is disabled is asked nothing.
    assert_eq!(program.helper(helper::NEW, 0, &Helper { status: Some(DISABLED), ..named() }), 0);
    says(&mut bench, 4000, b"in passing")?;
    arrives(&mut bench.wan, b"in passing")?;
    assert_eq!(program.helper(helper::DELETE, 0, &named()), libc::EBUSY, "a rule names it");
    bench.router.must(&words("iptables -t raw -F"))?;
    let helped =
        |bench: &Bench| Ok::<_, io::Error>(bench.router.must(&["conntrack", "-L"])?.matches("helper=talk").count());
    assert!(helped(&bench)? > 0);
    assert_eq!(program.helper(helper::DELETE, 0, &named()), 0);
    assert_eq!((helped(&bench)?, program.all()?), (0, Vec::new()), "no connection has it any more");
    eventually("nothing is expected any more", PATIENCE, || {
        Ok(bench.router.must(&["conntrack", "-L", "expect"])?.is_empty())
    })
}
