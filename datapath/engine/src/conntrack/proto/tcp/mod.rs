//! TCP: the state table of both directions and the window check. As nf_conntrack_proto_tcp.c.

mod segment;
mod table;
mod window;

use super::super::complaint::Complaint;
use super::super::connection::{Connection, Traits, event};
use super::super::settings::TcpSettings;
use super::super::{Direction, ProtocolState, status};
use super::{Judgement, State, View, seconds};
use crate::Now;
use crate::helper::sequence::Shift;

use segment::Segment;
pub(in super::super) use table::Kind;
use table::next_state;

/// `TCP_CONNTRACK_*`.
pub(in super::super) mod state {
    pub(in super::super::super) const NONE: u8 = 0;
    pub(in super::super::super) const SYN_SENT: u8 = 1;
    pub(in super::super::super) const SYN_RECV: u8 = 2;
    pub(in super::super::super) const ESTABLISHED: u8 = 3;
    pub(in super::super::super) const FIN_WAIT: u8 = 4;
    pub(in super::super::super) const CLOSE_WAIT: u8 = 5;
    pub(in super::super::super) const LAST_ACK: u8 = 6;
    pub(in super::super::super) const TIME_WAIT: u8 = 7;
    pub(in super::super::super) const CLOSE: u8 = 8;
    pub(in super::super::super) const SYN_SENT2: u8 = 9;
    pub(in super::super::super) const COUNT: u8 = 10;
}

/// `IP_CT_TCP_FLAG_*` and the two `IP_CT_EXP_*` marks.
pub(in super::super) mod flag {
    pub(in super::super::super) const WINDOW_SCALE: u8 = 0x01;
    pub(in super::super::super) const SACK_PERM: u8 = 0x02;
    pub(in super::super::super) const CLOSE_INIT: u8 = 0x04;
    pub(in super::super::super) const BE_LIBERAL: u8 = 0x08;
    pub(in super::super::super) const DATA_UNACKNOWLEDGED: u8 = 0x10;
    pub(in super::super::super) const MAXACK_SET: u8 = 0x20;
    pub(in super::super::super) const CHALLENGE_ACK: u8 = 0x40;
    pub(in super::super::super) const SIMULTANEOUS_OPEN: u8 = 0x80;
}

/// `struct ip_ct_tcp_state`: what one side has sent and may send. Packed, since two of them are in every connection.
#[derive(Clone, Copy, Debug, Default)]
#[repr(Rust, packed(2))]
pub(in super::super) struct Peer {
    /// The highest sequence number sent, plus one.
    pub(super) end: u32,
    /// The highest sequence number the other side allowed, plus one.
    pub(super) max_end: u32,
    /// The largest window it offered.
    pub(super) max_window: u32,
    /// The highest acknowledgement it sent.
    pub(super) max_ack: u32,
    pub(in super::super) scale: u8,
    pub(in super::super) flags: u8,
}

/// `struct ip_ct_tcp`.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Tcp {
    pub(in super::super) peers: [Peer; 2],
    pub(in super::super) state: u8,
    last_direction: u8,
    last_kind: Kind,
    retransmissions: u8,
    last_sequence: u32,
    last_ack: u32,
    last_end: u32,
    last_window: u16,
    last_scale: u8,
    last_flags: u8,
}

impl Tcp {
    /// What ctnetlink inserts: in a state, its windows unknown and not judged.
    pub(in super::super) fn inserted(state: u8, scales: [u8; 2], flags: [u8; 2]) -> Self {
        let peer = |at: usize| Peer { scale: scales[at].min(segment::SCALE_MAX), flags: flags[at], ..Peer::default() };
        Self { peers: [peer(0), peer(1)], state: state.min(state::SYN_SENT2), ..Self::default() }
    }

    /// The highest sequence number that who opened it has sent, plus one.
    pub(in super::super) fn end(&self) -> u32 {
        self.peers[0].end
    }

    pub(super) fn protocol(&self) -> ProtocolState {
        ProtocolState::Tcp {
            state: self.state,
            scales: self.peers.map(|peer| peer.scale),
            flags: self.peers.map(|peer| peer.flags),
        }
    }

    /// As tcp_can_early_drop().
    pub(super) fn is_closing(&self) -> bool {
        use state::{CLOSE, CLOSE_WAIT, FIN_WAIT, LAST_ACK, TIME_WAIT};
        matches!(self.state, FIN_WAIT | CLOSE_WAIT | LAST_ACK | TIME_WAIT | CLOSE)
    }

