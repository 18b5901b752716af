//! Random messages of ctnetlink, right and wrong ones, to the kernel and to the datapath: the same answers, errors and their
//! texts, and the same tables afterwards.

mod connection;
mod expectation;

use std::io;
use std::ops::ControlFlow;

use lab::random::Random;
use lab::router::{Judge, built};
use lab::topology::Bench;
use nfnl::conntrack::{Flow, message};
use nfnl::expect::{self, Expectation};
use nfnl::message::{Builder, Header, Message, Nfgen, flag, netfilter, subsystem};
use nfnl::request::{Error, Requester};
use nfnl::transport::{Datapath, Kernel, Transport};

/// About connections.
pub(crate) fn about_connections() -> io::Result<()> {
    compare(1500, connection::draw, &[])
}

/// About expectations, and now and then about the connections that they belong to.
pub(crate) fn about_expectations() -> io::Result<()> {
    compare(1000, expectation::draw, &expectation::masters())
}

/// Sends what is drawn to both, so many messages unless `CONNTRACK_MESSAGES` says how many; `CONNTRACK_SEED` says which. Every
/// now and then all begins anew with what `first` makes.
fn compare(count: u64, draw: impl Fn(&mut Random) -> Request, first: &[Request]) -> io::Result<()> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = number("CONNTRACK_SEED").unwrap_or(1);
    println!("CONNTRACK_SEED={seed}");
    let mut random = Random::new(seed);
    let [theirs, ours] = [Bench::new(Judge::Kernel, &built())?, Bench::new(Judge::Datapath, &built())?];
    let mut kernel = Requester::new(theirs.router.within(Kernel::open)??, 0);
    let mut datapath = Requester::new(ours.router.within(Datapath::open)??, 0);
    let count = number("CONNTRACK_MESSAGES").unwrap_or(count);
    let (mut done, mut differences) = (0, Vec::new());
    for at in 0..count {
        // Before clocks can tell the entries apart.
        if at % 50 == 0 || differences.last().is_some_and(|(last, _)| *last + 1 == at) {
            begin(&mut kernel, first)?;
            begin(&mut datapath, first)?;
        }
        let request = draw(&mut random);
        let (theirs, ours) = (play(&mut kernel, &request)?, play(&mut datapath, &request)?);
        done += u64::from(theirs.starts_with("0 "));
        // Of two mistakes in a spoiled request either may be the one that is told.
        let refused = |answer: &str| !answer.starts_with("0 ");
        let table = |answer: &str| answer.split_once("leaves").map(|(_, table)| table.to_owned());
        let alike =
            theirs == ours || request.spoiled && refused(&theirs) && refused(&ours) && table(&theirs) == table(&ours);
        if !alike {
            let (more, less) = (only(&theirs, &ours), only(&ours, &theirs));
            differences.push((at, format!("{request:?}\n--- theirs {more}\n--- ours {less}")));
        }
    }
    assert!(done > count / 5, "only {done} of {count} were carried out");
    let shown: Vec<&str> = differences.iter().map(|(_, shown)| shown.as_str()).collect();
    assert!(shown.is_empty(), "{} of {count} differ:\n{}", shown.len(), shown.join("\n"));
    Ok(())
}

/// The lines of one that the other does not have.
fn only(one: &str, other: &str) -> String {
    let lines = one.lines().filter(|line| !other.lines().any(|known| known == *line));
    lines.collect::<Vec<_>>().join("\n")
}

/// Empties the table and makes what shall be there.
fn begin<T: Transport>(requester: &mut Requester<T>, first: &[Request]) -> io::Result<()> {
    for request in [&Request::plain(subsystem::CTNETLINK, message::DELETE, 0)].into_iter().chain(first) {
        // A helper's module that had to be loaded first is asked for twice.
        let again = |error: &Error| matches!(error, Error::Refused { errno: libc::EAGAIN, .. });
        let mut asked = ask(requester, request, &mut Vec::new());
        if asked.as_ref().is_err_and(again) {
            asked = ask(requester, request, &mut Vec::new());
        }
        asked.map_err(|error| io::Error::other(format!("{request:?}: {error}")))?;
    }
    Ok(())
}

