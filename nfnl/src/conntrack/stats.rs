//! Statistics: of each CPU, and of all.

use crate::attr::{Attributes, Malformed};
use crate::message::Builder;

/// `enum ctattr_stats_cpu` without its dead numbers; each number is there if the other end counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the header's own names")]
pub struct CpuStats {
    pub found: Option<u32>,
    pub invalid: Option<u32>,
    pub insert: Option<u32>,
    pub insert_failed: Option<u32>,
    pub drop: Option<u32>,
    pub early_drop: Option<u32>,
    pub error: Option<u32>,
    pub search_restart: Option<u32>,
    pub clash_resolve: Option<u32>,
    pub chain_too_long: Option<u32>,
}

/// `enum ctattr_stats_global`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalStats {
    /// Entries now.
    pub entries: u32,
    /// Entries at most, if the other end says.
    pub max: Option<u32>,
}

impl CpuStats {
    /// Reads the attributes of a `GET_STATS_CPU` answer.
    pub fn parse(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut stats = Self::default();
        for attribute in attributes {
            let attribute = attribute?;
            if let Some((_, place)) = stats.places().into_iter().find(|(kind, _)| *kind == attribute.kind) {
                *place = Some(attribute.be32()?);
            }
        }
        Ok(stats)
    }

    /// Writes them.
    pub fn emit(&self, builder: &mut Builder<'_>) {
        let mut copy = *self;
        for (kind, value) in copy.places() {
            if let Some(value) = *value {
                builder.be32(kind, value);
            }
        }
    }

    /// Every number's attribute and its place.
    fn places(&mut self) -> [(u16, &mut Option<u32>); 10] {
        [
            (2, &mut self.found),
            (4, &mut self.invalid),
            (8, &mut self.insert),
            (9, &mut self.insert_failed),
            (10, &mut self.drop),
            (11, &mut self.early_drop),
            (12, &mut self.error),
            (13, &mut self.search_restart),
            (14, &mut self.clash_resolve),
            (15, &mut self.chain_too_long),
        ]
    }
}

impl GlobalStats {
    /// Reads the attributes of a `GET_STATS` answer.
    pub fn parse(attributes: Attributes<'_>) -> Result<Self, Malformed> {
        let mut stats = Self::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                1 => stats.entries = attribute.be32()?,
                2 => stats.max = Some(attribute.be32()?),
                _ => {}
            }
        }
        Ok(stats)
    }

    /// Writes them.
    pub fn emit(&self, builder: &mut Builder<'_>) {
        builder.be32(1, self.entries);
        if let Some(max) = self.max {
            builder.be32(2, max);
        }
    }
}
