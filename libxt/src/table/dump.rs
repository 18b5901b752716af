//! The table as it was read, entry by entry, in the form of `-vv` (`TC_DUMP_ENTRIES` of libiptc).

use std::fmt::{self, Write};

use super::Table;
use crate::abi::{self, GetEntries};
use crate::blob::{self, Entry, Part};
use crate::family::Af;
use crate::value::address::{self, Text};
use crate::value::header::Range;
use crate::value::interface::Interface;

impl Table {
    /// Writes the entries that the backend gave, whatever was edited since.
    pub fn dump(&self, w: &mut dyn Write) -> fmt::Result {
        let info = &self.info;
        writeln!(w, "libiptc v{LIBRARY_VERSION}. {} bytes.", info.size)?;
        writeln!(w, "Table `{}'", self.name)?;
        let [pre, input, forward, output, post] = info.hook_entry;
        writeln!(w, "Hooks: pre/in/fwd/out/post = {pre:x}/{input:x}/{forward:x}/{output:x}/{post:x}")?;
        let [pre, input, forward, output, post] = info.underflow;
        writeln!(w, "Underflows: pre/in/fwd/out/post = {pre:x}/{input:x}/{forward:x}/{output:x}/{post:x}")?;
        let head = size_of::<GetEntries>();
        let bytes = self.bytes.get(head..head.saturating_add(info.size as usize)).unwrap_or_default();
        for (number, entry) in blob::entries(self.af, bytes).flatten().enumerate() {
            writeln!(w, "Entry {number} ({}):", entry.offset)?;
            dump_entry(w, self.af, &entry)?;
        }
        Ok(())
    }
}

fn dump_entry(w: &mut dyn Write, af: Af, entry: &Entry<'_>) -> fmt::Result {
    let header = &entry.header;
    dump_range(w, af, "SRC", &header.source)?;
    dump_range(w, af, "DST", &header.destination)?;
    write!(w, "Interface: `{}'/{}", header.input.text(), mask(&header.input))?;
    writeln!(w, "to `{}'/{}", header.output.text(), mask(&header.output))?;
    writeln!(w, "Protocol: {}", header.protocol)?;
    if af == Af::V6 && header.flags & crate::value::header::F_TOS_V6 != 0 {
        writeln!(w, "TOS: {}", header.tos)?;
    }
    writeln!(w, "Flags: {:02X}", header.flags)?;
    writeln!(w, "Invflags: {:02X}", header.inversions)?;
    let counters = entry.counters();
    writeln!(w, "Counters: {} packets, {} bytes", counters.packets, counters.bytes)?;
    writeln!(w, "Cache: {:08X}", entry.offsets.nfcache)?;
    for part in entry.matches() {
        writeln!(w, "Match name: `{}'", part.name)?;
    }
    dump_target(w, af, &entry.target())?;
    w.write_char('\n')
}

fn dump_range(w: &mut dyn Write, af: Af, name: &str, range: &Range) -> fmt::Result {
    let address = Text(address::to_ip(af, &range.address));
    let mask = Text(address::to_ip(af, &range.mask));
    match (af, address::mask_len(af, &range.mask)) {
        (Af::V4, _) => writeln!(w, "{name} IP: {address}/{mask}"),
        (Af::V6, Some(len)) => writeln!(w, "{name} IP: \n{address}\n/{len}"),
        (Af::V6, None) => writeln!(w, "{name} IP: \n{address}\n/{mask}\n"),
    }
}

fn dump_target(w: &mut dyn Write, af: Af, target: &Part<'_>) -> fmt::Result {
    writeln!(w, "Target name: `{}' [{}]", target.name, target.info.len() + size_of::<abi::TargetHead>())?;
    match (target.verdict(), target.error_name()) {
        (Some(abi::ACCEPT), _) => writeln!(w, "verdict=NF_ACCEPT"),
        (Some(abi::DROP), _) => writeln!(w, "verdict=NF_DROP"),
        // libip6tc has no name for it.
        (Some(abi::QUEUE), _) if af == Af::V4 => writeln!(w, "verdict=NF_QUEUE"),
        (Some(abi::RETURN), _) => writeln!(w, "verdict=RETURN"),
        (Some(verdict), _) if verdict < 0 => writeln!(w, "verdict=UNKNOWN"),
        (Some(offset), _) => writeln!(w, "verdict={offset}"),
        (None, Some(name)) => writeln!(w, "error=`{name}'"),
        (None, None) => Ok(()),
    }
}

/// Which bytes of the name count: `X` for those that do.
fn mask(interface: &Interface) -> String {
    interface.mask.iter().map(|&byte| if byte == 0 { '.' } else { 'X' }).collect()
}

/// What upstream prints there is not its release but its library's name.
const LIBRARY_VERSION: &str = "libxtables.so.12";
