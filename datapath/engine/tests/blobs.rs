//! Blobs are checked as the kernel checks them, and no bytes make the engine panic.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::sync::OnceLock;

use engine::Hook;
use engine::ruleset::refused::errno;
use libxt::backend::Get;
use libxt::family::Af;
use proptest::prelude::*;
use support::{Router, ip, table_bytes, tcp, udp};

/// A blob with jumps, extensions and all hooks of its table, as a client sends it.
fn blob(af: Af) -> Vec<u8> {
    static BLOBS: [OnceLock<Vec<u8>>; 2] = [const { OnceLock::new() }; 2];
    BLOBS[usize::from(af == Af::V6)].get_or_init(|| make_blob(af)).clone()
}

fn make_blob(af: Af) -> Vec<u8> {
    let mut router = loaded(af);
    let entries = table_bytes(&mut router.engine, af, "filter");
    let mut info = vec![0; 84];
    info[..6].copy_from_slice(b"filter");
    router.engine.get(af, Get::Info, &mut info).unwrap();
    let mut blob = vec![0; 96];
    blob[..32].copy_from_slice(&info[..32]);
    blob[32..36].copy_from_slice(&info[32..36]);
    blob[36..44].copy_from_slice(&info[76..84]);
    blob[44..84].copy_from_slice(&info[36..76]);
    blob[84..88].copy_from_slice(&4u32.to_ne_bytes());
    blob.extend(entries);
    blob
}

fn loaded(af: Af) -> Router {
    let mut router = Router::default();
    let reject = if af == Af::V4 { "icmp-host-prohibited" } else { "icmp6-adm-prohibited" };
    router.load(
        af,
        &[
            "-N user",
            "-N other",
            "-A user -p tcp -m multiport --dports 1,2:3 -j RETURN",
            "-A user -m limit --limit 1/s -j LOG --log-prefix x",
            "-A user -g other",
            "-A other -m conntrack --ctstate NEW -j MARK --set-mark 1",
            "-A INPUT -p tcp --syn -j user",
            "-A FORWARD -m statistic --mode nth --every 2 --packet 0 -j DROP",
            "-A FORWARD -p udp -m length --length 1:100 -j user",
            &format!("-A OUTPUT -j REJECT --reject-with {reject}"),
        ],
    );
    router
}

fn refused(change: impl FnOnce(&mut Vec<u8>)) -> i32 {
    let mut blob = blob(Af::V4);
    change(&mut blob);
    Router::default().engine.replace(Af::V4, &blob, &mut Vec::new()).map_or_else(|refused| refused.errno, |()| 0)
}

fn set(blob: &mut [u8], at: usize, value: u32) {
    blob[at..at + 4].copy_from_slice(&value.to_ne_bytes());
}

#[test]
fn a_read_gives_back_what_was_installed() {
    for af in [Af::V4, Af::V6] {
        let blob = blob(af);
        let mut router = Router::default();
        router.engine.replace(af, &blob, &mut Vec::new()).unwrap();
        assert_eq!(table_bytes(&mut router.engine, af, "filter"), blob[96..]);
    }
}

#[test]
fn a_revision_that_two_families_share_is_given_back_whole() {
    let mut router = Router::default();
    router.load(Af::V6, &["-t nat -A POSTROUTING -p udp -j MASQUERADE --to-ports 258-772"]);
    // struct nf_nat_range, at the end of which the ports stand; IPv4's revision 0 is shorter.
    let bytes = table_bytes(&mut router.engine, Af::V6, "nat");
    assert!(bytes.windows(4).any(|ports| ports == [1, 2, 3, 4]));
}

