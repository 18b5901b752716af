//! The heads of a hash's chains. They can be made more or fewer while the chains are in use: a chain after the other moves
//! over.

use super::table::NONE;

/// The heads, and while their number changes also those before.
///
/// They are kept as complements, so that room which nobody has written to yet is empty: the kernel hands it out as zeroes,
/// and a page of it only when it is used.
#[derive(Debug, Default)]
pub(super) struct Heads {
    present: Vec<u32>,
    /// The buckets from `moved` on still hold their chains, none of whose nodes are among the present ones.
    before: Vec<u32>,
    moved: usize,
    /// How many there shall be once all have moved, if somebody asked meanwhile.
    next: Option<usize>,
}

impl Heads {
    /// How many there are, or will be once all have moved.
    pub(super) fn len(&self) -> usize {
        self.present.len()
    }

    /// Asks for another number of buckets; [`Self::take_unmoved`] says what must then be done.
    pub(super) fn resize(&mut self, buckets: usize) {
        if self.is_moving() {
            self.next = Some(buckets);
        } else if buckets != self.present.len() {
            self.before = core::mem::replace(&mut self.present, vec![0; buckets]);
            self.moved = 0;
        }
    }

    /// Whether chains still have to move.
    pub(super) fn is_moving(&self) -> bool {
        !self.before.is_empty()
    }

    /// Takes out the next chain that has not moved: its nodes must be linked anew. The inner `None` says that there was none
    /// in many buckets, the outer that nothing is left to move.
    pub(super) fn take_unmoved(&mut self) -> Option<Option<u32>> {
        for _ in 0..EMPTY {
            let Some(head) = self.before.get_mut(self.moved) else {
                self.before = Vec::new();
                if let Some(buckets) = self.next.take() {
                    self.resize(buckets);
                }
                return self.is_moving().then_some(None);
            };
            let first = !core::mem::take(head);
            self.moved += 1;
            if first != NONE {
                return Some(Some(first));
            }
        }
        Some(None)
    }

    /// The first node of the chain of a hash, or [`NONE`].
    pub(super) fn first(&self, hash: u64) -> u32 {
        self.near(hash, 0)
    }

    /// The first node of a bucket behind that of a hash, or [`NONE`].
    pub(super) fn near(&self, hash: u64, step: usize) -> u32 {
        let (heads, at) = match self.unmoved(hash) {
            Some(at) => (&self.before, at),
            None => (&self.present, scale(hash, self.present.len())),
        };
        heads.get((at + step) % heads.len().max(1)).map_or(NONE, |head| !head)
    }

    /// Puts a node, or [`NONE`], at the head of the chain of a hash; the answer is what was there.
    pub(super) fn put(&mut self, hash: u64, node: u32) -> u32 {
        let (heads, at) = match self.unmoved(hash) {
            Some(at) => (&mut self.before, at),
            None => {
                let at = scale(hash, self.present.len());
                (&mut self.present, at)
            }
        };
        heads.get_mut(at).map_or(NONE, |head| !core::mem::replace(head, !node))
    }

    /// The first node of every chain, its bucket, and whether that is among those before.
    #[cfg(test)]
    pub(super) fn chains(&self) -> impl Iterator<Item = (u32, (bool, usize))> + '_ {
        let all = [(&self.before, true), (&self.present, false)];
        all.into_iter().flat_map(|(heads, before)| {
            let used = heads.iter().enumerate().filter(|(_, head)| **head != 0);
            used.map(move |(bucket, head)| (!head, (before, bucket)))
        })
    }

    /// The bucket of a hash, and whether it is among those before.
    #[cfg(test)]
    pub(super) fn bucket_of(&self, hash: u64) -> (bool, usize) {
        self.unmoved(hash).map_or_else(|| (false, scale(hash, self.present.len())), |bucket| (true, bucket))
    }

    /// The bucket of a hash among those before, if it has not moved.
    fn unmoved(&self, hash: u64) -> Option<usize> {
        if self.before.is_empty() {
            return None;
        }
        Some(scale(hash, self.before.len())).filter(|at| *at >= self.moved)
    }
}

/// As reciprocal_scale(): the upper half of the product spreads over all buckets.
fn scale(hash: u64, buckets: usize) -> usize {
    (((hash & 0xffff_ffff) * buckets as u64) >> 32) as usize
}

/// Buckets without a chain that are looked at in one step.
const EMPTY: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
    }

    #[test]
    fn what_was_put_is_found_before_while_and_after_chains_move() {
        let mut heads = Heads::default();
        heads.resize(64);
        let mut nodes: Vec<(u64, u32)> = Vec::new();
        for number in 0..40 {
            let hash = spread(number);
            // A chain of one node each is enough.
            if heads.first(hash) == NONE {
                assert_eq!(heads.put(hash, number as u32), NONE);
                nodes.push((hash, number as u32));
            }
        }
        heads.resize(1000);
        heads.resize(4096);
        let mut steps = 0;
        while let Some(taken) = heads.take_unmoved() {
            steps += 1;
            if let Some(node) = taken {
                let (hash, _) = nodes.iter().find(|(_, own)| *own == node).unwrap();
                assert_eq!(heads.put(*hash, node), NONE);
            }
            assert!(nodes.iter().all(|(hash, node)| heads.first(*hash) == *node));
        }
        assert!(steps >= nodes.len() * 2, "{steps}");
        assert_eq!((heads.len(), heads.is_moving()), (4096, false));
        assert!(nodes.iter().all(|(hash, node)| heads.put(*hash, NONE) == *node && heads.first(*hash) == NONE));
    }

    #[test]
    fn no_buckets_hold_nothing() {
        let mut heads = Heads::default();
        assert_eq!((heads.first(7), heads.near(7, 3), heads.put(7, 1), heads.first(7)), (NONE, NONE, NONE, NONE));
        assert_eq!(heads.take_unmoved(), None);
    }
}
