//! TCP tracking: states, windows, resets, first packets.

use lab::{frame::Tcp, suite::Test};

use super::{arrives, client, play, server};

/// Tracks, and counts by state.
const STATES: &[&str] = &[
    "-A FORWARD -m state --state NEW",
    "-A FORWARD -m state --state ESTABLISHED",
    "-A FORWARD -m state --state INVALID",
];

const SYN: u8 = Tcp::SYN;
const ACK: u8 = Tcp::ACK;
const FIN: u8 = Tcp::FIN;
const RST: u8 = Tcp::RST;

fn up(flags: u8, seq: u32, ack: u32) -> Vec<u8> {
    client().tcp(&Tcp::segment(1234, 80, flags, seq, ack), b"")
}

fn down(flags: u8, seq: u32, ack: u32) -> Vec<u8> {
    server().tcp(&Tcp::segment(80, 1234, flags, seq, ack), b"")
}

pub(crate) const TESTS: &[Test] = &[
    ("a_connection_opens_and_closes_through_all_states", || {
        play(STATES, |s| {
            arrives(&s.lan(up(SYN, 1000, 0))?)?;
            s.one_entry(&["SYN_SENT", "[UNREPLIED]"])?;
            arrives(&s.wan(down(SYN | ACK, 5000, 1001))?)?;
            s.one_entry(&["SYN_RECV"])?;
            arrives(&s.lan(up(ACK, 1001, 5001))?)?;
            s.one_entry(&["ESTABLISHED", "[ASSURED]", " 43"])?;
            arrives(&s.lan(up(FIN | ACK, 1001, 5001))?)?;
            s.one_entry(&["FIN_WAIT"])?;
            arrives(&s.wan(down(ACK, 5001, 1002))?)?;
            s.one_entry(&["CLOSE_WAIT"])?;
            arrives(&s.wan(down(FIN | ACK, 5001, 1002))?)?;
            s.one_entry(&["LAST_ACK"])?;
            arrives(&s.lan(up(ACK, 1002, 5002))?)?;
            s.one_entry(&["TIME_WAIT"])
        })
    }),
    ("only_syn_and_plain_acks_open", || {
        play(STATES, |s| {
            for flags in [FIN | ACK, RST, SYN | ACK, 0, SYN | FIN, FIN, RST | ACK, Tcp::PSH] {
                arrives(&s.lan(up(flags, 1000, 1))?)?;
                s.no_entry()?;
            }
            s.counted("--state INVALID", 8)
        })
    }),
    ("a_stray_ack_is_picked_up_and_not_assured", || {
        play(STATES, |s| {
            arrives(&s.lan(up(ACK, 1000, 5000))?)?;
            s.one_entry(&["ESTABLISHED", "[UNREPLIED]"])?;
            s.counted("--state NEW", 1)?;
            arrives(&s.wan(down(ACK, 5000, 1000))?)?;
            assert!(!s.entries()?.concat().contains("ASSURED"));
            arrives(&s.lan(up(ACK, 1000, 5000))?)?;
            s.one_entry(&["ESTABLISHED", "[ASSURED]"])
        })
    }),
    ("data_that_waits_for_its_ack_shortens_the_timeout", || {
        play(STATES, |s| {
            s.handshake()?;
            arrives(&s.lan(client().tcp(&Tcp::segment(1234, 80, ACK | Tcp::PSH, 1001, 5001), b"hello"))?)?;
            arrives(&s.wan(down(ACK, 5001, 1006))?)?;
            s.one_entry(&["ESTABLISHED", "[ASSURED]"])
        })
    }),
    ("a_rst_after_a_syn_passed_on_trust_may_be_old_and_closes", || {
        play(STATES, |s| {
            arrives(&s.lan(up(SYN, 1000, 0))?)?;
            arrives(&s.wan(down(SYN | ACK, 5000, 1001))?)?;
            arrives(&s.lan(client().tcp(&Tcp::segment(1234, 80, SYN, 1001, 5001), &[7; 40]))?)?;
            s.one_entry(&["SYN_RECV"])?;
            arrives(&s.lan(up(RST, 1000, 5001))?)?;
            s.counted("--state INVALID", 0)?;
            s.one_entry(&["CLOSE"])
        })
    }),
    ("a_connection_picked_up_in_its_middle_stays_unjudged_on_the_side_that_answers_a_new_syn", || {
        for (picked_up, state) in [(true, "CLOSE"), (false, "SYN_RECV")] {
            play(STATES, |s| {
                if picked_up {
                    arrives(&s.lan(up(ACK, 1000, 0))?)?;
                    arrives(&s.wan(down(ACK, 5001, 1000))?)?;
                } else {
                    s.handshake()?;
                }
                arrives(&s.lan(up(SYN, 900_000, 0))?)?;
                arrives(&s.wan(down(SYN | ACK, 7_000_000, 900_001))?)?;
                s.one_entry(&["SYN_RECV"])?;
                arrives(&s.lan(up(ACK, 990_000, 7_000_001))?)?;
                s.counted("--state INVALID", 1)?;
                arrives(&s.wan(down(RST, 70_000_000, 0))?)?;
                s.one_entry(&[state])
            })?;
        }
        Ok(())
    }),
    ("a_rst_answers_a_syn_passed_on_trust_only_from_the_other_side", || {
        for (answers, state) in [(true, "CLOSE"), (false, "ESTABLISHED")] {
            play(STATES, |s| {
                s.handshake()?;
                arrives(&s.lan(up(SYN, 900_000, 0))?)?;
                match answers {
                    true => arrives(&s.wan(down(RST | ACK, 70_000_000, 900_001))?)?,
                    false => arrives(&s.lan(up(RST | ACK, 70_000_000, 900_001))?)?,
                };
                s.one_entry(&[state])
            })?;
        }
        Ok(())
    }),
    ("a_rst_just_beyond_the_window_of_two_simultaneous_syns_changes_nothing", || {
        for (exact, state) in [(true, "CLOSE"), (false, "SYN_SENT2")] {
            play(STATES, |s| {
                arrives(&s.lan(up(SYN, 1000, 0))?)?;
                arrives(&s.wan(down(SYN, 5000, 0))?)?;
                s.one_entry(&["SYN_SENT2"])?;
                arrives(&s.wan(down(RST, if exact { 5001 } else { 5002 }, 0))?)?;
                s.counted("--state INVALID", 0)?;
                s.one_entry(&[state])
            })?;
        }
        Ok(())
    }),
    ("an_exact_rst_closes", || {
        play(STATES, |s| {
            s.handshake()?;
            arrives(&s.wan(down(RST, 5001, 0))?)?;
            s.one_entry(&["CLOSE"])?;
            s.counted("--state INVALID", 0)
        })
    }),
    ("an_rst_inside_the_window_only_shortens_the_timeout", || {
        play(STATES, |s| {
            s.handshake()?;
            arrives(&s.wan(down(RST, 5100, 0))?)?;
            s.one_entry(&["ESTABLISHED"])?;
            s.lives(5..=10)?;
            s.counted("--state INVALID", 0)
        })
    }),
    ("an_rst_far_ahead_is_invalid", || {
        play(STATES, |s| {
            s.handshake()?;
            arrives(&s.wan(down(RST, 5001 + 1_000_000, 0))?)?;
            s.one_entry(&["ESTABLISHED"])?;
            s.counted("--state INVALID", 1)
        })
    }),
    ("a_syn_ack_with_a_wrong_ack_is_invalid", || {
        play(STATES, |s| {
            arrives(&s.lan(up(SYN, 1000, 0))?)?;
            arrives(&s.wan(down(SYN | ACK, 5000, 9_000_000))?)?;
            s.one_entry(&["SYN_SENT"])?;
            s.counted("--state INVALID", 1)
        })
    }),
    ("an_ack_of_what_was_never_sent_is_invalid", || {
        play(STATES, |s| {
            s.handshake()?;
            arrives(&s.wan(down(ACK, 5001, 1001 + 100_000))?)?;
            s.counted("--state INVALID", 1)
        })
    }),
    ("data_past_the_window_is_invalid", || {
        play(STATES, |s| {
            s.handshake()?;
            arrives(&s.lan(client().tcp(&Tcp::segment(1234, 80, ACK, 1001 + 70_000, 5001), b"far"))?)?;
            s.counted("--state INVALID", 1)
        })
    }),
    ("an_old_retransmission_passes", || {
        play(STATES, |s| {
            s.handshake()?;
            for _ in 0..2 {
                arrives(&s.lan(client().tcp(&Tcp::segment(1234, 80, ACK, 1001, 5001), b"again"))?)?;
                arrives(&s.wan(down(ACK, 5001, 1006))?)?;
            }
            s.counted("--state INVALID", 0)
        })
    }),
    ("a_syn_on_a_closed_tuple_starts_anew", || {
        play(STATES, |s| {
            s.handshake()?;
            // Only where the side that starts anew had reset, or a FIN was seen.
            arrives(&s.lan(up(RST, 1001, 0))?)?;
            s.one_entry(&["CLOSE"])?;
            arrives(&s.lan(up(SYN, 9000, 0))?)?;
            s.one_entry(&["SYN_SENT", "[UNREPLIED]"])?;
            s.counted("--state NEW", 2)
        })
    }),
    ("a_syn_into_a_live_connection_passes_unnoticed", || {
        play(STATES, |s| {
            s.handshake()?;
            arrives(&s.lan(up(SYN, 777_000, 0))?)?;
            s.one_entry(&["ESTABLISHED"])?;
            s.counted("--state INVALID", 0)
        })
    }),
    ("an_rst_that_answers_a_syn_removes_the_entry", || {
        play(STATES, |s| {
            arrives(&s.lan(up(SYN, 1000, 0))?)?;
            arrives(&s.wan(down(RST | ACK, 0, 1001))?)?;
            s.no_entry()
        })
    }),
    ("a_rst_by_the_number_that_an_ignored_ack_named_leaves_its_own_side_unjudged", || {
        for (number, invalid) in [(77, 0), (78, 1)] {
            play(STATES, |s| {
                arrives(&s.lan(up(SYN, 1000, 0))?)?;
                arrives(&s.wan(down(ACK, 5000, 77))?)?;
                s.one_entry(&["SYN_SENT"])?;
                arrives(&s.wan(down(RST | ACK, number, 1001))?)?;
                s.one_entry(&["CLOSE"])?;
                let far = Tcp::segment(80, 1234, ACK, 1_000_000_000, 1001);
                arrives(&s.wan(server().tcp(&far, b"x"))?)?;
                s.counted("--state INVALID", invalid)
            })?;
        }
        Ok(())
    }),
    ("both_ends_may_open_at_once", || {
        play(STATES, |s| {
            arrives(&s.lan(up(SYN, 1000, 0))?)?;
            arrives(&s.wan(down(SYN, 5000, 0))?)?;
            s.one_entry(&["SYN_SENT2"])?;
            arrives(&s.lan(up(SYN | ACK, 1000, 5001))?)?;
            arrives(&s.wan(down(ACK, 5001, 1001))?)?;
            s.counted("--state INVALID", 0)
        })
    }),
    ("a_bad_checksum_is_invalid", || {
        play(STATES, |s| {
            let mut packet = up(SYN, 1000, 0);
            packet[36] ^= 0xff;
            arrives(&s.lan(packet)?)?;
            s.no_entry()?;
            s.counted("--state INVALID", 1)
        })
    }),
    ("window_scaling_widens_the_window", || {
        play(STATES, |s| {
            let scaled = |mut tcp: Tcp| {
                tcp.options = vec![1, 3, 3, 7];
                tcp
            };
            arrives(&s.lan(client().tcp(&scaled(Tcp::segment(1234, 80, SYN, 1000, 0)), b""))?)?;
            arrives(&s.wan(server().tcp(&scaled(Tcp::segment(80, 1234, SYN | ACK, 5000, 1001)), b""))?)?;
            arrives(&s.lan(up(ACK, 1001, 5001))?)?;
            arrives(&s.wan(down(ACK, 5001, 1001))?)?;
            arrives(&s.lan(client().tcp(&Tcp::segment(1234, 80, ACK, 1001 + 200_000, 5001), b"far"))?)?;
            s.counted("--state INVALID", 0)
        })
    }),
];
