//! Tables in memory: the engine behind the trait that commands use.

use std::io;

use engine::{Engine, conntrack::Settings};
use libxt::{
    backend::{Backend, Counters, Get},
    family::Af,
};

/// One family of an engine's tables.
pub struct InMemory<'a> {
    /// The engine.
    pub engine: &'a mut Engine,
    /// Whose tables.
    pub af: Af,
}

/// An engine that always draws the same numbers.
pub fn engine() -> Engine {
    Engine::new(Settings::default(), [7; 16])
}

impl Backend for InMemory<'_> {
    fn af(&self) -> Af {
        self.af
    }

    fn get(&mut self, what: Get, value: &mut Vec<u8>) -> io::Result<()> {
        self.engine.get(self.af, what, value).map_err(|refused| io::Error::from_raw_os_error(refused.errno))
    }

    fn replace(&mut self, blob: &mut [u8], old: &mut [Counters]) -> io::Result<()> {
        let mut counters = Vec::new();
        self.engine
            .replace(self.af, blob, &mut counters)
            .map_err(|refused| io::Error::from_raw_os_error(refused.errno))?;
        for (to, from) in old.iter_mut().zip(counters) {
            *to = from;
        }
        Ok(())
    }

    fn add_counters(&mut self, blob: &[u8]) -> io::Result<()> {
        self.engine.add_counters(self.af, blob).map_err(|refused| io::Error::from_raw_os_error(refused.errno))
    }

    fn table_names(&mut self) -> io::Result<Vec<String>> {
        Ok(self.engine.table_names(self.af).into_iter().map(str::to_owned).collect())
    }
}
