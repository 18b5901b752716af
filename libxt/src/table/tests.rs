//! Editing against a table kept in memory, which counts as the kernel does.

use std::io;

use zerocopy::{FromBytes, IntoBytes};

use super::{Destination, NewRule, Table};
use crate::abi::{self, Counters, CountersInfo, GetEntries, GetInfo, Offsets, Replace, StandardTarget, TargetHead};
use crate::backend::{Backend, Get};
use crate::blob;
use crate::family::Af;
use crate::value::header::Header;

/// One table, as bytes.
struct Memory {
    info: GetInfo,
    entries: Vec<u8>,
}

impl Memory {
    /// `filter` without a rule, written by hand: three policies and the end.
    fn filter() -> Self {
        let name = abi::name_field("filter").unwrap();
        let mut info = GetInfo { name, valid_hooks: 0b01110, num_entries: 4, ..GetInfo::default() };
        let mut entries = Vec::new();
        for hook in 1..=3 {
            info.hook_entry[hook] = entries.len() as u32;
            info.underflow[hook] = entries.len() as u32;
            entries.extend(standard(Header::any(Af::V4), abi::ACCEPT));
        }
        let mut end = vec![0; 176];
        let offsets = Offsets { target: 112, next: 176, ..Offsets::default() };
        abi::write_entry(Af::V4, &Header::any(Af::V4), &offsets, &mut end).unwrap();
        end[112] = 64;
        end[114..119].copy_from_slice(b"ERROR");
        end[144..149].copy_from_slice(b"ERROR");
        entries.extend(end);
        info.size = entries.len() as u32;
        Self { info, entries }
    }

    fn offsets(&self) -> Vec<usize> {
        blob::entries(Af::V4, &self.entries).map(|entry| entry.unwrap().offset).collect()
    }

    fn counters(&self) -> Vec<Counters> {
        blob::entries(Af::V4, &self.entries).map(|entry| entry.unwrap().counters()).collect()
    }

    fn count(&mut self, index: usize, add: Counters) {
        let at = self.offsets()[index] + 96;
        let bytes = &mut self.entries[at..at + 16];
        let old = Counters::read_from_bytes(bytes).unwrap();
        let new = Counters { packets: old.packets.wrapping_add(add.packets), bytes: old.bytes.wrapping_add(add.bytes) };
        bytes.copy_from_slice(new.as_bytes());
    }

    fn open(&mut self) -> Table {
        Table::open(self, "filter").unwrap()
    }
}

impl Backend for Memory {
    fn af(&self) -> Af {
        Af::V4
    }

    fn get(&mut self, what: Get, value: &mut Vec<u8>) -> io::Result<()> {
        match what {
            Get::Info => *value = self.info.as_bytes().to_vec(),
            Get::Entries => {
                value.truncate(size_of::<GetEntries>());
                value.extend(&self.entries);
            }
            _ => return Err(io::Error::from_raw_os_error(libc::ENOENT)),
        }
        Ok(())
    }

    fn replace(&mut self, blob: &mut [u8], old: &mut [Counters]) -> io::Result<()> {
        let (head, entries) = Replace::read_from_prefix(blob).unwrap();
        old.copy_from_slice(&self.counters());
        self.entries = entries.to_vec();
        self.info.num_entries = head.num_entries;
        self.info.size = head.size;
        self.info.hook_entry = head.hook_entry;
        self.info.underflow = head.underflow;
        assert_eq!(self.offsets().len(), head.num_entries as usize);
        for at in self.offsets() {
            self.entries[at + 96..at + 112].fill(0);
        }
        Ok(())
    }

    fn add_counters(&mut self, blob: &[u8]) -> io::Result<()> {
        let (head, mut rest) = CountersInfo::read_from_prefix(blob).unwrap();
        assert_eq!(head.num_counters, self.info.num_entries);
        for index in 0..head.num_counters as usize {
            let (counters, after) = Counters::read_from_prefix(rest).unwrap();
            self.count(index, counters);
            rest = after;
        }
        Ok(())
    }

