//! A server and real clients on real sockets, polled by hand.

use std::ops::ControlFlow;

use super::*;
use crate::message::Nfgen;
use crate::request::{Ended, Requester};
use crate::transport::{Datapath, Transport};

/// Dumps `parts` parts of 100 messages to who asks for one; acknowledges kind 256, refuses the rest.
struct Echo {
    parts: u32,
    left: u32,
}

impl Handler for Echo {
    fn message(&mut self, _: Peer, message: Message<'_>, _: &mut Vec<u8>) -> Result<Outcome, Refusal> {
        if message.header.flags & flag::DUMP == flag::DUMP {
            self.left = self.parts;
            return Ok(Outcome::Dump);
        }
        match message.header.kind {
            256 => Ok(Outcome::Done),
            _ => Err(Refusal { errno: libc::EOPNOTSUPP, text: Some("unknown message") }),
        }
    }

    fn resume(&mut self, _: Peer, reply: &mut Vec<u8>) -> bool {
        let kind = if self.left == 0 { kind::DONE } else { 256 };
        for _ in 0..if self.left == 0 { 1 } else { 100 } {
            let header = Header { kind, flags: flag::MULTI, sequence: 1, port: 0 };
            let mut builder = Builder::new(header, reply);
            builder.raw(&[0; 300]);
            builder.finish().unwrap();
        }
        self.left = self.left.saturating_sub(1);
        kind != kind::DONE
    }

    fn gone(&mut self, _: Peer) {}
}

fn directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("nfnl-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    path
}

/// Runs a server on a thread until the client's work is done.
fn serve<R: Send>(name: &str, client: impl FnOnce(&Path) -> R + Send) -> R {
    let directory = directory(name);
    let mut server = Server::bind(&directory).unwrap();
    let path = server.path().to_path_buf();
    let result = std::thread::scope(|scope| {
        let client = scope.spawn(move || client(&path));
        let mut handler = Echo { parts: 50, left: 0 };
        while !client.is_finished() {
            server.poll(&mut handler).unwrap();
            std::thread::yield_now();
        }
        client.join().unwrap()
    });
    drop(server);
    fs::remove_dir_all(directory).unwrap();
    result
}

fn empty(header: Header, out: &mut Vec<u8>) -> Result<(), crate::attr::Malformed> {
    Builder::netfilter(header, Nfgen::of(2), out).finish()
}

const ASK: Header = Header { kind: 256, flags: 0, sequence: 0, port: 0 };

#[test]
fn requests_are_acknowledged_or_refused_with_text() {
    serve("ack", |path| {
        let mut one = Requester::new(Datapath::connect(path).unwrap(), 0);
        one.act(ASK, empty, |_| ControlFlow::Continue(())).unwrap();
        let refused = one.act(Header { kind: 300, ..ASK }, empty, |_| ControlFlow::Continue(())).unwrap_err();
        assert_eq!(refused.errno(), Some(libc::EOPNOTSUPP));
        assert!(refused.to_string().ends_with("unknown message"));
    });
}

#[test]
fn a_dump_larger_than_any_buffer_arrives_whole() {
    serve("dump", |path| {
        let mut one = Requester::new(Datapath::connect(path).unwrap(), 0);
        let mut seen = 0;
        let ended = one.dump(ASK, empty, |_| {
            seen += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(ended.unwrap(), Ended::Complete);
        assert_eq!(seen, 5000);
    });
}

#[test]
fn garbage_is_answered_and_the_client_lives_on() {
    serve("garbage", |path| {
        let mut raw = Datapath::connect(path).unwrap();
        let mut buf = Vec::new();
        for garbage in [&b"x"[..], &[0xff; 40], &[0; 64]] {
            raw.send(garbage).unwrap();
            raw.recv(&mut buf).unwrap();
            assert_eq!(Messages::new(&buf).next().unwrap().unwrap().header.kind, kind::ERROR);
        }
        Requester::new(raw, 7).act(ASK, empty, |_| ControlFlow::Continue(())).unwrap();
    });
}

#[test]
fn a_subscriber_gets_its_group_and_learns_of_an_overrun() {
    let directory = directory("publish");
    let mut server = Server::bind(&directory).unwrap();
    let mut handler = Echo { parts: 0, left: 0 };
    let path = server.path().to_path_buf();
    let (ready, joined) = std::sync::mpsc::channel();
    let mut event = Vec::new();
    empty(ASK, &mut event).unwrap();
    std::thread::scope(|scope| {
        let client = scope.spawn(move || {
            let mut client = Datapath::connect(&path).unwrap();
            client.subscribe(2).unwrap();
            client.subscribe(3).unwrap();
            assert_eq!(client.subscribe(77).unwrap_err().raw_os_error(), Some(libc::EINVAL));
            ready.send(()).unwrap();
            client
        });
        while joined.try_recv().is_err() {
            server.poll(&mut handler).unwrap();
        }
        let mut client = client.join().unwrap();
        assert!(server.has_listeners(&[2]) && !server.has_listeners(&[1]));
        server.publish(1, &event);
        for _ in 0..LIMIT / 10 {
            server.publish(2, &event);
        }
        let mut seen = 0;
        let mut buf = Vec::new();
        let overrun = loop {
            match client.recv(&mut buf) {
                Ok(()) => seen += 1,
                Err(error) => break error,
            }
            server.poll(&mut handler).unwrap();
        };
        assert_eq!(overrun.raw_os_error(), Some(libc::ENOBUFS));
        assert!(seen > 1000 && seen < LIMIT / 10, "{seen}");
        server.publish(3, &event);
        client.recv(&mut buf).unwrap();
        assert_eq!(buf, event);
    });
    drop(server);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn two_servers_cannot_share_a_place_but_a_dead_ones_place_is_taken() {
    let directory = directory("twice");
    let first = Server::bind(&directory).unwrap();
    assert_eq!(Server::bind(&directory).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    let path = first.path().to_path_buf();
    drop(first);
    let dead = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    dead.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    drop(dead);
    Server::bind(&directory).unwrap();
    fs::remove_dir_all(directory).unwrap();
}
