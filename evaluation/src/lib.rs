//! The traits of evaluation: evaluators run candidates on examples, language models answer chats.
//!
//! This crate holds traits and values only. The crates beside it implement them: `gepa-models`
//! (providers), `gepa-tasks` (datasets, scorers, processes, task apps) and `gepa-rulebook` (the
//! provider that needs no network). Every call returns a typed [`Outcome`] and its [`Usage`], never
//! a bare number.

mod batch;
mod call_limit;
mod cpu;
mod evaluator;
mod example;
mod model;
mod outcome;
mod prompt;
mod proposer;
mod reasoning;
mod requirements;
mod rollout;
mod rollout_clock;
mod score_range;
mod stage;
mod usage;
mod wildcards;

pub use batch::{BatchAnswers, TrialBatch};
pub use call_limit::{CallLimit, CallsClosed};
pub use cpu::{CpuBound, CpuEvaluator, run_cpu};
pub use evaluator::{Evaluator, EvaluatorInfo, evaluate_alone};
pub use example::ExampleId;
pub use model::{
    ChatRequest, Completion, FinishReason, LanguageModel, Message, ModelError, ModelErrorKind,
    ModelInfo,
};
pub use outcome::{Failure, FailureKind, Outcome, REASONING_KEY, Scored};
pub use prompt::{PromptMessage, PromptTemplate, Section};
pub use proposer::{
    ComponentRequest, EarlierAttempt, ExampleRecord, ProposalRequest, ProposedTexts, Proposer,
    ProposerError, ProposerErrorKind, ReflectiveRecord, SentPrompt,
};
pub use reasoning::{SplitReply, split_reasoning};
pub use requirements::{
    PatternSyntax, PlainPatterns, TextPattern, TextRequirements, estimated_tokens,
};
pub use rollout::{Evaluation, RolloutRequest};
pub use rollout_clock::{CallPart, RolloutClock};
pub use score_range::ScoreRange;
pub use stage::{Phase, Stage};
pub use usage::{MicroUsd, Purpose, Usage, UsageBound};
pub use wildcards::{
    PatternPart, is_plain_name, split_wildcards, split_wildcards_named, wildcards_in,
    wildcards_named,
};
