//! Tables as the real iptables makes them: programmed into the kernel of another namespace, read back from there, and put
//! into the datapath byte by byte.

use std::io;

use lab::namespace::Namespace;
use libxt::backend::datapath::Datapath;
use libxt::backend::kernel::Kernel;
use libxt::backend::{Backend, Counters, Get};
use libxt::family::Af;

/// Loads into the datapath of `router` what `iptables-legacy -t table` with each of `rules` makes.
pub(crate) fn load(router: &Namespace, table: &str, rules: &[&str]) -> io::Result<()> {
    let kernel = Namespace::new("kernel")?;
    for rule in rules {
        let mut words = vec!["iptables-legacy", "-t", table];
        words.extend(rule.split_ascii_whitespace());
        kernel.must(&words)?;
    }
    let (info, entries) = kernel.within(|| read(&mut Kernel::open(Af::V4).map_err(io::Error::other)?, table))??;
    router.within(|| -> io::Result<()> {
        let mut datapath = Datapath::open(Af::V4).map_err(io::Error::other)?;
        let mut now = named(table, GETINFO);
        datapath.get(Get::Info, &mut now)?;
        let replaced = number(&now, NUM_ENTRIES);
        // struct ipt_replace: name, valid_hooks, num_entries, size, hook_entry, underflow, num_counters, counters.
        let mut blob = info[..36].to_vec();
        blob.extend_from_slice(&info[NUM_ENTRIES..NUM_ENTRIES + 8]);
        blob.extend_from_slice(&info[36..NUM_ENTRIES]);
        blob.extend_from_slice(&replaced.to_ne_bytes());
        blob.extend_from_slice(&[0; 8]);
        blob.extend_from_slice(&entries);
        datapath
            .replace(&mut blob, &mut vec![Counters::default(); replaced as usize])
            .map_err(|error| io::Error::other(format!("replace: {error} {}", datapath.reason().unwrap_or_default())))
    })?
}

/// The bytes of a table of the datapath of `router`.
pub(crate) fn entries(router: &Namespace, table: &str) -> io::Result<Vec<u8>> {
    router.within(|| Ok(read(&mut Datapath::open(Af::V4).map_err(io::Error::other)?, table)?.1))?
}

/// The tables that the datapath of `router` has in use.
pub(crate) fn table_names(router: &Namespace) -> io::Result<io::Result<Vec<String>>> {
    router.within(|| Datapath::open(Af::V4).map_err(io::Error::other)?.table_names())
}

/// struct ipt_getinfo, and the entries.
fn read(backend: &mut impl Backend, table: &str) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut info = named(table, GETINFO);
    backend.get(Get::Info, &mut info)?;
    let size = number(&info, NUM_ENTRIES + 4);
    let mut entries = named(table, 40);
    entries[32..36].copy_from_slice(&size.to_ne_bytes());
    backend.get(Get::Entries, &mut entries)?;
    entries.drain(..40);
    Ok((info, entries))
}

fn named(table: &str, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    bytes[..table.len()].copy_from_slice(table.as_bytes());
    bytes
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

const GETINFO: usize = 84;
const NUM_ENTRIES: usize = 76;
