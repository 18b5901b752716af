//! Links the program at a fixed address.
//!
//! It is started once for every rule of a shell script. As position-independent code it would have to relocate some
//! 13,000 pointers of its option tables first, which touches sixty pages: a quarter of such a command's time. What
//! listens to the network, `xt-datapath`, stays position-independent.

use std::env;

#[allow(clippy::print_stdout, reason = "how a build script speaks")]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if (target("OS").as_str(), target("ENV").as_str()) == ("linux", "gnu") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
