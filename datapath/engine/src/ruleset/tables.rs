//! The tables of one family and the socket-option calls on them.

use libxt::abi::{self, CountersInfo, GetEntries, GetInfo, GetRevision};
use libxt::backend::{Counters, Get};
use libxt::family::Af;
use zerocopy::{FromBytes, IntoBytes};

use super::Refused;
use super::kind::Kind;
use super::refused::errno;
use super::table::{Prepared, Table};
use crate::ext::stores::Stores;
use crate::ext::{Maker, matches, targets};

/// All tables of a family; one comes into being when it is first asked for.
#[derive(Debug)]
pub(crate) struct Tables {
    af: Af,
    tables: [Option<Table>; 5],
    /// In the order in which they came.
    order: Vec<Kind>,
}

impl Tables {
    pub(crate) fn new(af: Af) -> Self {
        Self { af, tables: [const { None }; 5], order: Vec::with_capacity(5) }
    }

    pub(crate) fn table(&self, kind: Kind) -> Option<&Table> {
        self.tables[kind as usize].as_ref()
    }

    pub(crate) fn table_mut(&mut self, kind: Kind) -> Option<&mut Table> {
        self.tables[kind as usize].as_mut()
    }

    /// The tables that exist.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().flatten()
    }

    /// Has their rules name what they keep, which is all there.
    pub(crate) fn open(&mut self, stores: &mut Stores) {
        for table in self.tables.iter_mut().flatten() {
            let _ = table.open(stores);
        }
    }

    /// Their names, newest first.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.order.iter().rev().map(|kind| kind.name()).collect()
    }

    /// As do_ipt_get_ctl().
    pub(crate) fn get(&mut self, what: Get, value: &mut Vec<u8>) -> Result<(), Refused> {
        match what {
            Get::Info => self.info(value),
            Get::Entries => self.entries(value),
            Get::RevisionMatch => revision(matches::MAKERS, &[], self.af, value),
            Get::RevisionTarget => revision(targets::MAKERS, BUILT_IN, self.af, value),
        }
    }

    /// Swaps a table in; the old one's counters are left in `old`. As __do_replace().
    pub(crate) fn install(&mut self, prepared: Prepared, old: &mut Vec<Counters>) -> Result<Table, Refused> {
        let loaded = self.find(prepared.kind)?;
        if loaded.counters.len() as u64 != u64::from(prepared.num_counters) {
            return Err(Refused::new(errno::EAGAIN, "the table changed meanwhile"));
        }
        old.clear();
        old.extend_from_slice(&loaded.counters);
        Ok(std::mem::replace(loaded, prepared.table))
    }

    /// As do_add_counters().
    pub(crate) fn add_counters(&mut self, blob: &[u8]) -> Result<(), Refused> {
        let (head, counters) = CountersInfo::read_from_prefix(blob)
            .map_err(|_| Refused::invalid("shorter than struct xt_counters_info"))?;
        if counters.is_empty()
            || Some(counters.len()) != (head.num_counters as usize).checked_mul(size_of::<Counters>())
        {
            return Err(Refused::invalid("num_counters is not the number of counters"));
        }
        let kind = Kind::of_name(&name(&head.name)).ok_or(NO_TABLE)?;
        let table = self.find(kind)?;
        if table.counters.len() != head.num_counters as usize {
            return Err(Refused::invalid("the table has another number of entries"));
        }
        for (counters, bytes) in table.counters.iter_mut().zip(counters.chunks_exact(size_of::<Counters>())) {
            if let Ok(more) = Counters::read_from_bytes(bytes) {
                counters.packets = counters.packets.wrapping_add(more.packets);
                counters.bytes = counters.bytes.wrapping_add(more.bytes);
            }
        }
        Ok(())
    }

    /// The table of a kind, made if there is none yet. As xt_request_find_table_lock().
    fn find(&mut self, kind: Kind) -> Result<&mut Table, Refused> {
        let slot = &mut self.tables[kind as usize];
        if slot.is_none() {
            *slot = Some(Table::initial(self.af, kind)?);
            self.order.push(kind);
        }
        slot.as_mut().ok_or(NO_TABLE)
    }

    fn info(&mut self, value: &mut Vec<u8>) -> Result<(), Refused> {
        let asked =
            GetInfo::read_from_bytes(value).map_err(|_| Refused::invalid("not as long as struct ipt_getinfo"))?;
        let kind = Kind::of_name(&name(&asked.name)).ok_or(NO_TABLE)?;
        let info = self.find(kind)?.info();
        value.clear();
        value.extend_from_slice(info.as_bytes());
        Ok(())
    }

    fn entries(&mut self, value: &mut Vec<u8>) -> Result<(), Refused> {
        let (asked, _) =
            GetEntries::read_from_prefix(value).map_err(|_| Refused::invalid("shorter than struct ipt_get_entries"))?;
        let kind = Kind::of_name(&name(&asked.name)).ok_or(NO_TABLE)?;
        let table = self.find(kind)?;
        if table.size() != asked.size as usize {
            return Err(Refused::new(errno::EAGAIN, "the table changed meanwhile"));
        }
        value.clear();
        value.extend_from_slice(asked.as_bytes());
        table.write_entries(value);
        Ok(())
    }
}

/// The text of a name field, cut to what fits with its zero, as the kernel cuts it.
pub(super) fn name(field: &[u8; abi::TABLE_NAME_LEN]) -> String {
    let text = &field[..abi::TABLE_NAME_LEN - 1];
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    String::from_utf8_lossy(&text[..end]).into_owned()
}

/// As xt_find_revision().
fn revision<J>(makers: &[Maker<J>], built_in: &[&str], af: Af, value: &[u8]) -> Result<(), Refused> {
    let asked =
        GetRevision::read_from_bytes(value).map_err(|_| Refused::invalid("not as long as struct xt_get_revision"))?;
    let name = abi::name_of(&asked.name).unwrap_or_default();
    let mut known = makers
        .iter()
        .filter(|maker| maker.name == name && maker.families.contain(af))
        .flat_map(|maker| maker.revisions)
        .filter(|revision| revision.families.contain(af))
        .map(|revision| revision.number)
        .chain(built_in.iter().filter(|built_in| **built_in == name).map(|_| 0))
        .peekable();
    if known.peek().is_none() {
        return Err(Refused::new(errno::ENOENT, "an extension is not known"));
    }
    if known.any(|known| known == asked.revision) {
        return Ok(());
    }
    Err(Refused::new(errno::EPROTONOSUPPORT, "this revision of an extension is not known"))
}

const NO_TABLE: Refused = Refused::new(errno::ENOENT, "no such table");
/// The targets that are part of x_tables itself, in revision 0.
const BUILT_IN: &[&str] = &[abi::STANDARD_TARGET, abi::ERROR_TARGET];
