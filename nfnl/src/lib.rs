//! Netfilter netlink messages as values.
