//! The window check after Guido van Rooij, "Real stateful TCP packet filtering in IP Filter", with SACK and scaling. As
//! tcp_in_window().

use super::segment::Segment;
use super::{Kind, Peer, Tcp, after, before, flag, state};
use crate::conntrack::Direction;
use crate::conntrack::complaint::Complaint;
use crate::helper::sequence::Shift;

/// How a segment fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It does.
    Accept,
    /// It does not, but the windows of this connection are not judged.
    Excused,
    /// It is old and harmless.
    Ignore(Complaint),
    /// It does not.
    Invalid(Complaint),
}

/// Acknowledgements may be so much behind at least, for connections with small windows.
const ACK_WINDOW_MIN: u32 = 66_000;

/// Checks a segment and moves what both sides may send.
pub(super) fn check(
    tcp: &mut Tcp,
    direction: Direction,
    segment: &Segment<'_>,
    moved: Option<Shift>,
    be_liberal: bool,
) -> Fit {
    let (here, there) = (direction as usize, direction.opposite() as usize);
    let (mut sender, mut receiver) = (tcp.peers[here], tcp.peers[there]);
    let fit = judge(tcp.state, &mut sender, &mut receiver, direction, segment, moved, be_liberal);
    tcp.peers[here] = sender;
    tcp.peers[there] = receiver;
    if fit == Fit::Accept && segment.kind == Kind::Ack {
        count_retransmission(tcp, direction, segment);
    }
    fit
}

fn judge(
    state: u8,
    sender: &mut Peer,
    receiver: &mut Peer,
    direction: Direction,
    segment: &Segment<'_>,
    moved: Option<Shift>,
    be_liberal: bool,
) -> Fit {
    let liberal = be_liberal || sender.flags & flag::BE_LIBERAL != 0;
    let misfit = |fit: Fit| if liberal { Fit::Excused } else { fit };
    let mut sequence = segment.sequence;
    let mut end = segment.end;
    let mut ack = segment.ack;
    let mut sack = if receiver.flags & flag::SACK_PERM != 0 { segment.sack() } else { ack };
    if let Some(moved) = moved {
        // What it acknowledges the other side has numbered otherwise.
        let by = moved.of(ack.wrapping_sub(1)).cast_unsigned();
        ack = ack.wrapping_sub(by);
        sack = sack.wrapping_sub(by);
    }
    let mut window = u32::from(segment.window);

    if sender.max_window == 0 {
        begin(sender, receiver, direction, segment, sack);
        if segment.syn && !segment.acks {
            // Both ends open at once.
            return Fit::Accept;
        }
    } else if segment.syn && after(end, sender.end) && matches!(state, state::SYN_SENT | state::SYN_RECV) {
        // The sender began anew with another sequence number (RFC 793).
        begin(sender, receiver, direction, segment, sack);
        if direction == Direction::Reply && !segment.acks {
            return Fit::Accept;
        }
    }
    if !segment.acks || segment.rst && ack == 0 {
        // No acknowledgement, or a reset with a careless one: pretend a good one.
        ack = receiver.end;
        sack = ack;
    }
    if segment.rst && sequence == 0 && state == state::SYN_SENT {
        // A reset that answers a SYN.
        sequence = sender.end;
        end = sender.end;
    }

    let back = sender.max_window.max(ACK_WINDOW_MIN);
    let ack_not_old = after(sack, receiver.end.wrapping_sub(back).wrapping_sub(1));
    let in_receive_window = after(end, sender.end.wrapping_sub(receiver.max_window).wrapping_sub(1));
    if !before(sequence, sender.max_end.wrapping_add(1)) {
        let overshot = end.wrapping_sub(sender.max_end).wrapping_add(1);
        if receiver.max_window != 0
            && in_receive_window
            && ack_not_old
            && overshot <= receiver.max_window
            && before(sack, receiver.end.wrapping_add(1))
        {
            // Some TCPs send more than the window allows. If the other side takes it, its acknowledgement must not look
            // impossible.
            sender.end = end;
            sender.flags |= flag::DATA_UNACKNOWLEDGED;
            return misfit(Fit::Ignore(Complaint::Overshot(overshot)));
        }
        let bound = sender.max_end.wrapping_add(1);
        let why = Complaint::Bound("SEQ is over upper bound", bound, "over the window of the receiver");
        return misfit(Fit::Invalid(why));
    }
    if !before(sack, receiver.end.wrapping_add(1)) {
        let bound = receiver.end.wrapping_add(1);
        let why = Complaint::Bound("ACK is over upper bound", bound, "ACKed data not seen yet");
        return misfit(Fit::Invalid(why));
    }
    if receiver.max_window != 0 && !in_receive_window {
        let bound = sender.end.wrapping_sub(receiver.max_window).wrapping_sub(1);
        let why = Complaint::Bound("SEQ is under lower bound", bound, "already ACKed data retransmitted");
        return misfit(Fit::Ignore(why));
    }
    if !ack_not_old {
        let bound = receiver.end.wrapping_sub(back).wrapping_sub(1);
        let why = Complaint::Bound("ignored ACK under lower bound", bound, "possible overly delayed");
        return misfit(Fit::Ignore(why));
    }

    if !segment.syn {
        window <<= sender.scale.min(super::segment::SCALE_MAX);
    }
    sender.max_window = sender.max_window.max(window.wrapping_add(sack.wrapping_sub(ack)));
    if after(end, sender.end) {
        sender.end = end;
        sender.flags |= flag::DATA_UNACKNOWLEDGED;
    }
    if segment.acks && (sender.flags & flag::MAXACK_SET == 0 || after(ack, sender.max_ack)) {
        sender.max_ack = ack;
        sender.flags |= flag::MAXACK_SET;
    }
    if receiver.max_window != 0 && after(end, sender.max_end) {
        receiver.max_window = receiver.max_window.wrapping_add(end.wrapping_sub(sender.max_end));
    }
    let allowed = sack.wrapping_add(window);
    if after(allowed, receiver.max_end.wrapping_sub(1)) {
        receiver.max_end = allowed.wrapping_add(u32::from(window == 0));
    }
    if ack == receiver.end {
        receiver.flags &= !flag::DATA_UNACKNOWLEDGED;
    }
    Fit::Accept
}

