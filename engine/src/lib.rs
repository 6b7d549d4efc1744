//! The GEPA engine: evolves prompts against an evaluator, and accounts for all tokens and cost.
//!
//! The library call, from settings to result:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use gepa_engine::{Evaluator, LanguageModel, RunResult, Store};
//! use gepa_engine::{Candidate, Config, ExampleSets, PromptTemplate, Run, Settings};
//! # async fn optimize(
//! #     store: Arc<dyn Store>,
//! #     evaluator: Arc<dyn Evaluator>,
//! #     model: Arc<dyn LanguageModel>,
//! # ) -> Result<RunResult, Box<dyn std::error::Error>> {
//!
//! let seed = Candidate::new([("instruction", "Answer the question.")])?;
//! let sets = ExampleSets::of_seeds(0..50, 50..100, 100..200);
//! let mut settings = Settings::default();
//! settings.budget.max_rollouts = Some(2_000);
//! let config = Config::new(seed, PromptTemplate::default(), sets, settings)?;
//! let run = Run::builder(config)
//!     .store(store)
//!     .evaluator(evaluator)
//!     .reflection_model(model)
//!     .start()
//!     .await?;
//! let result = run.finish().await?;
//! # Ok(result)
//! # }
//! ```
//!
//! The crate re-exports what its interface names, so a program depends on it and on a store.
//! `examples/` holds complete programs, one idea each.

pub mod config;
mod core;
mod counters;
mod event;
mod ids;
mod labels;
pub mod occupancy;
mod pages;
mod plan;
mod plan_calls;
mod plan_refusal;
pub mod policy;
mod posterior;
mod random;
pub mod record;
pub mod reflection;
pub mod replay;
mod run;
mod run_query;
mod stop;
mod store;
mod telemetry;
pub mod verdict;

pub use config::{Config, ExampleSets, InvalidConfig, Problem, Settings};
pub use core::{MOST_HINT_CHARS, Steering, SteeringRefused};
pub use counters::{Counters, UsageShare};
pub use event::*;
pub use ids::{BadRunId, RunId, Seq, Timestamp, TrialKey, snapshot_id};
pub use labels::{BadLabel, LabelChange, RunLabels, branches_of};
pub use pages::{EventPages, Pages, RolloutPages, newest_runs};
pub use plan::{Plan, PlanRow};
pub use posterior::Estimate;
pub use random::{ChaChaStreams, DrawPurpose, RandomSource};
pub use run::{
    BranchPoint, Order, ReflectionOrder, Rewritten, Run, RunBuilder, RunControl, RunEnd, RunError,
    RunHandle, RunResult, SteppedRun, Steps, TrialOrder, Trouble, TroubleWatch, WarmStart, abandon,
    note_ablation, steer_at_rest, warm_start,
};
pub use run_query::{RunQuery, RunTexts};
pub use stop::StopReason;
pub use store::{Claim, ClaimNotice, ClaimToken, Store, StoreError};

pub use async_trait::async_trait;
pub use gepa_archive::{
    Archive, Candidate, CandidateError, CandidateIndex, ContentId, Frontier, Origin,
};
pub use gepa_evaluation::{
    BatchAnswers, CallLimit, CallsClosed, ChatRequest, Completion, CpuBound, CpuEvaluator,
    Evaluation, Evaluator, EvaluatorInfo, ExampleId, Failure, FailureKind, FinishReason,
    LanguageModel, Message, MicroUsd, ModelError, ModelErrorKind, ModelInfo, Outcome, Phase,
    PromptMessage, PromptTemplate, ProposalRequest, ProposedTexts, Proposer, ProposerError,
    ProposerErrorKind, Purpose, RolloutRequest, Scored, Section, Stage, TrialBatch, Usage,
    UsageBound, evaluate_alone,
};
