//! Expectations as the original writes them, a line each, plain or `-o xml`; and `-o json`.

use std::fmt::{self, Write};

use nfnl::conntrack::Tuple;
use nfnl::expect::Expectation;

use super::{Frame, Kind};
use crate::local_time::elements;
use crate::protocol;

/// The header of XML output.
pub(crate) const XML_HEADER: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<expect>\n";
/// The footer of XML output.
pub(crate) const XML_FOOTER: &str = "</expect>\n";

/// Writes a line without its end.
pub(crate) fn line(out: &mut String, expectation: &Expectation, frame: &Frame<'_>) -> fmt::Result {
    if frame.output.xml {
        return xml(out, expectation, frame);
    } else if frame.output.json {
        return super::json::expectation(out, expectation, frame);
    }
    if frame.output.timestamp {
        let micros = frame.now / 1000;
        write!(out, "[{}.{:06}]\t", micros / 1_000_000, micros % 1_000_000)?;
    }
    out.push_str(match frame.kind {
        Kind::Entry => "",
        Kind::New => "    [NEW] ",
        Kind::Update => " [UPDATE] ",
        Kind::Destroy => "[DESTROY] ",
    });
    let Expectation { tuple, mask, master, .. } = expectation;
    let number = tuple.protocol.unwrap_or(0);
    write!(out, "{} proto={number} ", expectation.timeout.unwrap_or(0))?;
    addresses(out, "", tuple)?;
    ports(out, number, tuple)?;
    addresses(out, "mask-", mask)?;
    ports(out, number, mask)?;
    addresses(out, "master-", master)?;
    ports(out, master.protocol.unwrap_or(number), master)?;
    if let Some(zone) = expectation.zone {
        write!(out, "zone={zone} ")?;
    }
    let set = |(bit, _): &&(u32, &str)| expectation.flags.is_some_and(|flags| flags & bit != 0);
    for (number, (_, name)) in FLAGS.iter().filter(set).enumerate() {
        write!(out, "{}{name}", if number == 0 { "" } else { "," })?;
    }
    if FLAGS.iter().any(|flag| set(&flag)) {
        out.push(' ');
    }
    if let Some(class) = expectation.class {
        write!(out, "class={class} ")?;
    }
    if let Some(helper) = &expectation.helper {
        write!(out, "helper={} ", String::from_utf8_lossy(helper))?;
    }
    out.truncate(out.trim_end_matches(' ').len());
    Ok(())
}

fn addresses(out: &mut String, prefix: &str, tuple: &Tuple) -> fmt::Result {
    for (name, address) in [("src", tuple.source), ("dst", tuple.destination)] {
        if let Some(address) = address {
            write!(out, "{prefix}{name}={address} ")?;
        }
    }
    Ok(())
}

fn ports(out: &mut String, number: u8, tuple: &Tuple) -> fmt::Result {
    let (source, destination) = (tuple.source_port.unwrap_or(0), tuple.destination_port.unwrap_or(0));
    match number {
        6 | 17 | 33 | 132 | 136 => write!(out, "sport={source} dport={destination} "),
        47 => write!(out, "srckey={source:#x} dstkey={destination:#x} "),
        _ => Ok(()),
    }
}

fn xml(out: &mut String, expectation: &Expectation, frame: &Frame<'_>) -> fmt::Result {
    out.push_str(match frame.kind {
        Kind::Entry => "<flow>",
        Kind::New => "<flow type=\"new\">",
        Kind::Update => "<flow type=\"update\">",
        Kind::Destroy => "<flow type=\"destroy\">",
    });
    let parts = [("expected", &expectation.tuple), ("mask", &expectation.mask), ("master", &expectation.master)];
    let name = if expectation.family == 10 { "ipv6" } else { "ipv4" };
    write!(out, "<layer3 protonum=\"{}\" protoname=\"{name}\">", expectation.family)?;
    for (part, tuple) in parts {
        write!(out, "<{part}>")?;
        for (name, address) in [("src", tuple.source), ("dst", tuple.destination)] {
            if let Some(address) = address {
                write!(out, "<{name}>{address}</{name}>")?;
            }
        }
        write!(out, "</{part}>")?;
    }
    let number = expectation.tuple.protocol.unwrap_or(0);
    write!(out, "</layer3><layer4 protonum=\"{number}\" protoname=\"{}\">", protocol::name(number))?;
    for (part, tuple) in parts {
        let (source, destination) = (tuple.source_port.unwrap_or(0), tuple.destination_port.unwrap_or(0));
        write!(out, "<{part}>")?;
        match if part == "master" { tuple.protocol.unwrap_or(number) } else { number } {
            6 | 17 | 33 | 132 | 136 => write!(out, "<sport>{source}</sport><dport>{destination}</dport>")?,
            47 => write!(out, "<srckey>{source:#x}</srckey><dstkey>{destination:#x}</dstkey>")?,
            _ => {}
        }
        write!(out, "</{part}>")?;
    }
    out.push_str("</layer4><meta>");
    if let Some(helper) = &expectation.helper {
        write!(out, "<helper-name>{}</helper-name>", super::xml::escaped(&String::from_utf8_lossy(helper)))?;
    }
    let zone = expectation.zone.map(u32::from);
    for (name, value) in [("timeout", expectation.timeout), ("class", expectation.class), ("zone", zone)] {
        if let Some(value) = value {
            write!(out, "<{name}>{value}</{name}>")?;
        }
    }
    if frame.output.timestamp {
        write!(out, "<when>{}</when>", elements(frame.now / 1_000_000_000))?;
    }
    out.push_str("</meta></flow>");
    Ok(())
}

/// `NF_CT_EXPECT_*` bits that lines show.
pub(super) const FLAGS: [(u32, &str); 3] = [(1, "PERMANENT"), (2, "INACTIVE"), (4, "USERSPACE")];