/// The first segment of a side. As tcp_init_sender().
fn begin(sender: &mut Peer, receiver: &mut Peer, direction: Direction, segment: &Segment<'_>, sack: u32) {
    let window = u32::from(segment.window).max(1);
    sender.end = segment.end;
    if segment.syn {
        sender.max_window = window;
        sender.max_end = segment.end;
        segment.offer(sender);
        // Scaling needs both sides' offer (RFC 7323).
        if direction == Direction::Reply && sender.flags & receiver.flags & flag::WINDOW_SCALE == 0 {
            sender.scale = 0;
            receiver.scale = 0;
        }
        return;
    }
    let window = (u32::from(segment.window) << sender.scale.min(super::segment::SCALE_MAX)).max(1);
    sender.max_window = window;
    sender.max_end = segment.end.wrapping_add(window);
    if receiver.max_window == 0 {
        // Nothing was seen of the other side: take its place from the acknowledgement.
        receiver.end = sack;
        receiver.max_end = sack;
    } else if sack == receiver.end.wrapping_add(1) {
        // Likely the answer to a keepalive.
        receiver.end = receiver.end.wrapping_add(1);
    }
}

fn count_retransmission(tcp: &mut Tcp, direction: Direction, segment: &Segment<'_>) {
    let same = tcp.last_direction == direction as u8
        && tcp.last_sequence == segment.sequence
        && tcp.last_ack == segment.ack
        && tcp.last_end == segment.end
        && tcp.last_window == segment.window;
    if same {
        tcp.retransmissions = tcp.retransmissions.saturating_add(1);
        return;
    }
    tcp.last_direction = direction as u8;
    tcp.last_sequence = segment.sequence;
    tcp.last_ack = segment.ack;
    tcp.last_end = segment.end;
    tcp.last_window = segment.window;
    tcp.retransmissions = 0;
}
