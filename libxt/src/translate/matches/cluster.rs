//! `-m cluster`: a hash of the source address.

use crate::ext::Surroundings;
use crate::ext::matches::cluster::Cluster;
use crate::translate::operand::set_of;
use crate::translate::{Outcome, Statement, Translate};

impl Translate for Cluster {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        to.add(format_args!("jhash ct original saddr mod {} seed {:#010x}", self.nodes, self.seed));
        let own: Vec<u32> = (0..u32::BITS).filter(|node| self.own >> node & 1 != 0).collect();
        match own[..] {
            [node] => to.add(format_args!("eq {}", node + 1)),
            _ => to.add(format_args!("{}", set_of(&own))),
        }
        to.add(format_args!("meta pkttype set host"));
        Ok(())
    }
}
