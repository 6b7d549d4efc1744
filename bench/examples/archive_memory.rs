//! How much memory does an archive of 10 000 candidates over 3 000 instances hold, as a multiple
//! of its scores?

#[path = "../benches/simulated/mod.rs"]
mod simulated;

use std::io::{self, Write};

use simulated::{Scores, filled_archive};

const CANDIDATES: usize = 10_000;
const INSTANCES: usize = 3_000;

fn main() -> io::Result<()> {
    let scores = CANDIDATES * INSTANCES * size_of::<f64>();
    for kind in [Scores::Binary, Scores::Continuous] {
        let held = filled_archive(kind, CANDIDATES, INSTANCES).memory_bytes();
        let ratio = held as f64 / scores as f64;
        writeln!(
            io::stdout(),
            "{kind:?}: {held} bytes, {ratio:.3} times the scores"
        )?;
    }
    Ok(())
}
