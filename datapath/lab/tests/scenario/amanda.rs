//! Amanda: ports that a client of the backup names in UDP, and where the server then comes to.

use std::io;

use lab::{
    frame::{Ip, Tcp, View},
    suite::Test,
};

use super::{Stage, arrives, client, fail, play, play6, server, server_to_router};

const AMANDA: &str = "-t raw -A PREROUTING -p udp --dport 10080 -j CT --helper amanda";
const RELATED: &str = "-A FORWARD -m conntrack --ctstate RELATED -m comment --comment related";
const SNAT: &str = "-t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.1";

const PORTS: &[u8] = b"Amanda 2.6 REP HANDLE 000-1 SEQ 1\nCONNECT DATA 5001 MESG 5002 INDEX 5003\nOPTIONS x\n";

pub(crate) const TESTS: &[Test] = &[
    ("amanda_expects_the_ports_that_an_answer_names", || {
        play(&[AMANDA, RELATED, "-A FORWARD -m helper --helper amanda"], |s| {
            asks(s)?;
            s.one_entry(&["dport=10080", "helper=amanda"])?;
            arrives(&s.wan(server().udp(10080, 900, PORTS))?)?;
            if s.expectations()?.len() != 3 {
                return fail(format!("{:#?}", s.expectations()?));
            }
            s.list()?;
            arrives(&s.lan(client().tcp(&Tcp::segment(7777, 5002, Tcp::SYN, 1, 0), b""))?)?;
            s.counted("related", 1)?;
            s.counted("--helper amanda", 1)?;
            s.list()
        })
    }),
    ("amanda_answers_keep_their_connection_for_five_minutes", || {
        play(&[AMANDA], |s| {
            asks(s)?;
            arrives(&s.wan(server().udp(10080, 900, b"Amanda 2.6 ACK\n"))?)?;
            s.lives(200..=300)?;
            arrives(&s.lan(client().udp(900, 10080, b"more\n"))?)?;
            Ok(())
        })
    }),
    ("amanda_reads_one_line_and_no_port_but_a_number", || {
        play(&[AMANDA], |s| {
            for (number, text) in [
                "CONNECT DATA 5001 STATE 5002\n",
                "CONNECT DATA 5001",
                "connect DATA 5003\n",
                "CONNECT data 5004\n",
                "CONNECT DATA 0 MESG 5005\n",
                "CONNECT DATA x MESG 5006\n",
                "CONNECT DATA 70000\n",
                "CONNECT DATA 123456 MESG 5007\n",
                "CONNECT DATA -5008\n",
                "CONNECT INDEX 5010 DATA 5009 DATA 5011\n",
                "\nCONNECT  DATA 05012\n",
                "DATA 5013\nCONNECT MESG 5014\nCONNECT DATA 5015\n",
                "CONNECT DATA \n",
                "CONNECT DATA 5",
                "CONNECT DATA 5\n",
                "CONNECT DATA 5016 MESG 5016\n",
                "CONNECT CONNECT DATA 5017\n",
                "CONNECT \n DATA 5018\n",
                "",
            ]
            .iter()
            .enumerate()
            {
                let port = 900 + number as u16;
                arrives(&s.lan(client().udp(port, 10080, b"Amanda 2.6 REQ\n"))?)?;
                s.wan(server().udp(10080, port, text.as_bytes()))?;
            }
            s.list()
        })
    }),
    ("a_fifth_port_of_amanda_takes_the_place_of_the_first", || {
        play(&[AMANDA], |s| {
            asks(s)?;
            s.wan(server().udp(10080, 900, b"CONNECT DATA 5001 MESG 5002 INDEX 5003 STATE 5004\n"))?;
            s.wan(server().udp(10080, 900, b"CONNECT DATA 5005\n"))?;
            s.list()?;
            if s.expectations()?.len() != 4 {
                return fail(format!("{:#?}", s.expectations()?));
            }
            Ok(())
        })
    }),
    ("what_amandas_server_says_names_nothing", || {
        play(&[AMANDA], |s| {
            arrives(&s.lan(client().udp(900, 10080, PORTS))?)?;
            assert!(s.expectations()?.is_empty());
            Ok(())
        })
    }),
    ("amanda_behind_source_nat_is_reached_at_the_ports_it_names", || {
        play(&[AMANDA, SNAT, RELATED], |s| {
            asks(s)?;
            let left = s.wan(server_to_router().udp(10080, 900, PORTS))?;
            assert!(arrives(&left)?.packet.ends_with(PORTS));
            s.list()?;
            let left = s.lan(client().tcp(&Tcp::segment(7777, 5001, Tcp::SYN, 1, 0), b""))?;
            let from = View::of(&arrives(&left)?.packet).map(|view| view.source);
            assert_eq!(from, Some([10, 2, 0, 1].into()));
            s.counted("related", 1)
        })
    }),
    ("amandas_client_behind_destination_nat_is_found_by_its_server", || {
        let inner = "-t nat -A PREROUTING -i wan0 -p udp --dport 10080 -j DNAT --to-destination 10.1.0.2";
        play(&[AMANDA, inner, RELATED], |s| {
            arrives(&s.wan(server_to_router().udp(900, 10080, b"Amanda 2.6 REQ\n"))?)?;
            arrives(&s.lan(client().udp(10080, 900, PORTS))?)?;
            s.list()?;
            let left = s.wan(server_to_router().tcp(&Tcp::segment(7777, 5001, Tcp::SYN, 1, 0), b""))?;
            let to = View::of(&arrives(&left)?.packet).map(|view| view.destination);
            assert_eq!(to, Some([10, 1, 0, 2].into()));
            s.counted("related", 1)
        })
    }),
    ("amanda_speaks_ipv6_as_well", || {
        play6(&[AMANDA, RELATED], |s| {
            let there = Ip::between([0xfd01, 0, 0, 0, 0, 0, 0, 2], [0xfd02, 0, 0, 0, 0, 0, 0, 2]);
            let back = Ip::between([0xfd02, 0, 0, 0, 0, 0, 0, 2], [0xfd01, 0, 0, 0, 0, 0, 0, 2]);
            arrives(&s.lan(there.udp(900, 10080, b"Amanda 2.6 REQ\n"))?)?;
            arrives(&s.wan(back.udp(10080, 900, PORTS))?)?;
            s.command(&["conntrack", "-L", "expect", "-f", "ipv6"])?;
            arrives(&s.lan(there.tcp(&Tcp::segment(7777, 5003, Tcp::SYN, 1, 0), b""))?)?;
            s.counted("related", 1)
        })
    }),
];

fn asks(s: &mut Stage) -> io::Result<()> {
    arrives(&s.lan(client().udp(900, 10080, b"Amanda 2.6 REQ\n"))?)?;
    Ok(())
}
