//! SCTP: the state table of both directions and verification tags. As nf_conntrack_proto_sctp.c.

use super::super::complaint::Complaint;
use super::super::connection::{Connection, event};
use super::super::{Direction, ProtocolState, Settings, status};
use super::{Judgement, State, View, seconds};
use crate::wire::sctp::{self, Chunk, chunk};
use crate::wire::u32_at;

/// `SCTP_CONNTRACK_*`.
pub(in super::super) mod state {
    pub(in super::super::super) const NONE: u8 = 0;
    pub(in super::super::super) const CLOSED: u8 = 1;
    pub(in super::super::super) const COOKIE_WAIT: u8 = 2;
    pub(in super::super::super) const COOKIE_ECHOED: u8 = 3;
    pub(in super::super::super) const ESTABLISHED: u8 = 4;
    pub(in super::super::super) const SHUTDOWN_SENT: u8 = 5;
    pub(in super::super::super) const SHUTDOWN_RECD: u8 = 6;
    pub(in super::super::super) const SHUTDOWN_ACK_SENT: u8 = 7;
    pub(in super::super::super) const HEARTBEAT_SENT: u8 = 8;
    /// Beyond all of them.
    pub(in super::super::super) const MAX: u8 = 9;
}

/// `struct ip_ct_sctp`.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Sctp {
    /// The verification tag that packets of each direction carry.
    tags: [u32; 2],
    state: u8,
    /// Where the last HEARTBEAT with a wrong tag came from, if one is to be answered.
    strange: Option<Direction>,
    /// Which direction has sent an INIT that is not settled.
    init: [bool; 2],
}

impl Sctp {
    /// What ctnetlink inserts.
    pub(in super::super) fn inserted(state: u8, tags: [u32; 2]) -> Self {
        Self { tags, state: state.min(state::MAX), ..Self::default() }
    }

    pub(super) fn protocol(&self) -> ProtocolState {
        ProtocolState::Sctp { state: self.state, tags: self.tags }
    }

    /// As sctp_can_early_drop().
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.state, state::SHUTDOWN_SENT | state::SHUTDOWN_RECD | state::SHUTDOWN_ACK_SENT)
    }

    /// What ctnetlink changes.
    pub(in super::super) fn set(&mut self, state: u8, tags: [u32; 2]) {
        (self.state, self.tags) = (state.min(state::MAX), tags);
    }

    /// The first packet of an association. As sctp_new().
    fn begin(packet: &[u8], tag: u32) -> Option<Self> {
        let mut begun = Self::default();
        for chunk in sctp::chunks(packet) {
            let new = next(Direction::Original, state::NONE, chunk.kind);
            if matches!(new, state::NONE | state::MAX) {
                return None;
            }
            match chunk.kind {
                chunk::INIT if tag != 0 => return None,
                chunk::INIT => begun.tags[1] = init_tag(&chunk)?,
                chunk::HEARTBEAT | chunk::HEARTBEAT_ACK => begun.tags[0] = tag,
                _ => begun.tags[1] = tag,
            }
        }
        Some(begun)
    }

    /// One chunk.
    fn take(
        &mut self,
        chunk: &Chunk<'_>,
        direction: Direction,
        tag: u32,
        seen: &Seen,
        fresh: bool,
        ignored: bool,
    ) -> Taken {
        let (here, there) = (direction as usize, direction.opposite() as usize);
        match chunk.kind {
            chunk::INIT if tag != 0 => return Taken::Invalid,
            // The T bit says that the tag is the peer's own.
            chunk::ABORT | chunk::SHUTDOWN_COMPLETE
                if tag != self.tags[if chunk.flags & 1 == 0 { here } else { there }] =>
            {
                return Taken::Invalid;
            }
            chunk::COOKIE_ECHO if tag != self.tags[here] => return Taken::Invalid,
            chunk::COOKIE_ACK => self.init = [false; 2],
            chunk::HEARTBEAT if self.tags[here] == 0 => self.tags[here] = tag,
            chunk::HEARTBEAT if tag != self.tags[here] => {
                if seen.has(chunk::DATA) || ignored {
                    return Taken::Invalid;
                }
                self.strange = Some(direction);
                return Taken::Ignored;
            }
            chunk::HEARTBEAT_ACK if self.tags[here] == 0 => self.tags[here] = tag,
            chunk::HEARTBEAT_ACK if tag != self.tags[here] => {
                if seen.has(chunk::DATA) || ignored || self.strange != Some(direction.opposite()) {
                    return Taken::Invalid;
                }
                self.strange = None;
                self.tags[here] = tag;
                self.tags[there] = 0;
            }
            chunk::HEARTBEAT | chunk::HEARTBEAT_ACK => self.strange = None,
            _ => {}
        }
        let new = next(direction, self.state, chunk.kind);
        if new == state::MAX {
            return Taken::Invalid;
        }
        let mut ignore = false;
        match chunk.kind {
            chunk::INIT => {
                let Some(tag) = init_tag(chunk) else { return Taken::Invalid };
                if self.init[here] && self.init[there] {
                    self.init[there] = false;
                }
                self.init[here] = true;
                self.tags[there] = tag;
                // One that is sent again and again shall not keep the entry alive.
                ignore = self.state == state::CLOSED && !fresh;
            }
            chunk::INIT_ACK => {
                let Some(tag) = init_tag(chunk) else { return Taken::Invalid };
                let known = self.tags[there];
                if !self.init[there] && known != 0 && known != tag {
                    return Taken::Invalid;
                }
                if self.init[here] && self.init[there] && known != tag {
                    return Taken::Invalid;
                }
                self.tags[there] = tag;
            }
            _ => {}
        }
        let old = core::mem::replace(&mut self.state, new);
        if ignore { Taken::Ignored } else { Taken::Moved { old, new } }
    }
}

