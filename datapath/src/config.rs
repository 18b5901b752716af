//! What the administrator can set: a file of `key = value` lines, and the command line above it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use engine::conntrack::Settings;

use crate::sysctl;

/// Everything that can be set, with what holds if nothing is said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    /// How many queues, each with a worker of its own.
    pub(crate) queues: u16,
    /// The first queue's number.
    pub(crate) queue_base: u16,
    /// Packets the kernel holds for each queue.
    pub(crate) queue_length: u32,
    /// Bytes of socket buffer for each queue.
    pub(crate) receive_buffer: usize,
    /// What happens to packets while no datapath runs.
    pub(crate) without: Without,
    /// A full queue lets packets pass.
    pub(crate) fail_open: bool,
    /// Queues are chosen by CPU instead of by flow.
    pub(crate) cpu_fanout: bool,
    /// Take packets at every hook of both families, whatever the tables need.
    pub(crate) all_hooks: bool,
    /// Where LOG's lines go.
    pub(crate) log: LogTo,
    /// Tables are there again after a crash.
    pub(crate) keep_tables: bool,
    /// So are connections.
    pub(crate) keep_connections: bool,
    /// The file of fingerprints that `-m osf` compares with.
    pub(crate) fingerprints: PathBuf,
    /// Settings of connection tracking that the file fixes, above sysctls: sysctl name and value.
    pub(crate) fixed: Vec<(String, u64)>,
}

/// What happens to packets while no datapath runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Without {
    /// They pass unjudged.
    Open,
    /// They are dropped.
    Closed,
}

/// Where LOG's lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogTo {
    /// To the system's log if there is one, else to the kernel's, else to stderr.
    Auto,
    /// `/dev/log`, facility kern.
    Syslog,
    /// `/dev/kmsg`.
    Kernel,
    /// stderr.
    Stderr,
    /// Nowhere.
    Nowhere,
    /// The end of a file.
    File(PathBuf),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queues: 1,
            queue_base: 30_720,
            queue_length: 4096,
            receive_buffer: 16 << 20,
            without: Without::Open,
            fail_open: false,
            cpu_fanout: false,
            all_hooks: false,
            log: LogTo::Auto,
            keep_tables: true,
            keep_connections: true,
            fingerprints: "/usr/share/xtables/pf.os".into(),
            fixed: Vec::new(),
        }
    }
}

impl Config {
    /// Reads a file; a missing one at the usual place is an empty one.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, String> {
        let place = path.unwrap_or(Path::new(USUAL_PLACE));
        match fs::read_to_string(place) {
            Ok(text) => Self::parse(&text).map_err(|(line, why)| format!("{}:{line}: {why}", place.display())),
            Err(error) if path.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", place.display())),
        }
    }

    /// Reads the text of a file; the error is the line's number and what is wrong there.
    pub(crate) fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut config = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("").trim();
            if line.is_empty() {
                continue;
            }
            let set = match line.split_once('=') {
                Some((key, value)) => config.set(key.trim(), value.trim()),
                None => Err("expected `key = value'".to_owned()),
            };
            set.map_err(|why| (index + 1, why))?;
        }
        Ok(config)
    }

    /// Puts what the file fixes into settings read elsewhere.
    pub(crate) fn fix(&self, settings: &mut Settings) {
        for (name, value) in &self.fixed {
            sysctl::set(settings, name, *value);
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "queues" => self.queues = number(key, value, 1, 256)?,
            "queue-base" => self.queue_base = number(key, value, 0, u16::MAX)?,
            "queue-length" => self.queue_length = number(key, value, 1, 1 << 20)?,
            "receive-buffer" => self.receive_buffer = number(key, value, 1 << 16, 1 << 30)?,
            "while-stopped" => {
                self.without = match value {
                    "open" => Without::Open,
                    "closed" => Without::Closed,
                    _ => return Err(format!("{key}: `{value}' is neither `open' nor `closed'")),
                }
            }
            "fail-open" => self.fail_open = yes(key, value)?,
            "cpu-fanout" => self.cpu_fanout = yes(key, value)?,
            "all-hooks" => self.all_hooks = yes(key, value)?,
            "keep-tables" => self.keep_tables = yes(key, value)?,
            "keep-connections" => self.keep_connections = yes(key, value)?,
            "fingerprints" => self.fingerprints = value.into(),
            "log" => self.log = value.parse()?,
            _ if sysctl::set(&mut Settings::default(), key, 0) => {
                let value = match value {
                    "Y" | "N" => u64::from(value == "Y"),
                    _ => number(key, value, 0, u64::MAX)?,
                };
                self.fixed.push((key.to_owned(), value));
            }
            _ => return Err(format!("unknown key `{key}'")),
        }
        Ok(())
    }
}

impl FromStr for LogTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "auto" => Self::Auto,
            "syslog" => Self::Syslog,
            "kmsg" => Self::Kernel,
            "stderr" => Self::Stderr,
            "none" => Self::Nowhere,
            path if path.starts_with('/') => Self::File(path.into()),
            other => return Err(format!("log: `{other}' is none of auto, syslog, kmsg, stderr, none, or a full path")),
        })
    }
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(key: &str, value: &str, min: T, max: T) -> Result<T, String> {
    match value.parse() {
        Ok(number) if number >= min && number <= max => Ok(number),
        _ => Err(format!("{key}: `{value}' is not a number from {min} to {max}")),
    }
}

fn yes(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "yes" | "on" | "1" => Ok(true),
        "no" | "off" | "0" => Ok(false),
        _ => Err(format!("{key}: `{value}' is neither `yes' nor `no'")),
    }
}

/// Where the file is if nobody says another place.
pub(crate) const USUAL_PLACE: &str = "/etc/xt-datapath.conf";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_set_keys_and_comments_do_not() {
        let text =
            "# queues\nqueues = 4\n\nwhile-stopped=closed # drop\nlog = /var/log/fw\nnf_conntrack_udp_timeout = 7\n";
        let config = Config::parse(text).unwrap();
        assert_eq!((config.queues, config.without), (4, Without::Closed));
        assert_eq!(config.log, LogTo::File("/var/log/fw".into()));
        let mut settings = Settings::default();
        config.fix(&mut settings);
        assert_eq!(settings.udp, 7);
    }

    #[test]
    fn an_error_names_its_line_and_reason() {
        for (text, line, word) in [
            ("\nqueus = 1", 2, "queus"),
            ("queues = 0", 1, "queues"),
            ("queues", 1, "key = value"),
            ("while-stopped = ajar", 1, "ajar"),
            ("fail-open = maybe", 1, "maybe"),
            ("log = somewhere", 1, "somewhere"),
        ] {
            let (at, why) = Config::parse(text).unwrap_err();
            assert_eq!(at, line);
            assert!(why.contains(word), "{why}");
        }
    }
}
