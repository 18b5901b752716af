//! Our commands beside the real ones: the same words in twin network namespaces, and everything seen compared.
//!
//! Needs root and the real `iptables-legacy` (`XT_ORACLE`, else `xtables-legacy-multi` in `PATH` or /usr/sbin). Without
//! them these tests fail: a comparison with nothing is not a comparison. `UNDER_TEST=theirs` puts the real tool on both
//! sides, which tests the tests.

#[cfg(test)]
mod apply;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod concurrent;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod deviations;
#[cfg(test)]
mod help;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod modprobe;
#[cfg(test)]
mod octets;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod random;
#[cfg(test)]
mod reasons;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod translate;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod xml;
