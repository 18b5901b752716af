//! `-j CLUSTERIP`: lets several machines share an address and a multicast MAC; Linux has forgotten it in 6.2.

use std::fmt::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Families, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::mac::Mac;

/// A cluster that is made, or only the target for one that another rule made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusterip {
    /// The cluster is made; without this nothing else counts.
    pub new: bool,
    /// What chooses the node: 0 the source address, 1 its port, too, 2 both ports.
    pub mode: u32,
    /// The address of all nodes.
    pub mac: Mac,
    /// How many nodes there are, at most 16.
    pub nodes: u16,
    /// How many of them are this one.
    pub local_count: u16,
    /// Which nodes are this one, counted from 1.
    pub local: [u16; NODES_MAX],
    /// Where the hash begins.
    pub seed: u32,
}

impl Extension for Clusterip {
    const NAME: &'static str = "CLUSTERIP";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] =
        &[Revision::new(0, size_of::<Info>()).user_size(size_of::<Info>() - size_of::<u64>()).only(Families::V4)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::flag("new", "make the cluster; needs the next four options", set_new),
        Opt::new("hashmode", " mode", "sourceip, sourceip-sourceport or sourceip-sourceport-destport", set_mode),
        Opt::new("clustermac", " mac", "the multicast MAC that all nodes answer to", set_mac),
        Opt::new("total-nodes", " n", "how many nodes there are, at most 16", set_nodes),
        Opt::new("local-node", " n", "which of them this is, counted from 1", set_local),
        Opt::new("hash-init", " n", "where the hash begins", set_seed),
    ];

    fn check(&mut self, seen: u64, _around: &Surroundings) -> Result<(), Problem> {
        if matches!(seen, 0 | NEW_CLUSTER) || seen == NEW_CLUSTER | HASH_INIT {
            return Ok(());
        }
        Err(Problem::new("CLUSTERIP target: Invalid parameter combination"))
    }

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("CLUSTERIP"))?;
        if usize::from(info.local_count) > NODES_MAX {
            return Err(Malformed("CLUSTERIP nodes"));
        }
        Ok(Self {
            new: info.flags & NEW != 0,
            mode: info.mode,
            mac: Mac(info.mac),
            nodes: info.nodes,
            local_count: info.local_count,
            local: info.local,
            seed: info.seed,
        })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let bytes = Info {
            flags: if self.new { NEW } else { 0 },
            mac: self.mac.0,
            nodes: self.nodes,
            local_count: self.local_count,
            local: self.local,
            pad: [0; 2],
            mode: self.mode,
            seed: self.seed,
            kernel: [0; 8],
        };
        bytes.write_to_prefix(info).map_err(|_| Malformed("CLUSTERIP"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        if !self.new {
            return Ok(());
        }
        let Self { nodes, seed, .. } = self;
        let mac = self.shown_mac();
        write!(w, " --new --hashmode {} --clustermac {mac} --total-nodes {nodes}", self.mode_name())?;
        write!(w, " --local-node {} --hash-init {seed}", self.local[0])
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, _numeric: bool) -> fmt::Result {
        w.write_str(" CLUSTERIP")?;
        if !self.new {
            return Ok(());
        }
        let Self { nodes, seed, .. } = self;
        let mac = self.shown_mac();
        write!(w, " hashmode={} clustermac={mac} total_nodes={nodes}", self.mode_name())?;
        write!(w, " local_node={} hash_init={seed}", self.local[0])
    }
}

impl Clusterip {
    fn mode_name(&self) -> &'static str {
        usize::try_from(self.mode).ok().and_then(|mode| MODES.get(mode)).copied().unwrap_or("unknown-error")
    }

    /// In capitals, unlike in other extensions.
    fn shown_mac(&self) -> String {
        self.mac.to_string().to_uppercase()
    }
}

fn set_new(to: &mut Clusterip, _given: &Given<'_>) -> Result<(), Problem> {
    to.new = true;
    Ok(())
}

fn set_mode(to: &mut Clusterip, given: &Given<'_>) -> Result<(), Problem> {
    let mode = MODES.iter().position(|mode| *mode == given.value);
    let mode = mode.ok_or_else(|| Problem::new(format!("Unknown hashmode \"{}\"", given.value)))?;
    to.mode = mode as u32;
    Ok(())
}

fn set_mac(to: &mut Clusterip, given: &Given<'_>) -> Result<(), Problem> {
    to.mac = Mac::parse(given.value).ok_or_else(|| Problem::new("Invalid MAC address specified."))?;
    if to.mac.0[0] & 1 == 0 {
        return Err(Problem::new("MAC has to be a multicast ethernet address"));
    }
    Ok(())
}

fn set_nodes(to: &mut Clusterip, given: &Given<'_>) -> Result<(), Problem> {
    to.nodes = given.word(0, NODES_MAX as u16)?;
    Ok(())
}

fn set_local(to: &mut Clusterip, given: &Given<'_>) -> Result<(), Problem> {
    to.local[0] = given.word(0, NODES_MAX as u16)?;
    to.local_count = 1;
    Ok(())
}

fn set_seed(to: &mut Clusterip, given: &Given<'_>) -> Result<(), Problem> {
    to.seed = given.long(0, u32::MAX)?;
    Ok(())
}

/// CLUSTERIP_MAX_NODES.
const NODES_MAX: usize = 16;
/// CLUSTERIP_HASHMODE_*, by number.
const MODES: [&str; 3] = ["sourceip", "sourceip-sourceport", "sourceip-sourceport-destport"];
/// The first five options, as bits of what was given, and the last.
const NEW_CLUSTER: u64 = 0x1f;
const HASH_INIT: u64 = 0x20;
/// CLUSTERIP_FLAG_NEW.
const NEW: u32 = 1;

/// struct ipt_clusterip_tgt_info.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    flags: u32,
    mac: [u8; 6],
    nodes: u16,
    local_count: u16,
    local: [u16; NODES_MAX],
    pad: [u8; 2],
    mode: u32,
    seed: u32,
    kernel: [u8; 8],
}