    /// The largest window that a side offered.
    pub(in super::super) fn largest_window(&self, direction: Direction) -> u32 {
        self.peers[direction as usize].max_window
    }

    fn last_was(&self, direction: Direction, kind: Kind) -> bool {
        self.last_direction == direction as u8 && self.last_kind == kind
    }

    fn any_flag(&self, flag: u8) -> bool {
        self.peers.iter().any(|peer| peer.flags & flag != 0)
    }
}

/// As nf_conntrack_tcp_packet().
pub(super) fn packet(
    connection: &mut Connection,
    direction: Direction,
    view: &View<'_>,
    fresh: bool,
    settings: &TcpSettings,
    moved: Option<Shift>,
    now: Now,
) -> Judgement {
    let Some(segment) = Segment::sound(view) else { return Judgement::Invalid };
    if fresh {
        let Some(tcp) = begin(&segment, settings) else {
            view.complaints.plain("invalid new");
            return Judgement::Invalid;
        };
        connection.state = State::Tcp(tcp);
    }
    let (status, proxied) = (connection.status(), connection.traits.has(Traits::PROXIED));
    let confirmed_left = if fresh { 0 } else { connection.deadline.saturating_sub(now.monotonic) };
    let State::Tcp(tcp) = &mut connection.state else {
        // Inserted by hand for another protocol's tuple: cannot happen, and is no TCP connection.
        return Judgement::Invalid;
    };
    let (here, there) = (direction as usize, direction.opposite() as usize);
    let mut old = tcp.state;
    let mut new = next_state(direction, segment.kind, old);
    let mut in_window = false;
    let of_kind = |ignored| Complaint::Kind { index: segment.kind as u8, direction, ignored, state: old };

    if new == state::SYN_SENT && old >= state::TIME_WAIT {
        // RFC 1122 lets a SYN reopen a closed connection; an aborted one is reopened likewise.
        if tcp.any_flag(flag::CLOSE_INIT) || tcp.last_was(direction, Kind::Rst) {
            return Judgement::Reopen;
        }
        new = table::IGNORE;
    }
    match new {
        table::IGNORE => {
            if segment.kind == Kind::SynAck
                && tcp.last_was(direction.opposite(), Kind::Syn)
                && segment.ack == tcp.last_end
            {
                // It answers a SYN that was passed on trust: both ends agree, and it is we who must follow.
                old = state::SYN_SENT;
                new = state::SYN_RECV;
                tcp.last_flags &= !flag::CHALLENGE_ACK;
                tcp.peers[there] = Peer {
                    end: tcp.last_end,
                    max_end: tcp.last_end,
                    max_window: u32::from(tcp.last_window).max(1),
                    max_ack: tcp.peers[there].max_ack,
                    scale: tcp.last_scale,
                    flags: tcp.last_flags,
                };
                // The windows of a connection picked up in its middle stay unjudged.
                tcp.peers[here] = Peer { flags: tcp.peers[here].flags & flag::BE_LIBERAL, ..Peer::default() };
            } else {
                ignore(tcp, direction, &segment, old);
                view.complaints.say(of_kind(true));
                return Judgement::Pass;
            }
        }
        table::INVALID if asks_again(tcp, direction, &segment) && proxied => return Judgement::Pass,
        table::INVALID => {
            view.complaints.say(of_kind(false));
            return Judgement::Invalid;
        }
        state::TIME_WAIT
            if old == state::LAST_ACK
                && segment.kind == Kind::Ack
                && tcp.last_was(direction.opposite(), Kind::Syn)
                && tcp.last_flags & flag::CHALLENGE_ACK != 0 =>
        {
            // A challenge to that SYN (RFC 5961) acknowledges no FIN.
            view.complaints.plain("challenge-ack ignored");
            tcp.last_flags &= !flag::CHALLENGE_ACK;
            return Judgement::Pass;
        }
        state::SYN_SENT2 => tcp.last_flags |= flag::SIMULTANEOUS_OPEN,
        state::SYN_RECV
            if direction == Direction::Reply
                && segment.kind == Kind::Ack
                && tcp.last_flags & flag::SIMULTANEOUS_OPEN != 0 =>
        {
            new = state::ESTABLISHED;
        }
        state::CLOSE if segment.kind == Kind::Rst => match reset(tcp, direction, &segment, status, settings) {
            Reset::Invalid => {
                view.complaints.plain("invalid rst");
                return Judgement::Invalid;
            }
            Reset::Pass { keep, window_known } => {
                new = if keep { old } else { new };
                in_window = window_known;
            }
        },
        _ => {}
    }

    if !in_window {
        match window::check(tcp, direction, &segment, moved, settings.be_liberal) {
            window::Fit::Accept | window::Fit::Excused => {}
            window::Fit::Ignore(why) => {
                view.complaints.say(why);
                return Judgement::Pass;
            }
            window::Fit::Invalid(why) => {
                view.complaints.say(why);
                let assured = status & (status::ASSURED | status::FIXED_TIMEOUT) == status::ASSURED;
                let lowered = distrust(tcp, direction, segment.kind, confirmed_left, assured, settings);
                if let Some(deadline) = lowered {
                    connection.deadline = now.monotonic.saturating_add(deadline);
                }
                return Judgement::Invalid;
            }
        }
    }
    tcp.last_kind = segment.kind;
    tcp.last_direction = direction as u8;
    tcp.state = new;
    if old != new && new == state::FIN_WAIT {
        tcp.peers[here].flags |= flag::CLOSE_INIT;
    }
    let mut timeout = timeout(tcp, segment.kind, settings);
    if new != old {
        connection.note(event::PROTOCOL);
    }
    if status & status::SEEN_REPLY == 0 {
        if segment.rst && !fresh {
            // The only answer is a reset: there was never a connection.
            return Judgement::Kill;
        }
        if segment.kind == Kind::Syn && old == state::SYN_SENT {
            return Judgement::Pass;
        }
        if new == state::ESTABLISHED {
            timeout = timeout.min(settings.timeout_unacknowledged);
        }
    } else if status & status::ASSURED == 0
        && matches!(old, state::SYN_RECV | state::ESTABLISHED)
        && new == state::ESTABLISHED
    {
        connection.gain(status::ASSURED);
        connection.note(event::ASSURED);
    }
    Judgement::Refresh(seconds(timeout))
}