    fn table_names(&mut self) -> io::Result<Vec<String>> {
        Ok(vec!["filter".to_owned()])
    }
}

/// An entry with the standard target.
fn standard(header: Header, verdict: i32) -> Vec<u8> {
    let mut entry = vec![0; 112];
    let offsets = Offsets { target: 112, next: 152, ..Offsets::default() };
    abi::write_entry(Af::V4, &header, &offsets, &mut entry).unwrap();
    let head = TargetHead { size: 40, ..TargetHead::default() };
    entry.extend(StandardTarget { head, verdict, pad: 0 }.as_bytes());
    entry
}

fn protocol(number: u16) -> Header {
    Header { protocol: number, ..Header::any(Af::V4) }
}

fn accept(bytes: &[u8]) -> NewRule<'_> {
    NewRule { bytes, destination: Destination::Verdict, user_sizes: &[4] }
}

fn jump<'a>(bytes: &'a [u8], chain: &'a str) -> NewRule<'a> {
    NewRule { bytes, destination: Destination::Chain(chain), user_sizes: &[4] }
}

fn packets(number: u64) -> Counters {
    Counters { packets: number, bytes: number * 100 }
}

#[test]
fn a_table_that_is_read_and_written_unedited_is_the_same() {
    let mut memory = Memory::filter();
    let rule = standard(protocol(6), abi::DROP);
    let mut table = memory.open();
    table.create("web").unwrap();
    table.append("INPUT", &jump(&standard(protocol(6), 0), "web")).unwrap();
    table.append("web", &accept(&rule)).unwrap();
    table.commit(&mut memory).unwrap();
    let (before, info) = (memory.entries.clone(), memory.info);
    let blob = memory.open().to_blob().unwrap();
    assert_eq!(&blob[size_of::<Replace>()..], before);
    let (head, _) = Replace::read_from_prefix(&blob).unwrap();
    assert_eq!((head.hook_entry[1..4].to_vec(), head.num_entries), (info.hook_entry[1..4].to_vec(), info.num_entries));
}

#[test]
fn user_chains_stand_sorted_and_jumps_find_them() {
    let mut memory = Memory::filter();
    let mut table = memory.open();
    for chain in ["b", "c", "a"] {
        table.create(chain).unwrap();
    }
    table.append("INPUT", &jump(&standard(protocol(6), 0), "c")).unwrap();
    table.rename("c", "0").unwrap();
    table.commit(&mut memory).unwrap();
    let heads: Vec<_> = blob::entries(Af::V4, &memory.entries)
        .filter_map(|entry| entry.unwrap().error_name().map(|name| name.into_owned()))
        .collect();
    assert_eq!(heads, ["0", "a", "b", "ERROR"]);
    let table = memory.open();
    let input = table.find("INPUT").unwrap();
    assert_eq!(table.rules(input).map(|rule| rule.target.to_owned()).collect::<Vec<_>>(), ["0"]);
    assert_eq!(table.describe(table.find("0").unwrap()).references, 1);
}

#[test]
fn rules_keep_their_counts_and_policies_what_is_counted_since_the_reading() {
    let mut memory = Memory::filter();
    let rule = standard(protocol(6), abi::ACCEPT);
    let mut table = memory.open();
    table.append("INPUT", &accept(&rule)).unwrap();
    table.commit(&mut memory).unwrap();
    memory.count(0, packets(3));
    memory.count(1, packets(5));
    let mut table = memory.open();
    table.insert("INPUT", &accept(&standard(protocol(17), abi::DROP)), 0).unwrap();
    memory.count(0, packets(10));
    memory.count(1, packets(20));
    table.commit(&mut memory).unwrap();
    assert_eq!(memory.counters()[..3], [packets(0), packets(13), packets(20)]);
}

#[test]
fn zeroing_takes_away_only_what_was_seen() {
    let mut memory = Memory::filter();
    let mut table = memory.open();
    table.append("INPUT", &accept(&standard(protocol(6), abi::ACCEPT))).unwrap();
    table.commit(&mut memory).unwrap();
    memory.count(0, packets(7));
    let mut table = memory.open();
    table.zero("INPUT").unwrap();
    memory.count(0, packets(2));
    table.commit(&mut memory).unwrap();
    assert_eq!(memory.counters()[0], packets(2));
}

