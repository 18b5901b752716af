//! `-M`: the module behind the kernel's tables, asked for where a table cannot be opened.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libxt::backend::{Backend, Choice};
use libxt::family::Af;
use libxt::octets;
use libxt::table::{Refused, Table};

/// Opens a table; if it is the kernel's and cannot be opened, tries again once `command` has loaded the module. Without
/// a command it is the kernel's own.
pub(crate) fn open_table(backend: &mut dyn Backend, name: &str, command: Option<&str>) -> Result<Table, Refused> {
    let refused = match Table::open(backend, name) {
        Ok(table) => return Ok(table),
        Err(refused) => refused,
    };
    if Choice::of_this_process() == Ok(Choice::Kernel) && load(backend.af(), command) {
        return Table::open(backend, name);
    }
    Err(refused)
}

/// As `xtables_load_ko()`: nothing is run if the module is there already. Says whether it may be there now.
fn load(af: Af, command: Option<&str>) -> bool {
    let (module, names) = match af {
        Af::V4 => ("ip_tables", "/proc/net/ip_tables_names"),
        Af::V6 => ("ip6_tables", "/proc/net/ip6_tables_names"),
    };
    if Path::new(names).exists() {
        return true;
    }
    let command = match command {
        Some(command) => crate::path(command),
        None => match fs::read(KERNEL_COMMAND) {
            Ok(command) => crate::path(octets::text(command.trim_ascii()).as_ref()),
            Err(_) => return false,
        },
    };
    // As with posix_spawn(): a file's name, never looked up in PATH.
    let command = if command.is_absolute() { command } else { Path::new(".").join(command) };
    let Ok(mut child) = Command::new(command).arg(module).env_clear().stdin(Stdio::null()).spawn() else {
        return false;
    };
    let end = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(5)),
            Ok(None) | Err(_) => {
                // It may be gone by now; then there is nothing to kill.
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

/// The command by which the kernel itself asks for modules.
const KERNEL_COMMAND: &str = "/proc/sys/kernel/modprobe";
/// How long a command may take; upstream waits for ever.
const PATIENCE: Duration = Duration::from_secs(30);
