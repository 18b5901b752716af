//! TOS bytes: numbers with a mask, and the five names of RFC 1349.

use super::number;

/// A TOS or traffic class byte and the bits of it that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tos {
    /// The bits.
    pub value: u8,
    /// Which of them count.
    pub mask: u8,
}

/// The names, with their values; a name always comes with the mask 0x3f.
pub const NAMES: &[(u8, &str)] = &[
    (0x10, "Minimize-Delay"),
    (0x08, "Maximize-Throughput"),
    (0x04, "Maximize-Reliability"),
    (0x02, "Minimize-Cost"),
    (0x00, "Normal-Service"),
];

const NAME_MASK: u8 = 0x3f;

impl Tos {
    /// `value[/mask]` or a name in any case. The error is upstream's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((value, rest)) = number::parse_prefix(text).filter(|&(value, _)| value <= 0xff) else {
            return Self::parse_name(text).ok_or_else(|| format!("Symbolic name \"{text}\" is unknown"));
        };
        let mask = match rest.strip_prefix('/') {
            Some(mask) => number::parse(mask, 0, 0xff),
            None if rest.is_empty() => Some(0xff),
            None => None,
        };
        let mask = mask.ok_or_else(|| format!("Illegal value: \"{text}\""))?;
        Ok(Self { value: value as u8, mask: mask as u8 })
    }

    /// Its name, if it has one.
    pub fn name(self) -> Option<&'static str> {
        let (_, name) = NAMES.iter().find(|(value, _)| (*value, NAME_MASK) == (self.value, self.mask))?;
        Some(name)
    }

    fn parse_name(text: &str) -> Option<Self> {
        let (value, _) = NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text))?;
        Some(Self { value: *value, mask: NAME_MASK })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leaves_the_two_highest_bits_alone() {
        assert_eq!(Tos::parse("minimize-DELAY"), Ok(Tos { value: 0x10, mask: 0x3f }));
        assert_eq!(Tos { value: 0, mask: 0x3f }.name(), Some("Normal-Service"));
        assert_eq!(Tos { value: 0, mask: 0xff }.name(), None);
    }

    #[test]
    fn texts_that_are_neither_number_nor_name_are_told_apart() {
        assert_eq!(Tos::parse("256"), Err("Symbolic name \"256\" is unknown".into()));
        assert_eq!(Tos::parse("1/999"), Err("Illegal value: \"1/999\"".into()));
        assert_eq!(Tos::parse("16/3f"), Err("Illegal value: \"16/3f\"".into()));
        assert_eq!(Tos::parse("/1"), Err("Symbolic name \"/1\" is unknown".into()));
    }
}
