//! SYN cookies: a SYN-ACK's number that only this machine can have chosen for the flow, with the client's segment size in it.
//! As secure_tcp_syn_cookie() and check_tcp_syn_cookie().

use std::hash::Hasher;

use libxt::family::Af;
use siphasher::sip::SipHasher13;

use crate::Now;
use crate::conntrack::Address;
use crate::wire::Headers;
use crate::wire::tcp::Tcp;

/// From a client to a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    af: Af,
    addresses: [Address; 2],
    ports: [u16; 2],
}

impl Flow {
    /// The flow of a client's segment.
    pub(crate) fn of(headers: &Headers, segment: &Tcp) -> Self {
        Self {
            af: headers.af,
            addresses: [headers.source, headers.destination],
            ports: [segment.source, segment.destination],
        }
    }

    /// The cookie for a client that begins at `sequence` and takes segments of `size` bytes. As
    /// __cookie_v4_init_sequence() and __cookie_v6_init_sequence().
    pub(crate) fn cookie(&self, key: [u8; 16], sequence: u32, size: u16, now: Now) -> u32 {
        let sizes = self.sizes();
        let index = sizes.iter().rposition(|known| *known <= size).unwrap_or(0) as u32;
        let time = minutes(now);
        let hidden = self.hash(key, time, true).wrapping_add(index) & MASK;
        self.hash(key, 0, false).wrapping_add(sequence).wrapping_add(time << BITS).wrapping_add(hidden)
    }

    /// The segment size in a cookie, if it is one of ours and not old. As __cookie_v4_check() and __cookie_v6_check().
    pub(crate) fn check(&self, key: [u8; 16], sequence: u32, cookie: u32, now: Now) -> Option<u16> {
        let rest = cookie.wrapping_sub(self.hash(key, 0, false)).wrapping_sub(sequence);
        let time = minutes(now);
        let age = time.wrapping_sub(rest >> BITS) & (u32::MAX >> BITS);
        if age >= OLD {
            return None;
        }
        let index = rest.wrapping_sub(self.hash(key, time.wrapping_sub(age), true)) & MASK;
        self.sizes().get(usize::try_from(index).ok()?).copied()
    }

    fn sizes(&self) -> [u16; 4] {
        match self.af {
            Af::V4 => [536, 1300, 1440, 1460],
            Af::V6 => [1280 - 60, 1480 - 60, 1500 - 60, 9000 - 60],
        }
    }

    fn hash(&self, key: [u8; 16], time: u32, second: bool) -> u32 {
        let mut hasher = SipHasher13::new_with_key(&key);
        hasher.write(b"SYN");
        hasher.write_u8(u8::from(second));
        for (address, port) in self.addresses.iter().zip(self.ports) {
            hasher.write(&address.0);
            hasher.write_u16(port);
        }
        hasher.write_u32(time);
        hasher.finish() as u32
    }
}

/// What a cookie counts time in. As tcp_cookie_time().
fn minutes(now: Now) -> u32 {
    (now.monotonic / 60_000_000_000) as u32
}

/// Bits below the time (`COOKIEBITS`).
const BITS: u32 = 24;
const MASK: u32 = (1 << BITS) - 1;
/// Minutes after which a cookie is none any more (`MAX_SYNCOOKIE_AGE`).
const OLD: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] = *b"0123456789abcdef";

    fn flow(af: Af) -> Flow {
        Flow { af, addresses: [Address([1; 16]), Address([2; 16])], ports: [1234, 80] }
    }

    fn at(minute: u64) -> Now {
        Now { monotonic: minute * 60_000_000_000, wall: 0 }
    }

    #[test]
    fn a_cookie_brings_the_next_smaller_size_back() {
        for (af, size, known) in [
            (Af::V4, 0, 536),
            (Af::V4, 1299, 536),
            (Af::V4, 1459, 1440),
            (Af::V4, u16::MAX, 1460),
            (Af::V6, 100, 1220),
            (Af::V6, 8940, 8940),
        ] {
            let cookie = flow(af).cookie(KEY, 77, size, at(500));
            assert_eq!(flow(af).check(KEY, 77, cookie, at(500)), Some(known));
        }
    }

    #[test]
    fn a_cookie_lives_for_two_minutes_of_the_clock() {
        let cookie = flow(Af::V4).cookie(KEY, 77, 1460, at(255));
        let check = |minute| flow(Af::V4).check(KEY, 77, cookie, at(minute));
        assert_eq!((check(255), check(256), check(257)), (Some(1460), Some(1460), None));
    }

    #[test]
    fn a_cookie_is_of_its_flow_its_number_and_its_key() {
        let cookie = flow(Af::V4).cookie(KEY, 77, 1460, at(9));
        let other = Flow { ports: [1234, 81], ..flow(Af::V4) };
        assert_eq!(other.check(KEY, 77, cookie, at(9)), None);
        assert_eq!(flow(Af::V4).check(*b"0123456789abcdeF", 77, cookie, at(9)), None);
        // One less is the next size, of which there is none.
        assert_eq!(flow(Af::V4).check(KEY, 76, cookie, at(9)), None);
        assert_eq!(flow(Af::V4).check(KEY, 78, cookie, at(9)), Some(1440));
    }
}
