//! One run in a world in which nothing takes time, for a profiler to look at: `bench/profile.sh`.
//!
//! `cargo run --release -p gepa-bench --example engine_run STORE ROLLOUTS`

#[expect(dead_code, reason = "shared with programs that need more of it")]
#[path = "../benches/instant/mod.rs"]
mod instant;
#[expect(dead_code, reason = "only the kind of scores is needed here")]
#[path = "../benches/simulated/mod.rs"]
mod simulated;

use std::error::Error;
use std::io::{Write, stdout};

use instant::{Until, World};
use simulated::Scores;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "memory:".to_owned());
    let rollouts = arguments.next().unwrap_or_default().parse()?;
    let store = gepa_store::open(&url)?;
    let run = World::new(Scores::Binary).run(&store, Until::Rollouts(rollouts), 1);
    let result = run.start().await?.finish().await?;
    let done = result.run.summary.counters.total_rollouts;
    writeln!(stdout(), "{done} rollouts")?;
    Ok(())
}
