//! `-m sctp`: ports, and chunks that are all there or missing.

use crate::ext::Surroundings;
use crate::ext::matches::sctp::{Chunks, Sctp, TYPES};
use crate::translate::operand::add_ports;
use crate::translate::{Outcome, Statement, Translate, Untranslatable};
use crate::value::condition::Condition;

impl Translate for Sctp {
    fn translate(&self, to: &mut Statement<'_>, _around: &Surroundings) -> Outcome {
        if self.source.is_none() && self.destination.is_none() && self.chunks.is_none() {
            return Err(Untranslatable);
        }
        add_ports(to, "sctp sport", self.source);
        add_ports(to, "sctp dport", self.destination);
        match self.chunks {
            Some(chunks) => add_chunks(to, &chunks),
            None => Ok(()),
        }
    }
}

fn add_chunks(to: &mut Statement<'_>, chunks: &Condition<Chunks>) -> Outcome {
    let Condition { value: chunks, inverted } = chunks;
    if !matches!(chunks.mode, ALL | ONLY) {
        return Err(Untranslatable);
    }
    for (kind, name, _) in TYPES {
        let name = match name {
            "ECN_ECNE" => "ecne".to_owned(),
            "ECN_CWR" => "cwr".to_owned(),
            other => other.to_ascii_lowercase().replace('_', "-"),
        };
        let wanted = chunks.contains(kind);
        let used = chunks.flags.iter().take(chunks.flag_count as usize);
        match used.clone().find(|[of, ..]| wanted && *of == kind) {
            Some([_, value, mask]) => {
                let sign = if *inverted { "!=" } else { "==" };
                to.add(format_args!("sctp chunk {name} flags & {mask:#x} {sign} {value:#x}"));
            }
            None if wanted || chunks.mode == ONLY => {
                let word = if wanted != *inverted { "exists" } else { "missing" };
                to.add(format_args!("sctp chunk {name} {word}"));
            }
            None => {}
        }
    }
    Ok(())
}

/// SCTP_CHUNK_MATCH_ALL.
const ALL: u32 = 2;
/// SCTP_CHUNK_MATCH_ONLY.
const ONLY: u32 = 4;
