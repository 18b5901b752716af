//! What `conntrack -S` shows, counted for each worker.

/// `struct ip_conntrack_stat`, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Entries that had been there when one was to be inserted.
    pub found: u32,
    /// Packets of no connection although tracking looked at them.
    pub invalid: u32,
    /// Connections that ctnetlink put into the table: those that packets begin are not counted.
    pub insert: u32,
    /// Connections that could not enter the table.
    pub insert_failed: u32,
    /// Packets dropped since the table was full or a tuple was taken.
    pub drop: u32,
    /// Connections that made room for new ones.
    pub early_drop: u32,
    /// ICMP messages that made no sense.
    pub error: u32,
    /// Clashes that were resolved.
    pub clash_resolve: u32,
    /// Connections that met too long a chain.
    pub chain_too_long: u32,
    /// Connections that had been expected.
    pub expect_new: u32,
    /// Expectations made.
    pub expect_create: u32,
    /// Expectations that ended.
    pub expect_delete: u32,
}

/// The counts of all workers.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    workers: Vec<Statistics>,
    /// Who works now.
    now: usize,
}

/// Workers that have counts of their own; those beyond share the last one's.
const WORKERS_MAX: usize = 256;

impl Default for Counted {
    fn default() -> Self {
        Self { workers: vec![Statistics::default()], now: 0 }
    }
}

impl Counted {
    pub(super) fn set_worker(&mut self, worker: usize) {
        self.now = worker.min(WORKERS_MAX - 1);
        if self.workers.len() <= self.now {
            self.workers.resize(self.now + 1, Statistics::default());
        }
    }

    /// Who works now.
    pub(super) fn worker(&self) -> usize {
        self.now
    }

    /// Those of who works now.
    pub(super) fn here(&mut self) -> &mut Statistics {
        &mut self.workers[self.now]
    }

    pub(super) fn workers(&self) -> &[Statistics] {
        &self.workers
    }

    pub(super) fn all(&self) -> Statistics {
        let mut all = Statistics::default();
        for mut worker in self.workers.iter().copied() {
            for (sum, one) in all.fields().into_iter().zip(worker.fields()) {
                *sum = sum.wrapping_add(*one);
            }
        }
        all
    }
}

impl Statistics {
    fn fields(&mut self) -> [&mut u32; 12] {
        let Self {
            found,
            invalid,
            insert,
            insert_failed,
            drop,
            early_drop,
            error,
            clash_resolve,
            chain_too_long,
            expect_new,
            expect_create,
            expect_delete,
        } = self;
        [
            found,
            invalid,
            insert,
            insert_failed,
            drop,
            early_drop,
            error,
            clash_resolve,
            chain_too_long,
            expect_new,
            expect_create,
            expect_delete,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_counts_for_itself_and_all_are_their_sum() {
        let mut counted = Counted::default();
        counted.here().drop += 1;
        counted.set_worker(2);
        counted.here().drop += 5;
        counted.here().expect_delete += 7;
        let drops: Vec<u32> = counted.workers().iter().map(|worker| worker.drop).collect();
        assert_eq!(drops, [1, 0, 5]);
        assert_eq!(counted.all(), Statistics { drop: 6, expect_delete: 7, ..Statistics::default() });
        counted.set_worker(usize::MAX);
        counted.here().found += 1;
        assert_eq!(counted.workers().len(), WORKERS_MAX);
    }
}
