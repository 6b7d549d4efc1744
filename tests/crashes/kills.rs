//! Runs that are killed at random instants until they end.
//!
//! `GEPA_CRASH_KILLS` is the number of kills (200 by default). `GEPA_CRASH_SEED` repeats the
//! instants of an earlier run, up to the timing of the machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, SystemTime};

use gepa_testing::FaultPlan;
use rustix::process::Signal;
use serde_json::Value;

use super::books::{check_records, decisions, settled_calls};
use super::parts::Part;
use crate::accounting::check_agreement;
use crate::support::{Server, Workspace};

const ROLLOUTS: u64 = 180;
const LATENCY: Duration = Duration::from_millis(6);
/// The slots of the config plus the most reflections at once.
const IN_FLIGHT: u64 = 8 + 8;

#[test]
fn a_run_killed_at_random_again_and_again_loses_only_calls_in_flight() {
    let kills = from_environment("GEPA_CRASH_KILLS").unwrap_or(200);
    let seed = from_environment("GEPA_CRASH_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.unwrap().as_micros() as u64
    });
    let expected = undisturbed();
    let mut chance = Chance(seed);
    let mut log = Log::default();
    while log.kills < kills {
        let finished = kill_to_the_end(&mut chance, kills, &mut log);
        log.runs += 1;
        assert_eq!(decisions(&finished), expected, "seed {seed}");
    }
    println!("seed {seed}: {log}");
    if kills >= 60 {
        for part in [Part::Seed, Part::Gate, Part::Pareto, Part::Validation] {
            assert!(log.parts.contains_key(&part), "no kill in {part}: {log}");
        }
    }
}

/// Kills one run until it has finished or `kills` is reached. Returns its events.
fn kill_to_the_end(chance: &mut Chance, kills: u64, log: &mut Log) -> Vec<Value> {
    let server = Server::with(FaultPlan::none(), LATENCY);
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    let mut running = workspace.start(&["run", "config.toml"]);
    let run = running.run.clone();
    let mut lost = 0;
    loop {
        thread::sleep(Duration::from_micros(chance.below(60_000)));
        running.signal(Signal::KILL);
        running.wait();
        server.wait_until(|ledger| ledger.in_flight == 0);
        log.kills += 1;
        let events = workspace.export("events");
        for part in Part::under_way(&events) {
            *log.parts.entry(part).or_default() += 1;
        }
        check_records(&workspace, &events);

        // Calls that the provider answered and no journal has were in flight when the process died.
        let lost_now = server.ledger().calls_answered - settled_calls(&events) - lost;
        assert!(lost_now <= 2 * IN_FLIGHT, "{lost_now} calls lost at once");
        lost += lost_now;
        log.lost += lost_now;
        log.most_lost = log.most_lost.max(lost_now);
        if is_finished(&events) {
            break;
        }
        if log.kills >= kills {
            workspace.succeed(&["run", "--resume", &run]);
            break;
        }
        running = workspace.start(&["run", "--resume", &run]);
    }
    let events = workspace.export("events");
    check_records(&workspace, &events);
    check_agreement(&workspace);
    assert_eq!(
        server.ledger().calls_answered,
        settled_calls(&events) + lost,
        "nothing but what was lost in flight is bought again"
    );
    log.calls += server.ledger().calls_answered;
    events
}

fn undisturbed() -> Vec<String> {
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    workspace.succeed(&["run", "config.toml"]);
    decisions(&workspace.export("events"))
}

fn is_finished(events: &[Value]) -> bool {
    events.iter().any(|event| event["kind"] == "run_finished")
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What happened in the test.
#[derive(Debug, Default)]
struct Log {
    runs: u64,
    kills: u64,
    calls: u64,
    lost: u64,
    most_lost: u64,
    parts: BTreeMap<Part, u64>,
}

impl std::fmt::Display for Log {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = String::new();
        for part in Part::ALL {
            let count = self.parts.get(&part).copied().unwrap_or_default();
            write!(parts, "\n  {part:<18} {count}")?;
        }
        write!(
            formatter,
            "{} kills survived in {} runs; {} calls answered, {} of them lost in flight and made again \
             (at most {} by one kill), differences found: none; kills that fell into{parts}",
            self.kills, self.runs, self.calls, self.lost, self.most_lost
        )
    }
}

/// A `splitmix64` stream.
#[derive(Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}
