//! What links carry beside plain frames of 1,500 bytes: VLAN tags across a bridge, jumbo frames, packets that no link
//! carries (GSO), addresses of one link.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use lab::{
    frame::{Ip, View, ethernet},
    link::{Mac, Offload, set_offload},
    router::{Judge, built},
    suite::{self, Test},
    topology::{CLIENT, Chain, SERVER},
    twin::Side,
};

use super::{Stage, arrives, claim_after, client, fail};

fn client6() -> Ip {
    Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2])
}

/// A frame with the tag of a VLAN.
fn tagged(to: Mac, from: Mac, vlan: u16, packet: &[u8]) -> Vec<u8> {
    let plain = ethernet(to, from, packet);
    let (stations, rest) = plain.split_at(12);
    [stations, &[0x81, 0], &vlan.to_be_bytes(), rest].concat()
}

/// Puts a frame on the clients' link; whether its packet leaves on the servers', where the device takes a tag off.
fn crosses(s: &mut Stage, frame: &[u8], packet: &[u8]) -> io::Result<bool> {
    let bench = s.oracle.bench();
    bench.lan.send(frame)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Some(frame) = bench.wan.receive(deadline)? {
        if frame.bytes.ends_with(packet) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A bridge between both links that forwards at once.
const BRIDGE: &str = "ip link add br0 type bridge forward_delay 0\nip link set br0 up\n\
    for port in lan0 wan0; do ip link set $port address 02:00:00:00:07:0${#port} master br0; done\n\
    sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1\n";

/// Tries until it succeeds, for a while.
fn until(mut attempt: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if attempt()? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Frames of a VLAN across a bridge: untouched, then judged with the devices of their ports, untagged as every other.
fn tagged_frames(six: bool) -> io::Result<()> {
    let rules = [
        "-A FORWARD -p udp --dport 53 -m physdev --physdev-in lan0 --physdev-out wan0 -m comment --comment seen",
        "-A FORWARD -p udp --dport 53 -i br0 -o br0 -m state --state NEW -m comment --comment bridge",
        "-t mangle -A PREROUTING -p udp --dport 53 -m physdev --physdev-in lan0 -m comment --comment pre",
        "-t mangle -A POSTROUTING -p udp --dport 53 -m physdev --physdev-out wan0 --physdev-is-bridged -m comment --comment post",
        "-A FORWARD -p udp --dport 54 -m comment --comment unseen",
        "-A FORWARD -p udp --dport 55 -j DROP",
    ];
    claim_after(&[], &rules, six, |s| {
        let ip = if six { client6() } else { client() };
        s.must_with(&["sh", "-e"], BRIDGE)?;
        let unseen = ip.udp(3, 54, b"not looked at");
        if !until(|| crosses(s, &tagged(SERVER, CLIENT, 9, &unseen), &unseen))? {
            return fail("the bridge lets nothing through");
        }
        s.must_with(&["sysctl", "-qw", "net.bridge.bridge-nf-filter-vlan-tagged=1"], "")?;
        // What is dropped goes first: it is through when the other is.
        let dropped = ip.udp(5, 55, b"dropped");
        s.oracle.bench().lan.send(&tagged(SERVER, CLIENT, 9, &dropped))?;
        let seen = ip.udp(4, 53, b"looked at");
        if !crosses(s, &tagged(SERVER, CLIENT, 9, &seen), &seen)? {
            return fail("a tagged frame does not come through");
        }
        for (text, count) in [("seen", 1), ("bridge", 1), ("pre", 1), ("post", 1), ("unseen", 0)] {
            s.counted(&format!("--comment {text}"), count)?;
        }
        s.counted("--dport 55", 1)
    })
}

/// Between whom super-packets go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    /// The client and the server.
    Hosts,
    /// Two sockets of the router, over loopback.
    Own,
}

/// Sends so many bytes through TCP of real stacks, translated, and counts the packets that are longer than the links carry.
fn super_packets(between: Between, six: bool) -> io::Result<()> {
    const BYTES: usize = 4 << 20;
    let command = if six { "ip6tables" } else { "iptables" };
    for judge in [Some(Judge::Kernel), suite::subject()].into_iter().flatten() {
        let chain = Chain::new(judge, &built())?;
        for (namespace, device) in
            [(&chain.client, "eth0"), (&chain.router, "lan0"), (&chain.router, "wan0"), (&chain.server, "eth0")]
        {
            set_offload(namespace, device, Offload::On)?;
        }
        if six {
            // As long as the kernel sends them at most, with a jumbo payload option of their own.
            chain.client.must(&["ip", "link", "set", "dev", "eth0", "gso_max_size", "200000"])?;
        }
        let rules: &[&str] = match between {
            Between::Hosts => &[
                "-t nat -A POSTROUTING -o wan0 -j MASQUERADE",
                "-A FORWARD -i lan0 -p tcp -m length --length 1501:65535",
                "-A FORWARD -m conntrack --ctstate INVALID",
            ],
            Between::Own => &[
                "-t nat -A OUTPUT -p tcp --dport 7001 -j REDIRECT --to-ports 7000",
                "-A INPUT -i lo -p tcp -m length --length 1501:65535",
                "-t mangle -A PREROUTING -m conntrack --ctstate INVALID",
            ],
        };
        for rule in
            rules.iter().chain(&["-t mangle -A PREROUTING -p tcp -m tos ! --tos 0x10/0xff -j TOS --set-tos 0x10/0xff"])
        {
            chain.router.must(&[&[command][..], &rule.split(' ').collect::<Vec<_>>()].concat())?;
        }
        let (caller, called, address, port) = match between {
            Between::Hosts => (&chain.client, &chain.server, if six { "fd02::2" } else { "10.2.0.2" }, 7000),
            Between::Own => (&chain.router, &chain.router, if six { "fd02::1" } else { "10.2.0.1" }, 7001),
        };
        let address: IpAddr = address.parse().map_err(io::Error::other)?;
        let patience = Some(Duration::from_secs(60));
        // REDIRECT leads what is sent here to 127.0.0.1 or ::1.
        let any = if six { IpAddr::from(Ipv6Addr::UNSPECIFIED) } else { Ipv4Addr::UNSPECIFIED.into() };
        let listener = called.within(|| TcpListener::bind((any, 7000)))??;
        let taking = std::thread::spawn(move || -> io::Result<Vec<u8>> {
            let (mut stream, _) = listener.accept()?;
            stream.set_read_timeout(patience)?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        let bytes: Vec<u8> = (0..BYTES).map(|at| (at * 7 + at / 251) as u8).collect();
        let to = SocketAddr::new(address, port);
        let mut stream = caller.within(|| TcpStream::connect_timeout(&to, Duration::from_secs(60)))??;
        stream.set_write_timeout(patience)?;
        stream.write_all(&bytes)?;
        drop(stream);
        let taken = taking.join().map_err(|_| io::Error::other("nobody took anything"))??;
        if taken != bytes {
            return fail(format!("{}: {} other bytes arrived", judge.name(), taken.len()));
        }
        let saved = chain.router.must(&[&format!("{command}-save"), "-c"])?;
        let counted = |text: &str| {
            let line = saved.lines().find(|line| line.starts_with('[') && line.contains(text));
            line.and_then(|line| line.get(1..)?.split(':').next()?.parse::<u64>().ok()).unwrap_or_default()
        };
        if counted("--length 1501") == 0 || counted("INVALID") != 0 {
            return fail(format!(
                "{}: no packet was longer than the links carry, or some were invalid:\n{saved}",
                judge.name()
            ));
        }
    }
    Ok(())
}

pub(crate) const TESTS: &[Test] = &[
    ("tagged_frames_that_cross_a_bridge_are_judged_where_somebody_wants_that", || tagged_frames(false)),
    ("tagged_frames_of_ipv6_that_cross_a_bridge_are_judged_where_somebody_wants_that", || tagged_frames(true)),
    ("jumbo_frames_are_judged_and_translated_whole", || {
        for six in [false, true] {
            claim_after(
                &[],
                &[
                    "-t nat -A POSTROUTING -o wan0 -j MASQUERADE",
                    "-A FORWARD -m length --length 8900:9000 -m state --state NEW",
                    "-t mangle -A FORWARD -p udp -m string --algo bm --string needle --from 8000",
                ],
                six,
                |s| {
                    s.oracle.bench().set_mtu(9000, 9000)?;
                    let mut data = vec![7; 8880];
                    data[8800..8806].copy_from_slice(b"needle");
                    let mut ip = if six { client6() } else { client() };
                    ip.fragment = 0x4000;
                    let left = s.lan(ip.udp(1, 53, &data))?;
                    let one = arrives(&left)?;
                    assert!(one.packet.ends_with(&data));
                    s.counted("--length", 1)?;
                    s.counted("needle", 1)
                },
            )?;
        }
        Ok(())
    }),
    ("a_jumbo_frame_leaves_a_narrower_link_in_pieces_or_not_at_all", || {
        claim_after(&[], &["-t nat -A POSTROUTING -o wan0 -j MASQUERADE"], false, |s| {
            s.oracle.bench().set_mtu(9000, 1500)?;
            let left = s.lan(client().udp(1, 53, &[7; 4000]))?;
            let lengths: usize =
                left.iter().filter_map(|one| View::of(&one.packet)).map(|view| view.payload.len()).sum();
            if left.len() != 3 || lengths != 4008 {
                return fail(format!("{} packets left, with {lengths} bytes", left.len()));
            }
            let whole = Ip { fragment: 0x4000, ..client() }.udp(2, 53, &[7; 4000]);
            super::icmp_answer(&s.lan(whole)?, 3, 4).map(drop)
        })
    }),
    ("packets_longer_than_links_carry_are_judged_and_translated_whole", || {
        super_packets(Between::Hosts, false)?;
        super_packets(Between::Own, false)
    }),
    ("ipv6_packets_longer_than_links_carry_are_judged_and_translated_whole", || {
        super_packets(Between::Hosts, true)?;
        super_packets(Between::Own, true)
    }),
    ("who_has_an_address_of_one_link_alone_is_answered_there", || {
        let rules = ["-A INPUT -p udp -j REJECT --reject-with icmp6-adm-prohibited"];
        claim_after(
            &[
                "ip -6 addr add fe80::1/64 dev lan0 nodad",
                "ip -6 addr add fe80::1/64 dev wan0 nodad",
                "ip -6 neigh replace fe80::2 lladdr 02:00:00:00:01:02 dev lan0 nud permanent",
                "ip -6 neigh replace fe80::2 lladdr 02:00:00:00:02:02 dev wan0 nud permanent",
            ],
            &rules,
            true,
            |s| {
                let local = Ip::between([0xfe80, 0, 0, 0, 0, 0, 0, 2], [0xfe80, 0, 0, 0, 0, 0, 0, 1]);
                let inside = s.lan(local.udp(1, 53, b"x"))?;
                let outside = s.wan(local.udp(2, 53, b"x"))?;
                // A reset of the kernel's leaves by either link.
                let sides = [super::icmp_answer(&inside, 1, 1)?.side, super::icmp_answer(&outside, 1, 1)?.side];
                if sides == [Side::Lan, Side::Wan] { Ok(()) } else { fail(format!("answered at {sides:?}")) }
            },
        )
    }),
];
