//! Messages of H.245, as far as they are read: logical channels that are opened, and the answers.

use libxt::family::Af;

use super::per::{
    FLAG, NULL, OCTET, OPTIONAL_REST, REST, Size,
    Type::{self, Address, Boolean, Digits, Identifier, Integer, Many, Noted, Octets},
    WORD,
    Width::{Bits, Long, Word},
    choice, may, must, open_choice, open_sequence, sequence,
};

/// Where in a message something stands.
pub(super) mod mark {
    /// `openLogicalChannelAck`, not the request.
    pub(crate) const ANSWER: u32 = 1 << 12;
    /// `mediaChannel` or `mediaControlChannel`.
    pub(crate) const MEDIA: u32 = 1 << 13;
    /// `separateStack`.
    pub(crate) const STACK: u32 = 1 << 14;
    /// Data of T.120 that flow forward.
    pub(crate) const T120: u32 = FORWARD | 1 << 15;
    /// `forwardLogicalChannelParameters` of the request.
    pub(crate) const FORWARD: u32 = 1 << 28;
}

/// MultimediaSystemControlMessage.
pub(super) static MESSAGE: Type = open_choice(&[must(&REQUEST), must(&RESPONSE), REST, REST], &[]);
static REQUEST: Type =
    open_choice(&[REST, REST, REST, must(&OPEN_CHANNEL), REST, REST, REST, REST, REST, REST, REST], &[]);
static RESPONSE: Type = open_choice(
    &[
        REST,
        REST,
        REST,
        REST,
        REST,
        must(&OPEN_CHANNEL_ACK).marked(mark::ANSWER),
        REST,
        REST,
        REST,
        REST,
        REST,
        REST,
        REST,
        REST,
        REST,
        REST,
        REST,
        REST,
        REST,
    ],
    &[],
);

/// OpenLogicalChannel.
pub(super) static OPEN_CHANNEL: Type = open_sequence(
    &[WORD, must(&FORWARD).marked(mark::FORWARD), may(&REVERSE)],
    2,
    &[(0, may(&NETWORK_ACCESS).marked(mark::STACK)), (1, REST)],
);
static FORWARD: Type = open_sequence(
    &[
        may(&Integer(Word)),
        must(&DATA_TYPE),
        must(&open_choice(&[must(&H222), must(&H223), must(&V76)], &[(0, must(&H2250))])),
    ],
    2,
    &[],
);
static REVERSE: Type =
    open_sequence(&[must(&DATA_TYPE), may(&open_choice(&[must(&H223), must(&V76)], &[(0, must(&H2250))]))], 2, &[]);

static OPEN_CHANNEL_ACK: Type = open_sequence(
    &[WORD, may(&REVERSE_ACK)],
    3,
    &[(0, may(&NETWORK_ACCESS).marked(mark::STACK)), (1, may(&open_choice(&[must(&H2250_ACK)], &[]))), (2, REST)],
);
static REVERSE_ACK: Type =
    open_sequence(&[WORD, may(&Integer(Word)), may(&open_choice(&[must(&H222)], &[(0, must(&H2250))]))], 1, &[]);

static H2250: Type = open_sequence(
    &[
        may(&NON_STANDARDS),
        OCTET,
        may(&Integer(Bits(8))),
        may(&TRANSPORT).marked(mark::MEDIA),
        may(&Boolean),
        may(&TRANSPORT).marked(mark::MEDIA),
        OPTIONAL_REST,
        OPTIONAL_REST,
        OPTIONAL_REST,
        OPTIONAL_REST,
        OPTIONAL_REST,
    ],
    0,
    &[],
);
static H2250_ACK: Type = open_sequence(
    &[
        may(&NON_STANDARDS),
        may(&Integer(Bits(8))),
        may(&TRANSPORT).marked(mark::MEDIA),
        may(&TRANSPORT).marked(mark::MEDIA),
        may(&Integer(Bits(5))),
    ],
    2,
    &[(0, REST)],
);
static NETWORK_ACCESS: Type = open_sequence(
    &[
        may(&open_choice(&[NULL, NULL], &[])),
        must(&open_choice(&[must(&Q2931), must(&Digits(Size::Bits(7, 1))), must(&TRANSPORT)], &[])),
        FLAG,
        may(&Octets(Size::Bits(8, 1))),
    ],
    1,
    &[],
);
static Q2931: Type = open_sequence(
    &[
        must(&open_choice(&[must(&Digits(Size::Bits(4, 1))), must(&Octets(Size::Bits(5, 1)))], &[])),
        may(&Octets(Size::Bits(5, 1))),
    ],
    0,
    &[],
);

static TRANSPORT: Type = open_choice(&[must(&UNICAST), must(&MULTICAST)], &[]);
static UNICAST: Type = open_choice(
    &[
        must(&open_sequence(&[must(&Address(Af::V4)), WORD], 0, &[])),
        must(&open_sequence(
            &[must(&Octets(Size::Fixed(6))), must(&Octets(Size::Fixed(4))), must(&Octets(Size::Fixed(2)))],
            0,
            &[],
        )),
        must(&open_sequence(&[must(&Address(Af::V6)), WORD], 0, &[])),
        must(&Octets(Size::Fixed(16))),
        must(&open_sequence(
            &[
                must(&choice(&[NULL, NULL])),
                must(&Octets(Size::Fixed(4))),
                WORD,
                must(&Many(Size::Open, 0, &must(&Octets(Size::Fixed(4))))),
            ],
            0,
            &[],
        )),
    ],
    &[],
);
static MULTICAST: Type = open_choice(
    &[
        must(&open_sequence(&[must(&Octets(Size::Fixed(4))), WORD], 0, &[])),
        must(&open_sequence(&[must(&Octets(Size::Fixed(16))), WORD], 0, &[])),
    ],
    &[],
);

