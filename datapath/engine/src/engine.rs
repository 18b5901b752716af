//! The engine: the tables and connections of one network namespace, and the way of a packet through them.

use libxt::backend::{Counters, Get};
use libxt::family::Af;

use crate::conntrack::Settings;
use crate::effects::Effects;
use crate::host::{Host, Now};
use crate::packet::{Packet, Verdict};
use crate::passes::Passes;
use crate::ruleset::{Prepared, Refused};

/// Everything that decides, for one network namespace.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
}

impl Engine {
    /// An engine without any table or connection. `hash_key` must be random: it keeps senders from choosing collisions.
    pub fn new(settings: Settings, hash_key: [u8; 16]) -> Self {
        let _ = hash_key;
        Self { settings }
    }

    /// Follows changed settings; entries that exist keep their timeouts, as in the kernel.
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Judges a packet at the hook where it was taken, with all the hooks that [`Self::passes`] puts there.
    pub fn packet(&mut self, packet: &mut Packet<'_>, now: Now, host: &dyn Host, out: &mut Effects) -> Verdict {
        let _ = (packet, now, host, out);
        Verdict::Accept
    }

    /// Lets connections, fragments and notes die whose time is over. Call it about once a second.
    pub fn expire(&mut self, now: Now, out: &mut Effects) {
        let _ = (now, out);
    }

    /// A `getsockopt` of [`libxt::backend::Backend::get`]: `value` holds the uAPI struct going in, the answer coming out.
    pub fn get(&mut self, af: Af, what: Get, value: &mut Vec<u8>) -> Result<(), Refused> {
        let _ = (af, what, value);
        Err(Refused::invalid("no tables yet"))
    }

    /// `IPT_SO_SET_REPLACE` in one call: [`Prepared::new`], then [`Self::install`].
    pub fn replace(&mut self, af: Af, blob: &[u8], old: &mut Vec<Counters>) -> Result<(), Refused> {
        self.install(Prepared::new(af, blob)?, old)
    }

    /// Puts a prepared table in the place of the loaded one and leaves that one's counters in `old`. This is the only part
    /// of a replace that needs the engine: it is short, whatever the table's size.
    pub fn install(&mut self, prepared: Prepared, old: &mut Vec<Counters>) -> Result<(), Refused> {
        let _ = (prepared, old);
        Err(Refused::invalid("no tables yet"))
    }

    /// `IPT_SO_SET_ADD_COUNTERS`: `blob` is `struct xt_counters_info` with its counters.
    pub fn add_counters(&mut self, af: Af, blob: &[u8]) -> Result<(), Refused> {
        let _ = (af, blob);
        Err(Refused::invalid("no tables yet"))
    }

    /// The tables in use, newest first, as `/proc/net/ip_tables_names` has them.
    pub fn table_names(&self, af: Af) -> Vec<&'static str> {
        let _ = af;
        Vec::new()
    }

    /// Where packets of a family must be taken from the kernel. Ask again after every [`Self::install`].
    pub fn passes(&self, af: Af) -> Passes {
        let _ = af;
        Passes::NONE
    }
}
