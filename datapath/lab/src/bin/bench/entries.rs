//! A million connections: what an entry takes, and `conntrack -L` of them beside the real tool on as many in the kernel.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    time::Instant,
};

use lab::{
    fill::{fill, udp},
    namespace::Namespace,
    router::{Commands, Daemon, Judge, built},
};

use crate::{header, line};

const ENTRIES: u32 = 1_000_000;

/// `nf_conntrack_max` of the machine, raised while this lives.
pub(super) struct Limit {
    file: Option<File>,
    before: String,
}

impl Limit {
    /// Raises it to what a million entries need, if that may be done and is needed.
    pub(super) fn raise() -> Self {
        let before = fs::read_to_string(MAX).unwrap_or_default();
        let low = before.trim().parse::<u32>().is_ok_and(|max| max != 0 && max < ENTRIES);
        let file = OpenOptions::new().write(true).open(MAX).ok().filter(|_| low);
        let mut limit = Self { file, before };
        if limit.write(&ENTRIES.to_string()).is_err() {
            limit.file = None;
        }
        limit
    }

    fn write(&mut self, value: &str) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.write_all_at(value.as_bytes(), 0),
            None => Ok(()),
        }
    }

    /// How many entries the kernel takes.
    fn entries() -> u32 {
        let max = fs::read_to_string(MAX).ok().and_then(|text| text.trim().parse().ok());
        max.filter(|max| *max != 0).map_or(ENTRIES, |max: u32| max.min(ENTRIES))
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let before = self.before.clone();
        if self.write(&before).is_err() {
            println!("nf_conntrack_max was {} before", before.trim());
        }
    }
}

/// Fills both tables, and lists them.
pub(super) fn million() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let count = Limit::entries();
    let (mut kernel, mut ours) = (Namespace::new("kernel")?, Namespace::new("ours")?);
    let commands = [Commands::collect(Judge::Kernel, &built())?, Commands::collect(Judge::Datapath, &built())?];
    commands[0].prefer(&mut kernel);
    commands[1].prefer(&mut ours);
    let config = folder.path().join("config");
    fs::write(&config, format!("nf_conntrack_max = {count}\nnf_conntrack_buckets = {count}\n"))?;
    let daemon = Daemon::start_with(&ours, &["--config", &config.to_string_lossy()])?;
    header(&format!("{count} connections, seconds"));
    let took = |work: &dyn Fn() -> io::Result<()>| {
        let began = Instant::now();
        work().map(|()| began.elapsed().as_secs_f64())
    };
    let make = |namespace: &Namespace, judge| took(&|| fill(namespace, judge, (0..count).map(udp)));
    line("made by ctnetlink, 128 a datagram", [make(&kernel, Judge::Kernel)?, make(&ours, Judge::Datapath)?]);
    let list = |namespace: &Namespace| {
        took(&|| {
            let lines = namespace.must(&["sh", "-c", "conntrack -L 2>/dev/null | wc -l"])?;
            let all = lines.trim() == count.to_string();
            all.then_some(()).ok_or_else(|| io::Error::other(format!("{} entries listed of {count}", lines.trim())))
        })
    };
    line("conntrack -L", [list(&kernel)?, list(&ours)?]);
    let [own, file] = resident(&daemon).map(|kib| kib * 1024.0 / f64::from(count));
    let flush = |namespace: &Namespace| took(&|| namespace.must(&["conntrack", "-F"]).map(drop));
    line("conntrack -F", [flush(&kernel)?, flush(&ours)?]);
    println!("xt-datapath in all: {own:.0} bytes an entry, and {file:.0} in the file that a crash leaves");
    if count < ENTRIES {
        println!("(no more: nf_conntrack_max is the whole machine's, and root's to move)");
    }
    Ok(())
}

/// What is resident of a datapath, in KiB: of its own, and of the file it keeps connections in.
fn resident(daemon: &Daemon) -> [f64; 2] {
    let text = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap_or_default();
    ["RssAnon:", "RssShmem:"].map(|name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_ascii_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
    })
}

const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
