//! Messages of H.225.0, as far as they are read: call signalling, and registration, admission and status.

use libxt::family::Af;

use super::h245;
use super::per::{
    FLAG, Field, NULL, OCTET, OPTIONAL_REST, REST, Size,
    Type::{self, Address, Digits, Holding, Identifier, Integer, Many, Noted, Octets, Seconds, Unread, Wide},
    WORD,
    Width::Long,
    may, must, open_choice, open_sequence, sequence,
};

/// Where in a message something stands.
pub(super) mod mark {
    pub(crate) const SETUP: u32 = 1 << 0;
    /// Another message of a call that bears media.
    pub(crate) const CALL: u32 = 1 << 1;
    pub(crate) const FACILITY: u32 = 1 << 2;
    pub(crate) const H245_ADDRESS: u32 = 1 << 3;
    /// An address for calls: `destCallSignalAddress`, or simply `callSignalAddress`.
    pub(crate) const CALLED: u32 = 1 << 4;
    /// `sourceCallSignalAddress`.
    pub(crate) const CALLING: u32 = 1 << 5;
    /// An element of `fastStart`.
    pub(crate) const FAST_START: u32 = 1 << 6;
    /// An element of `h245Control`.
    pub(crate) const TUNNELLED: u32 = 1 << 7;
    /// `alternativeAddress`.
    pub(crate) const ALTERNATIVE: u32 = 1 << 8;
    /// The reason is `callForwarded`.
    pub(crate) const FORWARDED: u32 = 1 << 9;
    /// `rasAddress`, or another address for RAS.
    pub(crate) const RAS: u32 = 1 << 10;
    pub(crate) const TIME_TO_LIVE: u32 = 1 << 11;
    pub(crate) const GATEKEEPER_REQUEST: u32 = 1 << 16;
    pub(crate) const GATEKEEPER_CONFIRM: u32 = 1 << 17;
    pub(crate) const REGISTRATION_REQUEST: u32 = 1 << 18;
    pub(crate) const REGISTRATION_CONFIRM: u32 = 1 << 19;
    pub(crate) const UNREGISTRATION_REQUEST: u32 = 1 << 20;
    pub(crate) const ADMISSION_REQUEST: u32 = 1 << 21;
    pub(crate) const ADMISSION_CONFIRM: u32 = 1 << 22;
    pub(crate) const LOCATION_REQUEST: u32 = 1 << 23;
    pub(crate) const LOCATION_CONFIRM: u32 = 1 << 24;
    pub(crate) const INFORMATION: u32 = 1 << 25;
}

/// Addresses of a list that are looked at.
const ADDRESSES: usize = 10;
/// Elements of `fastStart` that are.
const CHANNELS: usize = 30;
/// Elements of `h245Control`.
const MESSAGES: usize = 4;

/// Notes that the message was said, whatever it names.
const SAID: Field = must(&Noted);

static H221: Type = open_sequence(&[OCTET, OCTET, WORD], 0, &[]);
static NON_STANDARD: Type =
    sequence(&[must(&open_choice(&[must(&Identifier), must(&H221)], &[])), must(&Octets(Size::Open))]);
static GUID: Type = Octets(Size::Fixed(16));
/// GatekeeperIdentifier and EndpointIdentifier.
static IDENTIFIER: Type = Wide(Size::Bits(7, 1));

static TRANSPORT: Type = open_choice(
    &[
        must(&sequence(&[must(&Address(Af::V4)), WORD])),
        must(&SOURCE_ROUTE),
        must(&sequence(&[must(&Octets(Size::Fixed(6))), must(&Octets(Size::Fixed(4))), must(&Octets(Size::Fixed(2)))])),
        must(&open_sequence(&[must(&Address(Af::V6)), WORD], 0, &[])),
        must(&Octets(Size::Fixed(16))),
        must(&Octets(Size::Bits(5, 1))),
        must(&NON_STANDARD),
    ],
    &[],
);
static SOURCE_ROUTE: Type = open_sequence(
    &[
        must(&Octets(Size::Fixed(4))),
        WORD,
        must(&Many(Size::Open, 0, &must(&Octets(Size::Fixed(4))))),
        must(&open_choice(&[NULL, NULL], &[])),
    ],
    0,
    &[],
);
static TRANSPORTS: Type = Many(Size::Open, ADDRESSES, &must(&TRANSPORT));

