//! `-m osf`: the system that opens a TCP connection, by the look of its first packet.

use std::fmt::Write;

use libxt::ext::Families;
use libxt::ext::matches::osf::Osf;

use super::Match;
use crate::ext::{Maker, Scene, bit};
use crate::fingerprints::{Look, Ttl};
use crate::log;
use crate::packet::Hook;
use crate::wire::tcp::{Tcp, flag};
use crate::wire::u16_at;

pub(super) const MAKER: Maker<Match> =
    Maker::of::<Osf>(Families::V4, |revision, info, site| Ok(Match::Osf(Box::new(site.decode(revision, info)?))))
        .hooks(bit(Hook::Prerouting) | bit(Hook::Input) | bit(Hook::Forward))
        .protocol(6);

/// As nf_osf_match(). It knows no inversion, and a rule that logs takes every system for its own.
pub(super) fn matches(value: &Osf, scene: &mut Scene<'_, '_>) -> bool {
    let bytes = scene.packet.data.bytes();
    let segment = scene.segment();
    let Some(tcp) = Tcp::parse(segment).filter(|tcp| tcp.flags & flag::SYN != 0) else { return false };
    let options = if tcp.header_len > crate::wire::tcp::HEADER { tcp.options(segment) } else { Some(&[][..]) };
    let (Some(options), Some(length), Some(fragment)) = (options, u16_at(bytes, 2), u16_at(bytes, 6)) else {
        return false;
    };
    let look =
        Look { whole: fragment & DONT_FRAGMENT != 0, length, ttl: scene.headers.ttl, window: tcp.window, options };
    let ttl = match value.ttl {
        None | Some(0) => Ttl::Same,
        Some(2) => Ttl::Any,
        _ => Ttl::AtMost,
    };
    let Some(level) = value.log else {
        let genre = value.genre.as_bytes();
        return scene.stores.fingerprints.find(look, ttl).any(|found| found.genre.as_bytes() == genre);
    };
    let shown = if level == FIRST { 1 } else { usize::MAX };
    let found: Vec<_> = scene.stores.fingerprints.find(look, ttl).take(shown).cloned().collect();
    let (af, headers) = (scene.af(), *scene.headers);
    let (source, destination) = (headers.source.ip(af), headers.destination.ip(af));
    let (from, to) = (tcp.source, tcp.destination);
    let mut words = String::new();
    for system in &found {
        let hops = i32::from(system.ttl) - i32::from(headers.ttl);
        let (genre, version, subtype) = (&system.genre, &system.version, &system.subtype);
        words.clear();
        let _ = writeln!(words, "{genre} [{version}:{subtype}] : {source}:{from} -> {destination}:{to} hops={hops}");
        tell(scene, &words);
    }
    if found.is_empty() {
        let _ = writeln!(words, "Remote OS is not known: {source}:{from} -> {destination}:{to}");
        tell(scene, &words);
    }
    !found.is_empty()
}

/// As nf_log_packet(), which cuts what stands before the packet's own words.
fn tell(scene: &mut Scene<'_, '_>, words: &str) {
    let cut =
        words.char_indices().map_while(|(at, char)| (at + char.len_utf8() < PREFIX).then_some(at + char.len_utf8()));
    let words = words.get(..cut.last().unwrap_or(0)).unwrap_or_default();
    log::line(scene, NOTICE, log::flag::DEFAULT, format_args!("{words}"));
}

/// `IP_DF`.
const DONT_FRAGMENT: u16 = 0x4000;
/// `NF_OSF_LOGLEVEL_FIRST`.
const FIRST: u32 = 1;
/// `NF_LOG_PREFIXLEN`, with the NUL.
const PREFIX: usize = 128;
/// `LOGLEVEL_NOTICE`.
const NOTICE: u8 = 5;
