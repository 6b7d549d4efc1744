//! Does a run of a million rollouts cost the same, and hold as much memory, at its end as at its
//! beginning?
//!
//! Evaluation takes no time, and outcomes have feedback and traces. The archive is limited to 100
//! candidates, or it has no limit; then it grows by each candidate's text, scores and place in the
//! lineage. `nothing` is a store that keeps nothing, so that the memory of the process is that of
//! the run.
//!
//! `cargo run --release -p gepa-bench --example soak [ROLLOUTS] [nothing|sqlite] [bounded|growing]`

#[path = "../benches/forgetful/mod.rs"]
mod forgetful;
#[expect(dead_code, reason = "shared with programs that need more of it")]
#[path = "../benches/instant/mod.rs"]
mod instant;
#[expect(dead_code, reason = "only the kind of scores is needed here")]
#[path = "../benches/simulated/mod.rs"]
mod simulated;

use std::error::Error;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use forgetful::Forgetful;
use gepa_bench::watched;
use gepa_engine::{Decision, Event, EventBody, Fact, Store};
use instant::{Mark, Until, World, cpu_seconds};
use parking_lot::Mutex;
use simulated::Scores;

const LINES: u64 = 10;
const BOUND: u32 = 100;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rollouts = match arguments.first() {
        Some(count) => count.parse()?,
        None => 1_000_000,
    };
    let named = |name: &str| arguments.len() < 2 || arguments.iter().any(|given| given == name);
    for store in ["nothing", "sqlite"] {
        for archive in ["bounded", "growing"] {
            let wanted = named(store)
                && (arguments.len() < 3 || arguments.iter().any(|given| given == archive));
            if wanted {
                soak(store, archive, rollouts).await?;
            }
        }
    }
    Ok(())
}

async fn soak(name: &str, archive: &str, rollouts: u64) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("runs.db");
    let store: Arc<dyn Store> = match name {
        "sqlite" => gepa_store::open(&format!("sqlite://{}", path.display()))?,
        _ => Arc::new(Forgetful::default()),
    };
    let world = World {
        explains: true,
        archive_max_size: (archive == "bounded").then_some(BOUND),
        ..World::new(Scores::Binary)
    };
    writeln!(
        stdout(),
        "store {name}, archive {archive}, {rollouts} rollouts\n  \
         rollouts  candidates  resident MB  us of processor each  journal MB  wall s"
    )?;
    let ledger = Ledger {
        every: rollouts / LINES,
        path,
        began: Instant::now(),
        state: Mutex::new(State {
            before: Mark {
                cpu: cpu_seconds(),
                ..Mark::default()
            },
            ..State::default()
        }),
    };
    let run = world.run(&store, Until::Rollouts(rollouts), 1);
    watched(run, |events| ledger.see(events)).await?;
    ledger.close()?;
    Ok(())
}

/// Writes a line after each tenth of the rollouts.
struct Ledger {
    every: u64,
    path: PathBuf,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    now: Mark,
    before: Mark,
    lines: Vec<Line>,
}

struct Line {
    candidates: u64,
    /// Megabytes.
    resident: f64,
    /// Microseconds of processor per rollout.
    each: f64,
}

impl Ledger {
    fn line(&self, state: &mut State) {
        state.now.cpu = cpu_seconds();
        let rollouts = state.now.rollouts - state.before.rollouts;
        let seconds = state.now.cpu - state.before.cpu;
        let line = Line {
            candidates: state.now.candidates,
            resident: resident_bytes() / 1e6,
            each: seconds * 1e6 / rollouts as f64,
        };
        let journal = [&self.path, &self.path.with_extension("db-wal")]
            .map(|path| size(path))
            .iter()
            .sum::<u64>();
        // If stdout is closed, there is no other place to report to.
        let _ = writeln!(
            stdout(),
            "{:10}  {:10}  {:11.1}  {:20.2}  {:10.1}  {:6.1}",
            state.now.rollouts,
            state.now.candidates,
            line.resident,
            line.each,
            journal as f64 / 1e6,
            self.began.elapsed().as_secs_f64(),
        );
        state.lines.push(line);
        state.before = state.now;
    }

    /// Compares the last line with the second. The first includes the start of the run.
    fn close(&self) -> Result<(), Box<dyn Error>> {
        let state = self.state.lock();
        let (Some(early), Some(last)) = (state.lines.get(1), state.lines.last()) else {
            return Err("too few rollouts to compare".into());
        };
        let grown = (last.resident - early.resident) * 1e6;
        writeln!(
            stdout(),
            "last / second line: {:.2} in memory, {:.2} in processor; {:.0} bytes for each candidate \
             accepted in between\n",
            last.resident / early.resident,
            last.each / early.each,
            grown / (last.candidates - early.candidates) as f64
        )?;
        Ok(())
    }
}

impl Ledger {
    fn see(&self, events: &[Event]) {
        let mut state = self.state.lock();
        for event in events {
            match &event.body {
                EventBody::Fact(Fact::RolloutSettled(_)) => state.now.rollouts += 1,
                EventBody::Decision(Decision::CandidateAccepted(_)) => state.now.candidates += 1,
                _ => {}
            }
        }
        let due = self.every * (state.lines.len() as u64 + 1);
        // The run ends a little short of its budget.
        if state.now.rollouts + 100 >= due {
            self.line(&mut state);
        }
    }
}

fn resident_bytes() -> f64 {
    const PAGE: f64 = 4096.0;
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split_whitespace().nth(1);
    resident
        .and_then(|count| count.parse::<f64>().ok())
        .unwrap_or_default()
        * PAGE
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}
