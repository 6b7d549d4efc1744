//! Runs of the engine through its public interface: started, steered, interrupted and resumed
//! against real stores.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod batches;
mod branch;
mod budgets;
mod concurrency;
mod endings;
mod exclusions;
mod extending;
mod failures;
mod gates;
mod in_flight;
mod knowing;
mod limits;
mod null_runs;
mod orders;
mod panics;
mod policies;
mod probe;
mod proposers;
mod records;
mod reflections;
mod resume;
mod scales;
mod search;
mod sharing;
mod snapshots;
mod starting;
mod steering;
mod stepped;
mod texts;
mod token_budget;
mod verdicts;
mod vetoes;
mod world;
