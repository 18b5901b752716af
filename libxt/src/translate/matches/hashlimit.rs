//! `-m hashlimit`: a meter. Only groups by address and port, with a bucket, can be said.

use crate::ext::Surroundings;
use crate::ext::matches::hashlimit::Hashlimit;
use crate::family::Af;
use crate::translate::operand::header_word;
use crate::translate::rate::in_full;
use crate::translate::{Outcome, Statement, Translate, Untranslatable};
use crate::value::address::{mask_of, to_ip};
use std::net::IpAddr;

impl Translate for Hashlimit {
    fn translate(&self, to: &mut Statement<'_>, around: &Surroundings) -> Outcome {
        // 1.8.9 says `(null)' for --hashlimit-rate-match, or crashes.
        if self.parts == 0 || self.rate_match {
            return Err(Untranslatable);
        }
        to.add(format_args!("meter {} {{", self.name));
        for (number, part) in self.keys(around.af).enumerate() {
            to.add(format_args!("{}{part}", if number == 0 { "" } else { ". " }));
        }
        if self.expire != 1000 {
            to.add(format_args!("timeout {}s", self.expire / 1000));
        }
        let mut rate = String::new();
        self.write_rate(&mut rate, self.period).map_err(|_| Untranslatable)?;
        to.add(format_args!("limit rate {}{}", if self.above { "over " } else { "" }, in_full(&rate)));
        let mut burst = String::new();
        self.write_burst(&mut burst, "").map_err(|_| Untranslatable)?;
        match (self.bytes, self.burst) {
            (false, 5) | (true, 0) => {}
            (false, _) => to.add(format_args!("burst {burst} packets")),
            (true, _) => to.add(format_args!("burst {}", in_full(&burst))),
        }
        to.add(format_args!("}}"));
        Ok(())
    }
}

impl Hashlimit {
    /// What tells groups apart, in the order of the kernel's bits. Ports are TCP's, whatever the protocol.
    fn keys(&self, af: Af) -> impl Iterator<Item = String> {
        let word = header_word(af);
        let address = move |key: &str, len: Option<u8>| match len {
            Some(len) => format!("{word} {key} and {}", mask(af, len)),
            None => format!("{word} {key}"),
        };
        let all = [
            (Self::DESTINATION_ADDRESS, address("daddr", self.destination_len)),
            (Self::DESTINATION_PORT, "tcp dport".to_owned()),
            (Self::SOURCE_ADDRESS, address("saddr", self.source_len)),
            (Self::SOURCE_PORT, "tcp sport".to_owned()),
        ];
        all.into_iter().filter(|(bit, _)| self.parts & bit != 0).map(|(_, key)| key)
    }
}

/// A prefix length as a mask, every digit of it.
fn mask(af: Af, len: u8) -> String {
    match to_ip(af, &mask_of(usize::from(len))) {
        IpAddr::V4(mask) => mask.to_string(),
        IpAddr::V6(mask) => mask.segments().map(|word| format!("{word:04x}")).join(":"),
    }
}
