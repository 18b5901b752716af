//! What once broke the kernel, each held by name:
//!
//! | what | where it is held |
//! |---|---|
//! | CVE-2016-3134, CVE-2016-4997: offsets in a blob that lead out of an entry or of the table | `cve_2016_3134_*`, `cve_2016_4997_*` here; `a_changed_blob_is_refused_or_judges_packets` in `blobs.rs`; fuzz target `blob` |
//! | CVE-2019-9162: an SNMP message with addresses of another length | `an_address_of_another_length_or_an_empty_version_is_no_message` in `helper/snmp/message.rs`; fuzz target `helper` |
//! | CVE-2021-22555: padding of an extension cleared behind its entry | `cve_2021_22555_*` here |
//! | CVE-2022-2663: an offer of IRC inside other words | `an_offer_that_is_no_message_of_its_own_is_none` in `helper/irc.rs` |
//! | CVE-2026-23455: an H.323 length below the header that it counts | `cve_2026_23455_*` in `helper/h323/tests.rs` |
//! | CVE-2026-31681: a range of `multiport` without an end | `cve_2026_31681_*` here |
//! | CVE-2026-43452: a TCP option whose length would stand behind the header | `cve_2026_43452_*` here |
//! | a chain that jumps to itself | `a_chain_that_jumps_to_itself_is_refused_whatever_reaches_it` here; `chains_that_call_each_other_are_a_loop` in `blobs.rs` |
//! | SYN, SYN-ACK, SYN, SYN-ACK that never became ESTABLISHED | `syn_syn_ack_syn_syn_ack_still_reaches_established` in `conntrack/tests/tcp.rs` |
//! | fragments that overlap, come twice, or never become whole | `a_duplicate_is_ignored_and_an_overlap_costs_the_datagram` and its neighbours in the lab's `scenario/fragments.rs` |

mod support;

use engine::Hook;
use engine::ruleset::refused::errno;
use libxt::family::Af;
use support::{Router, ip, table_bytes, tcp};

/// `struct ipt_replace` without its entries; in an entry: where its target and the next one stand; its own length; a match or
/// target's head.
const HEAD: usize = 96;
const TARGET_OFFSET: usize = 88;
const NEXT_OFFSET: usize = 90;
const ENTRY: usize = 112;
const PART_HEAD: usize = 32;

fn u16_at(blob: &[u8], at: usize) -> usize {
    u16::from_ne_bytes([blob[at], blob[at + 1]]).into()
}

fn set_u16(blob: &mut [u8], at: usize, value: usize) {
    blob[at..at + 2].copy_from_slice(&(value as u16).to_ne_bytes());
}

fn set_u32(blob: &mut [u8], at: usize, value: usize) {
    blob[at..at + 4].copy_from_slice(&(value as u32).to_ne_bytes());
}

/// A table with chains, matches and targets of several sizes, for an engine that has none yet.
fn blob() -> Vec<u8> {
    let mut router = Router::default();
    router.load(
        Af::V4,
        &[
            "-N user",
            "-A user -p tcp -m multiport --dports 1,2:3 -j RETURN",
            "-A user -m limit --limit 1/s -j LOG --log-prefix x",
            "-A INPUT -p tcp -j user",
            "-A FORWARD -m statistic --mode nth --every 2 --packet 0 -j DROP",
            "-A OUTPUT -j REJECT",
        ],
    );
    let mut blob = router.blob(Af::V4, "filter");
    set_u32(&mut blob, 84, 4);
    blob
}

/// Where each entry stands.
fn entries(blob: &[u8]) -> Vec<usize> {
    let mut at = HEAD;
    let mut all = Vec::new();
    while at < blob.len() {
        all.push(at);
        at += u16_at(blob, at + NEXT_OFFSET);
    }
    all
}

/// Where each match and target of an entry stands.
fn parts(blob: &[u8], entry: usize) -> Vec<usize> {
    let target = entry + u16_at(blob, entry + TARGET_OFFSET);
    let mut at = entry + ENTRY;
    let mut all = Vec::new();
    while at < target {
        all.push(at);
        at += u16_at(blob, at);
    }
    all.push(target);
    all
}

fn replaced(blob: &[u8]) -> (i32, Router) {
    let mut router = Router::default();
    let errno = router.engine.replace(Af::V4, blob, &mut Vec::new()).map_or_else(|refused| refused.errno, |()| 0);
    (errno, router)
}

#[test]
fn cve_2016_3134_an_offset_to_the_next_entry_that_leads_elsewhere_is_refused() {
    let blob = blob();
    assert_eq!(replaced(&blob).0, 0);
    for entry in entries(&blob) {
        let next = u16_at(&blob, entry + NEXT_OFFSET);
        for wrong in [0, 8, ENTRY - 1, ENTRY, next - 8, next + 1, next + 8, next + 152, 0xfff8, 0xffff] {
            let mut changed = blob.clone();
            set_u16(&mut changed, entry + NEXT_OFFSET, wrong);
            let errno = replaced(&changed).0;
            assert!(errno != 0, "entry at {entry}: next one after {wrong} instead of {next}");
        }
    }
}

#[test]
fn cve_2016_3134_a_rule_with_a_match_is_no_policy_although_its_header_says_nothing() {
    let mut blob = blob();
    let rule = entries(&blob).into_iter().find(|&entry| {
        u16_at(&blob, entry + TARGET_OFFSET) > ENTRY && blob[entry..entry + 84].iter().all(|byte| *byte == 0)
    });
    let rule = rule.unwrap();
    // underflow[NF_INET_FORWARD].
    set_u32(&mut blob, 64 + 2 * 4, rule - HEAD);
    assert_eq!(replaced(&blob).0, errno::EINVAL);
}

