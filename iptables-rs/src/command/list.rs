//! `-L`, `-S` and the dump of `-vv`.

use std::io::{self, Write};

use libxt::abi::Counters;
use libxt::rule::{self, Columns};
use libxt::table::{ChainInfo, During, Refused, Table, verdict_name};

use super::Command;
use crate::failure::Failure;

/// `-L`: every chain wanted with its header and its rules.
pub(super) fn list(command: &Command<'_>, table: &Table, out: &mut dyn Write) -> Result<(), Failure> {
    let display = &command.display;
    let columns = Columns {
        numeric: display.numeric,
        verbose: display.verbose > 0,
        exact: display.exact,
        line_numbers: display.line_numbers,
        echo: false,
    };
    let mut found = false;
    let mut text = String::new();
    for id in table.chains() {
        let info = table.describe(id);
        if command.chain.as_deref().is_some_and(|chain| chain != info.name) {
            continue;
        }
        if found {
            text.push('\n');
        }
        found = true;
        if command.number == 0 {
            text += &heading(&info, columns);
        }
        for (index, one) in table.rules(id).enumerate() {
            if command.number == 0 || command.number == index + 1 {
                rule::list_line(&mut text, &one, index + 1, columns).map_err(|_| io::Error::other("fmt"))?;
            }
            if text.len() > CHUNK {
                out.write_all(text.as_bytes())?;
                text.clear();
            }
        }
    }
    out.write_all(text.as_bytes())?;
    if found { Ok(()) } else { Err(no_such_chain()) }
}

/// `-S`: policies and chains, then the rules as commands.
pub(super) fn list_rules(command: &Command<'_>, table: &Table, out: &mut dyn Write) -> Result<(), Failure> {
    let counters = command.display.verbose > 0;
    let wanted = |name: &str| command.chain.as_deref().is_none_or(|chain| chain == name);
    if command.number == 0 {
        for id in table.chains() {
            let info = table.describe(id);
            match info.policy {
                _ if !wanted(info.name) => (),
                Some((verdict, Counters { packets, bytes })) => {
                    write!(out, "-P {} {}", info.name, verdict_name(verdict))?;
                    match counters {
                        true => writeln!(out, " -c {packets} {bytes}")?,
                        false => writeln!(out)?,
                    }
                }
                None => writeln!(out, "-N {}", info.name)?,
            }
        }
    }
    let mut found = false;
    let mut text = String::new();
    for id in table.chains() {
        let info = table.describe(id);
        if !wanted(info.name) {
            continue;
        }
        found = true;
        for (index, one) in table.rules(id).enumerate() {
            if command.number != 0 && command.number != index + 1 {
                continue;
            }
            text.clear();
            let saved = rule::save_line(&mut text, info.name, &one, counters);
            text.push('\n');
            if let Err(error) = saved {
                // Upstream breaks off in the middle of the line, with a text that stands alone.
                text.pop();
                out.write_all(text.as_bytes())?;
                return Err(Failure::Alone(format!("{error}\n")));
            }
            out.write_all(text.as_bytes())?;
        }
    }
    if found { Ok(()) } else { Err(no_such_chain()) }
}

/// The two lines above a chain's rules (`print_header`).
fn heading(info: &ChainInfo<'_>, columns: Columns) -> String {
    let mut text = format!("Chain {}", info.name);
    match info.policy {
        Some((verdict, Counters { packets, bytes })) => {
            text += &format!(" (policy {}", verdict_name(verdict));
            if columns.verbose {
                let plain = |number| rule::count(number, columns.exact).trim_start().to_owned();
                text += &format!(" {}packets, {}bytes", plain(packets), plain(bytes));
            }
            text += ")\n";
        }
        None => text += &format!(" ({} references)\n", info.references),
    }
    if columns.line_numbers {
        text += "num  ";
    }
    if columns.verbose {
        text += if columns.exact { "    pkts      bytes " } else { " pkts bytes " };
    }
    text += "target     prot opt";
    if columns.verbose {
        text += " in     out   ";
        text += " ";
    }
    text += " source               destination         \n";
    text
}

/// `-vv`: the table's bytes in words.
pub(super) fn dump(table: &Table, out: &mut dyn Write) -> Result<(), Failure> {
    let mut text = String::new();
    table.dump(&mut text).map_err(|_| io::Error::other("fmt"))?;
    Ok(out.write_all(text.as_bytes())?)
}

fn no_such_chain() -> Failure {
    Failure::Refused(Refused::new(During::Edit, libc::ENOENT))
}

const CHUNK: usize = 1 << 16;
