//! `-j SNPT`: rewrites the prefix of the source address, without state (RFC 6296); and the rewriting, which `DNPT` shares.

use libxt::ext::Families;
use libxt::ext::targets::npt::{Npt, Prefix, Prefixes, Snpt};

use super::{Outcome, Target, reject};
use crate::ext::{Maker, Scene, bit};
use crate::packet::{Hook, Verdict};
use crate::ruleset::Refused;
use crate::wire::checksum::Sum;
use crate::wire::{icmpv6, ipv6};

pub(super) const MAKER: Maker<Target> = Maker::of::<Snpt>(Families::V6, |revision, info, site| {
    let Npt(prefixes): Snpt = site.decode(revision, info)?;
    Ok(Target::Snpt(Box::new(Mapping::new(&prefixes)?)))
})
.table("mangle")
.hooks(bit(Hook::Input) | bit(Hook::Postrouting))
.kept(|_| 34);

/// struct ip6t_npt_tginfo.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    from: Prefix,
    to: [u8; 16],
    /// The length of the longer prefix, at most 64.
    len: u8,
    /// What keeps the sum of an address that had the one prefix and has the other.
    adjustment: u16,
}

/// Which address of a packet is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its own source; what it quotes was sent there.
    Source,
    /// Its own destination; what it quotes came from there.
    Destination,
}

/// As ip6t_snpt_tg().
pub(super) fn act(mapping: &Mapping, scene: &mut Scene<'_, '_>) -> Outcome {
    mapping.rewrite(End::Source, scene)
}

impl Mapping {
    /// As ip6t_npt_checkentry().
    pub(super) fn new(prefixes: &Prefixes) -> Result<Self, Refused> {
        let Prefixes { from, to } = prefixes;
        if from.len > 64 || to.len > 64 {
            return Err(Refused::invalid("SNPT, DNPT: a prefix of more than 64 bits"));
        }
        if [from, to].iter().any(|prefix| cut(prefix.address, prefix.len) != prefix.address) {
            return Err(Refused::invalid("SNPT, DNPT: an address has bits beyond its prefix"));
        }
        let sum = |prefix: &Prefix| Sum::default().bytes(&prefix.address).fold();
        let adjustment = Sum::default().word(sum(from)).word(!sum(to)).fold();
        Ok(Self { from: *from, to: to.address, len: from.len.max(to.len), adjustment })
    }

    /// Rewrites an address; `None` if no word of it can take the adjustment: the prefix is rewritten all the same. As
    /// ip6t_npt_map_pfx().
    fn map(&self, address: &mut [u8]) -> Option<()> {
        for (at, (byte, new)) in address.iter_mut().zip(self.to).enumerate() {
            let kept = (u8::MAX as u16) >> usize::from(self.len).saturating_sub(at * 8).min(8);
            *byte = *byte & kept as u8 | new & !(kept as u8);
        }
        let word = |at: usize| -> Option<u16> { Some(u16::from_be_bytes(*address.get(at * 2..)?.first_chunk()?)) };
        let at = if self.len <= 48 { 3 } else { (4..8).find(|&at| word(at).is_some_and(|word| word != u16::MAX))? };
        let sum = match Sum::default().word(word(at)?).word(self.adjustment).fold() {
            u16::MAX => 0,
            sum => sum,
        };
        address.get_mut(at * 2..)?.first_chunk_mut::<2>()?.copy_from_slice(&sum.to_be_bytes());
        Some(())
    }

    /// Rewrites one end of a packet, and of the packet that an error quotes the other.
    pub(super) fn rewrite(&self, end: End, scene: &mut Scene<'_, '_>) -> Outcome {
        let (own, quoted) = match end {
            End::Source => (ipv6::SOURCE, ipv6::DESTINATION),
            End::Destination => (ipv6::DESTINATION, ipv6::SOURCE),
        };
        let bytes = scene.packet.data.make_mut();
        let mapped = bytes.get_mut(own..own + 16).and_then(|address| self.map(address));
        // As icmpv6_is_err(): those that have a name.
        let error = bytes.get(ipv6::NEXT) == Some(&58) && matches!(bytes.get(ipv6::HEADER), Some(1..=4));
        if mapped.is_some() && error {
            let quote = bytes.get_mut(ipv6::HEADER + icmpv6::HEADER..).filter(|quote| quote.len() >= ipv6::HEADER);
            let address = quote.and_then(|quote| quote.get_mut(quoted..quoted + 16));
            if let Some(address) = address
                && address.first_chunk().is_some_and(|address| cut(*address, self.from.len) == self.from.address)
            {
                let _ = self.map(address);
            }
        }
        let address = ipv6::address(bytes, own).unwrap_or_default();
        match end {
            End::Source => scene.headers.source = address,
            End::Destination => scene.headers.destination = address,
        }
        scene.key = None;
        scene.strayed = true;
        if mapped.is_some() {
            return Outcome::Continue;
        }
        let _ = reject::parameter_problem(scene, own as u32);
        Outcome::Verdict(Verdict::Drop)
    }
}

/// The first `len` bits of an address, the others zero. As ipv6_addr_prefix().
fn cut(mut address: [u8; 16], len: u8) -> [u8; 16] {
    for (at, byte) in address.iter_mut().enumerate() {
        let gone = (u8::MAX as u16) >> usize::from(len).saturating_sub(at * 8).min(8);
        *byte &= !(gone as u8);
    }
    address
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn prefix(text: &str, len: u8) -> Prefix {
        Prefix { address: text.parse::<Ipv6Addr>().unwrap().octets(), len }
    }

    fn mapped(from: (&str, u8), to: (&str, u8), address: &str) -> Option<String> {
        let prefixes = Prefixes { from: prefix(from.0, from.1), to: prefix(to.0, to.1) };
        let mut bytes = address.parse::<Ipv6Addr>().unwrap().octets();
        Mapping::new(&prefixes).unwrap().map(&mut bytes)?;
        Some(Ipv6Addr::from(bytes).to_string())
    }

    /// The example of RFC 6296, section 3.4.
    #[test]
    fn a_short_prefix_is_made_up_for_in_the_fourth_word() {
        let there = mapped(("fd01:203:405::", 48), ("2001:db8:1::", 48), "fd01:203:405:1::1234");
        assert_eq!(there.as_deref(), Some("2001:db8:1:d550::1234"));
        let back = mapped(("2001:db8:1::", 48), ("fd01:203:405::", 48), "2001:db8:1:d550::1234");
        assert_eq!(back.as_deref(), Some("fd01:203:405:1::1234"));
    }

    #[test]
    fn a_long_prefix_is_made_up_for_in_the_first_word_behind_it_that_is_not_full() {
        let map = |address| mapped(("fd01::", 64), ("fd88:1::", 64), address);
        assert_eq!(map("fd01::50").as_deref(), Some("fd88:1::ff77:0:0:50"));
        assert_eq!(map("fd01::ffff:ffff:0:50").as_deref(), Some("fd88:1::ffff:ffff:ff77:50"));
        assert_eq!(map("fd01::ffff:ffff:ffff:ffff"), None);
    }

    #[test]
    fn a_prefix_is_no_longer_than_64_bits_and_has_no_bits_behind_it() {
        let new = |text, len| Mapping::new(&Prefixes { from: prefix(text, len), to: prefix("fd02::", 64) });
        assert!(new("fd01::", 64).is_ok() && new("fd01::", 65).is_err());
        assert!(new("fd01::1", 64).is_err() && new("fd01:1::", 24).is_err() && new("::", 0).is_ok());
    }
}
