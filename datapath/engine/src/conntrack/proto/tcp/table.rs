//! The state table: direction × kind of segment × state → state.

use super::super::super::Direction;
use super::state::{
    CLOSE, CLOSE_WAIT, COUNT, ESTABLISHED, FIN_WAIT, LAST_ACK, SYN_RECV, SYN_SENT, SYN_SENT2, TIME_WAIT,
};

/// `enum tcp_bit_set`: what kind of segment it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super::super) enum Kind {
    Syn,
    SynAck,
    Fin,
    Ack,
    Rst,
    #[default]
    None,
}

/// The packet passes, the state stays (`TCP_CONNTRACK_IGNORE`).
pub(super) const IGNORE: u8 = 0xfe;
/// The packet is INVALID (`TCP_CONNTRACK_MAX`).
pub(super) const INVALID: u8 = 0xff;

/// The state a segment leads to.
pub(super) fn next_state(direction: Direction, kind: Kind, state: u8) -> u8 {
    let row = match kind {
        Kind::Syn => 0,
        Kind::SynAck => 1,
        Kind::Fin => 2,
        Kind::Ack => 3,
        Kind::Rst => 4,
        Kind::None => return INVALID,
    };
    STATES[direction as usize][row].get(usize::from(state)).copied().unwrap_or(INVALID)
}

const SS: u8 = SYN_SENT;
const SR: u8 = SYN_RECV;
const ES: u8 = ESTABLISHED;
const FW: u8 = FIN_WAIT;
const CW: u8 = CLOSE_WAIT;
const LA: u8 = LAST_ACK;
const TW: u8 = TIME_WAIT;
const CL: u8 = CLOSE;
const S2: u8 = SYN_SENT2;
const IG: u8 = IGNORE;
const IV: u8 = INVALID;

/// Columns: NONE, SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE, SYN_SENT2.
/// Rows: SYN, SYN+ACK, FIN, ACK, RST.
const STATES: [[[u8; COUNT as usize]; 5]; 2] = [
    [
        [SS, SS, IG, IG, IG, IG, IG, SS, SS, S2],
        [IV, IV, SR, IV, IV, IV, IV, IV, IV, SR],
        [IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
        [ES, IV, ES, ES, CW, CW, TW, TW, CL, IV],
        [IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
    ],
    [
        [IV, S2, IV, IV, IV, IV, IV, SS, IV, S2],
        [IV, SR, IG, IG, IG, IG, IG, IG, IG, SR],
        [IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
        [IV, IG, SR, ES, CW, CW, TW, TW, CL, IG],
        [IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
    ],
];