/// What became of a chunk.
enum Taken {
    /// It does not belong.
    Invalid,
    /// It passes and keeps nothing alive.
    Ignored,
    /// The state it was in, and is in.
    Moved { old: u8, new: u8 },
}

/// Which chunks a packet has, a bit for each type.
#[derive(Default)]
struct Seen([u128; 2]);

impl Seen {
    fn note(&mut self, kind: u8) {
        self.0[usize::from(kind >> 7)] |= 1 << (kind & 127);
    }

    fn has(&self, kind: u8) -> bool {
        self.0[usize::from(kind >> 7)] & 1 << (kind & 127) != 0
    }

    fn any(&self, kinds: &[u8]) -> bool {
        kinds.iter().any(|&kind| self.has(kind))
    }
}

/// As nf_conntrack_sctp_packet().
pub(super) fn packet(
    connection: &mut Connection,
    direction: Direction,
    view: &View<'_>,
    fresh: bool,
    settings: &Settings,
) -> Judgement {
    if view.transport.len() < sctp::HEADER {
        view.complaints.plain("nf_ct_sctp: short packet ");
        return Judgement::Invalid;
    }
    if view.verify && !sctp::adds_up(view.transport) {
        view.complaints.plain("nf_ct_sctp: bad CRC ");
        return Judgement::Invalid;
    }
    let (Some(tag), Some(seen)) = (u32_at(view.transport, sctp::TAG), basic(view)) else {
        return Judgement::Invalid;
    };
    if fresh {
        if seen.any(&[chunk::ABORT, chunk::SHUTDOWN_COMPLETE, chunk::COOKIE_ACK]) {
            return Judgement::Invalid;
        }
        let Some(begun) = Sctp::begin(view.transport, tag) else { return Judgement::Invalid };
        connection.state = State::Sctp(begun);
    }
    let State::Sctp(mut association) = connection.state else { return Judgement::Invalid };
    let known = association.tags[direction as usize];
    if !seen.any(&OF_THEIR_OWN) && tag != known {
        view.complaints.say(Complaint::Tag { got: tag, known, direction });
        return Judgement::Invalid;
    }
    let (mut ignored, mut settled) = (false, state::NONE);
    for chunk in sctp::chunks(view.transport) {
        match association.take(&chunk, direction, tag, &seen, fresh, ignored) {
            Taken::Invalid => {
                connection.state = State::Sctp(association);
                return Judgement::Invalid;
            }
            Taken::Ignored => ignored = true,
            Taken::Moved { old, new } => {
                settled = new;
                if old != new {
                    connection.note(event::PROTOCOL);
                    if new == state::ESTABLISHED && !connection.has(status::ASSURED) {
                        connection.gain(status::ASSURED);
                        connection.note(event::ASSURED);
                    }
                }
            }
        }
    }
    connection.state = State::Sctp(association);
    if ignored {
        return Judgement::Pass;
    }
    let timeout = settings.sctp.get(usize::from(settled)).copied().unwrap_or(0);
    Judgement::Refresh(seconds(timeout))
}

