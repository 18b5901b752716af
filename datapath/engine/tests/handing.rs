//! Rules whose work is the kernel's own: what the engine asks for, and when it trusts that it is there.

mod support;

use engine::{Hook, Verdict};
use libxt::family::Af;
use support::{Router, ip, udp};

const EINVAL: i32 = 22;

fn numbers(router: &Router) -> Vec<(&'static str, u8)> {
    router.engine.handovers(Af::V4).into_iter().map(|(number, handover)| (handover.target, number)).collect()
}

#[test]
fn a_packet_for_a_socket_is_dropped_until_the_kernel_is_ready_and_carries_the_mark_then() {
    let mut router = Router::default();
    router.load(
        Af::V4,
        &[
            "-t mangle -A PREROUTING -p udp -m udp --dport 53 -j TPROXY --on-port 5300 --tproxy-mark 5/7",
            "-t mangle -A PREROUTING -p udp -m udp --dport 54 -j TPROXY --on-port 5300 --tproxy-mark 6/7",
            "-t mangle -A PREROUTING -p udp -j DROP",
        ],
    );
    // The mark is no part of what the kernel does.
    let [(number, handover)] = router.engine.handovers(Af::V4)[..] else { panic!("not one") };
    assert_eq!((handover.socket(), handover.last), (Some((None, 5300)), true));
    let packet = ip("10.0.0.2", "192.0.2.2", 17, &udp((1, 53), b"data"));
    assert_eq!(router.at(Hook::Prerouting, (2, 0), &packet, 8).verdict, Verdict::Drop);
    router.engine.set_handing([number]);
    let seen = router.at(Hook::Prerouting, (2, 0), &packet, 0x0f);
    assert_eq!((seen.verdict, seen.mark), (Verdict::Accept, 0x0d));
}

#[test]
fn a_timer_runs_by_one_clock() {
    let mut router = Router::default();
    router.load(Af::V4, &["-A FORWARD -j IDLETIMER --timeout 5 --label a", "-A FORWARD -j AUDIT --type drop"]);
    assert_eq!(numbers(&router), [("IDLETIMER", 1), ("AUDIT", 2)]);
    let again = router.try_load(Af::V6, "-A FORWARD -j IDLETIMER --timeout 5 --label a --alarm");
    assert_eq!(again, Err(EINVAL));
    router.load(Af::V6, &["-A FORWARD -j IDLETIMER --timeout 7 --label a"]);
    router.load(Af::V4, &["-A FORWARD -j IDLETIMER --timeout 5 --label b --alarm", "-F FORWARD"]);
    assert_eq!(numbers(&router), []);
}

#[test]
fn security_marks_are_copied_in_two_tables() {
    let mut router = Router::default();
    assert_eq!(router.try_load(Af::V4, "-A FORWARD -j CONNSECMARK --save"), Err(EINVAL));
    assert!(!router.engine.tracks(Af::V4));
    router.load(Af::V4, &["-t security -A FORWARD -j CONNSECMARK --restore"]);
    assert!(router.engine.tracks(Af::V4));
}
