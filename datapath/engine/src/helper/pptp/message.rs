//! Messages of PPTP's control connection, as far as calls go.

use crate::wire::{u16_at, u32_at};

/// A control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// See [`kind`].
    pub(super) kind: u16,
    /// The first number behind the header: the sender's call id in most messages.
    pub(super) call: u16,
    /// The number behind that: the receiver's call id, where both are named.
    pub(super) other_call: u16,
    /// The result says that all is well.
    pub(super) accepts: bool,
}

/// Message types (RFC 2637 section 2).
pub(super) mod kind {
    pub(in super::super) const START_REQUEST: u16 = 1;
    pub(in super::super) const START_REPLY: u16 = 2;
    pub(in super::super) const STOP_REQUEST: u16 = 3;
    pub(in super::super) const STOP_REPLY: u16 = 4;
    pub(in super::super) const ECHO_REQUEST: u16 = 5;
    pub(in super::super) const ECHO_REPLY: u16 = 6;
    pub(in super::super) const OUT_REQUEST: u16 = 7;
    pub(in super::super) const OUT_REPLY: u16 = 8;
    pub(in super::super) const IN_REQUEST: u16 = 9;
    pub(in super::super) const IN_REPLY: u16 = 10;
    pub(in super::super) const IN_CONNECTED: u16 = 11;
    pub(in super::super) const CLEAR_REQUEST: u16 = 12;
    pub(in super::super) const DISCONNECT: u16 = 13;
    pub(in super::super) const WAN_ERROR: u16 = 14;
    pub(in super::super) const LINK_INFO: u16 = 15;
}

/// Bytes in front of what a message says: length, type and cookie of the packet, type of the message.
pub(super) const HEADER: usize = 12;
/// Where call ids stand behind it.
pub(super) const CALL: usize = 0;
pub(super) const OTHER_CALL: usize = 2;

/// Bytes that a message of each type must have behind the header. As `pptp_msg_size[]`.
const SIZES: [usize; 16] = [0, 144, 144, 4, 4, 0, 0, 156, 20, 208, 12, 16, 4, 136, 28, 12];

impl Message {
    /// The message that a segment begins with; `None` if there is none or it is cut. As conntrack_pptp_help().
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        const CONTROL: u16 = 1;
        const COOKIE: u32 = 0x1a2b_3c4d;
        if u16_at(payload, 2)? != CONTROL || u32_at(payload, 4)? != COOKIE {
            return None;
        }
        let (kind, body) = (u16_at(payload, 8)?, payload.get(HEADER..)?);
        if SIZES.get(usize::from(kind)).is_some_and(|&size| body.len() < size) {
            return None;
        }
        let result = match kind {
            kind::STOP_REPLY => 0,
            kind::START_REPLY => 2,
            _ => 4,
        };
        Some(Self {
            kind,
            call: u16_at(body, CALL).unwrap_or(0),
            other_call: u16_at(body, OTHER_CALL).unwrap_or(0),
            accepts: body.get(result) == Some(&1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, length: usize) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, 0, 0, 0];
        bytes[8..10].copy_from_slice(&kind.to_be_bytes());
        bytes.extend((1..=length).map(|byte| byte as u8));
        bytes
    }

    #[test]
    fn a_message_that_is_cut_is_none() {
        for (kind, &size) in (0..).zip(&SIZES) {
            assert!(Message::read(&message(kind, size)).is_some());
            assert!(size == 0 || Message::read(&message(kind, size - 1)).is_none());
        }
        for length in 0..12 {
            assert_eq!(Message::read(&message(3, 4)[..length]), None);
        }
    }

    #[test]
    fn what_is_no_control_message_is_none() {
        let mut bytes = message(3, 4);
        bytes[3] = 2;
        assert_eq!(Message::read(&bytes), None);
        let mut bytes = message(3, 4);
        bytes[7] = 0;
        assert_eq!(Message::read(&bytes), None);
        // What nobody knows is as long as it likes.
        assert_eq!(Message::read(&message(99, 0)).map(|message| message.kind), Some(99));
    }
}
