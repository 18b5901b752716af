//! Super-packets: what sockets leave unfinished crosses whole, translated, and the far end takes it for right.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use lab::namespace::Namespace;
use lab::router::{Judge, built};
use lab::topology::Chain;
use lab::traffic::{self, Server};
use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};

/// Far more than any of it takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes that no device sends in one packet of its own.
const LONGER: usize = 1501;
/// Bytes of a segment of a super-datagram.
const SEGMENT: usize = 1000;

/// The addresses of a family: client, router inside and outside and alone, server.
struct Family {
    command: &'static str,
    client: &'static str,
    inside: &'static str,
    outside: &'static str,
    alone: &'static str,
    server: &'static str,
}

const FAMILIES: [Family; 2] = [
    Family {
        command: "iptables",
        client: "10.1.0.2",
        inside: "10.1.0.1",
        outside: "10.2.0.1",
        alone: "127.0.0.1",
        server: "10.2.0.2",
    },
    Family {
        command: "ip6tables",
        client: "fd01::2",
        inside: "fd01::1",
        outside: "fd02::1",
        alone: "::1",
        server: "fd02::2",
    },
];

fn end(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Both ways in one connection, or with one pair of datagrams; source and destination translated; through the router, to it,
/// from it, and from it to itself; both families; on the kernel and on the datapath.
pub(crate) fn translated() -> io::Result<()> {
    for judge in [Judge::Kernel, Judge::Datapath] {
        let chain = Chain::new(judge, &built())?;
        for family in FAMILIES {
            cross(&chain, &family)
                .map_err(|e| io::Error::other(format!("{}, {}: {e}", judge.name(), family.command)))?;
        }
    }
    Ok(())
}

fn cross(chain: &Chain, &Family { command, client, inside, outside, alone, server }: &Family) -> io::Result<()> {
    let must = |words: &str| chain.router.must(&[&[command], &words.split(' ').collect::<Vec<_>>()[..]].concat());
    for protocol in ["tcp", "udp"] {
        must(&format!("-t nat -A POSTROUTING -o wan0 -p {protocol} -j MASQUERADE --to-ports 7000-7009"))?;
        let web = end(client, 80);
        must(&format!("-t nat -A PREROUTING -i wan0 -p {protocol} --dport 8080 -j DNAT --to-destination {web}"))?;
        must(&format!("-t nat -A PREROUTING -i lan0 -p {protocol} --dport 9090 -j REDIRECT --to-ports 9091"))?;
        must(&format!("-t nat -A OUTPUT -d {server} -p {protocol} --dport 9090 -j REDIRECT --to-ports 9092"))?;
        for device in ["lan0", "wan0"] {
            must(&format!("-A FORWARD -i {device} -p {protocol} -m length --length {LONGER}:65535"))?;
        }
    }
    for (protocol, talk) in [("tcp", stream as fn(_, _, &_, &_) -> _), ("udp", datagrams)] {
        let caller: SocketAddr = talk(&chain.client, &chain.server, &end(server, 80), &end(server, 80))?;
        assert_eq!(caller.ip().to_string(), outside, "{protocol}");
        assert!((7000..7010).contains(&caller.port()), "{protocol}: {caller}");
        whole(chain, command, protocol)?;
        let caller = talk(&chain.server, &chain.client, &end(outside, 8080), &end(client, 80))?;
        assert_eq!(caller.ip().to_string(), server, "{protocol}");
        whole(chain, command, protocol)?;
        // Super-datagrams of IPv6 for itself the kernel does not cut once a queue gave them back.
        if (command, protocol) != ("ip6tables", "udp") {
            let caller = talk(&chain.client, &chain.router, &end(server, 9090), &end(inside, 9091))?;
            assert_eq!(caller.ip().to_string(), client, "{protocol}");
            let caller = talk(&chain.router, &chain.server, &end(server, 81), &end(server, 81))?;
            assert!((7000..7010).contains(&caller.port()), "{protocol}: {caller}");
        }
        talk(&chain.router, &chain.router, &end(server, 9090), &end(alone, 9092))?;
    }
    Ok(())
}

/// Rules saw super-packets of a protocol both ways, and count anew.
fn whole(chain: &Chain, command: &str, protocol: &str) -> io::Result<()> {
    let saved = chain.router.must(&[&format!("{command}-save"), "-c"])?;
    for device in ["lan0", "wan0"] {
        let rule = format!("-A FORWARD -i {device} -p {protocol} ");
        let line = saved.lines().find(|line| line.contains(&rule)).unwrap_or_default();
        assert!(
            line.starts_with('[') && !line.starts_with("[0:"),
            "{protocol} from {device}: no super-packet\n{saved}"
        );
    }
    chain.router.must(&[command, "-Z", "FORWARD"]).map(drop)
}

/// A megabyte there and back, in writes of 64 KiB; who called.
fn stream(from: &Namespace, to: &Namespace, address: &str, listens: &str) -> io::Result<SocketAddr> {
    let echo = Server::tcp_echo(to, listens)?;
    let body: Vec<u8> = (0..1_000_000u32).map(|at| ((at * 13) >> 4) as u8).collect();
    let (attempt, _, stream) = traffic::connect(from, address, PATIENCE)?;
    let mut stream = stream.ok_or_else(|| io::Error::other(format!("{address}: {attempt:?}")))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut writing: TcpStream = stream.try_clone()?;
    let sent = body.clone();
    let writer = std::thread::spawn(move || sent.chunks(1 << 16).try_for_each(|piece| writing.write_all(piece)));
    let mut back = vec![0; body.len()];
    stream.read_exact(&mut back)?;
    writer.join().expect("it does not panic")?;
    assert!(back == body, "{address}: the bytes came back changed");
    echo.callers().first().copied().ok_or_else(|| io::Error::other("nobody called"))
}

/// Datagrams that the socket hands over as one, there and back; who sent them.
fn datagrams(from: &Namespace, to: &Namespace, address: &str, listens: &str) -> io::Result<SocketAddr> {
    let any = if listens.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
    let (asking, answering) = (from.within(|| UdpSocket::bind(any))??, to.within(|| UdpSocket::bind(listens))??);
    let body: Vec<u8> = (0..10 * SEGMENT + 500).map(|at| ((at * 7) >> 3) as u8).collect();
    for socket in [&asking, &answering] {
        socket.set_read_timeout(Some(PATIENCE))?;
        setsockopt(socket, UdpGsoSegment, &(SEGMENT as i32))?;
    }
    asking.connect(address)?;
    asking.send(&body)?;
    let caller = hear(&answering, &body).map_err(|e| io::Error::other(format!("{address}: there: {e}")))?;
    answering.send_to(&body, caller)?;
    hear(&asking, &body).map_err(|e| io::Error::other(format!("{address}: back: {e}")))?;
    Ok(caller)
}

/// All pieces come, in their order; from whom.
fn hear(socket: &UdpSocket, body: &[u8]) -> io::Result<SocketAddr> {
    let mut piece = [0; 2 * SEGMENT];
    let mut from = None;
    for wanted in body.chunks(SEGMENT) {
        let (length, sender) = socket.recv_from(&mut piece)?;
        assert!(piece[..length] == *wanted, "{length} bytes from {sender}");
        from = Some(sender);
    }
    from.ok_or_else(|| io::Error::other("nothing was sent"))
}
