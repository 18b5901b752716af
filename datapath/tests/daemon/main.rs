//! The running datapath in namespaces of its own: packets through NFQUEUE, life and death, sockets and who may use them.

#![allow(clippy::print_stdout, reason = "a test suite reports on its standard output")]

mod complaints;
mod connections;
mod expected;
mod helpers;
mod messages;
mod oracle;
mod process;
mod rewriting;
mod settings;
mod stress;
mod super_packets;
mod timeouts;

use std::io;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lab::namespace::Namespace;
use lab::router::{Judge, built};
use lab::suite::{self, Test};
use lab::topology::Chain;
use lab::traffic::{self, Server};
use process::{Process, run_here};

fn main() -> ExitCode {
    suite::main(TESTS)
}

const TESTS: &[Test] = &[
    ("traffic_passes_through_all_five_hooks_of_both_families", traffic_passes),
    ("several_queues_share_the_flows", several_queues),
    ("a_second_datapath_in_a_namespace_is_refused", second_refused),
    ("packets_pass_while_an_open_datapath_is_dead_and_the_next_one_takes_over", killed_open),
    ("packets_are_dropped_while_a_closed_datapath_is_gone_until_detached", stopped_closed),
    ("a_clean_stop_leaves_no_chain_and_no_socket", clean_stop),
    ("queues_that_go_beyond_the_last_number_are_refused", too_many_queues),
    ("chains_that_somebody_flushed_come_back", flushed),
    ("detach_and_attach_reach_the_running_datapath", detach_attach),
    ("garbage_on_the_sockets_harms_nobody", garbage),
    ("an_unprivileged_caller_is_refused", unprivileged),
    ("without_a_datapath_the_commands_say_how_to_start_one", nobody),
    ("a_wrong_configuration_is_refused_with_its_line", wrong_configuration),
    ("a_hangup_reads_the_configuration_again", settings::hangup),
    ("a_stderr_that_nobody_reads_stops_nothing", settings::unheard),
    ("a_stop_right_after_the_start_is_heard", stopped_early),
    ("a_sysctl_that_is_written_holds_for_the_next_connection", settings::followed),
    ("tables_of_the_kernels_own_are_warned_of", settings::kernel_tables),
    ("a_mark_set_by_a_rule_is_seen_by_the_kernel_behind_the_hook", rewriting::mark),
    ("a_ttl_set_by_a_rule_arrives_with_right_checksums_in_super_packets_too", rewriting::ttl),
    ("super_packets_are_translated_whole_both_ways", super_packets::translated),
    ("held_fragments_leave_translated_and_in_their_order", rewriting::fragments),
    ("hashes_that_change_their_size_lose_no_connection", stress::resized),
    ("who_reads_events_too_slowly_is_told_and_hears_the_rest_in_order", stress::overrun),
    ("everything_at_once_harms_nobody", stress::at_once),
    ("a_table_survives_a_crash_and_not_a_clean_stop", rewriting::kept),
    ("connections_survive_crash_after_crash", rewriting::connections),
    ("what_is_expected_survives_a_crash_and_comes_translated", expected::crash),
    ("messages_about_helpers_that_are_programs_are_answered", helpers::messages),
    ("a_program_that_is_a_helper_is_given_packets_and_what_it_announces_comes", helpers::conversation),
    ("conntrack_says_of_its_table_what_the_original_says_of_the_kernels", connections::commands),
    ("random_conntrack_lines_do_on_the_datapath_what_they_do_on_the_kernel", connections::random_lines),
    ("random_messages_about_connections_are_answered_as_by_the_kernel", messages::about_connections),
    ("random_messages_about_expectations_are_answered_as_by_the_kernel", messages::about_expectations),
    ("conntrack_follows_its_table_as_the_original_follows_the_kernels", connections::events),
    ("conntrack_names_the_same_statistics", connections::statistics),
    ("what_does_not_fit_is_logged_in_the_kernels_words", complaints::invalid),
    ("the_run_folder_has_the_texts_of_the_kernels_proc_files", connections::texts),
    ("a_timeout_policy_that_a_rule_names_says_how_long_connections_live", timeouts::policies),
    ("a_timeout_policy_survives_a_crash_with_the_rule_that_names_it", timeouts::crash),
    ("messages_about_timeout_policies_are_answered_as_by_the_kernel", timeouts::messages),
];

