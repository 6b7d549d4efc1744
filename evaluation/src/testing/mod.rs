//! Fakes that ship with the traits: exact, instant, and never mistaken for a model.

pub mod decoding;
mod fixed_evaluator;
mod model_server;
mod scripted_model;

pub use fixed_evaluator::FixedEvaluator;
pub use model_server::{
    Behaviour, CapacityPlan, Demand, Fault, FaultPlan, Ledger, ModelCall, ModelCount, ModelReply,
    ModelServer, ModelServerBuilder, Overload, Period, PeriodBooks, ReportedUsage, RetryAfter,
    oracle,
};
#[cfg(test)]
pub(crate) use model_server::{Capacity, Verdict};
pub use scripted_model::ScriptedModel;
