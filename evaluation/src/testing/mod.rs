//! Fakes that ship with the traits: exact, instant, and never mistaken for a model.

mod fixed_evaluator;
mod scripted_model;

pub use fixed_evaluator::FixedEvaluator;
pub use scripted_model::ScriptedModel;
