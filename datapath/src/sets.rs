//! Sets of ipset, asked of the kernel for each packet and rule: nobody is told when a set changes, so no copy would be true.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use engine::host::{SetAct, SetElement};
use engine::{Refused, SetUse};
use nfnl::ipset::{Act, Part, Set, Value};
use nfnl::request::Error;

use crate::state::lock;

/// The sets that rules have asked for.
#[derive(Debug, Default)]
pub(crate) struct Sets(Mutex<Asked>);

#[derive(Debug, Default)]
struct Asked {
    socket: Option<nfnl::ipset::Sets>,
    known: HashMap<u16, Set>,
    /// Members of sets of sets, by name.
    members: HashMap<Vec<u8>, Set>,
}

impl Sets {
    /// Whether there are these sets, and which uses of them only the kernel knows how to make. As the checks of xt_set.c.
    pub(crate) fn check(&self, uses: &[SetUse]) -> Result<BTreeSet<SetUse>, Refused> {
        let mut asked = lock(&self.0);
        let uses: BTreeSet<_> = uses.iter().copied().collect();
        let mut left = BTreeSet::new();
        for one in uses {
            asked.known.remove(&one.index);
            let Some(set) = asked.known(one.index) else {
                return Err(Refused::new(libc::ENOENT, "there is no such set"));
            };
            let (listed, counters) = (set.parts.contains(&Part::Set), set.counters);
            let inner = asked.inner(one.index);
            // Otherwise its sets can be asked one by one, and count.
            let alike = inner.iter().any(|set| set.counters) && !inner.iter().any(is_of_devices);
            let counts = one.reads || listed && (counters || alike);
            let chooses = one.changes && inner.iter().any(|set| set.parts.contains(&Part::Net));
            if counts || chooses {
                left.insert(one);
            }
        }
        Ok(left)
    }

    /// Whether the kernel can be asked for these uses with a packet that came by no device.
    pub(crate) fn check_left(&self, uses: &[SetUse]) -> Result<(), Refused> {
        let mut asked = lock(&self.0);
        for one in uses {
            if asked.inner(one.index).iter().any(is_of_devices) {
                let why = "set: counters, sets of networks and lists with counters cannot be of devices or link-layer \
                           addresses, which no packet tells with which the kernel is asked";
                return Err(Refused::new(libc::EOPNOTSUPP, why));
            }
        }
        Ok(())
    }

    /// Asks or changes a set; one that cannot be asked holds nothing.
    pub(crate) fn act(&self, index: u16, act: SetAct, element: &SetElement<'_>) -> bool {
        let mut asked = lock(&self.0);
        // A set that is gone may have come back as another one.
        for _ in 0..2 {
            match asked.act(index, act, element) {
                Ok(done) => return done,
                Err(error) if error.errno() == Some(libc::ENOENT) => drop(asked.known.remove(&index)),
                Err(Error::Refused { .. }) => return false,
                Err(_) => asked.socket = None,
            }
        }
        false
    }
}

impl Asked {
    fn known(&mut self, index: u16) -> Option<&Set> {
        if !self.known.contains_key(&index) {
            let set = self.socket().ok()?.find(index).ok()??;
            self.known.insert(index, set);
        }
        self.known.get(&index)
    }

