//! The multi-call program: see the library.

fn main() -> std::process::ExitCode {
    iptables::main()
}