/// Client, router and server without a judge; the server knows the way back.
fn chain() -> io::Result<Chain> {
    let chain = Chain::new(Judge::Kernel, &built())?;
    chain.route_back()?;
    Ok(chain)
}

fn passes(chain: &Chain) -> io::Result<bool> {
    let server = Server::udp_echo(&chain.server, "10.2.0.2:7")?;
    let answer = traffic::ask(&chain.client, "10.2.0.2:7", b"x", Duration::from_millis(700))?;
    drop(server);
    Ok(answer.is_some())
}

fn has_chains(namespace: &Namespace) -> io::Result<bool> {
    Ok(namespace.must(&["nft", "list", "ruleset"])?.contains("xt_datapath"))
}

fn traffic_passes() -> io::Result<()> {
    let chain = chain()?;
    let mut datapath = Process::start(&chain.router, &["--all-hooks"])?;
    let body: Arc<Vec<u8>> = Arc::new((0..8_000_000u32).map(|at| ((at * 7) >> 3) as u8).collect());
    for (listen, to) in [("10.2.0.2:80", "10.2.0.2:80"), ("[fd02::2]:80", "[fd02::2]:80")] {
        let _server = Server::http(&chain.server, listen, Arc::clone(&body))?;
        assert!(traffic::fetch(&chain.client, to, "/")? == *body, "{to}: the bytes arrived changed");
    }
    // The router's own traffic passes OUTPUT and INPUT.
    let _echo = Server::udp_echo(&chain.router, "10.1.0.1:7")?;
    assert!(traffic::ask(&chain.client, "10.1.0.1:7", b"x", Duration::from_secs(2))?.is_some());
    let (_, status) = datapath.status()?;
    for hook in ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"] {
        assert_eq!(status.matches(hook).count(), 2, "{hook} of both families\n{status}");
    }
    let counts = process::counts(&status);
    assert!(counts[0].1 > 200 && counts[0].1 == counts[0].2, "all that came in went on\n{status}");
    assert!(datapath.stop()?.success());
    Ok(())
}

fn several_queues() -> io::Result<()> {
    let chain = chain()?;
    let datapath = Process::start(&chain.router, &["--all-hooks", "--queues", "4", "--queue-base", "100"])?;
    // Queues are chosen by addresses.
    for host in 10..60 {
        chain.client.ip(&format!("addr add 10.1.0.{host}/24 dev eth0"))?;
    }
    let _echo = Server::udp_echo(&chain.server, "10.2.0.2:7")?;
    for host in 10..60 {
        let source = format!("10.1.0.{host}:0");
        let answered = chain.client.within(|| -> io::Result<bool> {
            let socket = std::net::UdpSocket::bind(source)?;
            socket.set_read_timeout(Some(Duration::from_secs(2)))?;
            socket.send_to(b"x", "10.2.0.2:7")?;
            Ok(socket.recv(&mut [0; 16]).is_ok())
        })??;
        assert!(answered);
    }
    let (_, status) = datapath.status()?;
    let counts = process::counts(&status);
    assert_eq!(counts.iter().map(|row| row.0).collect::<Vec<_>>(), [100, 101, 102, 103]);
    assert!(counts.iter().all(|row| row.1 > 0), "{status}");
    Ok(())
}