    fn socket(&mut self) -> std::io::Result<&mut nfnl::ipset::Sets> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => nfnl::ipset::Sets::open()?,
        };
        Ok(self.socket.insert(socket))
    }

    fn act(&mut self, index: u16, act: SetAct, element: &SetElement<'_>) -> Result<bool, Error> {
        let Some(set) = self.known(index) else { return Ok(false) };
        if !set.parts.contains(&Part::Set) {
            self.socket()?;
            let (Some(socket), Some(set)) = (self.socket.as_mut(), self.known.get(&index)) else { return Ok(false) };
            return act_on(socket, set, act, element);
        }
        // As list_set_ktest(), list_set_kadd() and list_set_kdel(): the first that can ends it.
        for member in self.members(index)? {
            match act_on(self.socket()?, &member, act, element) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                // It may be another set by this name now.
                Err(Error::Refused { .. }) => drop(self.members.remove(&member.name)),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// The sets that a set's elements are in: itself, or those in a set of sets.
    fn inner(&mut self, index: u16) -> Vec<Set> {
        match self.known(index).cloned() {
            Some(set) if set.parts.contains(&Part::Set) => self.members(index).unwrap_or_default(),
            set => set.into_iter().collect(),
        }
    }

    /// The sets in a set of sets, in their order.
    fn members(&mut self, index: u16) -> Result<Vec<Set>, Error> {
        let Some(list) = self.known(index).cloned() else { return Ok(Vec::new()) };
        let mut members = Vec::new();
        for name in self.socket()?.members(&list)? {
            if !self.members.contains_key(&name)
                && let Some(set) = self.socket()?.describe(name.clone())?
            {
                self.members.insert(name.clone(), set);
            }
            members.extend(self.members.get(&name).cloned());
        }
        Ok(members)
    }
}

/// Whether an element names a device or a link-layer address, of which packets that are sent know nothing.
fn is_of_devices(set: &Set) -> bool {
    set.parts.iter().any(|part| matches!(part, Part::Iface | Part::Mac))
}

/// Asks or changes one set that is none of sets.
fn act_on(socket: &mut nfnl::ipset::Sets, set: &Set, act: SetAct, element: &SetElement<'_>) -> Result<bool, Error> {
    let changes = !matches!(act, SetAct::Test { .. });
    if changes && set.parts.contains(&Part::Net) {
        // Only a set that came into a list later: which network is chosen is the kernel's secret.
        return Ok(false);
    }
    let mut values = [Value::Mark(0); PARTS];
    let Some(values) = values_of(set, element, &mut values) else { return Ok(false) };
    let act = match act {
        SetAct::Test { nomatch, count } => {
            Act::Test { nomatch, bytes: (count && set.counters).then_some(element.length) }
        }
        SetAct::Add { exist, timeout } => Act::Add { exist, timeout: timeout.filter(|_| set.timeouts) },
        SetAct::Delete => Act::Delete,
    };
    socket.act(set, act, values)
}

/// The values of a set's parts in a packet; `None` if the packet or the rule lacks one. As the `kadt` of each type.
fn values_of<'v, 'a>(
    set: &Set,
    element: &SetElement<'a>,
    values: &'v mut [Value<'a>; PARTS],
) -> Option<&'v [Value<'a>]> {
    let family = set.family == 0 || set.family == element.af.number();
    if !family || set.parts.is_empty() || set.parts.len() > usize::from(element.dimensions) {
        return None;
    }
    for (number, (place, part)) in values.iter_mut().zip(&set.parts).enumerate() {
        let other = usize::from(element.sources & 2 << number == 0);
        *place = match part {
            Part::Ip | Part::Net => Value::Address(element.addresses[other]),
            Part::Port if set.bitmap && !matches!(element.protocol, 6 | 17) => return None,
            Part::Port => Value::Port(Some(element.protocol).filter(|_| !set.bitmap), element.ports?[other]),
            Part::Iface => {
                let name = &element.devices[other]?.name;
                let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
                Value::Iface(name.get(..end)?)
            }
            Part::Mac => Value::Mac(element.stations?[other]),
            Part::Mark => Value::Mark(element.mark),
            Part::Set => return None,
        };
    }
    values.get(..set.parts.len())
}

/// Parts of an element at most.
const PARTS: usize = 4;

#[cfg(test)]
mod tests {
    use libxt::family::Af;

    use super::*;

    #[test]
    fn a_set_asks_for_what_the_rule_says_of_each_part() {
        let element = SetElement {
            af: Af::V4,
            addresses: [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()],
            protocol: 17,
            ports: Some([1000, 53]),
            devices: [None; 2],
            stations: None,
            mark: 7,
            length: 100,
            dimensions: 3,
            sources: 0b0010,
        };
        let set = |parts: &[Part], family| Set {
            name: Vec::new(),
            family,
            parts: parts.to_vec(),
            bitmap: false,
            counters: false,
            timeouts: false,
        };
        let mut room = [Value::Mark(0); PARTS];
        let values = values_of(&set(&[Part::Ip, Part::Port, Part::Net], 2), &element, &mut room).unwrap();
        let addresses = element.addresses.map(Value::Address);
        assert_eq!(values, [addresses[0], Value::Port(Some(17), 53), addresses[1]]);
        let mut none = |parts: &[Part], family| values_of(&set(parts, family), &element, &mut room).is_none();
        assert!(none(&[Part::Ip], 10));
        assert!(none(&[Part::Net, Part::Iface], 2));
        assert!(none(&[Part::Mac], 0));
        assert!(none(&[Part::Ip, Part::Port, Part::Ip, Part::Ip], 2));
    }
}
