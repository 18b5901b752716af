//! What an administrator looks at: connections as they are listed, followed and cut, and the tables.

use std::{
    io::{self, BufRead, BufReader},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    thread::sleep,
    time::Duration,
};

use lab::{
    namespace::Namespace,
    traffic::{Server, connect},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{Demo, title, traffic::echo};

impl Demo {
    pub(crate) fn prove_list(&mut self) {
        self.prove("conntrack -L shows a live connection with both directions and its translation", |chain| {
            let _server = Server::tcp_echo(&chain.server, "10.2.0.2:7001")?;
            let (_, _, stream) = connect(&chain.client, "10.2.0.2:7001", Duration::from_secs(3))?;
            let Some(mut stream) = stream else { return Ok(Err("no connection".into())) };
            echo(&mut stream, b"hello")?;
            let text = chain.router.must(&["conntrack", "-L", "-p", "tcp", "--dport", "7001"])?;
            let wanted = ["ESTABLISHED", "src=10.1.0.2 dst=10.2.0.2", "dst=10.2.0.1", "[ASSURED]", "mark=2"];
            Ok(match wanted.iter().find(|w| !text.contains(**w)) {
                None => Ok(text.trim().to_owned()),
                Some(missing) => Err(format!("no {missing} in: {text}")),
            })
        });
    }

    pub(crate) fn cut(&mut self) {
        self.prove("conntrack -D cuts a live connection", |chain| {
            let _server = Server::tcp_echo(&chain.server, "10.2.0.2:7000")?;
            let (_, _, stream) = connect(&chain.client, "10.2.0.2:7000", Duration::from_secs(3))?;
            let Some(mut stream) = stream else { return Ok(Err("no connection".into())) };
            echo(&mut stream, b"before")?;
            let cut = chain.router.must(&["conntrack", "-D", "-p", "tcp", "--dport", "7000"])?;
            stream.set_read_timeout(Some(Duration::from_millis(1500)))?;
            let after = echo(&mut stream, b"after");
            let left = chain.router.run(&["conntrack", "-L", "-p", "tcp", "--dport", "7000"])?.stdout;
            Ok(if after.is_ok() {
                Err(format!("it still echoes; -D said: {cut}"))
            } else if !left.is_empty() {
                Err(format!("an entry is left: {left}"))
            } else {
                Ok(format!("deleted {}", cut.trim()))
            })
        });
    }

    pub(crate) fn prove_events(&mut self, mut events: Events) {
        sleep(Duration::from_millis(100));
        let log = events.stop();
        title("conntrack -E during the run");
        print(&log, 60);
        self.prove("conntrack -E followed the run", |_| {
            let has = |kind: &str, what: &str| log.lines().any(|l| l.contains(kind) && l.contains(what));
            let wanted = [
                ("[NEW]", "dport=80 "),
                ("[UPDATE]", "ESTABLISHED"),
                ("[UPDATE]", "TIME_WAIT"),
                ("[NEW]", "dport=8080 "),
                ("[NEW]", "type=8 "),
                ("[NEW]", "dport=5353 "),
                ("[DESTROY]", "dport=7000 "),
            ];
            Ok(match wanted.iter().find(|(kind, what)| !has(kind, what)) {
                None => Ok(format!("{} events, among them new, updated and destroyed", log.lines().count())),
                Some((kind, what)) => Err(format!("no {kind} event with {what}")),
            })
        });
    }

    pub(crate) fn show(&mut self) {
        for words in [
            &["iptables", "-L", "-v", "-n"][..],
            &["iptables", "-t", "nat", "-S"][..],
            &["conntrack", "-L"][..],
            &["ip6tables", "-L", "FORWARD", "-v", "-n"][..],
        ] {
            title(&words.join(" "));
            let claim = format!("{} shows what an administrator looks for", words.join(" "));
            let mut shown = String::new();
            self.prove(&claim, |chain| {
                shown = chain.router.must(words)?;
                let wanted: &[&str] = match words {
                    ["iptables", "-L", ..] => {
                        &["Chain INPUT (policy DROP", "Chain BADTCP (2 references)", "[goto]", "tcp-reset"]
                    }
                    ["iptables", ..] => &[
                        "-A PREROUTING -i wan0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80",
                        "-j MASQUERADE",
                    ],
                    ["conntrack", ..] => &["src=10.1.0.2 dst=10.2.0.2", "dst=10.2.0.1"],
                    _ => &["Chain FORWARD (policy DROP", "tcp-reset"],
                };
                Ok(match wanted.iter().find(|w| !shown.contains(**w)) {
                    None => Ok(format!("{} lines", shown.lines().count())),
                    Some(missing) => Err(format!("no {missing}")),
                })
            });
            print(&shown, 80);
        }
    }
}

/// A running `conntrack -E`.
pub(crate) struct Events {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Events {
    pub(crate) fn listen(namespace: &Namespace) -> io::Result<Self> {
        let mut child = namespace.spawn("conntrack", |command| {
            command.arg("-E").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        })?;
        let log = Arc::new(Mutex::new(String::new()));
        if let Some(stream) = child.stdout.take() {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if let Ok(mut log) = log.lock() {
                        log.push_str(&line);
                        log.push('\n');
                    }
                }
            });
        }
        sleep(Duration::from_millis(200));
        Ok(Self { child, log })
    }

    fn stop(&mut self) -> String {
        let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX)), Signal::SIGTERM);
        let _ = self.child.wait();
        self.log.lock().map(|l| l.clone()).unwrap_or_default()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn print(text: &str, most: usize) {
    for line in text.lines().take(most) {
        println!("    {line}");
    }
    if text.lines().count() > most {
        println!("    ... {} lines more", text.lines().count() - most);
    }
}