static NON_STANDARD: Type =
    sequence(&[must(&choice(&[must(&Identifier), must(&sequence(&[OCTET, OCTET, WORD]))])), must(&Octets(Size::Open))]);
static NON_STANDARDS: Type = Many(Size::Open, 0, &must(&NON_STANDARD));

static DATA_TYPE: Type = open_choice(
    &[
        must(&NON_STANDARD),
        NULL,
        must(&VIDEO),
        must(&AUDIO),
        must(&DATA),
        must(&open_choice(&[must(&NON_STANDARD), NULL], &[])),
    ],
    &[],
);

static VIDEO: Type = open_choice(&[must(&NON_STANDARD), must(&H261), must(&H262), must(&H263), must(&IS11172)], &[]);
static H261: Type = open_sequence(&[may(&Integer(Bits(2))), may(&Integer(Bits(2))), FLAG, WORD, FLAG], 1, &[]);
static H262: Type = open_sequence(
    &[
        FLAG,
        FLAG,
        FLAG,
        FLAG,
        FLAG,
        FLAG,
        FLAG,
        FLAG,
        FLAG,
        FLAG,
        FLAG,
        may(&Integer(Long)),
        may(&Integer(Long)),
        may(&Integer(Word)),
        may(&Integer(Word)),
        may(&Integer(Bits(4))),
        may(&Integer(Long)),
    ],
    1,
    &[],
);
static H263: Type = open_sequence(
    &[
        may(&Integer(Bits(5))),
        may(&Integer(Bits(5))),
        may(&Integer(Bits(5))),
        may(&Integer(Bits(5))),
        may(&Integer(Bits(5))),
        must(&Integer(Long)),
        FLAG,
        FLAG,
        FLAG,
        FLAG,
        FLAG,
        may(&Integer(Long)),
        may(&Integer(Word)),
    ],
    8,
    &[],
);
static IS11172: Type = open_sequence(
    &[
        FLAG,
        may(&Integer(Long)),
        may(&Integer(Long)),
        may(&Integer(Word)),
        may(&Integer(Word)),
        may(&Integer(Bits(4))),
        may(&Integer(Long)),
    ],
    1,
    &[],
);

static AUDIO: Type = open_choice(
    &[
        must(&NON_STANDARD),
        OCTET,
        OCTET,
        OCTET,
        OCTET,
        OCTET,
        OCTET,
        OCTET,
        must(&sequence(&[OCTET, FLAG])),
        OCTET,
        OCTET,
        OCTET,
        must(&open_sequence(&[must(&Integer(Bits(8))), WORD], 0, &[])),
        must(&open_sequence(&[must(&Integer(Bits(20))), WORD], 0, &[])),
    ],
    &[],
);

static DATA: Type = open_sequence(
    &[
        must(&open_choice(
            &[
                must(&NON_STANDARD),
                must(&PROTOCOL).marked(mark::T120 & !mark::FORWARD),
                must(&PROTOCOL),
                must(&PROTOCOL),
                must(&sequence(&[must(&PROTOCOL), must(&T84_PROFILE)])),
                must(&PROTOCOL),
                must(&PROTOCOL),
                must(&sequence(&[must(&PROTOCOL), must(&Octets(Size::Open))])),
                NULL,
                must(&PROTOCOL),
            ],
            &[],
        )),
        must(&Integer(Long)),
    ],
    0,
    &[],
);
/// DataProtocolCapability, of which `separateLANStack` is noted.
static PROTOCOL: Type = open_choice(&[must(&NON_STANDARD), NULL, NULL, NULL, NULL, NULL, NULL], &[(3, must(&Noted))]);
static T84_PROFILE: Type = choice(&[NULL, must(&open_sequence(&[must(&Integer(Bits(19)))], 0, &[]))]);

static H222: Type =
    open_sequence(&[WORD, WORD, may(&Integer(Word)), may(&Octets(Size::Open)), may(&Octets(Size::Open))], 0, &[]);
static H223: Type = open_sequence(
    &[
        must(&open_choice(
            &[
                must(&NON_STANDARD),
                NULL,
                NULL,
                NULL,
                NULL,
                must(&sequence(&[must(&Integer(Bits(2))), must(&Integer(Long))])),
            ],
            &[],
        )),
        FLAG,
    ],
    0,
    &[],
);
static V76: Type = open_sequence(
    &[
        must(&open_sequence(&[must(&open_choice(&[NULL, NULL, NULL], &[])), WORD, FLAG], 0, &[])),
        must(&open_choice(&[NULL, NULL, NULL], &[])),
        FLAG,
        must(&open_choice(
            &[
                must(&open_sequence(&[must(&Integer(Bits(7))), must(&open_choice(&[NULL, NULL, NULL], &[]))], 0, &[])),
                NULL,
            ],
            &[],
        )),
        must(&open_sequence(&[FLAG], 0, &[])),
    ],
    0,
    &[],
);
