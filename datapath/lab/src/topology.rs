//! The networks of the lab: client, router and server with stacks of their own, or a router between two raw ports.

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{
    frame::{Ip, View, ethernet},
    link::{End, Mac, Offload, join, set_offload, text},
    namespace::Namespace,
    port::Port,
    router::{Commands, Daemon, Judge},
};

/// Client, router and server, joined by two links:
/// `client 10.1.0.2 fd01::2 – 10.1.0.1 fd01::1 (lan0) router (wan0) 10.2.0.1 fd02::1 – 10.2.0.2 fd02::2 server`.
/// The client's default route leads to the router; the server knows only its own network, so that what is not translated
/// gets no answer, unless [`Chain::route_back`] was called.
#[derive(Debug)]
pub struct Chain {
    /// Stopped before the namespaces go.
    pub daemon: Option<Daemon>,
    /// The network behind the router; device `eth0`.
    pub client: Namespace,
    /// The judge's place; devices `lan0` and `wan0`.
    pub router: Namespace,
    /// The world; device `eth0`.
    pub server: Namespace,
    _commands: Commands,
}

/// A router between two raw ports: the test itself is everyone else.
/// `10.1.0.0/24 fd01::/64 – 10.1.0.1 fd01::1 (lan0) router (wan0) 10.2.0.1 fd02::1 – 10.2.0.0/24 fd02::/64 and all else`.
#[derive(Debug)]
pub struct Bench {
    /// Stopped before the namespaces go.
    pub daemon: Option<Daemon>,
    /// The judge's place; devices `lan0` and `wan0`.
    pub router: Namespace,
    /// The side of the clients.
    pub lan: Port,
    /// The side of the servers.
    pub wan: Port,
    ends: Namespace,
    commands: Commands,
}

/// The client's device.
pub const CLIENT: Mac = [2, 0, 0, 0, 1, 2];
/// The router's device `lan0`.
pub const LAN: Mac = [2, 0, 0, 0, 1, 1];
/// The router's device `wan0`.
pub const WAN: Mac = [2, 0, 0, 0, 2, 1];
/// The server's device.
pub const SERVER: Mac = [2, 0, 0, 0, 2, 2];

impl Chain {
    /// Makes the three namespaces and starts the judge in the router.
    pub fn new(judge: Judge, built: &Path) -> io::Result<Self> {
        Self::with_options(judge, built, &[])
    }

    /// The same with more options for a datapath.
    pub fn with_options(judge: Judge, built: &Path, options: &[&str]) -> io::Result<Self> {
        let commands = Commands::collect(judge, built)?;
        let client = Namespace::new("client")?;
        let mut router = Namespace::new("router")?;
        let server = Namespace::new("server")?;
        join(
            End { namespace: &client, device: "eth0", mac: CLIENT },
            End { namespace: &router, device: "lan0", mac: LAN },
        )?;
        join(
            End { namespace: &router, device: "wan0", mac: WAN },
            End { namespace: &server, device: "eth0", mac: SERVER },
        )?;
        client.ip(&format!(
            "addr add 10.1.0.2/24 dev eth0\n\
             addr add fd01::2/64 dev eth0 nodad\n\
             neigh replace 10.1.0.1 lladdr {lan} dev eth0 nud permanent\n\
             neigh replace fd01::1 lladdr {lan} dev eth0 nud permanent\n\
             route add default via 10.1.0.1\n\
             route add ::/0 via fd01::1\n",
            lan = text(LAN)
        ))?;
        server.ip(&format!(
            "addr add 10.2.0.2/24 dev eth0\n\
             addr add fd02::2/64 dev eth0 nodad\n\
             neigh replace 10.2.0.1 lladdr {wan} dev eth0 nud permanent\n\
             neigh replace fd02::1 lladdr {wan} dev eth0 nud permanent\n",
            wan = text(WAN)
        ))?;
        prepare_router(&router)?;
        router.ip(&format!(
            "neigh replace 10.1.0.2 lladdr {client} dev lan0 nud permanent\n\
             neigh replace fd01::2 lladdr {client} dev lan0 nud permanent\n\
             neigh replace 10.2.0.2 lladdr {server} dev wan0 nud permanent\n\
             neigh replace fd02::2 lladdr {server} dev wan0 nud permanent\n",
            client = text(CLIENT),
            server = text(SERVER)
        ))?;
        let daemon = commands.start_with(&mut router, options)?;
        Ok(Self { daemon, client, router, server, _commands: commands })
    }

    /// Tells the server the way to the client's network.
    pub fn route_back(&self) -> io::Result<()> {
        self.server.ip("route add 10.1.0.0/24 via 10.2.0.1\nroute add fd01::/64 via fd02::1\n")
    }
}

