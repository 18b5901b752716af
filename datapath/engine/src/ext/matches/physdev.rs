//! `-m physdev`: the bridge ports that a bridged packet came by and goes by.

use libxt::ext::Families;
use libxt::ext::matches::physdev::Physdev;
use libxt::value::condition::Condition;
use libxt::value::interface::Interface;

use super::Match;
use crate::ext::{Maker, Scene, bit};
use crate::packet::{Device, Hook};
use crate::ruleset::Refused;

pub(super) const MAKER: Maker<Match> = Maker::of::<Physdev>(Families::Both, |revision, info, site| {
    let value: Physdev = site.decode(revision, info)?;
    // As physdev_mt_check().
    if info.get(65).is_none_or(|asked| *asked == 0 || asked & !0x1f != 0) {
        return Err(Refused::invalid("physdev: no condition, or an unknown one"));
    }
    let leaves = value.output.is_some() || value.is_out.is_some();
    let bridged = value.is_bridged.is_some_and(|bridged| !bridged.inverted);
    if leaves && !bridged && site.hooks & bit(Hook::Output) != 0 {
        return Err(Refused::invalid("physdev: in OUTPUT the port it leaves by is not known yet"));
    }
    Ok(Match::Physdev(Box::new(value)))
});

/// As physdev_mt().
pub(super) fn matches(physdev: &Physdev, scene: &Scene<'_, '_>) -> bool {
    holds(physdev, [scene.packet.in_port, scene.packet.out_port])
}

fn holds(physdev: &Physdev, [input, output]: [Option<&Device>; 2]) -> bool {
    let fits =
        |condition: &Option<Condition<()>>, there: bool| condition.is_none_or(|condition| condition.holds(there));
    let named = |condition: &Option<Condition<Interface>>, port: &Device| {
        condition.is_none_or(|condition| condition.holds(is_named(&condition.value, &port.name)))
    };
    let open = |condition: &Option<Condition<Interface>>| condition.is_none_or(|condition| condition.inverted);
    // A packet that is not bridged meets a rule all whose conditions are inverted; a bridged one that has no port to leave by
    // does not meet one that names it.
    let named = match (input, output) {
        (None, None) => open(&physdev.input) && open(&physdev.output),
        (input, output) => {
            input.is_none_or(|port| named(&physdev.input, port))
                && output.map_or(physdev.output.is_none(), |port| named(&physdev.output, port))
        }
    };
    named
        && fits(&physdev.is_bridged, output.is_some())
        && fits(&physdev.is_in, input.is_some())
        && fits(&physdev.is_out, output.is_some())
}

/// As ifname_compare_aligned().
fn is_named(wanted: &Interface, name: &[u8; 16]) -> bool {
    name.iter().zip(wanted.name).zip(wanted.mask).all(|((have, want), mask)| (have ^ want) & mask == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &[u8]) -> Device {
        let mut device = Device { index: 7, name: [0; 16], loopback: false, mtu: 1500, group: 0, hardware: 1 };
        device.name[..name.len()].copy_from_slice(name);
        device
    }

    fn input(name: &str, inverted: bool) -> Physdev {
        Physdev { input: Some(Condition::new(Interface::parse(name).unwrap(), inverted)), ..Physdev::default() }
    }

    #[test]
    fn a_packet_that_is_not_bridged_meets_only_inverted_conditions() {
        let unit = |inverted| Some(Condition::new((), inverted));
        for inverted in [false, true] {
            assert_eq!(holds(&input("eth0", inverted), [None; 2]), inverted);
            for physdev in [
                Physdev { is_in: unit(inverted), ..Physdev::default() },
                Physdev { is_out: unit(inverted), ..Physdev::default() },
                Physdev { is_bridged: unit(inverted), ..Physdev::default() },
            ] {
                assert_eq!(holds(&physdev, [None; 2]), inverted);
            }
        }
    }

    #[test]
    fn ports_are_compared_by_name_and_a_bridged_packet_has_both() {
        let (eth0, eth1) = (port(b"eth0"), port(b"eth1"));
        let both = [Some(&eth0), Some(&eth1)];
        assert!(holds(&input("eth0", false), both) && holds(&input("eth+", false), both));
        assert!(!holds(&input("eth1", false), both) && holds(&input("eth1", true), both));
        let bridged = Physdev { is_bridged: Some(Condition::new((), false)), ..input("eth0", false) };
        assert!(holds(&bridged, both) && !holds(&bridged, [Some(&eth0), None]));
        let output =
            Physdev { output: Some(Condition::new(Interface::parse("eth1").unwrap(), true)), ..Physdev::default() };
        assert!(!holds(&output, both) && !holds(&output, [Some(&eth0), None]));
    }
}