/// Chunks whose tags are looked at one by one (RFC 9260, 8.5.1).
const OF_THEIR_OWN: [u8; 7] = [
    chunk::INIT,
    chunk::SHUTDOWN_COMPLETE,
    chunk::COOKIE_ECHO,
    chunk::ABORT,
    chunk::SHUTDOWN_ACK,
    chunk::HEARTBEAT,
    chunk::HEARTBEAT_ACK,
];

/// Which chunks there are; `None` if some may not stand where they do. As do_basic_checks().
fn basic(view: &View<'_>) -> Option<Seen> {
    let (mut seen, mut count, mut alone) = (Seen::default(), 0, false);
    for chunk in sctp::chunks(view.transport) {
        alone |= matches!(chunk.kind, chunk::INIT | chunk::INIT_ACK | chunk::SHUTDOWN_COMPLETE);
        if count != 0 && (alone || matches!(chunk.kind, chunk::COOKIE_ACK | chunk::COOKIE_ECHO)) {
            view.complaints.say(Complaint::Chunk { number: count, kind: chunk.kind, length: chunk.length });
            return None;
        }
        seen.note(chunk.kind);
        count += 1;
    }
    (count != 0).then_some(seen)
}

/// The tag that INIT or INIT ACK gives out; `None` if its header is cut.
fn init_tag(chunk: &Chunk<'_>) -> Option<u32> {
    const INIT_HEADER: usize = 16;
    u32_at(chunk.rest.get(..INIT_HEADER)?, 0)
}

/// The state that a chunk leads to; [`state::MAX`] if it may not come. As sctp_new_state().
fn next(direction: Direction, now: u8, kind: u8) -> u8 {
    let row = match kind {
        chunk::INIT => 0,
        chunk::INIT_ACK => 1,
        chunk::ABORT => 2,
        chunk::SHUTDOWN => 3,
        chunk::SHUTDOWN_ACK => 4,
        chunk::ERROR => 5,
        chunk::COOKIE_ECHO => 6,
        chunk::COOKIE_ACK => 7,
        chunk::SHUTDOWN_COMPLETE => 8,
        chunk::HEARTBEAT => 9,
        chunk::HEARTBEAT_ACK => 10,
        _ => return now,
    };
    TABLE[direction as usize][row].get(usize::from(now)).copied().unwrap_or(state::MAX)
}

/// By direction and chunk: from NONE, CLOSED, COOKIE_WAIT, COOKIE_ECHOED, ESTABLISHED, SHUTDOWN_SENT, SHUTDOWN_RECD,
/// SHUTDOWN_ACK_SENT, HEARTBEAT_SENT.
const TABLE: [[[u8; 9]; 11]; 2] = {
    use state::{
        CLOSED as CL, COOKIE_ECHOED as CE, COOKIE_WAIT as CW, ESTABLISHED as ES, HEARTBEAT_SENT as HS, MAX as IV,
        SHUTDOWN_ACK_SENT as SA, SHUTDOWN_RECD as SR, SHUTDOWN_SENT as SS,
    };
    [
        [
            [CL, CL, CW, CE, ES, CL, CL, SA, CW],
            [CL, CL, CW, CE, ES, SS, SR, SA, CL],
            [CL, CL, CL, CL, CL, CL, CL, CL, CL],
            [CL, CL, CW, CE, SS, SS, SR, SA, CL],
            [SA, CL, CW, CE, ES, SA, SA, SA, SA],
            [CL, CL, CW, CE, ES, SS, SR, SA, CL],
            [CL, CL, CE, CE, ES, SS, SR, SA, CL],
            [CL, CL, CW, ES, ES, SS, SR, SA, CL],
            [CL, CL, CW, CE, ES, SS, SR, CL, CL],
            [HS, CL, CW, CE, ES, SS, SR, SA, HS],
            [CL, CL, CW, CE, ES, SS, SR, SA, HS],
        ],
        [
            [IV, CL, CW, CE, ES, SS, SR, SA, IV],
            [IV, CW, CW, CE, ES, SS, SR, SA, IV],
            [IV, CL, CL, CL, CL, CL, CL, CL, IV],
            [IV, CL, CW, CE, SR, SS, SR, SA, IV],
            [IV, CL, CW, CE, ES, SA, SA, SA, IV],
            [IV, CL, CW, CL, ES, SS, SR, SA, IV],
            [IV, CL, CE, CE, ES, SS, SR, SA, IV],
            [IV, CL, CW, ES, ES, SS, SR, SA, IV],
            [IV, CL, CW, CE, ES, SS, SR, CL, IV],
            [IV, CL, CW, CE, ES, SS, SR, SA, HS],
            [IV, CL, CW, CE, ES, SS, SR, SA, ES],
        ],
    ]
};
