//! The search's replaceable decisions, one trait each.
//!
//! A policy answers one question at one point of the search: which parent, which examples, which
//! components, whether a child passes its gate, which candidate is the result, whether the search
//! ends. It decides and does not wait: it makes no call, reads no clock and keeps no lock. What it
//! may know is in the question. The configuration chooses among the built-in policies of each file.

mod acceptance;
mod components;
mod configured;
#[cfg(test)]
mod laws;
mod minibatch;
mod parent;
mod stop;
mod winner;

pub use acceptance::{AcceptanceRule, GateQuestion};
pub use components::{ComponentQuestion, ComponentSelector};
pub(crate) use configured::PolicySet;
pub use minibatch::{EpochShuffled, MinibatchQuestion, MinibatchSampler};
pub use parent::{ParentQuestion, ParentSelector};
pub use stop::{Account, Standing, StopAnswer, StopCondition};
pub use winner::{BestMean, WinnerChoice};
