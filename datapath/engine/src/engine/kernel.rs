//! What the engine leaves to the kernel's own matches and targets, for whoever sets the kernel up for it.

use libxt::family::Af;

use super::{Engine, index};
use crate::ext::asked::Question;
use crate::ext::handover::{self, Handover};
use crate::ext::probe::{self, Probe};

impl Engine {
    /// What packets of a family may be handed over to the kernel's own targets for, by the numbers in a packet's
    /// [`Tasks`](crate::packet::Tasks). Ask again after every [`Self::install`].
    pub fn handovers(&self, af: Af) -> Vec<(u8, &Handover)> {
        let numbered = self.stores.handovers.iter().filter(|(_, handover)| handover.af == af);
        numbered.filter_map(|(index, handover)| Some((handover::number(index)?, handover))).collect()
    }

    /// What rules of a family ask the kernel's own matches, by the numbers of the bits in a packet's
    /// [`answers`](crate::Packet::answers). Ask again after every [`Self::install`].
    pub fn questions(&self, af: Af) -> impl Iterator<Item = (u8, &Question)> {
        self.stores.questions[index(af)]
            .iter()
            .filter_map(|(number, question)| Some((number.try_into().ok()?, question)))
    }

    /// What the kernel judges of packets of a family as they stand before a rule, by the numbers that
    /// [`Host::probe`](crate::Host::probe) is asked for. Ask again after every [`Self::install`].
    pub fn probes(&self, af: Af) -> Vec<(u8, &Probe)> {
        let numbered = self.stores.probes.iter().filter(|(_, probe)| probe.af == af);
        numbered.filter_map(|(index, probe)| Some((probe::number(index)?, probe))).collect()
    }

    /// The kernel judges now what these numbers of [`Self::probes`] stand for; until then it is not asked.
    pub fn set_probing(&mut self, numbers: impl IntoIterator<Item = u8>) {
        make_ready(&mut self.stores.probing, numbers);
    }

    /// The kernel does now what these numbers of [`Self::handovers`] stand for; until then packets are not handed over.
    pub fn set_handing(&mut self, numbers: impl IntoIterator<Item = u8>) {
        make_ready(&mut self.stores.handing, numbers);
    }
}

fn make_ready(ready: &mut Vec<bool>, numbers: impl IntoIterator<Item = u8>) {
    ready.resize(usize::from(u8::MAX), false);
    for number in numbers {
        if let Some(ready) = usize::from(number).checked_sub(1).and_then(|index| ready.get_mut(index)) {
            *ready = true;
        }
    }
}
