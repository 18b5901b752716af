//! The server and a client of `nfnl` on a real socket, over an engine of their own.

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;

use engine::conntrack::Settings;
use nfnl::attr::Malformed;
use nfnl::conntrack::{CpuStats, Filter, Flow, GlobalStats, ProtocolInfo, Tuple, message};
use nfnl::message::{Builder, Header, Messages, Nfgen, flag, netfilter, subsystem};
use nfnl::request::{Error, Requester};
use nfnl::transport::{Datapath, Transport};

use super::*;
use crate::state::lock;

struct Alone {
    engine: Mutex<Engine>,
    events: Mutex<Vec<Event>>,
}

impl Home for Alone {
    fn engine(&self) -> MutexGuard<'_, Engine> {
        lock(&self.engine)
    }
    fn post(&self, events: &mut Vec<Event>) {
        lock(&self.events).append(events);
    }
}

/// Runs a client against a server; the client gets the socket's path.
fn serve<R: Send>(client: impl FnOnce(PathBuf) -> R + Send) -> R {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Ctnetlink::bind(folder.path()).unwrap();
    let engine = Mutex::new(Engine::new(Settings { acct: true, ..Settings::default() }, [7; 16]));
    let home = Alone { engine, events: Mutex::default() };
    let path = folder.path().join("conntrack");
    std::thread::scope(|scope| {
        let client = scope.spawn(move || client(path));
        while !client.is_finished() {
            let mut fds = [PollFd::new(server.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut fds, PollTimeout::from(20u8));
            server.poll(&home).unwrap();
            let events = std::mem::take(&mut *lock(&home.events));
            server.publish(&events);
        }
        client.join().unwrap()
    })
}

fn connection(port: u16) -> Flow {
    let original = Tuple {
        source: Some(IpAddr::from([10, 0, 0, 1])),
        destination: Some(IpAddr::from([10, 0, 0, 2])),
        protocol: Some(6),
        source_port: Some(port),
        destination_port: Some(80),
        ..Tuple::default()
    };
    let protocol = Some(ProtocolInfo::tcp(Some(3)));
    Flow { family: 2, reply: original.inverse(), original, timeout: Some(300), protocol, ..Flow::default() }
}

struct Client(Requester<Datapath>);

impl Client {
    fn new(path: &Path) -> Self {
        Self(Requester::new(Datapath::connect(path).unwrap(), 0))
    }

    fn act(&mut self, number: u8, flags: u16, flow: &Flow) -> Result<(), Error> {
        let header = Header { kind: netfilter(subsystem::CTNETLINK, number), flags, ..Header::default() };
        self.0.act(header, |header, out| write(header, flow, out), |_| ControlFlow::Continue(()))
    }

    fn make(&mut self, flow: &Flow) -> Result<(), Error> {
        self.act(message::NEW, flag::CREATE | flag::EXCL, flow)
    }

    fn dump(&mut self, number: u8, filter: &Filter) -> Vec<Flow> {
        let header = Header { kind: netfilter(subsystem::CTNETLINK, number), ..Header::default() };
        let mut all = Vec::new();
        let build = |header: Header, out: &mut Vec<u8>| {
            let mut builder = Builder::netfilter(header, Nfgen::of(filter.family), out);
            filter.emit(&mut builder);
            builder.finish()
        };
        let ended = self.0.dump(header, build, |answer| {
            all.push(Flow::read(&answer).unwrap());
            ControlFlow::Continue(())
        });
        ended.unwrap();
        all
    }
}

fn write(header: Header, flow: &Flow, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut builder = Builder::netfilter(header, Nfgen::of(flow.family), out);
    flow.emit(&mut builder);
    builder.finish()
}

fn errno(result: Result<(), Error>) -> i32 {
    result.map_or_else(|error| error.errno().unwrap(), |()| 0)
}

#[test]
fn an_entry_is_made_shown_changed_and_deleted() {
    serve(|path| {
        let mut client = Client::new(&path);
        assert_eq!(errno(client.make(&connection(1))), 0);
        assert_eq!(errno(client.make(&connection(1))), libc::EEXIST);
        let change = Flow { mark: Some(0x12), timeout: Some(77), ..connection(1) };
        assert_eq!(errno(client.act(message::NEW, 0, &change)), 0);
        let all = client.dump(message::GET, &Filter::default());
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].mark, all[0].original, all[0].reply), (Some(0x12), change.original, change.reply));
        assert!(all[0].timeout.is_some_and(|seconds| (75..=77).contains(&seconds)));
        assert_eq!(all[0].status.map(|bits| bits & 8), Some(8), "it is confirmed");
        assert_eq!(errno(client.act(message::DELETE, 0, &connection(1))), 0);
        assert_eq!(errno(client.act(message::DELETE, 0, &connection(1))), libc::ENOENT);
        assert!(client.dump(message::GET, &Filter::default()).is_empty());
    });
}

