//! `-j TCPOPTSTRIP`: overwrites TCP options with padding.

use libxt::ext::Families;
use libxt::ext::targets::tcpoptstrip::Tcpoptstrip;

use super::{Outcome, Target};
use crate::ext::{Maker, Scene};
use crate::packet::Verdict;
use crate::wire::tcp::{CHECKSUM, HEADER, OFFSET, option};
use crate::wire::{checksum, set_u16, u16_at};

pub(super) const MAKER: Maker<Target> = Maker::of::<Tcpoptstrip>(Families::Both, |revision, info, site| {
    Ok(Target::Tcpoptstrip(Box::new(site.decode(revision, info)?)))
})
.table("mangle")
.protocol(6);

/// As tcpoptstrip_mangle_packet(): a packet that does not hold its whole header, or whose header is too short to be one, is dropped.
pub(super) fn act(value: &Tcpoptstrip, scene: &mut Scene<'_, '_>) -> Outcome {
    if scene.headers.fragment_offset() != 0 {
        return Outcome::Continue;
    }
    match strip(value, scene) {
        Some(()) => Outcome::Continue,
        None => Outcome::Verdict(Verdict::Drop),
    }
}

fn strip(value: &Tcpoptstrip, scene: &mut Scene<'_, '_>) -> Option<()> {
    let (start, partial) = (scene.headers.transport, scene.partial());
    let segment = scene.packet.data.bytes().get(start..).filter(|segment| segment.len() >= HEADER)?;
    let len = Some(usize::from(*segment.get(OFFSET)? >> 4) * 4).filter(|&len| len >= HEADER)?;
    scene.packet.data.pull(start + len);
    let segment = scene.packet.data.bytes().get(start..)?;
    let header = segment.get(..len)?;
    if !Stripped::new(value, header).any(|_| true) {
        return Some(());
    }
    let header = scene.packet.data.make_mut().get_mut(start..start + len)?;
    let mut at = 0;
    loop {
        let found = Stripped { value, header, at: at.max(HEADER) }.next();
        let Some((first, length)) = found else { return Some(()) };
        for place in first..first + length {
            let byte = header.get_mut(place)?;
            let (old, new) = match place % 2 {
                0 => ([*byte, 0], [option::NOP, 0]),
                _ => ([0, *byte], [0, option::NOP]),
            };
            *byte = option::NOP;
            if !partial {
                let sum = u16_at(header, CHECKSUM)?;
                set_u16(header, CHECKSUM, checksum::update(sum, &old, &new));
            }
        }
        at = first + length;
    }
}

/// The options to strip: where each starts in the header, and its length.
struct Stripped<'a> {
    value: &'a Tcpoptstrip,
    header: &'a [u8],
    at: usize,
}

impl<'a> Stripped<'a> {
    fn new(value: &'a Tcpoptstrip, header: &'a [u8]) -> Self {
        Self { value, header, at: HEADER }
    }
}

impl Iterator for Stripped<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        while self.at + 1 < self.header.len() {
            let (at, kind) = (self.at, *self.header.get(self.at)?);
            let length = match *self.header.get(at + 1)? {
                _ if kind <= option::NOP => 1,
                0 => 1,
                length => usize::from(length),
            };
            if at + length > self.header.len() {
                return None;
            }
            self.at += length;
            let listed = self.value.options.get(usize::from(kind / 8)).is_some_and(|byte| byte >> (kind % 8) & 1 == 1);
            if listed {
                return Some((at, length));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(options: &[u8], stripped: &[u8]) -> Vec<(usize, usize)> {
        let mut value = Tcpoptstrip { options: [0; 32] };
        for kind in stripped {
            value.options[usize::from(kind / 8)] |= 1 << (kind % 8);
        }
        let mut header = vec![0; HEADER];
        header.extend_from_slice(options);
        Stripped::new(&value, &header).collect()
    }

    #[test]
    fn listed_options_are_found_behind_others() {
        assert_eq!(found(&[1, 1, 2, 4, 5, 0xb4, 4, 2], &[2, 4]), [(22, 4), (26, 2)]);
    }

    #[test]
    fn an_option_that_leaves_the_header_ends_the_search() {
        assert_eq!(found(&[8, 200, 2, 4, 5, 0xb4, 0, 0], &[2, 8]), []);
        assert_eq!(found(&[9, 0, 4, 2], &[4]), [(22, 2)]);
    }
}
