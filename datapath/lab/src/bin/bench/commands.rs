//! What a command costs: iptables-legacy, ours on the kernel's tables and ours on the datapath's, one after the other.

use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    io,
    process::{Command, Stdio},
    time::Instant,
};

use lab::{
    namespace::Namespace,
    router::{Commands, Daemon, Judge, built},
};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use tempfile::TempDir;

/// The option by which this program runs a command for [`Side::cost`] and says what it cost.
pub(super) const COST: &str = "--cost";

/// Restores, saves, single commands, and a loop of them.
pub(super) fn rules() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let sides = [Side::new(Judge::Kernel)?, Side::new(Judge::OursOnKernel)?, Side::new(Judge::Datapath)?];
    println!(
        "\nrules of five kinds        iptables-legacy                       ours/legacy, kernel's tables    ours/legacy, datapath's tables\n\
         {:<22}{:>9}{:>9}{:>9}{:>10}{}",
        "",
        "wall ms",
        "user ms",
        "sys ms",
        "peak MiB",
        "      wall  user   sys  peak".repeat(2)
    );
    for count in [1_000, 10_000, 100_000] {
        let file = write(&folder, &script(count))?;
        compare(
            &sides,
            &format!("-restore of {count}"),
            if count < 100_000 { 15 } else { 3 },
            &file,
            &["iptables-restore"],
        )?;
    }
    compare(&sides, "-save of 100000", 3, "/dev/null", &["iptables-save"])?;
    let file = write(&folder, &script(10_000))?;
    for side in &sides {
        side.cost(&file, &["iptables-restore"])?;
    }
    let one = ["iptables", "-A", "FORWARD", "-s", "172.16.0.1", "-j", "DROP"];
    compare(&sides, "one -A on 10000", 15, "/dev/null", &one)?;
    for side in &sides {
        side.namespace.must(&["iptables", "-F"])?;
    }
    let file = write(&folder, &(0..1_000).map(|n| format!("iptables -A FORWARD {}\n", rule(n).1)).collect::<String>())?;
    compare(&sides, "1000 single -A", 1, &file, &["sh", "-s", "-e"])?;
    println!("(medians of wall time, means of the rest; the time of xt-datapath itself is in the wall time only)");
    Ok(())
}

/// Runs a command for [`Side::cost`]: the words are its input file, its name and its arguments.
pub(super) fn cost(words: &[String]) -> io::Result<()> {
    let [input, program, arguments @ ..] = words else { return Err(io::Error::other("nothing to run")) };
    let began = Instant::now();
    let status = Command::new(program).args(arguments).stdin(File::open(input)?).stdout(Stdio::null()).status()?;
    let wall = began.elapsed().as_secs_f64();
    if !status.success() {
        return Err(io::Error::other(format!("{program}: {status}")));
    }
    // All children's: there was one.
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let milliseconds = |time: nix::sys::time::TimeVal| time.num_microseconds() as f64 / 1e3;
    println!(
        "{} {} {} {}",
        wall * 1e3,
        milliseconds(used.user_time()),
        milliseconds(used.system_time()),
        used.max_rss() as f64 / 1024.0
    );
    Ok(())
}

/// Wall, user and system time in milliseconds, and the largest resident set in MiB.
type Cost = [f64; 4];

/// A namespace with one judge's commands.
struct Side {
    namespace: Namespace,
    _commands: Commands,
    _daemon: Option<Daemon>,
}

impl Side {
    fn new(judge: Judge) -> io::Result<Self> {
        let mut namespace = Namespace::new(judge.name())?;
        let commands = Commands::collect(judge, &built())?;
        let daemon = commands.start(&mut namespace)?;
        Ok(Self { namespace, _commands: commands, _daemon: daemon })
    }

    /// What a command costs here. A process of its own starts it: a child is told to have been as large as its parent.
    fn cost(&self, input: &str, words: &[&str]) -> io::Result<Cost> {
        let this = env::current_exe()?;
        let this = this.to_string_lossy();
        let said = self.namespace.must(&[&[&*this, COST, input], words].concat())?;
        let mut numbers = said.split_whitespace().map(str::parse);
        let mut cost = [0.0; 4];
        for number in &mut cost {
            *number = numbers.next().and_then(Result::ok).ok_or_else(|| io::Error::other(said.clone()))?;
        }
        Ok(cost)
    }
}

/// Takes turns, and prints what is typical: the first side's as they are, the others' as shares of it.
fn compare(sides: &[Side; 3], what: &str, rounds: usize, input: &str, words: &[&str]) -> io::Result<()> {
    let mut samples = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        for (side, samples) in sides.iter().zip(&mut samples) {
            samples.push(side.cost(input, words)?);
        }
    }
    let [legacy, on_kernel, on_datapath] = samples.map(typical);
    let [wall, user, system, peak] = legacy;
    let mut line = format!("{what:<22}{wall:>9.1}{user:>9.1}{system:>9.1}{peak:>10.1}");
    for ours in [on_kernel, on_datapath] {
        line += "    ";
        for (ours, legacy) in ours.iter().zip(legacy) {
            let _ = write!(line, "{:>6.2}", ours / legacy);
        }
    }
    println!("{line}");
    Ok(())
}

/// The median of wall times, which others' work disturbs, and means of the rest, which are counted in clock ticks.
fn typical(samples: Vec<Cost>) -> Cost {
    let mut walls: Vec<f64> = samples.iter().map(|&[wall, ..]| wall).collect();
    walls.sort_by(f64::total_cmp);
    let mean = |which: usize| samples.iter().map(|cost| cost[which]).sum::<f64>() / samples.len() as f64;
    [walls.get(walls.len() / 2).copied().unwrap_or(f64::NAN), mean(1), mean(2), mean(3)]
}

fn write(folder: &TempDir, text: &str) -> io::Result<String> {
    let path = folder.path().join("input");
    fs::write(&path, text)?;
    Ok(path.to_string_lossy().into_owned())
}

/// A restore of so many rules.
fn script(count: usize) -> String {
    let mut text =
        String::from("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:logged - [0:0]\n");
    for (chain, rule) in (0..count).map(rule) {
        let _ = writeln!(text, "-A {chain} {rule}");
    }
    text + "COMMIT\n"
}

/// A rule as firewalls have them, and its chain; no two are alike.
fn rule(number: usize) -> (&'static str, String) {
    let address = format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255);
    let port = 1 + number % 65_000;
    match number % 5 {
        0 => ("FORWARD", format!("-s {address}/32 -j DROP")),
        1 => ("INPUT", format!("-s {address}/32 -p tcp -m tcp --dport {port} -j ACCEPT")),
        2 => ("INPUT", format!("-p udp -m udp --sport {port} -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT")),
        3 => {
            let ports = format!("-p tcp -m multiport --dports 80,443,{port}");
            ("OUTPUT", format!("-d {address}/32 -o eth0 {ports} -m comment --comment \"rule {number}\" -j ACCEPT"))
        }
        _ => ("logged", format!("-s {address}/24 -m limit --limit 5/min -j LOG --log-prefix \"{number}: \"")),
    }
}
