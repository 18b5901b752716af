//! `-m cluster`: whether a connection is this node's of a cluster, by a hash of the address that opened it.

use libxt::ext::Families;
use libxt::ext::matches::cluster::Cluster;

use super::Match;
use crate::conntrack::{Direction, Tracked};
use crate::ext::{Maker, Scene, jhash};
use crate::ruleset::Refused;
use crate::ruleset::refused::errno;

pub(super) const MAKER: Maker<Match> = Maker::of::<Cluster>(Families::Both, |revision, info, site| {
    let value: Cluster = site.decode(revision, info)?;
    // As xt_cluster_mt_checkentry().
    if value.nodes > 32 {
        return Err(Refused::invalid("cluster: more than 32 nodes"));
    }
    if u64::from(value.own) >= 1 << value.nodes {
        return Err(Refused::new(errno::EDOM, "cluster: a node beyond the last"));
    }
    Ok(Match::Cluster(value))
})
.tracks();

/// As xt_cluster_mt(): what has no connection never matches, nor, as measured, what has a template alone. An expected connection
/// is with the one that announced it. The kernel also takes frames to a group's Ethernet address for its own here, which only
/// it can.
pub(super) fn matches(cluster: &Cluster, scene: &Scene<'_, '_>) -> bool {
    let Tracked::Of { id, .. } = scene.tracked else { return false };
    let Some((connection, _)) = scene.connection() else { return false };
    let opened = scene.tracker.master_tuple(id).unwrap_or_else(|| connection.tuple(Direction::Original));
    let node = share(cluster, &opened.source.0);
    (cluster.own.checked_shr(node).unwrap_or(0) & 1 != 0) != cluster.inverted
}

/// The node of an address, of which the kernel hashes the first four bytes in either family. As xt_cluster_hash().
fn share(cluster: &Cluster, address: &[u8; 16]) -> u32 {
    let &[a, b, c, d, ..] = address;
    jhash::scale(jhash::words(&[u32::from_ne_bytes([a, b, c, d])], cluster.seed), cluster.nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_one_node_and_every_node_some_addresses() {
        let cluster = Cluster { nodes: 4, seed: 0xdead_beef, ..Cluster::default() };
        let mut met = [0; 4];
        for host in 0..=255 {
            let mut address = [0; 16];
            address[..4].copy_from_slice(&[10, 1, 0, host]);
            met[share(&cluster, &address) as usize] += 1;
        }
        assert!(met.iter().all(|&count| count > 30), "{met:?}");
    }
}
