//! Ordinary traffic through ordinary sockets: a small HTTP exchange, an echo over UDP, a listener that says who called.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::namespace::Namespace;

/// A server on a thread of its own; stopped when dropped.
#[derive(Debug)]
pub struct Server {
    stop: Arc<AtomicBool>,
    callers: Arc<Mutex<Vec<SocketAddr>>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// How a connection attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Accepted.
    Connected,
    /// Refused by a RST or an ICMP error.
    Refused,
    /// Nothing came back in time.
    Silent,
}

impl Server {
    /// Serves one body over HTTP/1.0 to everyone who asks.
    pub fn http(namespace: &Namespace, address: &str, body: Arc<Vec<u8>>) -> io::Result<Self> {
        Self::tcp(namespace, address, move |mut stream| {
            let mut request: Vec<u8> = Vec::new();
            let mut buffer = [0; 1024];
            while !request.windows(4).any(|w| w == b"\r\n\r\n") && request.len() < 65536 {
                let length = stream.read(&mut buffer)?;
                if length == 0 {
                    return Ok(());
                }
                request.extend(buffer.get(..length).unwrap_or_default());
            }
            write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())?;
            stream.write_all(&body)
        })
    }

    /// Sends back whatever arrives on a TCP connection.
    pub fn tcp_echo(namespace: &Namespace, address: &str) -> io::Result<Self> {
        Self::tcp(namespace, address, |mut stream| {
            let mut buffer = [0; 4096];
            loop {
                let length = stream.read(&mut buffer)?;
                if length == 0 {
                    return Ok(());
                }
                stream.write_all(buffer.get(..length).unwrap_or_default())?;
            }
        })
    }

    /// Sends back every datagram with `echo ` before it.
    pub fn udp_echo(namespace: &Namespace, address: &str) -> io::Result<Self> {
        let address = address.to_owned();
        let socket = namespace.within(move || UdpSocket::bind(address))??;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        Self::start(move |stop, callers| {
            let mut buffer = [0; 2048];
            while !stop.load(Ordering::Relaxed) {
                let (length, from) = match socket.recv_from(&mut buffer) {
                    Ok(received) => received,
                    Err(e) if waits(&e) => continue,
                    Err(_) => continue,
                };
                note(&callers, from);
                let _ = socket.send_to(&[b"echo ", buffer.get(..length).unwrap_or_default()].concat(), from);
            }
            Ok(())
        })
    }

    /// The addresses that connections and datagrams came from, as seen here.
    pub fn callers(&self) -> Vec<SocketAddr> {
        self.callers.lock().map(|c| c.clone()).unwrap_or_default()
    }

    fn tcp(
        namespace: &Namespace,
        address: &str,
        talk: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let address = address.to_owned();
        let listener = namespace.within(move || TcpListener::bind(address))??;
        listener.set_nonblocking(true)?;
        Self::start(move |stop, callers| {
            while !stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, from)) => {
                        note(&callers, from);
                        stream.set_nonblocking(false)?;
                        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
                        stream.set_write_timeout(Some(Duration::from_secs(20)))?;
                        let talk = talk.clone();
                        std::thread::spawn(move || talk(stream));
                    }
                    Err(e) if waits(&e) => std::thread::sleep(Duration::from_millis(2)),
                    Err(e) => return Err(e),
                }
            }
            Ok(())
        })
    }

    fn start(
        work: impl FnOnce(Arc<AtomicBool>, Arc<Mutex<Vec<SocketAddr>>>) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let callers = Arc::new(Mutex::new(Vec::new()));
        let (theirs, list) = (Arc::clone(&stop), Arc::clone(&callers));
        let thread = std::thread::Builder::new().spawn(move || work(theirs, list))?;
        Ok(Self { stop, callers, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Connects from a namespace, waiting at most `limit`; tells how it ended, after what time, and gives the stream.
pub fn connect(namespace: &Namespace, to: &str, limit: Duration) -> io::Result<(Attempt, Duration, Option<TcpStream>)> {
    let to: SocketAddr = to.parse().map_err(io::Error::other)?;
    namespace.within(move || {
        let began = Instant::now();
        let result = TcpStream::connect_timeout(&to, limit);
        let took = began.elapsed();
        match result {
            Ok(stream) => {
                stream.set_read_timeout(Some(Duration::from_secs(10)))?;
                stream.set_write_timeout(Some(Duration::from_secs(10)))?;
                Ok((Attempt::Connected, took, Some(stream)))
            }
            Err(e) if e.kind() == io::ErrorKind::TimedOut => Ok((Attempt::Silent, took, None)),
            Err(_) => Ok((Attempt::Refused, took, None)),
        }
    })?
}

/// Fetches a body over HTTP/1.0 from a namespace.
pub fn fetch(namespace: &Namespace, from: &str, path: &str) -> io::Result<Vec<u8>> {
    let (attempt, _, stream) = connect(namespace, from, Duration::from_secs(5))?;
    let Some(mut stream) = stream else {
        return Err(io::Error::other(format!("no connection to {from}: {attempt:?}")));
    };
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {from}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let body = answer.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
    let body = body.ok_or_else(|| io::Error::other("an answer without a body"))?;
    Ok(answer.split_off(body))
}

/// Sends a datagram from a namespace and waits for the answer: its bytes and who sent it, or `None` in silence.
pub fn ask(namespace: &Namespace, to: &str, data: &[u8], limit: Duration) -> io::Result<Option<(Vec<u8>, SocketAddr)>> {
    let to: SocketAddr = to.parse().map_err(io::Error::other)?;
    namespace.within(move || {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any)?;
        socket.set_read_timeout(Some(limit))?;
        socket.send_to(data, to)?;
        let mut buffer = [0; 2048];
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => Ok(Some((buffer.get(..length).unwrap_or_default().to_vec(), from))),
            Err(e) if waits(&e) => Ok(None),
            Err(e) => Err(e),
        }
    })?
}

fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn note(callers: &Mutex<Vec<SocketAddr>>, from: SocketAddr) {
    if let Ok(mut callers) = callers.lock()
        && callers.len() < 10_000
    {
        callers.push(from);
    }
}
