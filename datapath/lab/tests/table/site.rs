//! The networks, with a datapath of several workers where it is not the kernel that judges.

use std::io;

use lab::router::{Judge, built};
use lab::suite;
use lab::topology::Chain;
use libxt::backend::datapath::Datapath;
use libxt::backend::kernel::Kernel;
use libxt::backend::{Backend, Unavailable};
use libxt::family::Af;

/// Client, router and server.
pub(crate) struct Site {
    pub(crate) chain: Chain,
    pub(crate) judge: Judge,
}

/// How many flows tests run at once: more than there are workers.
pub(crate) const FLOWS: u8 = 8;

/// Plays on the kernel first, which must do what the test says, and then on the datapath.
pub(crate) fn on_both(work: impl Fn(&Site) -> io::Result<()>) -> io::Result<()> {
    let on = |judge: Judge| {
        let site = Site::new(judge)?;
        work(&site).map_err(|error| io::Error::other(format!("on {}: {error}", judge.name())))
    };
    suite::premise(|| on(Judge::Kernel))?;
    suite::subject().map_or(Ok(()), on)
}

/// How many packets a test sends at least.
pub(crate) fn packets() -> u64 {
    std::env::var("LAB_TABLE_PACKETS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000)
}

impl Site {
    fn new(judge: Judge) -> io::Result<Self> {
        let chain = Chain::with_options(judge, &built(), &["--queues", "4"])?;
        chain.route_back()?;
        for flow in 0..=FLOWS {
            chain.client.ip(&format!("addr add 10.1.0.{}/24 dev eth0", 10 + flow))?;
        }
        Ok(Self { chain, judge })
    }

    /// Runs a command in the router, words between blanks.
    pub(crate) fn run(&self, command: &str) -> io::Result<String> {
        self.chain.router.must(&command.split(' ').collect::<Vec<_>>())
    }

    /// Loads what `iptables-save` would have written; `options` as for `iptables-restore`.
    pub(crate) fn restore(&self, text: &str, options: &[&str]) -> io::Result<()> {
        self.chain.router.must_with(&[&["iptables-restore"], options].concat(), text).map(drop)
    }

    /// Does something with the socket-option calls themselves.
    pub(crate) fn with_backend<T: Send>(
        &self,
        work: impl FnOnce(&mut dyn Backend) -> io::Result<T> + Send,
    ) -> io::Result<T> {
        let unavailable = |error: Unavailable| io::Error::other(error.to_string());
        self.chain.router.within(|| match self.judge {
            Judge::Datapath => work(&mut Datapath::open(Af::V4).map_err(unavailable)?),
            Judge::Kernel | Judge::OursOnKernel => work(&mut Kernel::open(Af::V4)?),
        })?
    }
}

/// A flow's match.
pub(crate) fn of_flow(flow: u8) -> String {
    format!("-s 10.1.0.{} -p udp -m udp --dport {}", 10 + flow, 7000 + u16::from(flow))
}

/// `[packets:bytes]` of the first rule in a saved text that holds another text.
pub(crate) fn saved_count(saved: &str, rule: &str) -> io::Result<(u64, u64)> {
    let line = saved.lines().find(|line| line.starts_with('[') && line.contains(rule));
    let count = line.and_then(|line| line.get(1..)?.split_once(']')?.0.split_once(':'));
    let count = count.and_then(|(packets, bytes)| Some((packets.parse().ok()?, bytes.parse().ok()?)));
    count.ok_or_else(|| io::Error::other(format!("no rule with {rule:?} in\n{saved}")))
}

/// What must be the same.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: T, wanted: T) -> io::Result<()> {
    if got == wanted { Ok(()) } else { Err(io::Error::other(format!("{what}: {got:?}, not {wanted:?}"))) }
}