fn second_refused() -> io::Result<()> {
    let chain = chain()?;
    let first = Process::start(&chain.router, &[])?;
    let second = run_here(&chain.router, &["run"])?;
    assert_eq!(second.code(), 1);
    assert!(second.stderr.contains("already runs in this network namespace"), "{}", second.stderr);
    assert!(second.stderr.contains(&first.pid().to_string()), "{}", second.stderr);
    assert!(first.status()?.0, "the first one is unharmed");
    // Another namespace is another matter.
    Process::start(&chain.server, &[])?;
    Ok(())
}

fn killed_open() -> io::Result<()> {
    let chain = chain()?;
    let mut first = Process::start(&chain.router, &["--all-hooks"])?;
    assert!(passes(&chain)?);
    first.kill()?;
    assert!(has_chains(&chain.router)?, "a killed datapath cannot clear up");
    assert!(passes(&chain)?, "with nobody listening packets pass");
    let mut second = Process::start(&chain.router, &["--all-hooks"])?;
    assert!(passes(&chain)?);
    assert!(process::counts(&second.status()?.1)[0].1 > 0, "the second one sees the packets");
    assert!(second.stop()?.success());
    assert!(!has_chains(&chain.router)?);
    Ok(())
}

fn stopped_closed() -> io::Result<()> {
    let chain = chain()?;
    for kill in [true, false] {
        let mut datapath = Process::start(&chain.router, &["--all-hooks", "--closed"])?;
        assert!(passes(&chain)?);
        if kill {
            datapath.kill()?;
        } else {
            assert!(datapath.stop()?.success());
        }
        assert!(!passes(&chain)?, "nothing passes while it is gone");
    }
    assert_eq!(run_here(&chain.router, &["detach"])?.code(), 0);
    assert!(passes(&chain)?);
    assert!(!has_chains(&chain.router)?);
    assert_eq!(loopback_mtu(&chain.router)?, 65_536);
    assert_eq!(run_here(&chain.router, &["detach"])?.code(), 1, "there is nothing left to clear away");
    Ok(())
}

fn clean_stop() -> io::Result<()> {
    let chain = chain()?;
    let mut datapath = Process::start(&chain.router, &["--all-hooks"])?;
    let folder = process::run_folder(&chain.router)?;
    assert!(has_chains(&chain.router)?);
    assert_eq!(loopback_mtu(&chain.router)?, 65_531);
    for socket in ["tables", "control"] {
        let mode = std::fs::metadata(folder.join(socket))?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{socket}");
    }
    assert_eq!(std::fs::metadata(&folder)?.permissions().mode() & 0o777, 0o700);
    assert!(datapath.stop()?.success());
    assert!(!has_chains(&chain.router)?);
    assert_eq!(loopback_mtu(&chain.router)?, 65_536);
    let left: Vec<_> = std::fs::read_dir(&folder)?.flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["lock"]);
    Ok(())
}

fn loopback_mtu(namespace: &Namespace) -> io::Result<u32> {
    let told = namespace.must(&["ip", "-o", "link", "show", "dev", "lo"])?;
    let mtu = told.split_whitespace().skip_while(|word| *word != "mtu").nth(1);
    mtu.and_then(|mtu| mtu.parse().ok()).ok_or_else(|| io::Error::other(told))
}

fn flushed() -> io::Result<()> {
    let chain = chain()?;
    let _datapath = Process::start(&chain.router, &["--all-hooks"])?;
    chain.router.must(&["nft", "flush", "ruleset"])?;
    assert!(!has_chains(&chain.router)?);
    process::eventually("the chains are back", Duration::from_secs(10), || has_chains(&chain.router))
}

fn detach_attach() -> io::Result<()> {
    let chain = chain()?;
    let datapath = Process::start(&chain.router, &["--all-hooks"])?;
    assert_eq!(run_here(&chain.router, &["detach"])?.code(), 0);
    assert_eq!(loopback_mtu(&chain.router)?, 65_536);
    let before = process::counts(&datapath.status()?.1)[0].1;
    assert!(passes(&chain)?);
    assert_eq!(process::counts(&datapath.status()?.1)[0].1, before, "no packet is taken");
    assert_eq!(run_here(&chain.router, &["attach"])?.code(), 0);
    assert_eq!(loopback_mtu(&chain.router)?, 65_531);
    assert!(passes(&chain)?);
    assert!(process::counts(&datapath.status()?.1)[0].1 > before);
    Ok(())
}