/// The state of a connection that starts with this segment. As tcp_new().
fn begin(segment: &Segment<'_>, settings: &TcpSettings) -> Option<Tcp> {
    let mut tcp = Tcp::default();
    let window = u32::from(segment.window).max(1);
    let first = &mut tcp.peers[0];
    first.end = segment.end;
    first.max_window = window;
    match next_state(Direction::Original, segment.kind, state::NONE) {
        table::INVALID | table::IGNORE => return None,
        state::SYN_SENT => {
            first.max_end = segment.end;
            segment.offer(first);
        }
        _ if !settings.loose => return None,
        _ => {
            // The beginning is lost: SACK and scaling are unknown, so the windows cannot be judged.
            first.max_end = segment.end.wrapping_add(window);
            tcp.peers[0].flags = flag::SACK_PERM | flag::BE_LIBERAL;
            tcp.peers[1].flags = flag::SACK_PERM | flag::BE_LIBERAL;
        }
    }
    Some(tcp)
}

/// Whether a client that SYNPROXY answered sends what keeps a connection alive, while SYN or SYN-ACK got lost on the server's
/// side.
fn asks_again(tcp: &Tcp, direction: Direction, segment: &Segment<'_>) -> bool {
    tcp.state == state::SYN_SENT
        && segment.kind == Kind::Ack
        && direction == Direction::Original
        && tcp.last_direction == Direction::Original as u8
        && tcp.peers[0].end.wrapping_sub(1) == segment.sequence
}

/// Remembers a segment that is passed on trust, so that its answer can be understood.
fn ignore(tcp: &mut Tcp, direction: Direction, segment: &Segment<'_>, old: u8) {
    tcp.last_kind = segment.kind;
    tcp.last_direction = direction as u8;
    tcp.last_sequence = segment.sequence;
    tcp.last_end = segment.end;
    tcp.last_window = segment.window;
    if segment.kind == Kind::Syn && direction == Direction::Original {
        let mut offered = Peer::default();
        segment.offer(&mut offered);
        (tcp.last_scale, tcp.last_flags) = (offered.scale, offered.flags);
        if old == state::LAST_ACK {
            tcp.last_flags |= flag::CHALLENGE_ACK;
        }
    }
    if old == state::SYN_SENT && segment.kind == Kind::Ack && direction == Direction::Reply {
        tcp.last_ack = segment.ack;
    }
}

