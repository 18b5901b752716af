//! Table blobs: the engine takes or refuses them; what it takes it gives back, prints and lets a packet walk.
#![no_main]

#[path = "tables.rs"]
mod tables;
#[path = "world.rs"]
mod world;

use libfuzzer_sys::fuzz_target;
use libxt::{family::Af, save::write_table, table::Table};
use tables::InMemory;

fuzz_target!(|data: &[u8]| {
    let Some((&first, blob)) = data.split_first() else { return };
    let af = if first & 1 == 0 { Af::V4 } else { Af::V6 };
    let mut engine = tables::engine();
    let mut old = Vec::new();
    let _ = libxt::blob::entries(af, blob).take(10_000).count();
    if engine.replace(af, blob, &mut old).is_err() {
        return;
    }
    for name in engine.table_names(af) {
        let mut backend = InMemory { engine: &mut engine, af };
        if let Ok(table) = Table::open(&mut backend, name) {
            let _ = write_table(&mut Vec::new(), &table, true);
            let _ = table.commit(&mut backend);
        }
    }
    world::send_some(&mut engine);
});