#[test]
fn the_head_of_a_blob_is_checked_first() {
    assert_eq!(refused(|_| {}), 0);
    assert_eq!(refused(|blob| blob.truncate(95)), errno::EINVAL);
    // Extensions are asked about their table before the table itself is looked for.
    assert_eq!(refused(|blob| blob[..8].copy_from_slice(b"nothing\0")), errno::EINVAL);
    assert_eq!(refused(|blob| set(blob, 32, 0x1f)), errno::EINVAL);
    assert_eq!(refused(|blob| set(blob, 36, 3)), errno::EINVAL);
    assert_eq!(refused(|blob| set(blob, 84, 0)), errno::EINVAL);
    assert_eq!(refused(|blob| set(blob, 84, 5)), errno::EAGAIN);
    assert_eq!(refused(|blob| set(blob, 84, u32::MAX)), errno::ENOMEM);
    assert_eq!(refused(|blob| blob.truncate(400)), errno::EINVAL);
    // Hook 1's chain begins in the middle of an entry.
    assert_eq!(refused(|blob| set(blob, 48, 8)), errno::EINVAL);
}

#[test]
fn chains_that_call_each_other_are_a_loop() {
    let mut router = Router::default();
    router.load(Af::V4, &["-N a", "-N b", "-A a -j b"]);
    router.load(Af::V4, &["-A b -j a"]);
    assert_eq!(router.try_load(Af::V4, "-A INPUT -j a"), Err(errno::ELOOP));
    let mut router = Router::default();
    router.load(Af::V4, &["-N a", "-A INPUT -j a"]);
    assert_eq!(router.try_load(Af::V4, "-A a -p tcp -j a"), Err(errno::ELOOP));
}

#[test]
fn extensions_stand_only_where_they_may() {
    let mut router = Router::default();
    router.load(Af::V4, &["-N user", "-A user -j REJECT", "-t nat -N pre", "-t nat -A pre -j MASQUERADE"]);
    for (line, errno) in [
        ("-A FORWARD -j SNAT --to-source 1.2.3.4", errno::EINVAL),
        ("-t nat -A PREROUTING -j SNAT --to-source 1.2.3.4", errno::EINVAL),
        ("-t nat -A POSTROUTING -j DNAT --to-destination 1.2.3.4", errno::EINVAL),
        ("-t nat -A PREROUTING -j pre", errno::EINVAL),
        ("-t mangle -A FORWARD -j REJECT", errno::EINVAL),
        ("-A FORWARD -j TTL --ttl-set 3", errno::EINVAL),
        ("-A FORWARD -j CT --notrack", errno::EINVAL),
        ("-t raw -A OUTPUT -j CT --helper nosuch", errno::ENOENT),
        ("-A OUTPUT -m mac --mac-source 00:11:22:33:44:55", errno::EINVAL),
        ("-A INPUT -m owner --uid-owner 0", errno::EINVAL),
        ("-A INPUT -m limit --limit 1/day -j ACCEPT", errno::ERANGE),
        ("-A FORWARD -j REJECT --reject-with tcp-reset", errno::EINVAL),
        ("-t mangle -A FORWARD -p tcp -j TCPMSS --set-mss 1000", errno::EINVAL),
    ] {
        assert_eq!(router.try_load(Af::V4, line), Err(errno), "{line}");
    }
    for line in [
        "-A FORWARD -p tcp -j REJECT --reject-with tcp-reset",
        "-t nat -A INPUT -j SNAT --to-source 1.2.3.4",
        "-t mangle -A FORWARD -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu",
        "-A INPUT -m limit --limit 2/day",
        "-A INPUT -j user",
    ] {
        assert_eq!(router.try_load(Af::V4, line), Ok(()), "{line}");
    }
}

#[test]
fn a_rule_may_name_a_hook_limited_extension_only_where_it_is_reached_from() {
    let mut router = Router::default();
    router.load(Af::V4, &["-N user", "-A user -m mac --mac-source 00:11:22:33:44:55", "-A INPUT -j user"]);
    assert_eq!(router.try_load(Af::V4, "-A OUTPUT -j user"), Err(errno::EINVAL));
}

