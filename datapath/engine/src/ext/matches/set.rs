//! `-m set`: looks the packet up in a set of ipset.

use libxt::ext::matches::set::Set;
use libxt::ext::{Extension, Families};
use libxt::family::Af;
use libxt::value::ipset::Lookup;

use super::Match;
use crate::ext::probe::{self, Kind};
use crate::ext::stores::Stores;
use crate::ext::{Maker, Scene};
use crate::host::{SetAct, SetElement};
use crate::ruleset::refused::errno;
use crate::ruleset::{Refused, SetUse};
use crate::wire::Headers;

/// A rule with the match.
#[derive(Debug)]
pub struct Rule {
    value: Set,
    /// What only the kernel can say: what an entry has counted, what counts in a set of sets.
    pub(super) probe: probe::Rule,
}

/// Whether there is such a set is asked where tables are loaded, see [`SetUse`].
pub(super) const MAKER: Maker<Match> = Maker::of::<Set>(Families::Both, |revision, info, site| {
    check_dimensions(revision, info, 0)?;
    let value: Set = site.decode(revision, info)?;
    let probe = probe::Rule::new(Kind::Match, Set::NAME, revision, info, info.len(), site);
    let mut rule = Rule { value, probe };
    if rule.set().reads {
        rule.probe.want();
    }
    Ok(Match::Set(Box::new(rule)))
});

impl Rule {
    /// The set it looks packets up in.
    pub(super) fn set(&self) -> SetUse {
        let reads = self.value.packets.is_some() || self.value.bytes.is_some();
        SetUse { index: self.value.lookup.index, changes: false, reads }
    }

    pub(super) fn open(&mut self, stores: &mut Stores) -> Result<(), Refused> {
        self.probe.open(stores)
    }
}

/// The dimensions in the struct xt_set_info at an offset. As the checks of xt_set.c.
pub(crate) fn check_dimensions(revision: u8, info: &[u8], at: usize) -> Result<(), Refused> {
    if revision > 0 && info.get(at + 2).is_some_and(|dimensions| *dimensions > DIMENSIONS) {
        return Err(Refused::new(errno::ERANGE, "set: more dimensions than a set may have"));
    }
    Ok(())
}

/// As set_match_v4().
pub(super) fn matches(rule: &Rule, scene: &Scene<'_, '_>) -> bool {
    if rule.probe.is_wanted() {
        return probe::ask(&rule.probe, scene);
    }
    let value = &rule.value;
    let act = SetAct::Test { nomatch: value.return_nomatch, count: !value.keep_counters };
    scene.host.set(value.lookup.index, act, &element(&value.lookup, scene)) != value.inverted
}

/// What of the packet may be looked up.
pub(crate) fn element<'a>(lookup: &Lookup, scene: &'a Scene<'_, '_>) -> SetElement<'a> {
    let headers = &scene.headers;
    let link = &scene.packet.link;
    let stations = match link.bytes.first_chunk::<12>() {
        Some(&[a, b, c, d, e, f, g, h, i, j, k, l]) if link.len >= 14 => Some([[g, h, i, j, k, l], [a, b, c, d, e, f]]),
        _ => None,
    };
    SetElement {
        af: headers.af,
        addresses: [headers.source.ip(headers.af), headers.destination.ip(headers.af)],
        protocol: headers.protocol,
        ports: ports(headers, scene.segment()),
        devices: [scene.packet.in_device, scene.packet.out_device],
        stations,
        mark: scene.packet.mark,
        length: scene.len() as u64,
        dimensions: lookup.dimensions,
        sources: lookup.sources,
    }
}

/// As get_port() and ip_set_get_ip4_port() in ip_set_getport.c.
fn ports(headers: &Headers, segment: &[u8]) -> Option<[u16; 2]> {
    let later = headers.fragment_offset() != 0;
    if headers.af == Af::V6 && (later || headers.cut) {
        return None;
    }
    let whole = |header: usize| segment.get(..header).filter(|_| !later);
    let [a, b, c, d] = match headers.protocol {
        6 => *whole(20)?.first_chunk()?,
        132 => *whole(12)?.first_chunk()?,
        17 | 136 => *whole(8)?.first_chunk()?,
        1 | 58 if (headers.protocol == 1) == (headers.af == Af::V4) => {
            let [kind, code] = *whole(8)?.first_chunk()?;
            [kind, code, kind, code]
        }
        _ => [0; 4],
    };
    Some([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])])
}

/// `IPSET_DIM_MAX`.
const DIMENSIONS: u8 = 6;