fn too_many_queues() -> io::Result<()> {
    let chain = chain()?;
    // 65535 is the last number there is.
    for (base, fits) in [("65374", true), ("65375", false)] {
        match Process::start(&chain.router, &["--queues", "5", "--queue-base", base]) {
            Ok(mut datapath) if fits => assert!(datapath.stop()?.success()),
            Err(_) if !fits => {}
            other => return Err(io::Error::other(format!("from {base}: {:?}", other.map(|_| "it runs")))),
        }
    }
    Ok(())
}

fn garbage() -> io::Result<()> {
    let chain = chain()?;
    let mut datapath = Process::start(&chain.router, &["--all-hooks"])?;
    let folder = process::run_folder(&chain.router)?;
    for garbage in [&b""[..], b"status please", &[0xff; 40_000], b"\0"] {
        let mut stream = UnixStream::connect(folder.join("control"))?;
        let _ = stream.write_all(garbage);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        process::send_packet(&folder.join("tables"), garbage)?;
    }
    // One that says nothing and stays.
    let _silent = UnixStream::connect(folder.join("control"))?;
    assert!(passes(&chain)?);
    assert!(datapath.status()?.0);
    let names = oracle::table_names(&chain.router)?;
    assert!(names.is_ok(), "{names:?}");
    assert!(datapath.stop()?.success());
    Ok(())
}

fn unprivileged() -> io::Result<()> {
    let chain = chain()?;
    let _datapath = Process::start(&chain.router, &[])?;
    let folder = process::run_folder(&chain.router)?;
    let nobody = |namespace: &Namespace| {
        namespace.spawn(env!("CARGO_BIN_EXE_xt-datapath"), |command| {
            command.arg("status").uid(65534).gid(65534).stdout(Stdio::null()).stderr(Stdio::null());
        })
    };
    let mut child = match nobody(&chain.router) {
        Ok(child) => child,
        Err(error) if error.raw_os_error() == Some(22) => {
            println!("NOT TESTED: this user namespace knows no second user");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    assert!(!child.wait()?.success(), "the folder's mode keeps others out");
    // With the modes opened, the peer's credentials still do.
    for path in [folder.parent().unwrap_or(&folder), &folder, &folder.join("control"), &folder.join("tables")] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
    }
    assert!(!nobody(&chain.router)?.wait()?.success());
    assert_eq!(run_here(&chain.router, &["status"])?.code(), 0);
    Ok(())
}

fn nobody() -> io::Result<()> {
    let namespace = Namespace::new("empty")?;
    for word in ["status", "attach"] {
        let finished = run_here(&namespace, &[word])?;
        assert_eq!(finished.code(), 1);
        assert!(finished.stderr.contains("xt-datapath run"), "{}", finished.stderr);
    }
    Ok(())
}

/// A signal that came between the wait for it and the look at it was read and passed over, in one of fifty starts.
fn stopped_early() -> io::Result<()> {
    let namespace = Namespace::new("early")?;
    for _ in 0..40 {
        let mut datapath = Process::start(&namespace, &[])?;
        assert!(datapath.stop()?.success());
    }
    Ok(())
}

fn wrong_configuration() -> io::Result<()> {
    let namespace = Namespace::new("config")?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("conf");
    std::fs::write(&path, "queues = 2\nqueus = 3\n")?;
    let finished = run_here(&namespace, &["run", "--config", &path.to_string_lossy()])?;
    assert_eq!(finished.code(), 1);
    assert!(finished.stderr.contains("conf:2: unknown key `queus'"), "{}", finished.stderr);
    Ok(())
}
