//! What a helper announces, and what becomes of it.

use std::io;

use lab::{
    frame::{Ip, Tcp, View},
    suite::Test,
    twin::{Crossing, Side},
};

use super::dialogue::Dialogue;
use super::{Stage, arrives, client, fail, play, server, server_to_router, vanishes};

const FTP: &str = "-t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp";
const TFTP: &str = "-t raw -A PREROUTING -p udp --dport 69 -j CT --helper tftp";
const RELATED: &str = "-A FORWARD -m conntrack --ctstate RELATED -m comment --comment related";
const SNAT: &str = "-t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.1";

pub(crate) const TESTS: &[Test] = &[
    ("a_tftp_answer_comes_from_another_port_and_is_related", || {
        play(
            &[TFTP, RELATED, "-A FORWARD -m helper --helper tftp", "-A FORWARD -m conntrack --ctstatus EXPECTED"],
            |s| {
                arrives(&s.lan(client().udp(4000, 69, b"\0\x01name\0octet\0"))?)?;
                let expected = s.expectations()?;
                let [one] = expected.as_slice() else { return fail(format!("{expected:?}")) };
                if !one.contains("src=10.2.0.2 dst=10.1.0.2 sport=0 dport=4000 mask-src=255.255.255.255") {
                    return fail(one);
                }
                arrives(&s.wan(server().udp(3456, 4000, b"\0\x03\0\x01data"))?)?;
                s.counted("related", 1)?;
                s.counted("--helper tftp", 1)?;
                s.counted("--ctstatus EXPECTED", 1)?;
                arrives(&s.lan(client().udp(4000, 3456, b"\0\x04\0\x01"))?)?;
                s.counted("--helper tftp", 2)?;
                s.counted("related", 1)?;
                assert!(s.expectations()?.is_empty());
                Ok(())
            },
        )
    }),
    ("an_expected_connection_has_its_masters_mark", || {
        play(&[TFTP, "-t mangle -A PREROUTING -p udp --dport 69 -j CONNMARK --set-mark 5"], |s| {
            arrives(&s.lan(client().udp(4000, 69, b"\0\x02name\0octet\0"))?)?;
            arrives(&s.wan(server().udp(3456, 4000, b"\0\x04\0\0"))?)?;
            let entries = s.entries()?;
            if entries.len() != 2 || entries.iter().any(|entry| !entry.contains("mark=5")) {
                return fail(format!("{entries:#?}"));
            }
            Ok(())
        })
    }),
    ("a_tftp_answer_behind_source_nat_finds_its_client", || {
        play(&[TFTP, SNAT, RELATED], |s| {
            arrives(&s.lan(client().udp(4000, 69, b"\0\x01name\0octet\0"))?)?;
            let left = s.wan(server_to_router().udp(3456, 4000, b"\0\x03\0\x01data"))?;
            let back = View::of(&arrives(&left)?.packet).and_then(|view| view.ports());
            assert_eq!(back, Some((3456, 4000)));
            s.counted("related", 1)?;
            arrives(&s.lan(client().udp(4000, 3456, b"\0\x04\0\x01"))?)?;
            Ok(())
        })
    }),
    ("what_was_expected_and_never_came_goes_with_its_master", || {
        play(&[TFTP], |s| {
            arrives(&s.lan(client().udp(4000, 69, b"\0\x01name\0octet\0"))?)?;
            s.command(&["conntrack", "-D", "-p", "udp", "--sport", "4000"])?;
            assert!(s.expectations()?.is_empty());
            arrives(&s.wan(server().udp(3456, 4000, b"\0\x03\0\x01data"))?)?;
            s.one_entry(&["sport=3456 dport=4000 [UNREPLIED]"])
        })
    }),
    ("ftp_names_a_port_for_the_server", || {
        play(&[FTP, RELATED, "-A FORWARD -m helper --helper ftp"], |s| {
            greeted(s, false)?;
            arrives(&s.lan(says(1106, 5016, b"PORT 10,1,0,2,8,1\r\n"))?)?;
            let expected = s.expectations()?;
            let [one] = expected.as_slice() else { return fail(format!("{expected:?}")) };
            if !one.contains("src=10.2.0.2 dst=10.1.0.2 sport=0 dport=2049") {
                return fail(one);
            }
            arrives(&s.wan(server().tcp(&Tcp::segment(20, 2049, Tcp::SYN, 1, 0), b""))?)?;
            s.counted("related", 1)?;
            s.counted("--helper ftp", 1)
        })
    }),
    ("ftp_answers_with_a_port_for_the_client", || {
        play(&[FTP, RELATED], |s| {
            greeted(s, false)?;
            arrives(&s.lan(says(1106, 5016, b"PASV\r\n"))?)?;
            arrives(&s.wan(answers(5016, 1112, b"227 Entering Passive Mode (10,2,0,2,9,9).\r\n", false))?)?;
            arrives(&s.lan(client().tcp(&Tcp::segment(7777, 2313, Tcp::SYN, 1, 0), b""))?)?;
            s.counted("related", 1)
        })
    }),
    ("ftp_opens_no_way_to_a_third_host", || {
        play(&[FTP], |s| {
            greeted(s, false)?;
            arrives(&s.lan(says(1106, 5016, b"PORT 10,1,0,3,8,1\r\n"))?)?;
            assert!(s.expectations()?.is_empty());
            Ok(())
        })
    }),
    ("ftp_drops_half_a_command_at_the_start_of_a_line", || {
        play(&[FTP], |s| {
            greeted(s, false)?;
            vanishes(&s.lan(says(1106, 5016, b"PORT 10,1,"))?)?;
            vanishes(&s.lan(says(1106, 5016, b"EPR"))?)?;
            arrives(&s.lan(says(1106, 5016, b"LIST\r\n"))?)?;
            Ok(())
        })
    }),
    ("ftp_lines_that_come_joined_or_in_pieces_are_read_as_the_original_reads_them", || {
        for rules in [&[FTP][..], &[FTP, SNAT]] {
            play(rules, |s| {
                let mut ftp = Dialogue::open(s, Side::Lan, &client(), 1234, 21)?;
                ftp.answers(s, b"220 hi\r\n")?;
                ftp.says(s, b"NOOP\r\n")?;
                ftp.answers(s, b"200 ok\r\n")?;
                let said: [(bool, &[u8]); 17] = [
                    (false, b"NOOP\r\nPORT 10,1,0,2,8,1\r\n"),
                    (false, b"PORT 10,1,0,2,8,2\r\nLIST\r\n"),
                    (false, b"PORT 10,1,0,2,8,3\r\nPORT 10,1,0,2,8,4\r\n"),
                    (false, b"NOO"),
                    (false, b"P\r\nPORT 10,1,0,2,8,5\r\n"),
                    (false, b"PORT 10,1,0,2,8,6\r"),
                    (false, b"\n"),
                    (false, b"PORT 10,1,0,2,8,7\n"),
                    (false, b"port 10,1,0,2,8,8\r\n"),
                    (false, b"EPRT |1|10.1.0.2|3000|\r\nLIST\r\n"),
                    (false, b"EPRT |1|10.1.0.2|"),
                    (false, b"LIST\r\n"),
                    (true, b"150 one\r\n227 ok (10,2,0,2,9,1)\r\n"),
                    (true, b"227 ok (10,2,0,2,9,2)\r\n226 done\r\n"),
                    (true, b"229 ok (|||6000|)\r\n226 done\r\n"),
                    (true, b"227 ok (10,2,"),
                    (true, b"227 ok (10,2,0,2,9,3)\r\n"),
                ];
                for (back, text) in said {
                    ftp.tries(s, back, text)?;
                    s.list()?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }),
    ("a_second_ftp_command_takes_the_place_of_the_first", || {
        play(&[FTP], |s| {
            greeted(s, false)?;
            arrives(&s.lan(says(1106, 5016, b"PORT 10,1,0,2,8,1\r\n"))?)?;
            arrives(&s.lan(says(1125, 5016, b"EPRT |1|10.1.0.2|3000|\r\n"))?)?;
            let expected = s.expectations()?;
            assert!(expected.len() == 1 && expected[0].contains("dport=3000"), "{expected:?}");
            Ok(())
        })
    }),
    ("ftp_behind_source_nat_says_the_outer_address_and_later_numbers_follow", || {
        play(&[FTP, SNAT, RELATED], |s| {
            greeted(s, true)?;
            let left = s.lan(says(1106, 5016, b"EPRT |1|10.1.0.2|3000|\r\n"))?;
            assert_eq!(text(arrives(&left)?), "EPRT |1|10.2.0.1|3000|\r\n");
            let left = s.lan(says(1130, 5016, b"PORT 10,1,0,2,8,1\r\n"))?;
            assert_eq!(text(arrives(&left)?), "PORT 10,2,0,1,8,1\r\n");
            data_behind_nat(s, 2049)
        })
    }),
    ("ftp_lines_that_grow_move_all_numbers_behind_them", || {
        let outer = "-t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.113";
        play(&[FTP, outer, RELATED], |s| {
            let back = |tcp: &Tcp, text: &[u8]| Ip::between([10, 2, 0, 2], [10, 2, 0, 113]).tcp(tcp, text);
            arrives(&s.lan(client().tcp(&Tcp::segment(1234, 21, Tcp::SYN, 1099, 0), b""))?)?;
            s.wan(back(&Tcp::segment(21, 1234, Tcp::SYN | Tcp::ACK, 4999, 1100), b""))?;
            s.lan(says(1100, 5000, b"NOOP\r\n"))?;
            s.wan(back(&Tcp::segment(21, 1234, Tcp::ACK, 5000, 1106), b"200 ok\r\n"))?;
            s.lan(says(1106, 5008, b"PORT 10,1,0,2,8,1\r\n"))?;
            s.lan(says(1106, 5008, b"PORT 10,1,0,2,8,1\r\n"))?;
            s.lan(says(1125, 5008, b"LIST\r\n"))?;
            let sack = [1, 1, 5, 10, 0, 0, 4, 0x67, 0, 0, 4, 0x6d].to_vec();
            s.wan(back(&Tcp { options: sack, ..Tcp::segment(21, 1234, Tcp::ACK, 5008, 1127) }, b""))?;
            s.wan(back(&Tcp::segment(21, 1234, Tcp::ACK, 5008, 1133), b"150 here\r\n"))?;
            s.lan(says(1131, 5018, b"PORT 10,1,0,2,8,2\r\n"))?;
            s.lan(says(1150, 5018, b"QUIT\r\n"))?;
            s.wan(back(&Tcp::segment(21, 1234, Tcp::ACK, 5018, 1160), b"226 done\r\n"))?;
            s.lan(client().tcp(&Tcp::segment(1234, 21, Tcp::ACK | Tcp::FIN, 1156, 5028), b""))?;
            s.wan(back(&Tcp::segment(21, 1234, Tcp::ACK | Tcp::FIN, 5028, 1161), b""))?;
            Ok(())
        })
    }),
    ("ftp_in_the_other_direction_of_destination_nat", || {
        let inner = "-t nat -A PREROUTING -i wan0 -p tcp --dport 21 -j DNAT --to-destination 10.1.0.2";
        play(&[FTP, inner, RELATED], |s| {
            arrives(&s.wan(server_to_router().tcp(&Tcp::segment(1234, 21, Tcp::SYN, 1099, 0), b""))?)?;
            s.lan(client().tcp(&Tcp::segment(21, 1234, Tcp::SYN | Tcp::ACK, 4999, 1100), b""))?;
            s.wan(server_to_router().tcp(&Tcp::segment(1234, 21, Tcp::ACK, 1100, 5000), b"NOOP\r\n"))?;
            s.lan(client().tcp(&Tcp::segment(21, 1234, Tcp::ACK, 5000, 1106), b"200 ok\r\n"))?;
            s.wan(server_to_router().tcp(&Tcp::segment(1234, 21, Tcp::ACK, 1106, 5008), b"EPSV\r\n"))?;
            s.lan(client().tcp(&Tcp::segment(21, 1234, Tcp::ACK, 5008, 1112), b"229 ok (|||6000|)\r\n"))?;
            s.wan(server_to_router().tcp(&Tcp::segment(1234, 21, Tcp::ACK, 1112, 5027), b"PASV\r\n"))?;
            let passive = b"227 ok (10,1,0,2,9,9)\r\n";
            s.lan(client().tcp(&Tcp::segment(21, 1234, Tcp::ACK, 5027, 1118), passive))?;
            let left = s.wan(server_to_router().tcp(&Tcp::segment(4444, 2313, Tcp::SYN, 7, 0), b""))?;
            arrives(&left)?;
            s.counted("related", 1)
        })
    }),
];

/// A session up to where lines are looked at: each side has said one.
fn greeted(s: &mut Stage, translated: bool) -> io::Result<()> {
    arrives(&s.lan(client().tcp(&Tcp::segment(1234, 21, Tcp::SYN, 1099, 0), b""))?)?;
    let back = if translated { server_to_router() } else { server() };
    arrives(&s.wan(back.tcp(&Tcp::segment(21, 1234, Tcp::SYN | Tcp::ACK, 4999, 1100), b""))?)?;
    arrives(&s.lan(client().tcp(&Tcp::segment(1234, 21, Tcp::ACK, 1100, 5000), b""))?)?;
    arrives(&s.wan(answers(5000, 1100, b"220 hi\r\n", translated))?)?;
    arrives(&s.lan(says(1100, 5008, b"NOOP\r\n"))?)?;
    arrives(&s.wan(answers(5008, 1106, b"200 ok\r\n", translated))?)?;
    Ok(())
}

fn data_behind_nat(s: &mut Stage, port: u16) -> io::Result<()> {
    let left = s.wan(server_to_router().tcp(&Tcp::segment(20, port, Tcp::SYN, 1, 0), b""))?;
    let to = View::of(&arrives(&left)?.packet).map(|view| view.destination);
    assert_eq!(to, Some([10, 1, 0, 2].into()));
    s.counted("related", 1)
}

fn says(seq: u32, ack: u32, line: &[u8]) -> Vec<u8> {
    client().tcp(&Tcp::segment(1234, 21, Tcp::ACK | Tcp::PSH, seq, ack), line)
}

fn answers(seq: u32, ack: u32, line: &[u8], translated: bool) -> Vec<u8> {
    let back = if translated { server_to_router() } else { server() };
    back.tcp(&Tcp::segment(21, 1234, Tcp::ACK | Tcp::PSH, seq, ack), line)
}

/// What a TCP segment without options says.
fn text(crossing: &Crossing) -> String {
    String::from_utf8_lossy(crossing.packet.get(40..).unwrap_or_default()).into_owned()
}
