//! `-m cluster`: shares the packets among the nodes of a cluster by a hash of the connection's source.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};

/// Which share of the packets is this node's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// How many nodes there are, 1 to 32.
    pub nodes: u32,
    /// Bit *n* − 1 for each node *n* that this one stands for.
    pub own: u32,
    /// What the hash begins with; the same on all nodes.
    pub seed: u32,
    /// `!`: the shares of the others.
    pub inverted: bool,
}

impl Extension for Cluster {
    const NAME: &'static str = "cluster";
    const KIND: Kind = Kind::Match;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>())];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("cluster-total-nodes", " number", "how many nodes there are, 1 to 32", set_nodes).mandatory(),
        Opt::new("cluster-local-node", " number", "the number of this node, from 1", set_node)
            .invertible()
            .excludes(&["cluster-local-nodemask"]),
        Opt::new("cluster-local-nodemask", " mask", "the nodes this one stands for, as bits", set_mask)
            .invertible()
            .excludes(&["cluster-local-node"]),
        Opt::new("cluster-hash-seed", " number", "what the hash begins with", set_seed).mandatory(),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if seen & (NODE | MASK) == 0 {
            return Err(Problem::new("cluster match: `--cluster-local-node' or`--cluster-local-nodemask' is missing"));
        }
        let complete = seen & (NODES | SEED) == NODES | SEED;
        if complete && u64::from(self.own) >= 1 << self.nodes.min(32) {
            return Err(Problem::new(if seen & NODE != 0 {
                "cluster match: `--cluster-local-node' must be <= `--cluster-total-nodes'"
            } else {
                "cluster match: `--cluster-local-nodemask' too big for `--cluster-total-nodes'"
            }));
        }
        Ok(())
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("cluster"))?;
        Ok(Self { nodes: info.nodes, own: info.own, seed: info.seed, inverted: info.flags & INVERT != 0 })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes =
            Info { nodes: self.nodes, own: self.own, seed: self.seed, flags: if self.inverted { INVERT } else { 0 } };
        bytes.write_to_prefix(info).map_err(|_| Malformed("cluster"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        let not = if self.inverted { " !" } else { "" };
        let Self { nodes, own, seed, .. } = self;
        write!(
            w,
            "{not} --cluster-local-nodemask {own:#010x} --cluster-total-nodes {nodes} --cluster-hash-seed {seed:#010x}"
        )
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        let not = if self.inverted { "!" } else { "" };
        let Self { nodes, own, seed, .. } = self;
        write!(w, " cluster {not}node_mask={own:#010x} total_nodes={nodes} hash_seed={seed:#010x}")
    }
}

fn set_nodes(to: &mut Cluster, given: &Given<'_>) -> Result<(), Problem> {
    to.nodes = given.long(1, NODES_MAX)?;
    Ok(())
}

fn set_node(to: &mut Cluster, given: &Given<'_>) -> Result<(), Problem> {
    to.own = 1 << (given.long(1, NODES_MAX)? - 1);
    to.inverted |= given.inverted;
    Ok(())
}

/// The tools hold the mask to the same bounds as a number of nodes.
fn set_mask(to: &mut Cluster, given: &Given<'_>) -> Result<(), Problem> {
    to.own = given.long(1, NODES_MAX)?;
    to.inverted |= given.inverted;
    Ok(())
}

fn set_seed(to: &mut Cluster, given: &Given<'_>) -> Result<(), Problem> {
    to.seed = given.long(0, u32::MAX)?;
    Ok(())
}

/// XT_CLUSTER_NODES_MAX.
const NODES_MAX: u32 = 32;

/// Positions in the option table.
const NODES: u64 = 1;
const NODE: u64 = 1 << 1;
const MASK: u64 = 1 << 2;
const SEED: u64 = 1 << 3;

const INVERT: u32 = 1;

/// struct xt_cluster_match_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    nodes: u32,
    own: u32,
    seed: u32,
    flags: u32,
}
