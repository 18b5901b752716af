//! Pairs of virtual Ethernet devices between two namespaces, with fixed hardware addresses.

use std::{io, os::fd::RawFd};

use socket2::{Domain, Socket, Type};

use crate::namespace::Namespace;

/// One end of a pair: where it is, how it is called, and its hardware address.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// The namespace that holds the device.
    pub namespace: &'a Namespace,
    /// The device's name.
    pub device: &'a str,
    /// Its hardware address.
    pub mac: Mac,
}

/// A hardware address.
pub type Mac = [u8; 6];

/// Joins two namespaces by a pair of devices; both are up and have no address, and no IPv6 address comes by itself.
pub fn join(left: End<'_>, right: End<'_>) -> io::Result<()> {
    left.namespace.must(&[
        "ip".to_owned(),
        "link".into(),
        "add".into(),
        left.device.into(),
        "address".into(),
        text(left.mac),
        "type".into(),
        "veth".into(),
        "peer".into(),
        "name".into(),
        right.device.into(),
        "address".into(),
        text(right.mac),
        "netns".into(),
        format!("/proc/{}/fd/{}", std::process::id(), right.namespace.raw_fd()),
    ])?;
    for end in [left, right] {
        let conf = |key: &str| format!("net.ipv6.conf.{}.{key}", end.device);
        end.namespace.sysctl(&[
            (&conf("addr_gen_mode"), "1"),
            (&conf("accept_dad"), "0"),
            (&conf("router_solicitations"), "0"),
        ])?;
        end.namespace.ip(&format!("link set {} up\n", end.device))?;
    }
    Ok(())
}

/// A hardware address as `ip` writes it.
pub fn text(mac: Mac) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// Which work a device leaves undone until later (or to the other side).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offload {
    /// Checksums, segmentation and merging as the driver offers them.
    On,
    /// Every packet leaves complete, one by one.
    Off,
}

/// Switches checksum, segmentation and merge offloads of a device.
pub fn set_offload(namespace: &Namespace, device: &str, offload: Offload) -> io::Result<()> {
    const ETHTOOL_STXCSUM: u32 = 0x17;
    const ETHTOOL_STSO: u32 = 0x1f;
    const ETHTOOL_SGSO: u32 = 0x24;
    const ETHTOOL_SGRO: u32 = 0x2c;
    let device = device.to_owned();
    namespace.within(move || {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        for command in [ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO, ETHTOOL_STXCSUM] {
            ethtool(fd, &device, command, u32::from(offload == Offload::On))?;
        }
        Ok(())
    })?
}

/// One `SIOCETHTOOL` call with a plain value.
#[allow(unsafe_code)]
fn ethtool(fd: RawFd, device: &str, command: u32, value: u32) -> io::Result<()> {
    let mut argument = [command, value];
    // SAFETY: an ifreq of zeros is a valid value of that plain C structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let length = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name.iter_mut().zip(device.bytes().take(length)) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = argument.as_mut_ptr().cast();
    // SAFETY: the request and the eight bytes it points to live across the call, as struct ethtool_value wants.
    let result = unsafe { libc::ioctl(fd, libc::SIOCETHTOOL, &raw mut request) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
