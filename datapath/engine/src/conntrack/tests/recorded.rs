//! TCP sequences that were sent through a router with the kernel's tracking, and what it made of each packet.
//!
//! A line is `direction flags seq ack window bytes options`, then the `--ctstate` that matched in FORWARD, then state,
//! timeout and assured as `conntrack -L` showed them just after (kernel 6.18, default settings).

use super::*;

const RECORDED: &str = include_str!("recorded.txt");
const NAMES: [&str; 2] = [CLIENT, SERVER];

struct Step<'a> {
    packet: Vec<u8>,
    expected: Vec<&'a str>,
}

fn step<'a>(line: &'a str, port: u16) -> Option<Step<'a>> {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| words.get(at)?.parse::<u32>().ok();
    let direction = usize::from(words.first()? == &"1");
    let options: Vec<u8> = match *words.get(6)? {
        "-" => Vec::new(),
        hex => (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap()).collect(),
    };
    let segment = Segment {
        flags: u8::try_from(number(1)?).ok()?,
        seq: number(2)?,
        ack: number(3)?,
        window: u16::try_from(number(4)?).ok()?,
        options: &options,
        data: number(5)? as usize,
    };
    let ends = [(NAMES[0], port), (NAMES[1], 80)];
    let packet = tcp(ends[direction], ends[1 - direction], &segment);
    Some(Step { packet, expected: words.get(7..)?.to_vec() })
}

/// Plays one recorded case; what differs, in words.
fn play(case: &str) -> Result<(), String> {
    let mut net = Box::with(Settings { max: 10, buckets: 16, events: 1, ..Settings::default() });
    for (at, line) in case.lines().skip(1).enumerate() {
        let Some(step) = step(line, 10_000) else { return Err(format!("unreadable line {line:?}")) };
        let state = net.state(step.packet);
        let entry = net.tracker.from_place(0).and_then(|id| net.tracker.snapshot(id, net.now));
        if entry.as_ref().is_some_and(|entry| entry.tuples[0].source.ip(Af::V4).to_string() == SERVER) {
            // The listing was filtered by the client's port, and the server opened this one.
            return Ok(());
        }
        let ours = match entry {
            Some(Snapshot { protocol: ProtocolState::Tcp { state, .. }, timeout, status, .. }) => {
                [state.to_string(), timeout.unwrap().to_string(), u8::from(status & status::ASSURED != 0).to_string()]
            }
            _ => ["-", "-", "-"].map(str::to_owned),
        };
        // The kernel's clock went on a little between packet and listing.
        let close = match (ours[1].parse::<u32>(), step.expected[2].parse::<u32>()) {
            (Ok(ours), Ok(theirs)) => theirs <= ours && ours <= theirs + 5,
            _ => ours[1] == step.expected[2],
        };
        if state != step.expected[0] || ours[0] != step.expected[1] || ours[2] != step.expected[3] || !close {
            return Err(format!("packet {at}: {line}\n  ours: {state} {}\n{case}", ours.join(" ")));
        }
    }
    Ok(())
}

#[test]
fn recorded_sequences_are_judged_as_the_kernel_judged_them() {
    let cases: Vec<&str> = RECORDED.split("case ").filter(|case| !case.is_empty()).collect();
    assert!(cases.len() > 200);
    let failures: Vec<String> = cases.iter().filter_map(|case| play(case).err()).collect();
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), cases.len(), failures.join("\n"));
}
