//! The search's replaceable decisions, one trait each.
//!
//! A policy answers one question at one point of the search: which parent, which examples, which
//! components, whether a child passes its gate, how much of the pareto set it is run on, which
//! candidate is the result, whether the search ends. It decides and does not wait: it makes no
//! call, reads no clock and holds no lock. What it may know is in the question. The configuration
//! chooses among the built-in policies of each file;
//! [`RunBuilder::policies`](crate::RunBuilder::policies) puts others in their place.

mod acceptance;
mod answers;
mod components;
mod configured;
mod evaluation;
mod growing;
#[cfg(test)]
pub(crate) mod laws;
mod minibatch;
mod parent;
mod policies;
mod spread;
mod standing;
mod stop;
mod winner;

pub use acceptance::{AcceptanceRule, GateQuestion};
pub(crate) use answers::{Question, Seat};
pub use components::{ComponentQuestion, ComponentSelector};
pub(crate) use configured::PolicySet;
pub(crate) use evaluation::{Field, Rivals};
pub use evaluation::{
    Full, ParetoEvaluation, RowPlan, RowQuestion, RowScore, RowStep, RungVerdict,
};
pub use growing::Growing;
pub use minibatch::{EpochShuffled, MinibatchQuestion, MinibatchSampler};
pub use parent::{ParentQuestion, ParentSelector};
pub use policies::Policies;
pub use standing::{Account, Standing};
pub use stop::{StopAnswer, StopCondition};
pub use winner::{BestMean, WinnerChoice};
