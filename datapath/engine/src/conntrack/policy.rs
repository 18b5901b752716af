//! Timeout policies: timeouts by name, which `-j CT --timeout` gives to connections. As nfnetlink_cttimeout.c.

use libxt::family::Af;
use libxt::value::text::Text;

use super::tuple::protocol;
use super::{Refusal, Settings, Tracker};

/// A policy: `struct ctnl_timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name, up to 31 bytes.
    pub name: Text<32>,
    /// The family of its connections.
    pub af: Af,
    /// The transport protocol that it is for; one without a tracker of its own is none.
    pub protocol: u8,
    /// Seconds, in the order of `CTA_TIMEOUT_*` of the protocol, see [`Policy::len`].
    values: [u32; LONGEST],
}

/// The number by which policies know a protocol: its own, or that of all without a tracker. As nf_ct_l4proto_find().
pub(crate) const fn tracked_as(number: u8) -> u8 {
    match number {
        protocol::TCP | protocol::UDP | protocol::UDPLITE | protocol::SCTP | protocol::GRE => number,
        protocol::ICMP | protocol::ICMPV6 => number,
        _ => GENERIC,
    }
}

/// Protocols without a tracker of their own.
const GENERIC: u8 = 255;

/// Names a policy while it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyId {
    index: u16,
    /// How many policies there were before it.
    serial: u32,
}

impl PolicyId {
    /// Its place among all, from 1 on: what a kept connection says of it.
    pub const fn number(self) -> u16 {
        self.index + 1
    }
}

/// All policies.
#[derive(Debug, Default)]
pub(super) struct Policies {
    slots: Vec<Option<(u32, Policy)>>,
    made: u32,
}

/// The most timeouts of a protocol: TCP's.
const LONGEST: usize = 11;
/// Policies at most; the kernel has no bound but its memory.
const MOST: usize = 4096;

impl Policy {
    /// One with the timeouts that settings have now; `None` for a protocol without a tracker of its own.
    pub fn new(name: Text<32>, af: Af, protocol: u8, settings: &Settings) -> Option<Self> {
        let mut settings = settings.clone();
        let mut values = [0; LONGEST];
        for (value, field) in values.iter_mut().zip(fields(&mut settings, af, protocol)?) {
            *value = *field;
        }
        Some(Self { name, af, protocol, values })
    }

    /// Sets the timeout of an attribute of the protocol's own numbers, from 1 on; `false` if it has no such.
    pub fn set(&mut self, attribute: u16, seconds: u32) -> bool {
        let len = self.len();
        match self.values[..len].get_mut(usize::from(attribute).wrapping_sub(1)) {
            Some(value) => {
                *value = seconds;
                true
            }
            None => false,
        }
    }

    /// The timeouts in the order of their attributes.
    pub fn values(&self) -> &[u32] {
        &self.values[..self.len()]
    }

    /// How many timeouts its protocol has.
    #[expect(clippy::len_without_is_empty, reason = "no protocol has none")]
    pub fn len(&self) -> usize {
        fields(&mut Settings::default(), self.af, self.protocol).map_or(0, |fields| fields.len()).min(LONGEST)
    }

    /// Settings as they hold for its connections.
    pub(super) fn over(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        for (field, value) in
            fields(&mut settings, self.af, self.protocol).unwrap_or_default().into_iter().zip(self.values)
        {
            *field = value;
        }
        settings
    }
}

/// The timeouts of a protocol in the order of its attributes.
fn fields(settings: &mut Settings, af: Af, number: u8) -> Option<Vec<&mut u32>> {
    let Settings { tcp, sctp, udp, udp_stream, gre, gre_stream, icmp, icmpv6, generic, .. } = settings;
    Some(match (number, af) {
        (protocol::TCP, _) => {
            let states = tcp.timeouts.iter_mut().skip(1);
            states.chain([&mut tcp.timeout_max_retrans, &mut tcp.timeout_unacknowledged]).collect()
        }
        (protocol::SCTP, _) => sctp.iter_mut().skip(1).take(8).collect(),
        (protocol::UDP | protocol::UDPLITE, _) => vec![udp, udp_stream],
        (protocol::GRE, _) => vec![gre, gre_stream],
        (protocol::ICMP, Af::V4) => vec![icmp],
        (protocol::ICMPV6, Af::V6) => vec![icmpv6],
        (GENERIC, _) => vec![generic],
        _ => return None,
    })
}

impl Policies {
    /// The policy, if it is still there.
    pub(super) fn get(&self, id: PolicyId) -> Option<&Policy> {
        let (serial, policy) = self.slots.get(usize::from(id.index))?.as_ref()?;
        (*serial == id.serial).then_some(policy)
    }

    /// The policy at a place that [`PolicyId::number`] gave.
    pub(super) fn at(&self, number: u16) -> Option<PolicyId> {
        let index = number.checked_sub(1)?;
        let (serial, _) = self.slots.get(usize::from(index))?.as_ref()?;
        Some(PolicyId { index, serial: *serial })
    }