static ALIAS: Type = open_choice(&[must(&Digits(Size::Bits(7, 1))), must(&Wide(Size::Octet(1)))], &[]);
static ALIASES: Type = Many(Size::Open, 0, &must(&ALIAS));

static VENDOR: Type = open_sequence(&[must(&H221), may(&Octets(Size::Octet(1))), may(&Octets(Size::Octet(1)))], 1, &[]);
/// Whatever has `nonStandardData` and additions.
static CAPABILITIES: Type = open_sequence(&[may(&NON_STANDARD)], 2, &[]);
static BARE: Type = open_sequence(&[may(&NON_STANDARD)], 0, &[]);
static MCU: Type = open_sequence(&[may(&NON_STANDARD)], 1, &[]);
static GATEWAY: Type = open_sequence(
    &[
        may(&Many(
            Size::Open,
            0,
            &must(&open_choice(
                &[
                    must(&NON_STANDARD),
                    must(&CAPABILITIES),
                    must(&CAPABILITIES),
                    must(&CAPABILITIES),
                    must(&CAPABILITIES),
                    must(&CAPABILITIES),
                    must(&CAPABILITIES),
                    must(&CAPABILITIES),
                    must(&CAPABILITIES),
                ],
                &[],
            )),
        )),
        may(&NON_STANDARD),
    ],
    0,
    &[],
);
static ENDPOINT: Type = open_sequence(
    &[may(&NON_STANDARD), may(&VENDOR), may(&BARE), may(&GATEWAY), may(&MCU), may(&BARE), FLAG, FLAG],
    2,
    &[],
);

static SERVICES: Type =
    open_sequence(&[FLAG, FLAG, FLAG, FLAG, FLAG, FLAG, FLAG, must(&open_sequence(&[FLAG, FLAG], 0, &[]))], 0, &[]);
static CALL_TYPE: Type = open_choice(&[NULL; 4], &[]);
static CALL_MODEL: Type = open_choice(&[NULL, NULL], &[]);
static CALL_IDENTIFIER: Type = open_sequence(&[must(&GUID)], 0, &[]);

static FAST_START: Type = Many(Size::Open, CHANNELS, &must(&Holding(&must(&h245::OPEN_CHANNEL))));

/// H323-UserInformation.
pub(super) static USER_INFORMATION: Type = open_sequence(&[must(&PDU), OPTIONAL_REST], 0, &[]);

static PDU: Type = open_sequence(
    &[must(&BODY), may(&NON_STANDARD)],
    3,
    &[(2, may(&Many(Size::Open, MESSAGES, &must(&Holding(&must(&h245::MESSAGE))))).marked(mark::TUNNELLED)), (3, REST)],
);

static BODY: Type = open_choice(
    &[
        must(&SETUP).marked(mark::SETUP),
        must(&PROCEEDING).marked(mark::CALL),
        must(&CONNECT).marked(mark::CALL),
        must(&ALERTING).marked(mark::CALL),
        must(&open_sequence(&[must(&Identifier)], 6, &[])),
        must(&open_sequence(&[must(&Identifier), may(&RELEASE_REASON)], 9, &[])),
        must(&FACILITY).marked(mark::FACILITY),
    ],
    &[(0, must(&PROGRESS).marked(mark::CALL))],
);

