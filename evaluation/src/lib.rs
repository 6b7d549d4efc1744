//! Evaluation: running a candidate on an example, talking to models, and saying what it cost.
//!
//! Knows nothing about what will be tried next; that is the engine's business. Everything here
//! answers with a typed [`Outcome`] and its [`Usage`], never with a bare number.

mod cpu;
pub mod dataset;
mod environment;
mod evaluator;
mod example;
mod http_address;
pub mod interceptor;
mod llm;
mod model;
mod outcome;
pub mod process;
mod prompt;
pub mod rulebook;
pub mod scorer;
mod services;
mod stage;
pub mod task_app;
mod usage;

#[cfg(feature = "testing")]
pub mod testing;

pub use cpu::{CpuBound, CpuEvaluator, run_cpu};
pub use environment::{Environment, EnvironmentError};
pub use evaluator::{Evaluation, Evaluator, EvaluatorInfo, RolloutRequest};
pub use example::ExampleId;
pub use http_address::{AddressError, HttpAddress};
pub use llm::{
    ApiKey, ChatModel, ForwardError, MaxTokensField, ModelSettings, ModelSetupError, Models,
    PriceSettings, ProviderSettings, RawReply, RetryTiming, Spending, StreamEnd, StreamedReply,
    known_providers, public_base_url,
};
pub use model::{
    ChatRequest, Completion, FinishReason, LanguageModel, Message, ModelError, ModelErrorKind,
    ModelInfo,
};
pub use outcome::{Failure, FailureKind, Outcome, Scored};
pub use prompt::{PromptMessage, PromptTemplate, Section, wildcards_in};
pub use services::Services;
pub use stage::{Phase, Stage};
pub use usage::{MicroUsd, Purpose, Usage, UsageBound};