#[test]
fn given_counters_are_set_and_a_policy_without_them_starts_anew() {
    let mut memory = Memory::filter();
    memory.count(0, packets(7));
    memory.count(1, packets(8));
    let mut table = memory.open();
    table.set_policy("INPUT", "DROP", None).unwrap();
    table.set_policy("FORWARD", "DROP", Some(packets(1))).unwrap();
    table.commit(&mut memory).unwrap();
    assert_eq!(memory.counters()[..2], [packets(0), packets(1)]);
}

#[test]
fn refusals_have_libiptcs_words() {
    let mut memory = Memory::filter();
    let mut table = memory.open();
    let rule = standard(protocol(6), abi::ACCEPT);
    let said = |result: Result<(), super::Refused>| result.unwrap_err().to_string();
    assert_eq!(said(table.append("web", &accept(&rule))), "No chain/target/match by that name");
    assert_eq!(said(table.delete("INPUT", &accept(&rule))), "Bad rule (does a matching rule exist in that chain?)");
    assert_eq!(said(table.insert("INPUT", &accept(&rule), 1)), "Index of insertion too big");
    assert_eq!(said(table.replace("INPUT", &accept(&rule), 0)), "Index of replacement too big");
    assert_eq!(said(table.delete_number("INPUT", 0)), "Index of deletion too big");
    assert_eq!(said(table.zero_number("INPUT", 1)), "Index of counter too big");
    assert_eq!(said(table.set_policy("web", "DROP", None)), "Bad built-in chain name");
    assert_eq!(said(table.set_policy("INPUT", "QUEUE", None)), "Bad policy name");
    table.create("web").unwrap();
    assert_eq!(said(table.create("web")), "Chain already exists");
    assert_eq!(said(table.rename("INPUT", "web")), "File exists");
    table.append("INPUT", &jump(&standard(protocol(6), 0), "web")).unwrap();
    assert_eq!(said(table.delete_chain("web")), "Too many links");
    table.flush("INPUT").unwrap();
    table.append("web", &accept(&rule)).unwrap();
    assert_eq!(said(table.delete_chain("web")), "Directory not empty");
    assert_eq!(said(table.delete_chain("INPUT")), "Invalid argument");
    assert_eq!(said(table.append("web", &jump(&standard(protocol(6), 0), "INPUT"))), "Invalid argument");
}

#[test]
fn a_rule_is_found_by_what_the_user_meant() {
    let mut memory = Memory::filter();
    let mut table = memory.open();
    let rule = standard(protocol(6), abi::ACCEPT);
    table.append("INPUT", &accept(&rule)).unwrap();
    assert!(table.check("INPUT", &accept(&standard(protocol(6), abi::DROP))).is_err());
    assert!(table.check("INPUT", &accept(&standard(protocol(17), abi::ACCEPT))).is_err());
    table.check("INPUT", &accept(&rule)).unwrap();
    table.delete("INPUT", &accept(&rule)).unwrap();
    assert_eq!(table.describe(table.find("INPUT").unwrap()).rules, 0);
}

#[test]
fn any_changed_byte_in_the_answer_is_survived() {
    let mut memory = Memory::filter();
    let mut table = memory.open();
    table.create("web").unwrap();
    table.append("INPUT", &jump(&standard(protocol(6), 0), "web")).unwrap();
    table.append("web", &accept(&standard(protocol(6), abi::DROP))).unwrap();
    table.commit(&mut memory).unwrap();
    let good = memory.entries.clone();
    for at in 0..good.len() {
        for byte in [0, 1, 8, 0x7f, 0x80, 0xff] {
            memory.entries.clone_from(&good);
            memory.entries[at] = byte;
            let Ok(table) = Table::open(&mut memory, "filter") else { continue };
            let shown: usize = table.chains().map(|id| table.rules(id).count()).sum();
            assert!(shown <= 7);
            let _ = table.to_blob();
        }
    }
}
