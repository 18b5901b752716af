//! `-m connmark`: compares the connection's mark; never matches a packet without a connection.

use super::mark::{Marked, Owner};

/// `-m connmark`.
pub type Connmark = Marked<Connection>;

/// The connection has the mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connection;

impl Owner for Connection {
    const NAME: &'static str = "connmark";
    const HELP: &'static str = "the connection's mark, optionally masked";
    // One blank more than needed, as upstream prints it.
    const LISTED: [&'static str; 2] = ["connmark match ", "connmark match !"];
}