    fn all(&self) -> impl Iterator<Item = (PolicyId, &Policy)> {
        self.slots.iter().zip(0..).filter_map(|(slot, index)| {
            let (serial, policy) = slot.as_ref()?;
            Some((PolicyId { index, serial: *serial }, policy))
        })
    }
}

impl Tracker {
    /// The policy of a name.
    pub fn find_policy(&self, name: &[u8]) -> Option<(PolicyId, &Policy)> {
        self.policies.all().find(|(_, policy)| policy.name.as_bytes() == name)
    }

    /// All policies.
    pub fn policies(&self) -> impl Iterator<Item = (PolicyId, &Policy)> {
        self.policies.all()
    }

    /// Puts a policy in, or new timeouts into one of the same kind. As cttimeout_new_timeout().
    pub fn put_policy(&mut self, policy: Policy) -> Result<(), Refusal> {
        let there = self.find_policy(policy.name.as_bytes()).map(|(id, _)| id);
        if let Some(id) = there {
            let Some(Some((_, old))) = self.policies.slots.get_mut(usize::from(id.index)) else {
                return Err(Refusal::Missing);
            };
            if (old.af, old.protocol) != (policy.af, policy.protocol) {
                return Err(Refusal::Invalid);
            }
            *old = policy;
            return Ok(());
        }
        self.policies.made = self.policies.made.wrapping_add(1);
        let slot = Some((self.policies.made, policy));
        let slots = &mut self.policies.slots;
        match slots.iter().position(Option::is_none) {
            Some(free) => slots[free] = slot,
            None if slots.len() < MOST => slots.push(slot),
            None => return Err(Refusal::Full),
        }
        Ok(())
    }

    /// Puts a kept policy back at its place; nothing if that is taken or beyond what there may be.
    pub fn restore_policy(&mut self, number: u16, policy: Policy) {
        let place = usize::from(number).wrapping_sub(1);
        if place >= MOST {
            return;
        }
        let slots = &mut self.policies.slots;
        slots.resize(slots.len().max(place + 1), None);
        if slots[place].is_none() {
            self.policies.made = self.policies.made.wrapping_add(1);
            slots[place] = Some((self.policies.made, policy));
        }
    }

    /// Takes a policy out; its connections have the common timeouts from now on. No rule may name it any more.
    pub fn remove_policy(&mut self, id: PolicyId) {
        if self.policies.get(id).is_some()
            && let Some(slot) = self.policies.slots.get_mut(usize::from(id.index))
        {
            *slot = None;
        }
    }

    /// Settings as they hold for a connection, if not as for all.
    pub(super) fn own_settings(&self, index: u32) -> Option<Settings> {
        let id = self.table.extra(index)?.timeouts?;
        Some(self.policies.get(id)?.over(&self.settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_begins_with_what_holds_for_all_and_changes_only_its_protocol() {
        let settings = Settings::default();
        let mut policy = Policy::new(Text::cut("web"), Af::V4, protocol::TCP, &settings).unwrap();
        assert_eq!(policy.values(), [120, 60, 432_000, 120, 60, 30, 120, 10, 120, 300, 300]);
        assert!(policy.set(3, 77) && policy.set(11, 88));
        assert!(!policy.set(0, 1) && !policy.set(12, 1));
        let own = policy.over(&settings);
        assert_eq!((own.tcp.timeouts[3], own.tcp.timeout_unacknowledged), (77, 88));
        assert_eq!(own, Settings { tcp: own.tcp.clone(), ..settings.clone() });
        let lengths = [17, 132, 47, 1, 255]
            .map(|number| Policy::new(Text::default(), Af::V4, number, &settings).map(|policy| policy.len()));
        assert_eq!(lengths, [2, 8, 2, 1, 1].map(Some));
        assert_eq!(Policy::new(Text::default(), Af::V4, 99, &settings), None);
    }

    #[test]
    fn the_name_of_a_policy_that_is_gone_names_nothing_and_an_old_id_no_other() {
        let settings = Settings::default();
        let mut tracker = Tracker::new(settings.clone(), [1; 16]);
        let policy = |name| Policy::new(Text::cut(name), Af::V4, protocol::UDP, &settings).unwrap();
        tracker.put_policy(policy("one")).unwrap();
        let (id, _) = tracker.find_policy(b"one").unwrap();
        let other = Policy::new(Text::cut("one"), Af::V6, protocol::UDP, &settings).unwrap();
        assert_eq!(tracker.put_policy(other), Err(Refusal::Invalid));
        tracker.remove_policy(id);
        assert!(tracker.find_policy(b"one").is_none());
        tracker.put_policy(policy("two")).unwrap();
        assert!(tracker.policies.get(id).is_none());
        assert_eq!(tracker.policies().count(), 1);
    }
}