#[test]
fn counters_are_added_only_to_as_many_entries_as_there_are() {
    let mut router = loaded(Af::V4);
    let count = router.counters(Af::V4, "filter").len();
    let blob = |count: usize, name: &[u8]| {
        let mut blob = vec![0; 40];
        blob[..name.len()].copy_from_slice(name);
        blob[32..36].copy_from_slice(&(count as u32).to_ne_bytes());
        for at in 0..count as u64 {
            blob.extend(at.to_ne_bytes());
            blob.extend((at * 100).to_ne_bytes());
        }
        blob
    };
    let mut add = |blob: &[u8]| router.engine.add_counters(Af::V4, blob).map_err(|refused| refused.errno);
    assert_eq!(add(&blob(count, b"filter")), Ok(()));
    assert_eq!(add(&blob(count, b"filter")), Ok(()));
    assert_eq!(add(&blob(count - 1, b"filter")), Err(errno::EINVAL));
    assert_eq!(add(&blob(count, b"nosuch")), Err(errno::ENOENT));
    assert_eq!(add(&blob(count, b"filter")[..60]), Err(errno::EINVAL));
    assert_eq!(router.counters(Af::V4, "filter")[3], (6, 600));
}

#[test]
fn a_replace_gives_the_old_counters_back() {
    let mut router = Router::default();
    router.load(Af::V4, &["-A INPUT -p tcp -j ACCEPT"]);
    router.deliver(2, &ip("10.0.0.2", "10.0.0.1", 6, &tcp((1, 2), (0, 0), 2, b""))).unwrap();
    let mut old = Vec::new();
    let mut full = blob(Af::V4);
    full[84..88].copy_from_slice(&5u32.to_ne_bytes());
    router.engine.replace(Af::V4, &full, &mut old).unwrap();
    assert_eq!(old.iter().map(|counters| (counters.packets, counters.bytes)).collect::<Vec<_>>()[0], (1, 40));
    assert_eq!(old.len(), 5);
}

#[test]
fn revisions_are_answered_as_xt_find_revision_answers() {
    let mut router = Router::default();
    let mut ask = |what, name: &str, revision: u8| {
        let mut value = vec![0; 30];
        value[..name.len()].copy_from_slice(name.as_bytes());
        value[29] = revision;
        router.engine.get(Af::V4, what, &mut value).map_err(|refused| refused.errno)
    };
    assert_eq!(ask(Get::RevisionMatch, "conntrack", 3), Ok(()));
    assert_eq!(ask(Get::RevisionMatch, "conntrack", 4), Err(errno::EPROTONOSUPPORT));
    assert_eq!(ask(Get::RevisionMatch, "nosuch", 0), Err(errno::ENOENT));
    assert_eq!(ask(Get::RevisionMatch, "hl", 0), Err(errno::ENOENT));
    assert_eq!(ask(Get::RevisionTarget, "", 0), Ok(()));
    assert_eq!(ask(Get::RevisionTarget, "ERROR", 0), Ok(()));
}