/// A message without its sequence number.
#[derive(Debug)]
struct Request {
    subsystem: u8,
    number: u8,
    flags: u16,
    nfgen: Nfgen,
    attributes: Vec<u8>,
    /// Changed somewhere, so that more than one thing may be wrong.
    spoiled: bool,
}

impl Request {
    /// A right one that names nothing, of any family.
    fn plain(subsystem: u8, number: u8, flags: u16) -> Self {
        Self { subsystem, number, flags, nfgen: Nfgen::of(0), attributes: Vec::new(), spoiled: false }
    }

    fn is_dump(&self) -> bool {
        // The same bits mean something else where nothing is asked for.
        !self.changes() && self.flags & flag::DUMP == flag::DUMP
    }

    /// Whether it may change what is there.
    fn changes(&self) -> bool {
        match self.subsystem {
            subsystem::CTNETLINK_EXP => matches!(self.number, expect::NEW | expect::DELETE),
            _ => matches!(self.number, message::NEW | message::DELETE),
        }
    }
}

/// The request's answer and what the table then holds.
fn play<T: Transport>(requester: &mut Requester<T>, request: &Request) -> io::Result<String> {
    let mut shown = Vec::new();
    let answer = match ask(requester, request, &mut shown) {
        Ok(()) => "0".to_owned(),
        Err(Error::Refused { errno, text }) => format!("{errno} {text:?}"),
        Err(error) => return Err(io::Error::other(format!("{request:?}: {error}"))),
    };
    let mut tables = Vec::new();
    if request.changes() {
        for (subsystem, get) in [(subsystem::CTNETLINK, message::GET), (subsystem::CTNETLINK_EXP, expect::GET)] {
            let listing = Request::plain(subsystem, get, flag::DUMP);
            ask(requester, &listing, &mut tables).map_err(|error| io::Error::other(error.to_string()))?;
        }
    }
    for entries in [&mut shown, &mut tables] {
        entries.sort_unstable();
    }
    Ok(format!("{answer} shows {shown:#?} leaves {tables:#?}"))
}

fn ask<T: Transport>(requester: &mut Requester<T>, request: &Request, shown: &mut Vec<String>) -> Result<(), Error> {
    let header =
        Header { kind: netfilter(request.subsystem, request.number), flags: request.flags, ..Header::default() };
    let build = |header: Header, out: &mut Vec<u8>| {
        let mut builder = Builder::netfilter(header, request.nfgen, out);
        builder.raw(&request.attributes);
        builder.finish()
    };
    let each = |answer: Message<'_>| {
        shown.push(describe(&answer));
        ControlFlow::Continue(())
    };
    if request.is_dump() {
        // Where there is nothing to look through the kernel begins no dump, and says so only to who asks.
        let header = Header { flags: header.flags | flag::ACK, ..header };
        requester.dump(header, build, each).map(drop)
    } else {
        requester.act(header, build, each)
    }
}

/// What a message tells, but for the clock's and the allocator's doing.
fn describe(answer: &Message<'_>) -> String {
    let roughly = |seconds: Option<u32>| seconds.map(|seconds| seconds.saturating_add(75) / 150);
    let (subsystem, number) = answer.netfilter_kind();
    let told = match subsystem {
        subsystem::CTNETLINK_EXP => Expectation::read(answer)
            .map(|all| format!("{:?}", Expectation { id: None, timeout: roughly(all.timeout), ..all })),
        _ => Flow::read(answer)
            .map(|all| format!("{:?}", Flow { id: None, uses: None, timeout: roughly(all.timeout), ..all })),
    };
    told.map_or_else(|malformed| format!("{malformed:?}"), |told| format!("{number} {told}"))
}

/// Changes one byte, or cuts off the end.
fn spoil(random: &mut Random, attributes: &mut Vec<u8>) {
    if attributes.is_empty() {
        return;
    }
    let at = random.below(attributes.len() as u64) as usize;
    match random.below(3) {
        0 => attributes.truncate(at / 4 * 4),
        1 => attributes[at] ^= 1 << random.below(8),
        _ => attributes[at] = random.bits() as u8,
    }
}
