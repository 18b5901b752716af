//! `conntrack -E` in a namespace, read line by line as it speaks.

use std::{
    io::{self, BufRead, BufReader},
    process::{Child, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::namespace::Namespace;

/// A running listener; stopped when dropped.
#[derive(Debug)]
pub struct Events {
    child: Child,
    lines: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Events {
    /// Starts `conntrack -E` with some more arguments and waits until it hears.
    pub fn listen(namespace: &Namespace, arguments: &[&str]) -> io::Result<Self> {
        // An entry made by hand shows when the listener hears.
        let events = Self::start(namespace, &[&LISTEN[..], arguments].concat(), |number| {
            let mark = format!("203.0.113.{}", number % 250);
            mark_by_hand(namespace, &mark)?;
            Ok(mark)
        })?;
        thread::sleep(Duration::from_millis(20));
        events.take();
        Ok(events)
    }

    /// Starts `conntrack` with arguments that make it listen, and waits until it hears: `mark` does something in the
    /// namespace, another thing for every number, and returns what of it will be in the listener's line.
    pub fn start(
        namespace: &Namespace,
        arguments: &[&str],
        mut mark: impl FnMut(u32) -> io::Result<String>,
    ) -> io::Result<Self> {
        let mut child = namespace.spawn("conntrack", |command| {
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        })?;
        let lines = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        if let Some(stream) = child.stdout.take() {
            let lines = Arc::clone(&lines);
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if let Ok(mut list) = lines.0.lock() {
                        list.push(line);
                    }
                    lines.1.notify_all();
                }
            });
        }
        let mut events = Self { child, lines };
        let deadline = Instant::now() + Duration::from_secs(10);
        for number in 1.. {
            if events.until(&mark(number)?, Duration::from_millis(50)).is_some() {
                break;
            }
            if Instant::now() > deadline || !matches!(events.child.try_wait(), Ok(None)) {
                return Err(io::Error::other("conntrack -E hears nothing"));
            }
        }
        Ok(events)
    }

    /// Makes an entry whose source is `address`, so that its event marks this moment in the log.
    pub fn mark(&self, namespace: &Namespace, address: &str) -> io::Result<()> {
        mark_by_hand(namespace, address)
    }

    /// Takes the lines before the one that holds `text`, waiting for it at most `limit`; the lines up to and with it are
    /// gone afterwards.
    pub fn until(&self, text: &str, limit: Duration) -> Option<Vec<String>> {
        let deadline = Instant::now() + limit;
        let mut list = self.lines.0.lock().ok()?;
        loop {
            if let Some(at) = list.iter().position(|l| l.contains(text)) {
                let rest = list.split_off(at + 1);
                let mut taken = std::mem::replace(&mut *list, rest);
                taken.pop();
                return Some(taken);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            list = self.lines.1.wait_timeout(list, left).ok()?.0;
        }
    }

    /// Takes everything said so far.
    pub fn take(&self) -> Vec<String> {
        self.lines.0.lock().map(|mut l| std::mem::take(&mut *l)).unwrap_or_default()
    }

    /// Ends the listener as an administrator would and returns what it said since the last take.
    pub fn stop(&mut self) -> Vec<String> {
        let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX)), Signal::SIGTERM);
        let _ = self.child.wait();
        thread::sleep(Duration::from_millis(20));
        self.take()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A listener that does not get to run for a while must not miss anything.
pub const LISTEN: [&str; 3] = ["-E", "-b", "4194304"];

fn mark_by_hand(namespace: &Namespace, address: &str) -> io::Result<()> {
    let tuple = ["-p", "udp", "-s", address, "-d", "203.0.113.254", "--sport", "1", "--dport", "2"];
    namespace.must(&[&["conntrack", "-I", "-t", "60", "-u", "SEEN_REPLY"][..], &tuple[..]].concat()).map(drop)
}
