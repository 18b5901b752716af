//! A router that exists only as answers: two devices, their addresses, a clock moved by hand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use engine::{
    Device, Effects, Engine, Hook, Host, Now, Packet, Verdict,
    host::{AddressKind, Route, RouteKey},
    packet::{Buffer, Checksum, PacketId},
};
use libxt::family::Af;

/// The router and its clock.
#[derive(Default)]
pub struct World {
    now: Now,
    out: Effects,
    number: u32,
}

struct Router;

const DEVICES: [Device; 2] = [device(1, *b"lan0\0\0\0\0\0\0\0\0\0\0\0\0"), device(2, *b"wan0\0\0\0\0\0\0\0\0\0\0\0\0")];

const fn device(index: u32, name: [u8; 16]) -> Device {
    Device { index, name, loopback: false, mtu: 1500, group: 0, hardware: 1 }
}

impl Host for Router {
    fn masquerade_address(&self, af: Af, device: u32, _: &RouteKey) -> Option<IpAddr> {
        self.first_address(af, device)
    }

    fn first_address(&self, af: Af, device: u32) -> Option<IpAddr> {
        let network = u16::try_from(device).unwrap_or(1);
        Some(match af {
            Af::V4 => IpAddr::V4(Ipv4Addr::new(10, network as u8, 0, 1)),
            Af::V6 => IpAddr::V6(Ipv6Addr::new(0xfd00 + network, 0, 0, 0, 0, 0, 0, 1)),
        })
    }

    fn address_kind(&self, address: IpAddr, _: Option<u32>) -> AddressKind {
        if address.is_multicast() { AddressKind::Multicast } else { AddressKind::Unicast }
    }

    fn route(&self, key: &RouteKey) -> Option<Route> {
        Some(Route { device: key.out_device.unwrap_or(2), source: None, mtu: 1500, gateway: None })
    }

    fn minutes_west(&self) -> i32 {
        -60
    }

    fn device(&self, index: u32) -> Option<&Device> {
        DEVICES.iter().find(|d| d.index == index)
    }
}

impl World {
    /// Whether the clock nears its end.
    #[allow(dead_code, reason = "of one target only")]
    pub fn is_old(&self) -> bool {
        self.now.monotonic > 1 << 62
    }

    /// Lets so much time pass that nothing of before is left.
    #[allow(dead_code, reason = "of one target only")]
    pub fn forget(&mut self, engine: &mut Engine) {
        self.now.monotonic += 1_000_000_000_000_000;
        while engine.expire(self.now, &Router, &mut self.out) {
            self.out.clear();
        }
        self.out.clear();
    }

    /// A packet that is forwarded, from the first device to the second or back; what leaves.
    #[allow(dead_code, reason = "of one target only")]
    pub fn forward(&mut self, engine: &mut Engine, back: bool, bytes: &[u8]) -> Option<Vec<u8>> {
        const VERIFIED: u8 = 1 << 4;
        let side = if back { 8 } else { 0 };
        let mut bytes = bytes.to_vec();
        for hook in [0, 2, 4] {
            bytes = self.send(engine, hook | side | VERIFIED, 0, &bytes)?;
        }
        Some(bytes)
    }

    /// One packet; the low bits of `hook` say where and which way, `time` how much later than the last. What becomes of it.
    pub fn send(&mut self, engine: &mut Engine, hook: u8, time: u8, bytes: &[u8]) -> Option<Vec<u8>> {
        self.now.monotonic += u64::from(time) * u64::from(time) * 10_000_000;
        self.now.wall = self.now.monotonic;
        self.number = self.number.wrapping_add(1);
        let mut room = bytes.to_vec();
        room.resize(bytes.len() + 256, 0);
        let af = if bytes.first().is_some_and(|b| b >> 4 == 6) { Af::V6 } else { Af::V4 };
        let hooks = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];
        let hook_at = hooks[usize::from(hook & 7) % hooks.len()];
        let (near, far) = if hook & 8 == 0 { (0, 1) } else { (1, 0) };
        let checksum = match hook >> 4 & 3 {
            0 => Checksum::Partial,
            1 => Checksum::Verified,
            _ => Checksum::Unverified,
        };
        let mut packet = Packet {
            id: PacketId { queue: 0, number: self.number },
            in_device: (hook_at != Hook::Output).then_some(&DEVICES[near]),
            out_device: matches!(hook_at, Hook::Forward | Hook::Output | Hook::Postrouting).then_some(&DEVICES[far]),
            mark: u32::from(time),
            checksum,
            gso: hook & 64 != 0,
            ..Packet::new(af, hook_at, Buffer::new(&mut room, bytes.len()))
        };
        let verdict = engine.packet(&mut packet, self.now, &Router, &mut self.out);
        self.out.clear();
        (verdict == Verdict::Accept).then(|| packet.data.bytes().to_vec())
    }
}

/// A few honest packets at every hook.
#[allow(dead_code, reason = "of one target only")]
pub fn send_some(engine: &mut Engine) {
    let mut world = World::default();
    let four =
        [0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 10, 1, 0, 2, 10, 2, 0, 2, 4, 0, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4];
    let mut six = vec![0x60, 0, 0, 0, 0, 12, 17, 64];
    six.extend(Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, 2).octets());
    six.extend(Ipv6Addr::new(0xfd02, 0, 0, 0, 0, 0, 0, 2).octets());
    six.extend([4, 0, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
    for hook in 0..16 {
        world.send(engine, hook, 1, &four);
        world.send(engine, hook, 1, &six);
    }
}
