//! `-m connlabel`: compares a label of the connection, and can set it.

use std::fmt::{self, Write};
use std::fs;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ext::{Extension, Given, Kind, Malformed, Opt, Problem, Revision, Surroundings, option};
use crate::value::number;

/// The connection has this label, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connlabel {
    /// The label's bit; the kernel takes 0 to 127.
    pub bit: u16,
    /// `!`.
    pub inverted: bool,
    /// The label is set, and the match is whether that worked.
    pub set: bool,
}

impl Extension for Connlabel {
    const NAME: &'static str = "connlabel";
    const KIND: Kind = Kind::Match;
    /// The tools compare none of its bytes in -D and -C.
    const REVISIONS: &'static [Revision] = &[Revision::new(0, size_of::<Info>()).user_size(0)];
    const OPTIONS: &'static [Opt<Self>] = &[
        Opt::new("label", " name", "the label, by number or by its name in connlabel.conf", set_label)
            .invertible()
            .mandatory(),
        Opt::flag("set", "set the label", set_set),
    ];

    fn decode(_revision: u8, info: &[u8], _around: &Surroundings) -> Result<Self, Malformed> {
        let (info, _) = Info::read_from_prefix(info).map_err(|_| Malformed("connlabel"))?;
        Ok(Self { bit: info.bit, inverted: info.options & INVERT != 0, set: info.options & SET != 0 })
    }

    fn encode(&self, _revision: u8, info: &mut [u8], _around: &Surroundings) -> Result<(), Malformed> {
        let options = if self.inverted { INVERT } else { 0 } | if self.set { SET } else { 0 };
        Info { bit: self.bit, options }.write_to_prefix(info).map_err(|_| Malformed("connlabel"))
    }

    fn save(&self, w: &mut dyn Write, _around: &Surroundings) -> fmt::Result {
        let label = name(self.bit).unwrap_or_else(|| self.bit.to_string());
        write!(w, "{} --label \"{label}\"{}", self.not(), if self.set { " --set" } else { "" })
    }

    fn print(&self, w: &mut dyn Write, _around: &Surroundings, numeric: bool) -> fmt::Result {
        write!(w, " connlabel{} ", self.not())?;
        match name(self.bit).filter(|_| !numeric) {
            Some(name) => write!(w, "'{name}'")?,
            None => write!(w, "{}", self.bit)?,
        }
        if self.set { w.write_str(" set") } else { Ok(()) }
    }
}

impl Connlabel {
    fn not(&self) -> &'static str {
        if self.inverted { " !" } else { "" }
    }
}

fn set_label(to: &mut Connlabel, given: &Given<'_>) -> Result<(), Problem> {
    if given.value.is_empty() {
        return Err(Problem::new("Argument must have a minimum length of 1 characters\n"));
    }
    to.inverted = given.inverted;
    // A number is cut to an int, which must not be negative, and of that the low half kept.
    let number = number::parse(given.value, 0, u64::MAX).map(|number| number as i32);
    if let Some(bit) = number.filter(|number| *number >= 0) {
        to.bit = bit as u16;
        return Ok(());
    }
    let bit = labels().into_iter().find(|(_, name)| name == given.value).map(|(bit, _)| bit);
    to.bit = bit.ok_or_else(|| Problem::new(format!("label '{}' not found or invalid value", given.value)))?;
    Ok(())
}

fn set_set(to: &mut Connlabel, _given: &Given<'_>) -> Result<(), Problem> {
    to.set = true;
    Ok(())
}

pub(crate) fn name(bit: u16) -> Option<String> {
    labels().into_iter().find(|(own, _)| *own == bit).map(|(_, name)| name)
}

/// The labels' names; a file that cannot be read is reported each time, as the tools report it.
fn labels() -> Vec<(u16, String)> {
    let file = match fs::read(FILE) {
        Ok(file) => file,
        Err(error) => {
            let reason = match error.kind() {
                std::io::ErrorKind::NotFound => "No such file or directory".to_owned(),
                _ => error.to_string(),
            };
            option::notice(&format!("Warning: cannot open {FILE}: {reason}"));
            return Vec::new();
        }
    };
    parse(&file)
}

/// Lines of a bit and its name; others are no labels.
fn parse(file: &[u8]) -> Vec<(u16, String)> {
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let bit = words.next()?.parse().ok()?;
        Some((bit, words.next()?.to_owned()))
    };
    String::from_utf8_lossy(file).lines().filter_map(line).collect()
}

const FILE: &str = "/etc/xtables/connlabel.conf";

/// XT_CONNLABEL_OP_*.
const INVERT: u16 = 1;
const SET: u16 = 2;

/// struct xt_connlabel_mtinfo.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Info {
    bit: u16,
    options: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_bit_and_a_name() {
        assert_eq!(parse(b"# bits\n3\tweb # inside\n4 mail\nx y\n"), [(3, "web".into()), (4, "mail".into())]);
    }
}
