//! An IRC server, two people on it, and a file that goes straight from one to the other (DCC).

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use lab::suite::Test;

use super::{
    LONG,
    Place::{self, Client, Server},
    Site, fail, play,
};

pub(crate) const TESTS: &[Test] = &[("a_file_is_offered_over_ngircd_and_fetched_from_behind_source_nat", || {
    let rules = [
        "iptables -t raw -A PREROUTING -p tcp --dport 6667 -j CT --helper irc",
        "iptables -t nat -A POSTROUTING -o wan0 -j MASQUERADE",
        "iptables -P FORWARD DROP",
        "iptables -A FORWARD -m helper --helper irc -m conntrack --ctstate RELATED -j ACCEPT",
        "iptables -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT",
        "iptables -A FORWARD -i lan0 -p tcp --dport 6667 -m conntrack --ctstate NEW -j ACCEPT",
    ];
    play(&rules, |s| {
        let folder = s.name("");
        let settings = "[Global]\nName=irc.lab\nInfo=lab\nListen=10.2.0.2\nServerUID=root\nServerGID=root\n\
                            [Options]\nDNS=no\nIdent=no\nPAM=no\n";
        s.write("ngircd.conf", settings)?;
        s.serve(Server, &["ngircd", "-n", "-f", &format!("{folder}ngircd.conf")])?;
        s.listens(Server, &[("tcp", 6667)])?;
        let mut alice = Person::join(s, Client, "alice")?;
        let mut bob = Person::join(s, Server, "bob")?;
        for (number, length) in [(1, 1000), (2, 100_000)] {
            let file = s.noise("file", length)?;
            let bytes = std::fs::read(file)?;
            let listener = s.chain.client.within(|| TcpListener::bind("10.1.0.2:0"))??;
            let port = listener.local_addr()?.port();
            let own = u32::from(Ipv4Addr::new(10, 1, 0, 2));
            alice.says(&format!("PRIVMSG bob :\x01DCC SEND file{number} {own} {port} {length}\x01"))?;
            let offer = bob.hears("DCC SEND")?;
            let offered: Vec<u64> = offer.split([' ', '\x01']).filter_map(|word| word.parse().ok()).collect();
            let [address, port, size] = offered[..] else { return fail(offer) };
            let address = Ipv4Addr::from(u32::try_from(address).map_err(io::Error::other)?);
            s.tell(format!("offered from {address}, {size} bytes"));
            let to = SocketAddr::new(address.into(), u16::try_from(port).map_err(io::Error::other)?);
            let mut stream = s.chain.server.within(|| TcpStream::connect_timeout(&to, LONG))??;
            let (mut giver, from) = listener.accept()?;
            s.tell(format!("fetched by {}", from.ip()));
            giver.write_all(&bytes)?;
            drop(giver);
            stream.set_read_timeout(Some(LONG))?;
            let mut got = Vec::new();
            stream.read_to_end(&mut got)?;
            if got != bytes {
                return fail(format!("{} bytes of {length} came", got.len()));
            }
        }
        // The lines of the control connection have other lengths now.
        alice.says("PRIVMSG bob :did you get it?")?;
        bob.hears("did you get it?")?;
        bob.says("PRIVMSG alice :yes")?;
        alice.hears(":yes").map(drop)
    })
})];

/// Somebody on the server.
struct Person {
    stream: BufReader<TcpStream>,
}

impl Person {
    fn join(s: &Site, place: Place, name: &str) -> io::Result<Self> {
        let stream = place.of(&s.chain).within(|| TcpStream::connect("10.2.0.2:6667"))??;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut person = Self { stream: BufReader::new(stream) };
        person.says(&format!("NICK {name}\r\nUSER {name} 0 * :{name}"))?;
        person.hears(" 376 ")?;
        Ok(person)
    }

    fn says(&mut self, line: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes())
    }

    /// Waits for a line with a text.
    fn hears(&mut self, text: &str) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return fail(format!("nobody says {text}"));
            }
            if line.contains(text) {
                return Ok(line);
            }
        }
    }
}