static SETUP: Type = open_sequence(
    &[
        must(&Identifier),
        may(&TRANSPORT).marked(mark::H245_ADDRESS),
        may(&ALIASES),
        must(&ENDPOINT),
        may(&ALIASES),
        may(&TRANSPORT).marked(mark::CALLED),
        may(&ALIASES),
        may(&Many(Size::Open, 0, &WORD)),
        FLAG,
        must(&GUID),
        must(&open_choice(&[NULL, NULL, NULL], &[])),
        may(&SERVICES),
        must(&CALL_TYPE),
    ],
    9,
    &[(0, may(&TRANSPORT).marked(mark::CALLING)), (6, may(&FAST_START).marked(mark::FAST_START)), (9, REST)],
);
static PROCEEDING: Type = open_sequence(
    &[must(&Identifier), must(&ENDPOINT), may(&TRANSPORT).marked(mark::H245_ADDRESS)],
    9,
    &[(4, may(&FAST_START).marked(mark::FAST_START))],
);
static CONNECT: Type = open_sequence(
    &[must(&Identifier), may(&TRANSPORT).marked(mark::H245_ADDRESS), must(&ENDPOINT), must(&GUID)],
    15,
    &[(4, may(&FAST_START).marked(mark::FAST_START))],
);
static ALERTING: Type = open_sequence(
    &[must(&Identifier), must(&ENDPOINT), may(&TRANSPORT).marked(mark::H245_ADDRESS)],
    14,
    &[(4, may(&FAST_START).marked(mark::FAST_START))],
);
static FACILITY: Type = open_sequence(
    &[
        must(&Identifier),
        may(&TRANSPORT).marked(mark::ALTERNATIVE),
        may(&ALIASES),
        may(&GUID),
        must(&open_choice(&[NULL, must(&Noted).marked(mark::FORWARDED), NULL, NULL], &[])),
    ],
    16,
    &[(6, may(&TRANSPORT).marked(mark::H245_ADDRESS)), (7, may(&FAST_START).marked(mark::FAST_START))],
);
/// Its tokens stand in the root.
static PROGRESS: Type = open_sequence(
    &[
        must(&Identifier),
        must(&ENDPOINT),
        may(&TRANSPORT).marked(mark::H245_ADDRESS),
        must(&CALL_IDENTIFIER),
        may(&SECURITY),
        may(&Unread),
        may(&Unread),
        may(&FAST_START).marked(mark::FAST_START),
    ],
    3,
    &[],
);
static SECURITY: Type = open_choice(&[must(&NON_STANDARD), NULL, must(&CAPABLE), must(&CAPABLE)], &[]);
static CAPABLE: Type = open_sequence(&[may(&NON_STANDARD), must(&MODE), must(&MODE), must(&MODE)], 0, &[]);
static MODE: Type = open_choice(&[must(&NON_STANDARD), NULL, NULL], &[]);
static RELEASE_REASON: Type = open_choice(&[NULL; 12], &[]);

/// RasMessage.
pub(super) static RAS: Type = open_choice(
    &[
        must(&GATEKEEPER_REQUEST).marked(mark::GATEKEEPER_REQUEST),
        must(&GATEKEEPER_CONFIRM).marked(mark::GATEKEEPER_CONFIRM),
        REST,
        must(&REGISTRATION_REQUEST).marked(mark::REGISTRATION_REQUEST),
        must(&REGISTRATION_CONFIRM).marked(mark::REGISTRATION_CONFIRM),
        REST,
        must(&UNREGISTRATION_REQUEST).marked(mark::UNREGISTRATION_REQUEST),
        REST,
        REST,
        must(&ADMISSION_REQUEST).marked(mark::ADMISSION_REQUEST),
        must(&ADMISSION_CONFIRM).marked(mark::ADMISSION_CONFIRM),
        REST,
        REST,
        REST,
        REST,
        REST,
        REST,
        REST,
        must(&LOCATION_REQUEST).marked(mark::LOCATION_REQUEST),
        must(&LOCATION_CONFIRM).marked(mark::LOCATION_CONFIRM),
        REST,
        REST,
        must(&INFORMATION).marked(mark::INFORMATION),
        REST,
        REST,
    ],
    &[],
);

