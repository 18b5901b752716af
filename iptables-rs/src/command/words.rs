//! Words that must be a number or a name, and what upstream says of those that are not.

use libxt::abi::EXTENSION_NAME_LEN;
use libxt::octets;
use libxt::table::verdict_number;
use libxt::value::number;

use super::parse::usage;
use crate::failure::Failure;

pub(super) fn rule_number(word: &str) -> Result<usize, Failure> {
    let number = number::parse(word, 1, i32::MAX as u64);
    number.map(|number| number as usize).ok_or_else(|| Failure::Usage(format!("Invalid rule number `{word}'")))
}

/// As `assert_valid_chain_name()`; `is_target` says whether an extension has that name.
pub(super) fn check_chain_name(name: &str, mut is_target: impl FnMut(&str) -> bool) -> Result<(), Failure> {
    check_length_and_beginning(name)?;
    if name.is_empty() || verdict_number(name).is_some() || is_target(name) {
        return Err(usage("chain name may not clash with target name"));
    }
    if name.bytes().any(is_space) {
        return Err(Failure::Usage(format!("Invalid chain name `{name}'")));
    }
    Ok(())
}

/// The name in a chain's line of a file that is translated, where only verdicts clash.
pub(crate) fn check_declared_chain(name: &str) -> Result<(), Failure> {
    check_length_and_beginning(name)?;
    if verdict_number(name).is_some() {
        return Err(usage("chain name may not clash with target name"));
    }
    Ok(())
}

fn check_length_and_beginning(name: &str) -> Result<(), Failure> {
    if octets::len(name) >= EXTENSION_NAME_LEN {
        return Err(too_long(name));
    }
    match name.chars().next() {
        Some(first @ ('-' | '!')) => Err(Failure::Usage(format!("chain name not allowed to start with `{first}'"))),
        _ => Ok(()),
    }
}

/// As `xt_parse_target()`.
pub(super) fn check_target_name(name: &str) -> Result<(), Failure> {
    if name.is_empty() {
        return Err(usage("Invalid target name (too short)"));
    }
    if octets::len(name) >= EXTENSION_NAME_LEN {
        let max = EXTENSION_NAME_LEN - 1;
        return Err(Failure::Usage(format!("Invalid target name `{name}' ({max} chars max)")));
    }
    if name.bytes().any(is_space) {
        return Err(Failure::Usage(format!("Invalid target name `{name}'")));
    }
    Ok(())
}

pub(super) fn too_long(chain: &str) -> Failure {
    Failure::Usage(format!("chain name `{chain}' too long (must be under {EXTENSION_NAME_LEN} chars)"))
}

/// What upstream says when a library is not there.
pub(super) fn not_loaded(what: &str, name: &str) -> Failure {
    Failure::Usage(format!("Couldn't load {what} `{name}':No such file or directory\n"))
}

/// As `isspace()`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The number at the start, as `sscanf("%llu")`.
pub(super) fn leading_number(text: &str) -> Option<u64> {
    let text = text.trim_start_matches(|c: char| u8::try_from(c).is_ok_and(is_space));
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if end == 0 {
        return None;
    }
    let number = text[..end].parse().unwrap_or(u64::MAX);
    Some(if negative { number.wrapping_neg() } else { number })
}

/// The number at the start, as `sscanf("%i")`: decimal, octal or hexadecimal.
pub(super) fn leading_integer(text: &str) -> Option<i32> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let value = match number::parse_prefix(digits) {
        Some((value, _)) => value.min(i64::MAX as u64),
        // Past 64 bits it is the largest there is.
        None if digits.starts_with(|c: char| c.is_ascii_digit()) => i64::MAX as u64,
        None => return None,
    };
    let value = value as i32;
    Some(if negative { value.wrapping_neg() } else { value })
}
