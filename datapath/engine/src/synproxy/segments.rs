//! The segments that SYNPROXY sends: they leave as this machine's own, with the addresses of the side they speak for.

use super::client::from_server;
use super::offer::Offer;
use crate::conntrack::Tracked;
use crate::effects::Send;
use crate::ext::Scene;
use crate::notes::Standing;
use crate::wire::segment::Segment;
use crate::wire::tcp::{Tcp, flag};

/// The SYN-ACK to a client, with a window of 0: data has to wait for the server. As synproxy_send_client_synack().
pub(super) fn to_client(scene: &mut Scene<'_, '_>, syn: &Tcp, cookie: u32, offer: &Offer) -> Option<()> {
    let congestion = if offer.congestion { flag::ECE } else { 0 };
    let options = offer.write();
    let segment = Segment {
        ports: (syn.destination, syn.source),
        numbers: (cookie, syn.sequence.wrapping_add(1)),
        flags: flag::SYN | flag::ACK | congestion,
        window: 0,
        ..answering(scene, options.bytes())
    };
    let standing = Standing::Segment(from_server(scene));
    send(scene, &segment, standing)
}

/// The SYN to a server, as the client would have sent it. What is acknowledged, though no flag says so, tells the last stage
/// which number the client knows. As synproxy_send_server_syn().
pub(super) fn to_server(scene: &mut Scene<'_, '_>, ack: &Tcp, sequence: u32, offer: &Offer) -> Option<()> {
    let congestion = if offer.congestion { flag::ECE | flag::CWR } else { 0 };
    let options = offer.write();
    let segment = Segment {
        ports: (ack.source, ack.destination),
        numbers: (sequence, ack.acknowledgement.wrapping_sub(1)),
        flags: flag::SYN | congestion,
        window: ack.window,
        ..passing(scene, options.bytes())
    };
    send(scene, &segment, Standing::Opening)
}

/// The ACK to a server's SYN-ACK. The last stage is to move its numbers as the client's, so it is written as the client would
/// write it: `moved` is by how much more the client's view differs from now on. As synproxy_send_server_ack().
pub(super) fn confirm(scene: &mut Scene<'_, '_>, answer: &Tcp, window: u16, moved: u32, offer: &Offer) -> Option<()> {
    let options = offer.write();
    let segment = Segment {
        ports: (answer.destination, answer.source),
        numbers: (answer.acknowledgement, answer.sequence.wrapping_add(1).wrapping_add(moved)),
        flags: flag::ACK,
        window,
        ..answering(scene, options.bytes())
    };
    send(scene, &segment, Standing::Segment(Tracked::Unseen))
}

/// The ACK that opens the window for the client. As synproxy_send_client_ack().
pub(super) fn open(scene: &mut Scene<'_, '_>, answer: &Tcp, scale: u8, offer: &Offer) -> Option<()> {
    let options = offer.write();
    let segment = Segment {
        ports: (answer.source, answer.destination),
        numbers: (answer.sequence.wrapping_add(1), answer.acknowledgement),
        flags: flag::ACK,
        window: answer.window.checked_shr(scale.into()).unwrap_or(0),
        ..passing(scene, options.bytes())
    };
    let standing = Standing::Moved(from_server(scene));
    send(scene, &segment, standing)
}

/// To where the packet came from.
fn answering<'o>(scene: &Scene<'_, '_>, options: &'o [u8]) -> Segment<'o> {
    Segment { from: scene.headers.destination, to: scene.headers.source, ..passing(scene, options) }
}

/// To where the packet goes.
fn passing<'o>(scene: &Scene<'_, '_>, options: &'o [u8]) -> Segment<'o> {
    let headers = &scene.headers;
    Segment {
        af: headers.af,
        from: headers.source,
        to: headers.destination,
        ports: (0, 0),
        numbers: (0, 0),
        flags: 0,
        window: 0,
        options,
    }
}

fn send(scene: &mut Scene<'_, '_>, segment: &Segment<'_>, standing: Standing) -> Option<()> {
    let bytes = segment.put(&mut scene.out.bytes)?;
    scene.out.sends.push(Send { af: segment.af, bytes, mark: 0, out_device: None, standing });
    Some(())
}
