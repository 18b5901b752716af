//! Fragments are held, judged as one packet, and leave as they came.

mod support;

use engine::packet::PacketId;
use engine::{Hook, Verdict};
use libxt::family::Af;
use support::{Router, SECOND, addresses, ip, sum_header, udp};

/// The IPv4 fragments of a packet, `size` bytes of payload each.
fn split4(packet: &[u8], size: usize) -> Vec<Vec<u8>> {
    let payload = packet.len() - 20;
    let sizes: Vec<usize> = (0..payload).step_by(size).map(|at| size.min(payload - at)).collect();
    cut4(packet, &sizes)
}

/// The IPv4 fragments of a packet with payloads of these sizes.
fn cut4(packet: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let (header, payload) = packet.split_at(20);
    let mut at = 0;
    let piece = |size: &usize| {
        let end = at + size;
        let mut fragment = header.to_vec();
        fragment[2..4].copy_from_slice(&(20 + *size as u16).to_be_bytes());
        let more = if end < payload.len() { 0x2000 } else { 0 };
        fragment[6..8].copy_from_slice(&(more | (at / 8) as u16).to_be_bytes());
        sum_header(&mut fragment);
        fragment.extend(&payload[at..end]);
        at = end;
        fragment
    };
    sizes.iter().map(piece).collect()
}

/// The IPv6 fragments of a packet without extension headers.
fn split6(packet: &[u8], size: usize) -> Vec<Vec<u8>> {
    let (header, payload) = packet.split_at(40);
    let count = payload.len().div_ceil(size);
    let piece = |(index, piece): (usize, &[u8])| {
        let mut fragment = header.to_vec();
        fragment[4..6].copy_from_slice(&(8 + piece.len() as u16).to_be_bytes());
        fragment[6] = 44;
        let place = (index * size) as u16 | u16::from(index + 1 < count);
        fragment.extend([header[6], 0]);
        fragment.extend(place.to_be_bytes());
        fragment.extend([0, 0, 0, 77]);
        fragment.extend(piece);
        fragment
    };
    payload.chunks(size).enumerate().map(piece).collect()
}

fn masquerading() -> Router {
    let mut router = Router::default();
    router.load(Af::V4, &["-t nat -A POSTROUTING -o eth1 -j MASQUERADE"]);
    router
}

fn datagram() -> Vec<u8> {
    ip("10.0.0.2", "192.0.2.80", 17, &udp((4000, 53), &(0..=255).cycle().take(3000).collect::<Vec<u8>>()))
}

#[test]
fn fragments_leave_in_their_sizes_with_the_addresses_of_the_whole() {
    let mut router = masquerading();
    let fragments = split4(&datagram(), 1480);
    let mut held = Vec::new();
    for hook in [Hook::Prerouting, Hook::Postrouting] {
        let devices = if hook == Hook::Prerouting { (2, 0) } else { (2, 3) };
        router.out.clear();
        held.clear();
        for fragment in &fragments {
            held.push(router.at_keeping(hook, devices, fragment, 0));
        }
        let verdicts: Vec<Verdict> = held.iter().map(|seen| seen.verdict).collect();
        assert_eq!(verdicts, [Verdict::Hold, Verdict::Hold, Verdict::Accept]);
    }
    let releases = &router.out.releases;
    assert_eq!(releases.iter().map(|release| release.id).collect::<Vec<PacketId>>(), [held[0].id, held[1].id]);
    for (release, fragment) in releases.iter().zip(&fragments) {
        let bytes = &router.out.bytes[release.bytes.clone().unwrap()];
        assert_eq!(release.verdict, Verdict::Accept);
        assert_eq!(bytes.len(), fragment.len());
        assert_eq!(bytes[4..8], fragment[4..8], "identification and place stay");
        assert_eq!(addresses(bytes).0.to_string(), "192.0.2.1");
        let mut summed = bytes.to_vec();
        sum_header(&mut summed);
        assert_eq!(summed, bytes);
    }
    assert_eq!(addresses(&held[2].bytes).0.to_string(), "192.0.2.1");
    assert_eq!(held[2].bytes[20..], fragments[2][20..]);
    // POSTROUTING's rule counted one packet, as long as the datagram.
    let counters = router.counters(Af::V4, "nat");
    assert!(counters.contains(&(1, 3028)), "{counters:?}");
}

