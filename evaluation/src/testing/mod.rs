//! Fakes that ship with the traits: exact, instant, and never mistaken for a model.

pub mod decoding;
mod fixed_evaluator;
mod model_server;
mod scripted_model;

pub use fixed_evaluator::FixedEvaluator;
pub use model_server::{
    Fault, FaultPlan, Ledger, ModelCall, ModelReply, ModelServer, ModelServerBuilder,
    ReportedUsage, RetryAfter,
};
pub use scripted_model::ScriptedModel;
