//! DCC: what a client of IRC offers another one, through a router that reads along.

use lab::{
    frame::{Ip, Tcp, View},
    suite::Test,
    twin::Side,
};

use super::dialogue::Dialogue;
use super::{arrives, client, fail, play, server_to_router};

const IRC: &str = "-t raw -A PREROUTING -p tcp --dport 6667 -j CT --helper irc";
const RELATED: &str = "-A FORWARD -m conntrack --ctstate RELATED -m comment --comment related";
const SNAT: &str = "-t nat -A POSTROUTING -o wan0 -j SNAT --to-source 10.2.0.1";

/// 10.1.0.2 as DCC writes it.
const CLIENT: u32 = 0x0a01_0002;

pub(crate) const TESTS: &[Test] = &[
    ("an_irc_client_offers_a_file_and_anyone_may_fetch_it", || {
        play(&[IRC, RELATED, "-A FORWARD -m helper --helper irc"], |s| {
            let mut irc = Dialogue::open(s, Side::Lan, &client(), 1234, 6667)?;
            irc.answers(s, b":irc 001 me :hello\r\n")?;
            irc.says(s, &offer("SEND file.txt", CLIENT, 5001))?;
            s.expects(&["src=0.0.0.0 dst=10.1.0.2 sport=0 dport=5001", "mask-src=0.0.0.0", "sport=1234 dport=6667"])?;
            s.one_entry(&["dport=6667", "helper=irc"])?;
            s.list()?;
            let peer = Ip::between([10, 2, 0, 7], [10, 1, 0, 2]);
            arrives(&s.wan(peer.tcp(&Tcp::segment(7777, 5001, Tcp::SYN, 1, 0), b""))?)?;
            s.counted("related", 1)?;
            s.counted("--helper irc", 1)?;
            s.list()
        })
    }),
    ("every_word_of_dcc_that_opens_a_way_is_known_and_no_other", || {
        play(&[IRC], |s| {
            let mut irc = Dialogue::open(s, Side::Lan, &client(), 1234, 6667)?;
            irc.answers(s, b":irc 001 me :hello\r\n")?;
            for (port, words) in
                ["SEND a", "CHAT chat", "MOVE a", "TSEND a", "SCHAT chat", "send a", "XMIT a", "RESUME a", "SEND"]
                    .iter()
                    .enumerate()
            {
                irc.says(s, &offer(words, CLIENT, 5001 + port as u32))?;
            }
            s.list()?;
            if s.expectations()?.len() != 5 {
                return fail(format!("{:#?}", s.expectations()?));
            }
            Ok(())
        })
    }),
    ("an_offer_counts_in_odd_wordings_as_the_original_reads_them", || {
        play(&[IRC], |s| {
            let mut irc = Dialogue::open(s, Side::Lan, &client(), 1234, 6667)?;
            irc.answers(s, b":irc 001 me :hello\r\n")?;
            for text in [
                "  \r\nPRIVMSG you :\x01DCC SEND a 167837698 6001\x01\r\n",
                "privmsg you :\x01DCC SEND a 167837698 6002\x01\r\n",
                "NOTICE you :\x01DCC SEND a 167837698 6003\x01\r\n",
                "PRIVMSG you : \x01DCC SEND a 167837698 6004\x01\r\n",
                "PRIVMSG you :hi :\x01DCC SEND a 167837698 6005\x01\r\n",
                "PRIVMSG you :\x01DCC SEND a  167837698 6006\x01\r\n",
                "PRIVMSG you :\x01DCC SEND a 167837698    6007\x01\r\n",
                "PRIVMSG you :\x01DCC SEND a b 167837698 6008\x01\r\n",
                "PRIVMSG you :\x01DCC SEND a 4462804994 6009\x01\r\n",
                "PRIVMSG you :\x01DCC SEND a 167837698 71546\x01\r\n",
                "PRIVMSG you :\x01DCC SEND a 167837698 6011\x01",
                "PRIVMSG you :\x01DCC SEND a 0167837698 06012\n",
                "PRIVMSG you :\x01DCC SEND CHAT a 167837698 6013\x01\r\n",
                "PRIVMSG you :\x01DCC SEND a 10.1.0.2 6014\x01\r\n",
                "PRIVMSG you :\x01DCC SEND a 167837698 0\x01\r\n",
                "PRIVMSG you :\x01DCC SEND abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz 167837698 6016\x01\r\n",
                "PRIVMSG you :\x01DCC SEND a 1 6\x01\r\n",
                "PRIVMSG y :\x01DCC CHAT t 167837698 9\x01\n",
                "PRIVMSG y :\x01DCC CHAT t 167837698 9\n",
                "PRIVMSG y :\x01DCC CHAT 167837698 9\n",
                "PRIVMSG :\x01DCC CHAT t 167837698 6020\x01\n",
                "PRIVMSG you :\x01DCC SEND a 167837698 6021\r\n\x01\r\n",
                "PRIVMSG you :\x01DCC SEND CHAT 1 1 167837698 6031\x01\r\n",
                "PRIVMSG you :\x01DCC SEND CHAT 167837698 6034\x01\r\n",
                "PRIVMSG you :\x01DCC CHAT MOVE a 167837698 6035\x01\r\n",
                "PRIVMSG you :\x01DCC SEND a 1 2 :\x01DCC SEND a 167837698 6036\x01\r\n",
                "PRIVMSG you :\x01DCC SEND a 1 2\x01\r\nPRIVMSG you :\x01DCC SEND a 167837698 6037\x01\r\n",
                "PRIVMSG you :\x01DCC XMIT a 1 2 :\x01DCC SEND a 167837698 6038\x01\r\n",
                "USER x\r\nPRIVMSG you :\x01DCC SEND a 167837698 6022\x01\r\n",
            ] {
                irc.says(s, text.as_bytes())?;
                s.list()?;
            }
            Ok(())
        })
    }),
    ("an_irc_client_offers_nothing_in_the_name_of_another_host", || {
        play(&[IRC], |s| {
            let mut irc = Dialogue::open(s, Side::Lan, &client(), 1234, 6667)?;
            irc.answers(s, b":irc 001 me :hello\r\n")?;
            irc.says(s, &offer("SEND a", CLIENT + 1, 5001))?;
            irc.says(s, &offer("SEND a", 0x0a02_0002, 5001))?;
            irc.says(s, &offer("SEND a", 0, 5001))?;
            assert!(s.expectations()?.is_empty());
            Ok(())
        })
    }),
    ("an_irc_server_opens_no_way_to_its_client", || {
        play(&[IRC], |s| {
            let mut irc = Dialogue::open(s, Side::Lan, &client(), 1234, 6667)?;
            irc.says(s, b"NICK me\r\n")?;
            irc.answers(s, &offer("SEND a", CLIENT, 5001))?;
            irc.answers(s, &offer("SEND a", 0x0a02_0002, 5001))?;
            assert!(s.expectations()?.is_empty());
            Ok(())
        })
    }),
    ("the_ninth_offer_takes_the_place_of_the_first", || {
        play(&[IRC], |s| {
            let mut irc = Dialogue::open(s, Side::Lan, &client(), 1234, 6667)?;
            irc.answers(s, b":irc 001 me :hello\r\n")?;
            for port in 5001..5010 {
                irc.says(s, &offer("SEND a", CLIENT, port))?;
            }
            s.list()?;
            let expected = s.expectations()?;
            if expected.len() != 8 || expected.iter().any(|line| line.contains("dport=5001 ")) {
                return fail(format!("{expected:#?}"));
            }
            Ok(())
        })
    }),
    ("an_irc_helper_reads_other_ports_where_a_rule_says_so", || {
        play(&["-t raw -A PREROUTING -p tcp --dport 7000:7001 -j CT --helper irc"], |s| {
            let mut irc = Dialogue::open(s, Side::Lan, &client(), 1234, 7001)?;
            irc.answers(s, b":irc 001 me :hello\r\n")?;
            irc.says(s, &offer("CHAT chat", CLIENT, 5001))?;
            s.expects(&["dport=5001", "sport=1234 dport=7001"])
        })
    }),
    ("an_irc_offer_behind_source_nat_names_the_outer_address_and_numbers_follow", || {
        play(&[IRC, SNAT, RELATED], |s| {
            let mut irc = Dialogue::open(s, Side::Lan, &client(), 1234, 6667)?;
            irc.answers(s, b":irc 001 me :hello\r\n")?;
            let heard = irc.says(s, &offer("SEND file", CLIENT, 5001))?;
            // 10.2.0.1
            assert_eq!(String::from_utf8_lossy(&heard), "PRIVMSG you :\x01DCC SEND file 167903233 5001 77\x01\r\n");
            let heard = irc.says(s, b"PRIVMSG you :\x01DCC SEND file 167837698   5002 77\x01\r\n")?;
            assert_eq!(String::from_utf8_lossy(&heard), "PRIVMSG you :\x01DCC SEND file 167903233 5002 77\x01\r\n");
            irc.answers(s, b"PING x\r\n")?;
            irc.says(s, b"PONG x\r\n")?;
            irc.answers(s, b"PING y\r\n")?;
            s.list()?;
            let peer = Ip::between([10, 2, 0, 7], [10, 2, 0, 1]);
            let left = s.wan(peer.tcp(&Tcp::segment(7777, 5001, Tcp::SYN, 1, 0), b""))?;
            let to = View::of(&arrives(&left)?.packet).map(|view| view.destination);
            assert_eq!(to, Some([10, 1, 0, 2].into()));
            s.counted("related", 1)
        })
    }),
    ("behind_nat_an_irc_client_may_name_its_outer_address_itself", || {
        play(&[IRC, SNAT, RELATED], |s| {
            let mut irc = Dialogue::open(s, Side::Lan, &client(), 1234, 6667)?;
            irc.answers(s, b":irc 001 me :hello\r\n")?;
            irc.says(s, &offer("SEND file", 0x0a02_0001, 5001))?;
            s.expects(&["dst=10.2.0.1 sport=0 dport=5001"])?;
            arrives(&s.wan(server_to_router().tcp(&Tcp::segment(7777, 5001, Tcp::SYN, 1, 0), b""))?)?;
            s.counted("related", 1)
        })
    }),
    ("a_dcc_offer_in_two_segments_is_none", || {
        play(&[IRC, SNAT], |s| {
            let mut irc = Dialogue::open(s, Side::Lan, &client(), 1234, 6667)?;
            irc.answers(s, b":irc 001 me :hello\r\n")?;
            let whole = offer("SEND file", CLIENT, 5001);
            for at in [8, 14, 20, 28, 40, whole.len() - 1] {
                let (first, second) = whole.split_at(at);
                irc.says(s, first)?;
                irc.says(s, second)?;
                s.list()?;
            }
            Ok(())
        })
    }),
    ("an_irc_server_behind_destination_nat_is_read_as_well", || {
        let inner = "-t nat -A PREROUTING -i wan0 -p tcp --dport 6667 -j DNAT --to-destination 10.1.0.2";
        play(&[IRC, inner, RELATED], |s| {
            let mut irc = Dialogue::open(s, Side::Wan, &server_to_router(), 1234, 6667)?;
            irc.answers(s, b":irc 001 me :hello\r\n")?;
            irc.says(s, &offer("SEND file", 0x0a02_0002, 5001))?;
            s.list()?;
            arrives(&s.lan(client().tcp(&Tcp::segment(7777, 5001, Tcp::SYN, 1, 0), b""))?)?;
            s.counted("related", 1)
        })
    }),
];

fn offer(words: &str, address: u32, port: u32) -> Vec<u8> {
    format!("PRIVMSG you :\x01DCC {words} {address} {port} 77\x01\r\n").into_bytes()
}
