//! The GEPA engine: evolves prompts against an evaluator, and can answer for everything it paid for.
//!
//! The library call, from configuration to result:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use gepa_archive::Candidate;
//! # use gepa_engine::config::BudgetSettings;
//! # use gepa_engine::{Config, ExampleSets, Run, RunResult, Settings, Store};
//! # use gepa_evaluation::{Evaluator, LanguageModel, PromptTemplate};
//! async fn optimize(
//!     store: Arc<dyn Store>,
//!     evaluator: Arc<dyn Evaluator>,
//!     reflection_model: Arc<dyn LanguageModel>,
//! ) -> Result<RunResult, Box<dyn std::error::Error>> {
//!     let seed = Candidate::new([("instruction", "Answer the question.")])?;
//!     let ids = |range: std::ops::Range<u64>| range.map(Into::into).collect();
//!     let sets = ExampleSets { train: ids(0..50), pareto: ids(50..100), validation: ids(100..200) };
//!     let budget = BudgetSettings { max_rollouts: Some(2_000), ..Default::default() };
//!     let settings = Settings { budget, ..Default::default() };
//!     let config = Config::new(seed, PromptTemplate::default(), sets, settings)
//!         .map_err(|problems| format!("{problems:?}"))?;
//!
//!     let run = Run::builder(config)
//!         .store(store)
//!         .evaluator(evaluator)
//!         .reflection_model(reflection_model)
//!         .start()
//!         .await?;
//!     let control = run.control(); // pause, resume, stop, interrupt, inject from anywhere
//!     let mut events = run.subscribe(); // batches of events, each stored before it is seen
//!     tokio::spawn(async move { while let Ok(batch) = events.recv().await { drop(batch) } });
//!     drop(control);
//!     Ok(run.finish().await?)
//! }
//! ```
//!
//! `examples/` holds complete programs: an evaluator that waits and one that computes.

pub mod config;
mod core;
mod counters;
mod event;
mod ids;
mod plan;
pub mod policy;
mod random;
pub mod record;
pub mod reflection;
pub mod replay;
mod run;
mod stop;
mod store;
mod telemetry;

pub use config::{Config, ExampleSets, Problem, Settings};
pub use counters::{Counters, UsageShare};
pub use event::*;
pub use ids::{BadRunId, RunId, Seq, Timestamp, TrialKey, snapshot_id};
pub use plan::{Plan, PlanRow};
pub use random::{ChaChaStreams, DrawPurpose, RandomSource};
pub use run::{
    Observe, Run, RunBuilder, RunControl, RunEnd, RunError, RunHandle, RunResult, abandon,
};
pub use stop::StopReason;
pub use store::{Claim, Store, StoreError};
