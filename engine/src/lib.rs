//! The GEPA engine: evolves prompts against an evaluator, and can answer for everything it paid for.

pub mod config;
mod core;
mod counters;
mod event;
mod ids;
mod random;
pub mod record;
pub mod reflection;
mod run;
pub mod search;
mod stop;
mod store;
mod telemetry;

pub use config::{Config, ExampleSets, Problem, Settings};
pub use counters::{Counters, UsageShare};
pub use event::*;
pub use ids::{BadRunId, RunId, Seq, Timestamp, TrialKey, snapshot_id};
pub use random::{ChaChaStreams, DrawPurpose, RandomSource};
pub use run::{Observe, Run, RunBuilder, RunControl, RunEnd, RunError, RunHandle, RunResult};
pub use stop::StopReason;
pub use store::{Claim, Store, StoreError};
