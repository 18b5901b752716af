//! What an expectation says: the connection that shall come, and what is done to it then.

use crate::conntrack::{Address, Direction, Tuple};
use crate::helper::HelperId;
use crate::helper::user::Name;

/// A connection that shall come: `struct nf_conntrack_expect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its original tuple.
    pub tuple: Tuple,
    /// Which bits of the source address count.
    pub source_mask: Address,
    /// Which bits of the source port, ICMP id or key count.
    pub port_mask: u16,
    /// `NF_CT_EXPECT_*`.
    pub flags: u32,
    /// Which of the helper's classes.
    pub class: u8,
    /// The helper that the connection gets itself.
    pub(crate) helper: Option<HelperId>,
    /// What is done to the connection when it comes.
    pub follow: Follow,
    /// Towards which end of the master the connection goes, for NAT.
    pub direction: Direction,
    /// Address and port or key before translation, all zero if there is none.
    pub saved: (Address, u16),
}

/// `expectfn`: what is done to an expected connection when it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// Nothing.
    #[default]
    Nothing,
    /// It is translated as its master is. nf_nat_follow_master().
    Master,
    /// The GRE of a PPTP call: of its two directions one is enough. pptp_expectfn().
    Pptp,
    /// It is translated to what SIP said before its words were. nf_nat_sip_expected().
    Sip,
    /// A call of H.323 to who registered with a gatekeeper. ip_nat_q931_expect().
    Call,
    /// One that was forwarded. ip_nat_callforwarding_expect().
    Forwarding,
}

/// All of an expectation, copied: for events and dumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its stable number (`CTA_EXPECT_ID`).
    pub id: u32,
    /// What is expected.
    pub expected: Expected,
    /// Seconds left.
    pub timeout: u32,
    /// The master's original tuple.
    pub master: Tuple,
    /// The zone of the master's original direction.
    pub zone: u16,
    /// The name of the master's helper.
    pub helper: Option<Name>,
}

impl Expected {
    /// A connection of `protocol` from an address, or from anywhere, to an address and a port; the first of the helper's
    /// classes, once. As nf_ct_expect_init().
    pub(crate) fn new(source: Option<Address>, source_port: Option<u16>, tuple: Tuple) -> Self {
        let all = match tuple.af {
            libxt::family::Af::V4 => {
                let mut all = Address::default();
                all.0[..4].fill(0xff);
                all
            }
            libxt::family::Af::V6 => Address([0xff; 16]),
        };
        Self {
            tuple: Tuple { source: source.unwrap_or_default(), ..tuple }.with_source_port(source_port.unwrap_or(0)),
            source_mask: source.map_or(Address::default(), |_| all),
            port_mask: source_port.map_or(0, |_| u16::MAX),
            flags: 0,
            class: 0,
            helper: None,
            follow: Follow::Nothing,
            direction: Direction::Original,
            saved: (Address::default(), 0),
        }
    }
}

impl Follow {
    /// By the name in `CTA_EXPECT_FN`. As nf_ct_helper_expectfn_find_by_name().
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Master, Self::Sip, Self::Call, Self::Forwarding]
            .into_iter()
            .find(|follow| follow.name().is_some_and(|own| own.as_bytes() == name))
    }

    /// The name for `CTA_EXPECT_FN`, if it has one.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Nothing | Self::Pptp => None,
            Self::Master => Some("nat-follow-master"),
            Self::Sip => Some("sip"),
            Self::Call => Some("Q.931"),
            Self::Forwarding => Some("callforwarding"),
        }
    }
}
