//! `-j TCPOPTSTRIP`: overwrites options of the TCP header with no-operations.

use std::fmt::{self, Write};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings};
use crate::value::number;

/// The options to overwrite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tcpoptstrip {
    /// Bit *n* of byte *n / 8* stands for option *n*.
    pub options: [u8; 32],
}

const NAMES: [(&str, u8); 6] =
    [("mss", 2), ("wscale", 3), ("sack-permitted", 4), ("sack", 5), ("timestamp", 8), ("md5", 19)];

impl Tcpoptstrip {
    /// Whether an option is overwritten.
    pub fn strips(&self, option: u8) -> bool {
        self.options.get(usize::from(option / 8)).is_some_and(|byte| byte & (1 << (option % 8)) != 0)
    }

    fn write_list(&self, w: &mut dyn Write, numeric: bool) -> fmt::Result {
        let mut comma = "";
        for option in 0..=u8::MAX {
            if self.strips(option) {
                match NAMES.iter().find(|(_, number)| *number == option && !numeric) {
                    Some((name, _)) => write!(w, "{comma}{name}")?,
                    None => write!(w, "{comma}{option}")?,
                }
                comma = ",";
            }
        }
        Ok(())
    }
}

impl Extension for Tcpoptstrip {
    const NAME: &'static str = "TCPOPTSTRIP";
    const KIND: Kind = Kind::Target;
    const REVISIONS: &'static [Revision] = &[Revision::new(0, 32)];
    const OPTIONS: &'static [Opt<Self>] = &[Opt::new(
        "strip-options",
        " option[,option...]",
        "numbers from 2 to 255, or mss, wscale, sack-permitted, sack, timestamp, md5",
        set_options,
    )];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        Ok(Self { options: *info.first_chunk().ok_or(Malformed("TCPOPTSTRIP"))? })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        *info.first_chunk_mut().ok_or(Malformed("TCPOPTSTRIP"))? = self.options;
        Ok(())
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        if self.options == [0; 32] {
            return Ok(());
        }
        w.write_str(" --strip-options ")?;
        self.write_list(w, true)
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        if self.options == [0; 32] {
            return Ok(());
        }
        w.write_str(" TCPOPTSTRIP options ")?;
        self.write_list(w, numeric)
    }
}

fn set_options(to: &mut Tcpoptstrip, given: &Given<'_>) -> Result<(), Problem> {
    for word in given.value.split(',') {
        let named = NAMES.iter().find(|(name, _)| *name == word).map(|(_, option)| *option);
        let option = named.or_else(|| number::parse(word, 0, u8::MAX.into()).map(|option| option as u8));
        let option = option.ok_or_else(|| Problem::new(format!("Bad TCP option value \"{word}\"")))?;
        if option < 2 {
            return Err(Problem::new("Option value may not be 0 or 1"));
        }
        if to.strips(option) {
            return Err(Problem::new(format!("Option \"{word}\" already specified")));
        }
        if let Some(byte) = to.options.get_mut(usize::from(option / 8)) {
            *byte |= 1 << (option % 8);
        }
    }
    Ok(())
}
