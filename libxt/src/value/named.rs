//! Numbers that have names in a file of `/etc/iproute2`: routing realms and device groups.

use std::fs;

use super::mark::Masked;
use super::number;
use crate::ext::{Given, Problem};

/// Routing realms.
pub const REALMS: Names = Names("/etc/iproute2/rt_realms");
/// Groups of devices.
pub const GROUPS: Names = Names("/etc/iproute2/group");

/// A file of lines `number name`, where `#` begins a remark; a file that is missing has no names.
#[derive(Clone, Copy, Debug)]
pub struct Names(&'static str);

impl Names {
    /// `number[/mask]` or a name, as `xtables_parse_val_mask`.
    pub fn parse(self, given: &Given<'_>) -> Result<Masked, Problem> {
        let Given { extension, option, value, .. } = given;
        let long = |text| {
            let (value, rest) = number::parse_prefix(text)?;
            Some((u32::try_from(value).ok()?, rest))
        };
        match long(value) {
            Some((value, "")) => Ok(Masked { value, mask: u32::MAX }),
            Some((value, rest)) if rest.starts_with('/') => {
                let Some((mask, rest)) = rest.strip_prefix('/').and_then(long) else {
                    return Err(Problem::new(format!(
                        "{extension}: bad integer value for option \"--{option}\", or out of range.\n"
                    )));
                };
                if !rest.is_empty() {
                    return Err(Problem::new(format!(
                        "{extension}: trailing garbage after value for option \"--{option}\".\n"
                    )));
                }
                Ok(Masked { value, mask })
            }
            _ => match self.number(value) {
                Some(value) => Ok(Masked { value, mask: u32::MAX }),
                None => Err(Problem::new(format!(
                    "{extension}: could not map name {value} to an integer value for option \"--{option}\".\n"
                ))),
            },
        }
    }

    /// A number by its name, unless it is masked, has none, or numbers are wanted.
    pub fn shown(self, masked: Masked, numeric: bool) -> String {
        let name = (!numeric && masked.mask == u32::MAX).then(|| self.name(masked.value)).flatten();
        name.unwrap_or_else(|| masked.to_string())
    }

    fn number(self, name: &str) -> Option<u32> {
        self.lines().into_iter().find(|(_, own)| own == name).map(|(number, _)| number)
    }

    fn name(self, number: u32) -> Option<String> {
        self.lines().into_iter().find(|(own, _)| *own == number).map(|(_, name)| name)
    }

    fn lines(self) -> Vec<(u32, String)> {
        let file = fs::read(self.0).unwrap_or_default();
        String::from_utf8_lossy(&file).lines().filter_map(line).collect()
    }
}

fn line(line: &str) -> Option<(u32, String)> {
    let line = line.trim_start();
    let (number, rest) = number::parse_prefix(line)?;
    let name = rest.strip_prefix([' ', '\t'])?.split_ascii_whitespace().next()?;
    Some((u32::try_from(number).ok()?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_number_and_a_name() {
        assert_eq!(line("0x10\tlan # inside"), Some((16, "lan".into())));
        assert_eq!(line("# 1 lan"), None);
        assert_eq!(line("1"), None);
        assert_eq!(line(""), None);
    }
}