/// What a reset does.
enum Reset {
    /// It is none of this connection's.
    Invalid,
    /// It passes. `keep`: it is not exact, so the state stays, a challenge may follow. `window_known`: the window need not
    /// be looked at.
    Pass { keep: bool, window_known: bool },
}

fn reset(tcp: &Tcp, direction: Direction, segment: &Segment<'_>, status: u32, settings: &TcpSettings) -> Reset {
    let other = &tcp.peers[direction.opposite() as usize];
    if matches!(tcp.state, state::FIN_WAIT | state::CLOSE_WAIT | state::LAST_ACK | state::TIME_WAIT | state::CLOSE) {
        // It is closing anyway.
        return Reset::Pass { keep: false, window_known: true };
    }
    let mut keep = false;
    // After a SYN that was passed on trust what the other side acknowledged may be outdated.
    if other.flags & flag::MAXACK_SET != 0 && tcp.last_kind != Kind::Syn {
        const CLOSE: Reset = Reset::Pass { keep: false, window_known: false };
        let established = tcp.state == state::ESTABLISHED && status & status::ASSURED != 0;
        if segment.sequence == 0 && !established {
            // Most likely the answer to a SYN that was passed on trust.
            return CLOSE;
        }
        if before(segment.sequence, other.max_ack) && !settings.ignore_invalid_rst {
            return Reset::Invalid;
        }
        let exact =
            segment.sequence == other.max_ack || tcp.last_was(direction, Kind::Ack) && segment.sequence == tcp.last_end;
        if !established || exact {
            return CLOSE;
        }
        keep = true;
    }
    let answers_ignored = status & status::SEEN_REPLY != 0 && tcp.last_was(direction.opposite(), Kind::Syn)
        || status & status::ASSURED == 0 && tcp.last_kind == Kind::Ack;
    // A SYN that was answered by a challenge (RFC 5961): the reset names what the challenge acknowledged. The kernel does not
    // ask which side sends it.
    let answers_challenge =
        tcp.state == state::SYN_SENT && tcp.last_was(Direction::Reply, Kind::Ack) && segment.sequence == tcp.last_ack;
    Reset::Pass { keep, window_known: answers_ignored && segment.ack == tcp.last_end || answers_challenge }
}

/// How long it lives in its present state, in seconds.
fn timeout(tcp: &Tcp, kind: Kind, settings: &TcpSettings) -> u32 {
    let of_state = settings.timeouts.get(usize::from(tcp.state)).copied().unwrap_or(0);
    let retransmitted = settings.timeout_max_retrans;
    if tcp.retransmissions >= settings.max_retrans && of_state > retransmitted {
        retransmitted
    } else if kind == Kind::Rst {
        settings.timeouts[usize::from(state::CLOSE)]
    } else if tcp.any_flag(flag::DATA_UNACKNOWLEDGED) && of_state > settings.timeout_unacknowledged {
        settings.timeout_unacknowledged
    } else if tcp.last_window == 0 && of_state > retransmitted {
        retransmitted
    } else {
        of_state
    }
}

/// After FIN or RST in one direction, an impossible FIN or RST in the other means that the ends know more than we: the
/// connection shall not live for days. The new timeout in nanoseconds. As nf_tcp_handle_invalid().
fn distrust(
    tcp: &mut Tcp,
    direction: Direction,
    kind: Kind,
    left: u64,
    assured: bool,
    settings: &TcpSettings,
) -> Option<u64> {
    const SHORT: u32 = 120;
    if !matches!(kind, Kind::Rst | Kind::Fin) || !assured {
        return None;
    }
    if tcp.last_direction != direction as u8 && matches!(tcp.last_kind, Kind::Rst | Kind::Fin) {
        let limit = seconds(settings.timeout_unacknowledged);
        return (left >= seconds(SHORT) && left > limit).then_some(limit);
    }
    tcp.last_kind = kind;
    tcp.last_direction = direction as u8;
    None
}

/// Sequence numbers compare modulo 2^32.
fn before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) > i32::MAX as u32
}

fn after(a: u32, b: u32) -> bool {
    before(b, a)
}