#[test]
fn requests_that_make_no_sense_get_the_kernels_errno() {
    serve(|path| {
        let mut client = Client::new(&path);
        let whole = connection(1);
        assert_eq!(errno(client.make(&Flow { timeout: None, ..whole.clone() })), libc::EINVAL);
        assert_eq!(errno(client.make(&Flow { reply: Tuple::default(), ..whole.clone() })), libc::EINVAL);
        assert_eq!(errno(client.make(&Flow { family: 0, ..whole.clone() })), libc::EOPNOTSUPP);
        assert_eq!(errno(client.make(&Flow { status: Some(0), ..whole.clone() })), libc::EBUSY);
        assert_eq!(errno(client.make(&Flow { status: Some(9), ..whole.clone() })), libc::EBUSY);
        let mut portless = whole.clone();
        portless.original.source_port = None;
        assert_eq!(errno(client.make(&portless)), libc::EINVAL);
        let mut zoned = whole.clone();
        zoned.zone = Some(1);
        zoned.reply.zone = Some(2);
        assert_eq!(errno(client.make(&zoned)), libc::EINVAL);
        assert_eq!(errno(client.act(message::NEW, 0, &whole)), libc::ENOENT);
        assert_eq!(errno(client.act(99, 0, &whole)), libc::EINVAL);
        let fixed = Flow { status: Some(8 | 1 << 10), timeout: Some(u32::MAX), ..connection(2) };
        assert_eq!(errno(client.make(&fixed)), 0);
        assert_eq!(errno(client.act(message::NEW, 0, &connection(2))), libc::EPERM, "its timeout is fixed");
        let all = client.dump(message::GET, &Filter::default());
        assert!(all[0].timeout.is_some_and(|seconds| seconds <= 8_589_934), "as many seconds as fit INT_MAX jiffies");
        assert!(client.dump(message::GET_DYING, &Filter::default()).is_empty());
    });
}

#[test]
fn a_large_table_is_dumped_whole_filtered_counted_and_flushed() {
    serve(|path| {
        let mut client = Client::new(&path);
        for port in 1..=3000 {
            let mark = Some(u32::from(port % 2));
            assert_eq!(errno(client.make(&Flow { mark, ..connection(port) })), 0);
        }
        assert_eq!(client.dump(message::GET, &Filter::default()).len(), 3000);
        let odd = Filter { mark: Some((1, 1)), ..Filter::default() };
        assert_eq!(client.dump(message::GET, &odd).len(), 1500);
        assert!(client.dump(message::GET, &Filter { family: 10, ..Filter::default() }).is_empty());
        let mut entries = 0;
        let header = Header { kind: netfilter(subsystem::CTNETLINK, message::GET_STATS), ..Header::default() };
        let empty = |header, out: &mut Vec<u8>| write(header, &Flow::default(), out);
        let counted = client.0.ask(header, empty, |answer| {
            let (_, attributes) = answer.netfilter().unwrap();
            entries = GlobalStats::parse(attributes).unwrap().entries;
            ControlFlow::Break(())
        });
        counted.unwrap();
        assert_eq!(entries, 3000);
        let header = Header { kind: netfilter(subsystem::CTNETLINK, message::GET_STATS_CPU), ..Header::default() };
        let mut inserted = None;
        let stats = client.0.dump(header, empty, |answer| {
            inserted = CpuStats::parse(answer.netfilter().unwrap().1).unwrap().insert;
            ControlFlow::Continue(())
        });
        stats.unwrap();
        assert_eq!(inserted, Some(3000));
        assert_eq!(errno(client.act(message::DELETE, 0, &Flow { mark: Some(1), ..Flow::default() })), 0);
        assert_eq!(client.dump(message::GET, &Filter::default()).len(), 1500, "a flush by mark spares the others");
        assert_eq!(errno(client.act(message::DELETE, 0, &Flow::default())), 0);
        assert!(client.dump(message::GET, &Filter::default()).is_empty());
    });
}

#[test]
fn events_come_in_order_to_who_listens() {
    serve(|path| {
        let mut listener = Datapath::connect(&path).unwrap();
        for group in CONNECTIONS {
            listener.subscribe(group).unwrap();
        }
        let mut deaf = Datapath::connect(&path).unwrap();
        deaf.subscribe(CONNTRACK_DESTROY).unwrap();
        let mut client = Client::new(&path);
        client.make(&connection(9)).unwrap();
        client.act(message::NEW, 0, &Flow { mark: Some(3), ..connection(9) }).unwrap();
        client.act(message::DELETE, 0, &connection(9)).unwrap();
        let collect = |socket: &mut Datapath, count: usize| {
            let mut seen = Vec::new();
            let mut frame = Vec::new();
            while seen.len() < count {
                socket.recv(&mut frame).unwrap();
                for message in Messages::new(&frame).map(Result::unwrap) {
                    let flow = Flow::read(&message).unwrap();
                    assert_eq!(message.header.port, std::process::id());
                    assert_eq!(flow.uses, None);
                    seen.push((message.netfilter_kind().1, message.header.flags, flow.mark));
                }
            }
            seen
        };
        let all = collect(&mut listener, 3);
        assert_eq!(all[0], (message::NEW, flag::CREATE | flag::EXCL, Some(0)));
        assert_eq!(all[1], (message::NEW, 0, Some(3)));
        assert_eq!(all[2], (message::DELETE, 0, Some(3)));
        assert_eq!(collect(&mut deaf, 1), [(message::DELETE, 0, Some(3))]);
    });
}