#[test]
fn fragments_in_any_order_make_the_same_datagram() {
    let mut router = masquerading();
    let fragments = split4(&datagram(), 800);
    let verdicts: Vec<Verdict> = [3, 0, 2, 1]
        .map(|index: usize| router.at_keeping(Hook::Prerouting, (2, 0), &fragments[index], 0).verdict)
        .to_vec();
    assert_eq!(verdicts, [Verdict::Hold, Verdict::Hold, Verdict::Hold, Verdict::Accept]);
    assert_eq!(router.out.releases.len(), 3);
    assert!(router.out.releases.iter().all(|release| release.bytes.is_none()), "nothing was changed");
}

#[test]
fn an_overlap_costs_the_whole_datagram_and_a_duplicate_only_itself() {
    let mut router = masquerading();
    let fragments = split4(&datagram(), 1480);
    let first = router.at_keeping(Hook::Prerouting, (2, 0), &fragments[0], 0);
    assert_eq!(router.at_keeping(Hook::Prerouting, (2, 0), &fragments[0], 0).verdict, Verdict::Drop);
    assert!(router.out.releases.is_empty());
    let mut overlapping = fragments[1].clone();
    overlapping[7] -= 1;
    sum_header(&mut overlapping);
    assert_eq!(router.at_keeping(Hook::Prerouting, (2, 0), &overlapping, 0).verdict, Verdict::Drop);
    assert_eq!(router.out.releases.len(), 1);
    assert_eq!((router.out.releases[0].id, router.out.releases[0].verdict), (first.id, Verdict::Drop));
}

#[test]
fn what_stays_incomplete_is_dropped_after_its_time() {
    let mut router = masquerading();
    let fragments = split4(&datagram(), 1480);
    let first = router.at_keeping(Hook::Prerouting, (2, 0), &fragments[0], 0);
    router.wait(29 * SECOND);
    assert!(router.out.releases.is_empty());
    router.wait(2 * SECOND);
    assert_eq!((router.out.releases[0].id, router.out.releases[0].verdict), (first.id, Verdict::Drop));
}

#[test]
fn nothing_is_held_while_nothing_is_tracked() {
    let mut router = Router::default();
    router.load(Af::V4, &["-A FORWARD -f -j DROP"]);
    let fragments = split4(&datagram(), 1480);
    let verdicts: Vec<Verdict> =
        fragments.iter().map(|fragment| router.at(Hook::Postrouting, (2, 3), fragment, 0).verdict).collect();
    assert_eq!(verdicts, [Verdict::Accept, Verdict::Drop, Verdict::Drop]);
}

#[test]
fn an_ipv6_datagram_is_judged_whole() {
    let mut router = Router::default();
    router.load(
        Af::V6,
        &[
            "-P FORWARD DROP",
            "-A FORWARD -p udp --dport 53 -m conntrack --ctstate NEW -j MARK --set-mark 5",
            "-A FORWARD -p udp --dport 53 -j ACCEPT",
        ],
    );
    let packet = ip("fd00::2", "2001:db8::80", 17, &udp((4000, 53), &[3; 2000]));
    let fragments = split6(&packet, 1232);
    assert_eq!(router.at_keeping(Hook::Postrouting, (2, 3), &fragments[0], 0).verdict, Verdict::Hold);
    let last = router.at_keeping(Hook::Postrouting, (2, 3), &fragments[1], 0);
    assert_eq!((last.verdict, last.mark), (Verdict::Accept, 5));
    assert_eq!(router.out.releases[0].mark, Some(5));
    assert!(router.counters(Af::V6, "filter").contains(&(1, packet.len() as u64)));
}

#[test]
fn a_dropped_datagram_drops_all_its_fragments() {
    let mut router = Router::default();
    router.load(Af::V4, &["-A FORWARD -m state --state NEW -j DROP"]);
    let fragments = split4(&datagram(), 1480);
    let verdicts: Vec<Verdict> =
        fragments.iter().map(|fragment| router.at_keeping(Hook::Postrouting, (2, 3), fragment, 0).verdict).collect();
    assert_eq!(verdicts, [Verdict::Hold, Verdict::Hold, Verdict::Drop]);
    assert!(router.out.releases.iter().all(|release| release.verdict == Verdict::Drop));
    assert_eq!(router.out.releases.len(), 2);
}

