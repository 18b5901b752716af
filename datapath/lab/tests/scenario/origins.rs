//! Programs behind REDIRECT and DNAT, which ask their sockets where the peer wanted to go (`SO_ORIGINAL_DST`).

use std::{
    io,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use lab::{
    namespace::Namespace,
    router::{Daemon, Judge, built},
    suite,
    suite::Test,
    topology::Chain,
};
use socket2::{Domain, SockRef, Socket, Type};

use super::fail;

const PATIENCE: Duration = Duration::from_secs(20);
/// Where the program listens.
const PORT: u16 = 3128;

/// Sends all that comes for ports of the web to a program of the router's own.
fn on_both(six: bool, talk: impl Fn(&mut Chain, &TcpListener) -> io::Result<()>) -> io::Result<()> {
    let command = if six { "ip6tables" } else { "iptables" };
    let on = |judge: Judge| {
        let mut chain = Chain::new(judge, &built())?;
        for chains in ["PREROUTING -i lan0", "OUTPUT"] {
            let rule = format!(
                "{command} -t nat -A {chains} -p tcp -m multiport --dports 80,443 -j REDIRECT --to-ports {PORT}"
            );
            chain.router.must(&rule.split(' ').collect::<Vec<_>>())?;
        }
        let any = if six { IpAddr::from(Ipv6Addr::UNSPECIFIED) } else { Ipv4Addr::UNSPECIFIED.into() };
        let listener = chain.router.within(|| TcpListener::bind((any, PORT)))??;
        talk(&mut chain, &listener).map_err(|error| io::Error::other(format!("on {}: {error}", judge.name())))
    };
    suite::premise(|| on(Judge::Kernel))?;
    suite::subject().map_or(Ok(()), on)
}

/// Connects from a port, 0 for any.
fn connect(from: &Namespace, port: u16, to: SocketAddr) -> io::Result<TcpStream> {
    from.within(|| {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        let any = if to.is_ipv6() { IpAddr::from(Ipv6Addr::UNSPECIFIED) } else { Ipv4Addr::UNSPECIFIED.into() };
        socket.bind(&SocketAddr::new(any, port).into())?;
        socket.connect_timeout(&to.into(), PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket.into())
    })?
}

/// What the socket of an accepted connection says.
fn original(stream: &TcpStream) -> io::Result<SocketAddr> {
    let socket = SockRef::from(stream);
    let told = if stream.local_addr()?.is_ipv4() { socket.original_dst_v4() } else { socket.original_dst_v6() }?;
    told.as_socket().ok_or_else(|| io::Error::other("no address"))
}

/// Connects, has the program ask, and sends something both ways.
fn ask(from: &Namespace, listener: &TcpListener, port: u16, to: &str) -> io::Result<()> {
    let to: SocketAddr = to.parse().map_err(io::Error::other)?;
    let mut peer = connect(from, port, to)?;
    let (mut program, _) = listener.accept()?;
    let told = original(&program)?;
    if told != to {
        return fail(format!("{told}, not {to}"));
    }
    peer.write_all(b"question")?;
    program.read_exact(&mut [0; 8])?;
    program.write_all(b"answer")?;
    peer.read_exact(&mut [0; 6])?;
    // The peer closes last, so that its port is free at once.
    drop(program);
    if peer.read(&mut [0])? != 0 {
        return fail("more than the answer");
    }
    Ok(())
}

pub(crate) const TESTS: &[Test] = &[
    ("a_program_behind_redirect_is_told_where_its_peer_wanted_to_go", || {
        on_both(false, |chain, listener| {
            for to in ["10.2.0.2:80", "192.0.2.7:443", "10.1.0.1:80"] {
                ask(&chain.client, listener, 0, to)?;
            }
            for to in ["10.2.0.2:80", "10.2.0.9:443", "127.0.0.1:80"] {
                ask(&chain.router, listener, 0, to)?;
            }
            Ok(())
        })
    }),
    ("a_program_behind_redirect_of_ipv6_is_told_where_its_peer_wanted_to_go", || {
        on_both(true, |chain, listener| {
            for to in ["[fd02::2]:80", "[2001:db8::7]:443", "[fd01::1]:80"] {
                ask(&chain.client, listener, 0, to)?;
            }
            for to in ["[fd02::2]:80", "[::1]:443"] {
                ask(&chain.router, listener, 0, to)?;
            }
            Ok(())
        })
    }),
    ("who_was_redirected_from_one_port_to_another_is_told_from_the_next", || {
        on_both(false, |chain, listener| {
            for to in ["192.0.2.7:443", "192.0.2.8:443", "192.0.2.8:80"] {
                ask(&chain.client, listener, 40_000, to)?;
                // Until it is over, the kernel takes the next one's packets for its own.
                chain.router.must(&["conntrack", "-D", "-p", "tcp", "--orig-port-src", "40000"])?;
            }
            Ok(())
        })
    }),
    ("after_a_crash_a_redirected_connection_is_told_of_again", || {
        on_both(false, |chain, listener| {
            let to = SocketAddr::from(([192, 0, 2, 7], 443));
            let mut peer = connect(&chain.client, 0, to)?;
            let (mut program, _) = listener.accept()?;
            if let Some(daemon) = &mut chain.daemon {
                daemon.crash()?;
                *daemon = Daemon::start(&chain.router)?;
            }
            peer.write_all(b"question")?;
            program.read_exact(&mut [0; 8])?;
            let told = original(&program)?;
            if told == to { Ok(()) } else { fail(format!("{told}, not {to}")) }
        })
    }),
    ("who_was_not_redirected_was_sent_nowhere_else", || {
        on_both(false, |chain, listener| {
            let _peer = connect(&chain.client, 0, SocketAddr::from(([10, 1, 0, 1], PORT)))?;
            let (program, _) = listener.accept()?;
            // The kernel tells the address that both know; without an entry of its own it says that there is none.
            match original(&program) {
                Ok(told) if told == SocketAddr::from(([10, 1, 0, 1], PORT)) => Ok(()),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
                other => fail(format!("{other:?}")),
            }
        })
    }),
    ("a_redirected_connection_that_is_over_leaves_nothing_with_the_kernel", || {
        on_both(false, |chain, listener| {
            ask(&chain.client, listener, 0, "192.0.2.7:443")?;
            chain.router.must(&["conntrack", "-F"])?;
            let deadline = Instant::now() + PATIENCE;
            loop {
                // What the kernel itself holds, whoever asks.
                let held = chain.router.must(&["sysctl", "-n", "net.netfilter.nf_conntrack_count"])?;
                if held.trim() == "0" {
                    return Ok(());
                }
                if Instant::now() > deadline {
                    return fail(format!("{} left", held.trim()));
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        })
    }),
];