impl Bench {
    /// Hosts `.2` to `.9` of either network are known to the router; its default route leads to `.9` of the servers'.
    pub fn new(judge: Judge, built: &Path) -> io::Result<Self> {
        let commands = Commands::collect(judge, built)?;
        let ends = Namespace::new("ends")?;
        let mut router = Namespace::new("bench")?;
        // Of MLD's first version the kernel says when its last report is out.
        router.sysctl(&[
            ("net.ipv6.conf.default.force_mld_version", "1"),
            ("net.ipv6.conf.default.mldv1_unsolicited_report_interval", "1"),
        ])?;
        // The ends have no addresses: their stacks stay silent and every packet is the test's.
        ends.sysctl(&[("net.ipv6.conf.all.disable_ipv6", "1"), ("net.ipv6.conf.default.disable_ipv6", "1")])?;
        ends.sysctl(&[("net.ipv6.conf.default.disable_ipv6", "0")])?;
        join(
            End { namespace: &ends, device: "lan", mac: CLIENT },
            End { namespace: &router, device: "lan0", mac: LAN },
        )?;
        join(
            End { namespace: &ends, device: "wan", mac: SERVER },
            End { namespace: &router, device: "wan0", mac: WAN },
        )?;
        ends.sysctl(&[("net.ipv6.conf.lan.disable_ipv6", "1"), ("net.ipv6.conf.wan.disable_ipv6", "1")])?;
        for (namespace, device) in [(&ends, "lan"), (&ends, "wan"), (&router, "lan0"), (&router, "wan0")] {
            set_offload(namespace, device, Offload::Off)?;
        }
        prepare_router(&router)?;
        let mut batch = String::new();
        for host in 2..10 {
            for (network, device, mac) in [(1, "lan0", CLIENT), (2, "wan0", SERVER)] {
                let mac = text(mac);
                batch += &format!(
                    "neigh replace 10.{network}.0.{host} lladdr {mac} dev {device} nud permanent\n\
                     neigh replace fd0{network}::{host} lladdr {mac} dev {device} nud permanent\n"
                );
            }
        }
        batch += "route add default via 10.2.0.9\nroute add ::/0 via fd02::9\n";
        router.ip(&batch)?;
        await_reports(&router)?;
        let mut lan = Port::open(&ends, "lan")?;
        let mut wan = Port::open(&ends, "wan")?;
        await_links(&mut lan, &mut wan)?;
        let daemon = commands.start(&mut router)?;
        Ok(Self { daemon, router, lan, wan, ends, commands })
    }

    /// Has the clients' and the servers' link carry packets of so many bytes.
    pub fn set_mtu(&self, lan: u32, wan: u32) -> io::Result<()> {
        self.ends.ip(&format!("link set lan mtu {lan}\nlink set wan mtu {wan}\n"))?;
        self.router.ip(&format!("link set lan0 mtu {lan}\nlink set wan0 mtu {wan}\n"))
    }

    /// Who judges here.
    pub fn judge(&self) -> Judge {
        self.commands.judge()
    }
}

/// Waits until no report of the router's own groups is to come, which would be counted by one router and not by the other.
fn await_reports(router: &Namespace) -> io::Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    // Index, device, group, users, flags, jiffies; the lowest flag is a timer that runs.
    let pending = |line: &str| {
        let flags = line.split_ascii_whitespace().nth(4);
        flags.and_then(|flags| u32::from_str_radix(flags, 16).ok()).is_none_or(|flags| flags & 1 != 0)
    };
    while router.within(|| fs::read_to_string("/proc/thread-self/net/igmp6"))??.lines().any(pending) {
        if Instant::now() > end {
            return Err(io::Error::other("reports of multicast groups are still to come after 20 seconds"));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Sends packets both ways until one arrives: a device that is up drops what it sends for as long as the kernel has not come
/// round to its queue.
fn await_links(lan: &mut Port, wan: &mut Port) -> io::Result<()> {
    let (client, server) = ([10, 1, 0, 8], [10, 2, 0, 8]);
    await_link(lan, wan, &ethernet(LAN, CLIENT, &Ip::between(client, server).packet(PROBE, &[])))?;
    await_link(wan, lan, &ethernet(WAN, SERVER, &Ip::between(server, client).packet(PROBE, &[])))
}

fn await_link(from: &Port, to: &mut Port, frame: &[u8]) -> io::Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        from.send(frame)?;
        while let Some(frame) = to.receive(Instant::now() + Duration::from_millis(20))? {
            let probe = frame.bytes.get(14..).and_then(View::of).is_some_and(|view| view.protocol == PROBE);
            if probe {
                return to.drain();
            }
        }
    }
    Err(io::Error::other("a link of the router passes nothing after 20 seconds"))
}

/// The protocol of the packets that try the links, one for experiments (RFC 3692).
const PROBE: u8 = 253;

/// Addresses, forwarding, and everything that would make two runs differ switched off.
fn prepare_router(router: &Namespace) -> io::Result<()> {
    router.ip("addr add 10.1.0.1/24 brd + dev lan0\n\
         addr add fd01::1/64 dev lan0 nodad\n\
         addr add 10.2.0.1/24 dev wan0\n\
         addr add fd02::1/64 dev wan0 nodad\n")?;
    router.sysctl(&[
        ("net.ipv4.ip_forward", "1"),
        ("net.ipv6.conf.all.forwarding", "1"),
        ("net.ipv4.conf.all.rp_filter", "0"),
        ("net.ipv4.conf.default.rp_filter", "0"),
        ("net.ipv4.conf.lan0.rp_filter", "0"),
        ("net.ipv4.conf.wan0.rp_filter", "0"),
        ("net.ipv4.conf.all.accept_redirects", "0"),
        ("net.ipv4.conf.lan0.accept_redirects", "0"),
        ("net.ipv4.conf.wan0.accept_redirects", "0"),
        ("net.ipv4.conf.all.send_redirects", "0"),
        ("net.ipv4.conf.lan0.send_redirects", "0"),
        ("net.ipv4.conf.wan0.send_redirects", "0"),
        ("net.ipv4.icmp_ratelimit", "0"),
        ("net.ipv6.icmp.ratelimit", "0"),
        ("net.ipv4.tcp_invalid_ratelimit", "0"),
    ])?;
    // Per namespace only in newer kernels; elsewhere the default is high enough for single packets.
    let _ = router.sysctl(&[("net.ipv4.icmp_msgs_per_sec", "1000000"), ("net.ipv4.icmp_msgs_burst", "1000000")]);
    let _ = router.sysctl(&[("net.netfilter.nf_conntrack_events", "1")]);
    Ok(())
}