#[test]
fn a_datagram_whose_hops_end_here_goes_on_in_one_piece() {
    let mut router = masquerading();
    let mut packet = datagram();
    packet[8] = 1;
    sum_header(&mut packet[..20]);
    let fragments = split4(&packet, 1480);
    let seen: Vec<_> =
        fragments.iter().map(|fragment| router.at_keeping(Hook::Prerouting, (2, 0), fragment, 0)).collect();
    let verdicts: Vec<Verdict> = seen.iter().map(|seen| seen.verdict).collect();
    assert_eq!(verdicts, [Verdict::Hold, Verdict::Hold, Verdict::Accept]);
    let whole = &seen[2].bytes;
    assert_eq!(whole.len(), packet.len());
    assert_eq!(whole[20..], packet[20..]);
    assert!(router.out.releases.iter().all(|release| release.verdict == Verdict::Drop));
}

#[test]
fn what_a_hook_pulled_into_the_first_fragment_is_remembered_at_the_next() {
    let mut router = masquerading();
    let sent = router.forward(2, 3, &ip("10.0.0.2", "192.0.2.80", 17, &udp((4000, 53), &[7; 100]))).unwrap();
    let mut message = vec![3, 1, 0, 0, 0, 0, 0, 0];
    message.extend(&sent);
    let sum = engine::wire::checksum::checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    // ICMP's 8, IP's 20 and UDP's 8 bytes are rewritten, in PREROUTING: the first fragment has 24 of them.
    let mut fragments = cut4(&ip("192.0.2.80", "192.0.2.1", 1, &message), &[24, 64, 48]);
    for (hook, devices) in [(Hook::Prerouting, (3, 0)), (Hook::Postrouting, (3, 2))] {
        router.out.clear();
        let seen: Vec<_> = fragments.iter().map(|fragment| router.at_keeping(hook, devices, fragment, 0)).collect();
        let last = seen.last().unwrap();
        assert_eq!(last.verdict, Verdict::Accept);
        let bytes = |id| {
            let release = router.out.releases.iter().find(|release| release.id == id).unwrap();
            release.bytes.clone().map(|range| router.out.bytes[range].to_vec())
        };
        let before = seen[..seen.len() - 1].iter();
        fragments = before.map(|seen| bytes(seen.id).unwrap_or_else(|| seen.bytes.clone())).collect();
        fragments.push(last.bytes.clone());
    }
    // 36 bytes are no possible fragment: all is cut anew, as long as the longest that came.
    let sizes: Vec<usize> = fragments.iter().map(|fragment| fragment.len() - 20).collect();
    assert_eq!(sizes, [64, 64, 8]);
    assert_eq!(addresses(&fragments[2]).1.to_string(), "10.0.0.2");
}

#[test]
fn a_flood_of_fragments_is_held_no_further_than_half_a_queue() {
    let mut router = masquerading();
    let first = &split4(&datagram(), 8)[0];
    let mut held = 0;
    for id in 0..5000u16 {
        let mut fragment = first.clone();
        fragment[4..6].copy_from_slice(&id.to_be_bytes());
        sum_header(&mut fragment);
        held += u32::from(router.at_keeping(Hook::Prerouting, (2, 0), &fragment, 0).verdict == Verdict::Hold);
    }
    assert_eq!(held, 2048);
    router.wait(31 * SECOND);
    assert_eq!(router.out.releases.len(), 2048);
    assert_eq!(router.at_keeping(Hook::Prerouting, (2, 0), first, 0).verdict, Verdict::Hold);
}

#[test]
fn the_sender_of_what_never_became_whole_hears_of_it_from_its_destination() {
    let mut router = masquerading();
    let to = |last: [u8; 4], id: u8| {
        let mut first = split4(&datagram(), 1480).swap_remove(0);
        first[16..20].copy_from_slice(&last);
        first[5] = id;
        sum_header(&mut first);
        first
    };
    let own = to([10, 0, 0, 1], 2);
    for fragment in [&to([198, 51, 100, 1], 1), &own] {
        assert_eq!(router.at_keeping(Hook::Prerouting, (2, 0), fragment, 0).verdict, Verdict::Hold);
    }
    router.wait(31 * SECOND);
    assert_eq!(router.out.releases.len(), 2);
    let told: Vec<_> = router.out.sends.iter().map(|send| &router.out.bytes[send.bytes.clone()]).collect();
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0][12..16], told[0][20..22].to_vec()), (&own[16..20], vec![11, 1]));
    assert_eq!(&told[0][28..], &own[..548]);
}