static GATEKEEPER_REQUEST: Type = open_sequence(
    &[
        WORD,
        must(&Identifier),
        may(&NON_STANDARD),
        must(&TRANSPORT).marked(mark::RAS),
        REST,
        OPTIONAL_REST,
        OPTIONAL_REST,
        OPTIONAL_REST,
    ],
    0,
    &[],
);
static GATEKEEPER_CONFIRM: Type = open_sequence(
    &[WORD, must(&Identifier), may(&NON_STANDARD), may(&IDENTIFIER), must(&TRANSPORT).marked(mark::RAS)],
    0,
    &[(0, REST)],
);
static REGISTRATION_REQUEST: Type = open_sequence(
    &[
        SAID,
        WORD,
        must(&Identifier),
        may(&NON_STANDARD),
        FLAG,
        must(&TRANSPORTS).marked(mark::CALLED),
        must(&TRANSPORTS).marked(mark::RAS),
        must(&ENDPOINT),
        may(&ALIASES),
        may(&IDENTIFIER),
        must(&VENDOR),
    ],
    2,
    &[(1, may(&Seconds).marked(mark::TIME_TO_LIVE)), (2, REST)],
);
static REGISTRATION_CONFIRM: Type = open_sequence(
    &[
        SAID,
        WORD,
        must(&Identifier),
        may(&NON_STANDARD),
        must(&TRANSPORTS).marked(mark::CALLED),
        may(&ALIASES),
        may(&IDENTIFIER),
        must(&IDENTIFIER),
    ],
    2,
    &[(1, may(&Seconds).marked(mark::TIME_TO_LIVE)), (2, REST)],
);
static UNREGISTRATION_REQUEST: Type = open_sequence(
    &[SAID, WORD, must(&TRANSPORTS).marked(mark::CALLED), OPTIONAL_REST, OPTIONAL_REST, OPTIONAL_REST],
    0,
    &[],
);
static ADMISSION_REQUEST: Type = open_sequence(
    &[
        WORD,
        must(&CALL_TYPE),
        may(&CALL_MODEL),
        must(&IDENTIFIER),
        may(&ALIASES),
        may(&TRANSPORT).marked(mark::CALLED),
        may(&ALIASES),
        must(&ALIASES),
        may(&TRANSPORT).marked(mark::CALLING),
        REST,
        REST,
        OPTIONAL_REST,
        OPTIONAL_REST,
    ],
    0,
    &[],
);
static ADMISSION_CONFIRM: Type = open_sequence(
    &[
        WORD,
        must(&Integer(Long)),
        must(&CALL_MODEL),
        must(&TRANSPORT).marked(mark::CALLED),
        OPTIONAL_REST,
        OPTIONAL_REST,
    ],
    0,
    &[],
);
static LOCATION_REQUEST: Type = open_sequence(
    &[WORD, may(&IDENTIFIER), must(&ALIASES), may(&NON_STANDARD), must(&TRANSPORT).marked(mark::RAS)],
    0,
    &[(0, REST)],
);
static LOCATION_CONFIRM: Type = open_sequence(
    &[WORD, must(&TRANSPORT).marked(mark::CALLED), must(&TRANSPORT).marked(mark::RAS), OPTIONAL_REST],
    0,
    &[],
);
static INFORMATION: Type = open_sequence(
    &[
        may(&NON_STANDARD),
        WORD,
        must(&ENDPOINT),
        must(&IDENTIFIER),
        must(&TRANSPORT).marked(mark::RAS),
        must(&TRANSPORTS).marked(mark::CALLED),
        OPTIONAL_REST,
        OPTIONAL_REST,
    ],
    0,
    &[],
);
