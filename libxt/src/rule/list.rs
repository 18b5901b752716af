//! One rule as `-L` prints it, and as `-v` echoes it.

use std::fmt::{self, Write};

use super::save::{UNSUPPORTED, decode};
use crate::blob::{Entry, Part};
use crate::ext::{self, Kind, Surroundings};
use crate::family::Af;
use crate::octets;
use crate::table::Rule;
use crate::value::address::{self, Text};
use crate::value::header::{self, Header, Range};
use crate::value::interface::Interface;
use crate::value::{protocol, resolve};

/// Which columns a listing has and how they look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// `-n`: numbers for addresses and whatever extensions print.
    pub numeric: bool,
    /// `-v`: counters and interfaces.
    pub verbose: bool,
    /// `-x`: counters in full.
    pub exact: bool,
    /// `--line-numbers`.
    pub line_numbers: bool,
    /// Not a table: the single line that `-A -v` and the like echo.
    pub echo: bool,
}

/// Writes rule `number` (counted from 1), newline included.
pub fn list_line(w: &mut dyn Write, rule: &Rule<'_>, number: usize, columns: Columns) -> fmt::Result {
    let Entry { header, .. } = &rule.entry;
    let around = header.surroundings();
    let target = rule.is_module.then(|| rule.entry.target());
    let decoded = target.as_ref().and_then(|part| decode(Kind::Target, part, &around));
    if columns.line_numbers {
        write!(w, "{number:<4} ")?;
    }
    if columns.verbose && !columns.echo {
        let counters = rule.entry.counters();
        write!(w, "{}{}", count(counters.packets, columns.exact), count(counters.bytes, columns.exact))?;
    }
    // The kernel's name, where -S shows the alias.
    let name = target.as_ref().map_or(rule.target, |part| part.name);
    pad(w, name, 9, columns)?;
    list_header(w, header, columns)?;
    if columns.echo {
        w.write_str("  ")?;
    }
    if header.is_goto() {
        w.write_str("[goto] ")?;
    }
    for part in rule.entry.matches() {
        list_match(w, &part, &around, columns.numeric)?;
    }
    match (&decoded, &target) {
        (Some(object), _) => object.print(w, &around, columns.numeric)?,
        (None, Some(part)) => list_unknown_target(w, part, &around)?,
        (None, None) => (),
    }
    w.write_char('\n')
}

/// A counter with the space after it: in full with `exact`, else rounded to K, M, G or T (`xtables_print_num`).
pub fn count(number: u64, exact: bool) -> String {
    if exact {
        return format!("{number:>8} ");
    }
    if number <= 99_999 {
        return format!("{number:>5} ");
    }
    let mut number = number;
    for unit in ["K", "M", "G"] {
        number = number.wrapping_add(500) / 1000;
        if number <= 9999 {
            return format!("{number:>4}{unit} ");
        }
    }
    format!("{:>4}T ", number.wrapping_add(500) / 1000)
}

fn list_header(w: &mut dyn Write, header: &Header, columns: Columns) -> fmt::Result {
    let inverted = |bit: u8| header.inversions & bit != 0;
    w.write_char(sign(inverted(header::INV_PROTOCOL)))?;
    // As upstream, where the column shows the low byte.
    let number = header.protocol as u8;
    match if columns.numeric { protocol::built_in_name(number) } else { protocol::name(number.into()) } {
        Some(name) => pad(w, name, 4, columns)?,
        None => pad(w, &number.to_string(), 4, columns)?,
    }
    if columns.echo {
        w.write_str("opt ")?;
    }
    let fragment = header.af == Af::V4 && header.flags & header::F_FRAGMENT_V4 != 0;
    w.write_char(if inverted(header::INV_FRAGMENT) { '!' } else { '-' })?;
    w.write_str(if fragment { "f " } else { "- " })?;
    if columns.verbose || columns.echo {
        list_interfaces(w, header, columns)?;
    }
    w.write_char(sign(inverted(header::INV_SOURCE)))?;
    pad(w, &range(header.af, &header.source, columns.numeric), 19, columns)?;
    w.write_char(sign(inverted(header::INV_DESTINATION)))?;
    let destination = range(header.af, &header.destination, columns.numeric);
    if columns.echo { write!(w, "-> {destination}") } else { write!(w, "{destination:<19} ") }
}

fn list_interfaces(w: &mut dyn Write, header: &Header, columns: Columns) -> fmt::Result {
    let shown = |interface: &Interface, bit: u8| {
        let not = if header.inversions & bit != 0 { "!" } else { "" };
        let any = if columns.numeric { "*" } else { "any" };
        match interface.text() {
            name if name.is_empty() => format!("{not}{any}"),
            name => format!("{not}{name}"),
        }
    };
    let (input, output) = (shown(&header.input, header::INV_INPUT), shown(&header.output, header::INV_OUTPUT));
    if columns.echo {
        return write!(w, "in {input} out {output} ");
    }
    w.write_char(' ')?;
    pad(w, &input, 6, columns)?;
    pad(w, &output, 6, columns)
}

fn list_match(w: &mut dyn Write, part: &Part<'_>, around: &Surroundings, numeric: bool) -> fmt::Result {
    match decode(Kind::Match, part, around) {
        Some(object) => object.print(w, around, numeric),
        None if ext::find_kernel(Kind::Match, part.name, around.af).is_some() => {
            write!(w, "{}{UNSUPPORTED} ", part.name)
        }
        None if part.name.is_empty() => Ok(()),
        None => write!(w, "UNKNOWN match `{}' ", part.name),
    }
}

fn list_unknown_target(w: &mut dyn Write, part: &Part<'_>, around: &Surroundings) -> fmt::Result {
    if ext::find_kernel(Kind::Target, part.name, around.af).is_some() {
        return w.write_str(UNSUPPORTED);
    }
    if part.info.is_empty() { Ok(()) } else { write!(w, "[{} bytes of unknown target data] ", part.info.len()) }
}

fn range(af: Af, range: &Range, numeric: bool) -> String {
    let any = match af {
        Af::V4 => range.mask == [0; 16],
        Af::V6 => range.address == [0; 16],
    };
    if any && !numeric {
        return "anywhere".to_owned();
    }
    let address = address::to_ip(af, &range.address);
    let mut text = if numeric { Text(address).to_string() } else { resolve::any_name(address) };
    match address::mask_len(af, &range.mask) {
        Some(len) if len as usize == 8 * af.address_len() => (),
        Some(len) => text += &format!("/{len}"),
        None => text += &format!("/{}", Text(address::to_ip(af, &range.mask))),
    }
    text
}

/// As printf() pads: by bytes.
fn pad(w: &mut dyn Write, text: &str, width: usize, columns: Columns) -> fmt::Result {
    let missing = if columns.echo { 0 } else { width.saturating_sub(octets::len(text)) };
    write!(w, "{text}{:missing$} ", "")
}

fn sign(inverted: bool) -> char {
    if inverted { '!' } else { ' ' }
}
