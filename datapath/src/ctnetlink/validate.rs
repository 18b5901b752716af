//! Attributes that the kernel's policies of these messages do not let through. As validate_nla().

use nfnl::attr::{Attribute, Attributes};
use nfnl::conntrack::attribute::cta;
use nfnl::expect::attribute as expect;
use nfnl::transport::server::Refusal;

/// As ct_nla_policy has it.
pub(super) fn connection(attributes: Attributes<'_>) -> Result<(), Refusal> {
    for attribute in attributes.flatten() {
        match attribute.kind {
            cta::TIMESTAMP_EVENT => return Err(refused(libc::EINVAL)),
            cta::STATUS | cta::TIMEOUT | cta::MARK | cta::USE | cta::ID | cta::MARK_MASK => at_least(4, &attribute)?,
            cta::ZONE => at_least(2, &attribute)?,
            cta::TUPLE_ORIG | cta::TUPLE_REPLY | cta::TUPLE_MASTER | cta::PROTOINFO | cta::HELP => nested(&attribute)?,
            cta::NAT_SRC | cta::NAT_DST | cta::SEQ_ADJ_ORIG | cta::SEQ_ADJ_REPLY => nested(&attribute)?,
            cta::LABELS | cta::LABELS_MASK if attribute.payload.len() > 16 => return Err(refused(libc::ERANGE)),
            _ => {}
        }
    }
    Ok(())
}

/// As exp_nla_policy has it.
pub(super) fn expectation(attributes: Attributes<'_>) -> Result<(), Refusal> {
    for attribute in attributes.flatten() {
        match attribute.kind {
            expect::MASTER | expect::TUPLE | expect::MASK | expect::NAT => nested(&attribute)?,
            expect::TIMEOUT | expect::ID | expect::CLASS => at_least(4, &attribute)?,
            expect::FLAGS => {
                at_least(4, &attribute)?;
                if attribute.be32().is_ok_and(|flags| flags & !FLAGS != 0) {
                    return Err(Refusal { errno: libc::EINVAL, text: Some("reserved bit set") });
                }
            }
            expect::ZONE => at_least(2, &attribute)?,
            expect::HELP_NAME => text(&attribute, HELP_NAME)?,
            expect::FN => text(&attribute, usize::MAX)?,
            _ => {}
        }
    }
    Ok(())
}

fn refused(errno: i32) -> Refusal {
    Refusal { errno, text: Some("Attribute failed policy validation") }
}

/// Numbers.
fn at_least(len: usize, attribute: &Attribute<'_>) -> Result<(), Refusal> {
    if attribute.payload.len() < len { Err(refused(libc::ERANGE)) } else { Ok(()) }
}

/// `NLA_NESTED`: empty, or room for a head.
fn nested(attribute: &Attribute<'_>) -> Result<(), Refusal> {
    if attribute.payload.is_empty() { Ok(()) } else { at_least(4, attribute) }
}

/// `NLA_NUL_STRING` of at most so many characters.
fn text(attribute: &Attribute<'_>, most: usize) -> Result<(), Refusal> {
    let looked_at = attribute.payload.len().min(most.saturating_add(1));
    if attribute.payload.get(..looked_at).is_none_or(|bytes| !bytes.contains(&0)) {
        return Err(refused(libc::EINVAL));
    }
    let ended = attribute.payload.last() == Some(&0);
    if attribute.payload.len() - usize::from(ended) > most {
        return Err(refused(libc::ERANGE));
    }
    Ok(())
}

/// `NF_CT_EXPECT_MASK`.
const FLAGS: u32 = 0b111;
/// `NF_CT_HELPER_NAME_LEN` without the zero byte.
const HELP_NAME: usize = 15;