#[test]
fn cve_2016_4997_an_offset_to_the_target_that_leads_out_of_its_entry_is_refused() {
    let blob = blob();
    for entry in entries(&blob) {
        let target = u16_at(&blob, entry + TARGET_OFFSET);
        let next = u16_at(&blob, entry + NEXT_OFFSET);
        for wrong in [0, 8, ENTRY - 8, target + 1, target + 8, next - 8, next, next + 8, 0xfff8, 0xffff] {
            let mut changed = blob.clone();
            set_u16(&mut changed, entry + TARGET_OFFSET, wrong);
            let errno = replaced(&changed).0;
            assert!(errno != 0, "entry at {entry}: target after {wrong} instead of {target}");
        }
    }
}

#[test]
fn cve_2021_22555_whatever_size_an_extension_claims_nothing_outside_it_is_cleared() {
    let blob = blob();
    for entry in entries(&blob) {
        for part in parts(&blob, entry) {
            let size = u16_at(&blob, part);
            for wrong in (0..size + 64).chain([0x7fff, 0xfff8, 0xffff]).filter(|wrong| *wrong != size) {
                let mut changed = blob.clone();
                set_u16(&mut changed, part, wrong);
                let (errno, mut router) = replaced(&changed);
                assert!(errno != 0, "part at {part}: {wrong} bytes instead of {size}");
                // And what was there before stands as it stood.
                assert_eq!(table_bytes(&mut router.engine, Af::V4, "filter").len(), 4 * 152 + 24);
            }
            // The padding of a part is cleared in reads, and nothing else is.
            let mut marked = blob.clone();
            marked[part + size - 1] |= 0x80;
            let (errno, mut router) = replaced(&marked);
            if errno == 0 {
                let read = table_bytes(&mut router.engine, Af::V4, "filter");
                let behind = part + size - HEAD;
                // Up to the field of the next entry that the kernel fills in itself.
                let until = (behind + 92).min(read.len());
                assert_eq!(read[behind..until], blob[HEAD + behind..HEAD + until], "behind the part at {part}");
            }
        }
    }
}

#[test]
fn cve_2026_31681_a_range_of_ports_without_an_end_is_refused() {
    let blob = blob();
    let name = blob.windows(10).position(|window| window == b"multiport\0").unwrap();
    let info = name - 2 + PART_HEAD;
    assert_eq!(blob[info + 1], 3, "places: 1, and 2 to 3");
    let refused = |change: &dyn Fn(&mut [u8])| {
        let mut changed = blob.clone();
        change(&mut changed[info..]);
        replaced(&changed).0
    };
    assert_eq!(refused(&|_| {}), 0);
    // The last place begins a range; so does each of two that follow each other; one ends below its beginning.
    assert_eq!(refused(&|info| info[32 + 2] = 1), errno::EINVAL);
    assert_eq!(refused(&|info| info[32] = 1), errno::EINVAL);
    assert_eq!(refused(&|info| info[2 + 2 * 2..2 + 2 * 3].copy_from_slice(&1u16.to_ne_bytes())), errno::EINVAL);
    assert_eq!(refused(&|info| (info[1], info[32 + 14]) = (15, 1)), errno::EINVAL);
    assert_eq!(refused(&|info| info[1] = 16), errno::EINVAL);
    assert_eq!(refused(&|info| info[1] = 255), errno::EINVAL);
}

#[test]
fn cve_2026_43452_an_option_at_the_headers_last_byte_has_no_length() {
    let mut router = Router::default();
    router.load(
        Af::V4,
        &[
            "-A FORWARD -p tcp --tcp-option 34 -j DROP",
            "-A FORWARD -p tcp -m tcpmss --mss 1:65535 -j DROP",
            "-A FORWARD -p tcp -m ecn --ecn-tcp-cwr -j DROP",
            "-A FORWARD -p tcp -m conntrack --ctstate NEW",
            "-t mangle -A FORWARD -p tcp -j TCPOPTSTRIP --strip-options 34,35",
            "-t mangle -A FORWARD -p tcp --syn -j TCPMSS --set-mss 1000",
        ],
    );
    for words in 1..=10u8 {
        for kind in (2..=255).filter(|kind| *kind != 34) {
            let mut options = vec![1; usize::from(words) * 4];
            options[usize::from(words) * 4 - 1] = kind;
            for flags in [0x02, 0x10] {
                let mut segment = tcp((1000 + u16::from(kind), u16::from(words)), (1, 1), flags, &options);
                segment[12] = (5 + words) << 4;
                let packet = ip("10.0.0.2", "192.0.2.80", 6, &segment);
                assert_eq!(router.at(Hook::Forward, (2, 3), &packet, 0).bytes[..20].len(), 20);
            }
        }
    }
    // What is dropped, none of the matches has seen an option that is not there.
    let counted = router.counters(Af::V4, "filter");
    assert!(counted.iter().skip(1).take(3).all(|count| count.0 == 0), "{counted:?}");
}

#[test]
fn a_chain_that_jumps_to_itself_is_refused_whatever_reaches_it() {
    for line in ["-A user -j user", "-A user -p tcp -j user", "-A user -p udp --dport 9 -g user"] {
        let mut router = Router::default();
        router.load(Af::V4, &["-N user", "-A INPUT -j user"]);
        assert_eq!(router.try_load(Af::V4, line), Err(errno::ELOOP), "{line}");
    }
}