fn any_hook() -> impl Strategy<Value = Hook> {
    (0u8..5).prop_map(|number| Hook::from_number(number).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_blob_is_refused_or_judges_packets(
        v6 in any::<bool>(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        packets in proptest::collection::vec((any_hook(), proptest::collection::vec(any::<u8>(), 0..100)), 4),
    ) {
        let af = if v6 { Af::V6 } else { Af::V4 };
        let mut blob = blob(af);
        for (at, byte) in &changes {
            let at = at.index(blob.len());
            blob[at] = *byte;
        }
        let mut router = Router::default();
        if router.engine.replace(af, &blob, &mut Vec::new()).is_ok() {
            let mut good = vec![
                ip("10.0.0.2", "192.0.2.80", 6, &tcp((40_000, 2), (1, 0), 2, b"")),
                ip("fd00::2", "2001:db8::80", 17, &udp((4000, 53), b"x")),
            ];
            good.extend(packets.iter().map(|(_, bytes)| bytes.clone()));
            for bytes in &good {
                for (hook, _) in &packets {
                    router.at(*hook, (2, 3), bytes, 0);
                }
            }
            let bytes = table_bytes(&mut router.engine, af, "filter");
            prop_assert_eq!(bytes.len(), blob.len() - 96);
        }
    }

    #[test]
    fn a_changed_packet_is_judged(
        v6 in any::<bool>(),
        protocol in proptest::sample::select(vec![1u8, 6, 17, 58, 44, 0, 43, 51, 132]),
        payload in proptest::collection::vec(any::<u8>(), 0..120),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let af = if v6 { Af::V6 } else { Af::V4 };
        let mut router = loaded(af);
        router.load(af, &[
            "-t nat -A POSTROUTING -o eth1 -j MASQUERADE",
            "-t raw -A PREROUTING -j TRACE",
            "-t mangle -A PREROUTING -j LOG --log-tcp-options --log-ip-options",
        ]);
        let (source, destination) = if v6 { ("fd00::2", "2001:db8::80") } else { ("10.0.0.2", "192.0.2.80") };
        let mut packet = ip(source, destination, protocol, &payload);
        for (at, byte) in &changes {
            let at = at.index(packet.len());
            packet[at] = *byte;
        }
        for hook in Hook::ALL {
            router.at(hook, (2, 3), &packet, 0);
            router.at(hook, (0, 3), &packet, 0);
            router.at(hook, (2, 0), &packet, 0);
        }
        router.wait(100 * support::SECOND);
    }
}

/// The entries of a kernel's fresh tables were compared with these by `GET_INFO` and `GET_ENTRIES`, all ten of them.
#[test]
fn a_fresh_table_accepts_everything_at_its_own_hooks() {
    for af in [Af::V4, Af::V6] {
        for (table, entries) in [("raw", 3), ("mangle", 6), ("nat", 5), ("filter", 4), ("security", 4)] {
            let mut router = Router::default();
            let bytes = table_bytes(&mut router.engine, af, table);
            let entries_seen: Vec<_> = libxt::blob::entries(af, &bytes).map(|entry| entry.unwrap()).collect();
            assert_eq!(entries_seen.len(), entries);
            let (end, policies) = entries_seen.split_last().unwrap();
            assert_eq!((end.error_name(), end.offsets.comefrom), (Some("ERROR".into()), 0));
            assert!(policies.iter().all(|policy| policy.verdict() == Some(libxt::abi::ACCEPT)));
            // Each policy is reached from its own hook alone.
            assert!(policies.iter().all(|policy| policy.offsets.comefrom.count_ones() == 1));
            assert_eq!(router.engine.table_names(af), [table]);
        }
    }
}

#[test]
fn what_owner_and_connmark_do_not_know_is_refused() {
    let info_of = |rule: &str, table: &str, name: &[u8], at: usize, byte: u8| {
        let mut router = Router::default();
        router.load(Af::V4, &[rule]);
        let mut entries = table_bytes(&mut router.engine, Af::V4, table);
        let found = entries.windows(name.len()).position(|window| window == name).unwrap();
        entries[found - 2 + 32 + at] = byte;
        let mut info = vec![0; 84];
        info[..table.len()].copy_from_slice(table.as_bytes());
        router.engine.get(Af::V4, Get::Info, &mut info).unwrap();
        let mut blob = vec![0; 96];
        blob[..36].copy_from_slice(&info[..36]);
        blob[36..44].copy_from_slice(&info[76..84]);
        blob[44..84].copy_from_slice(&info[36..76]);
        blob[84..88].copy_from_slice(&info[76..80]);
        blob.extend(entries);
        router.engine.replace(Af::V4, &blob, &mut Vec::new()).map_err(|refused| refused.errno)
    };
    let owner = "-A OUTPUT -m owner --uid-owner 0 -j ACCEPT";
    assert_eq!(info_of(owner, "filter", b"owner\0", 16, 1), Ok(()));
    assert_eq!(info_of(owner, "filter", b"owner\0", 16, 0x11), Err(errno::EINVAL));
    let connmark = "-t mangle -A FORWARD -j CONNMARK --set-mark 3";
    assert_eq!(info_of(connmark, "mangle", b"CONNMARK\0", 12, 1), Ok(()));
    assert_eq!(info_of(connmark, "mangle", b"CONNMARK\0", 12, 2), Err(errno::EINVAL));
    assert_eq!(info_of(connmark, "mangle", b"CONNMARK\0", 13, 32), Err(errno::EINVAL));
}
