//! Scores of prompts outside of a search, and which lines of a prompt earn their tokens.
//!
//! [`Scoring`] buys the scores of a prompt on examples, in a run without proposals, and stores them for
//! later runs. [`Ablation`] removes the lines of a prompt one at a time and looks for a shorter prompt
//! that does as well.

mod ablation;
mod decision;
mod error;
mod parts;
mod race;
mod report;
mod same_task;
mod scoring;
mod sets;

pub use ablation::{Ablation, AblationSettings};
pub use decision::Finding;
pub use error::AblationError;
pub use race::{AblationStep, Follower, TAG, note_of};
pub use report::{AblationReport, PartReport, Shorter};
pub use same_task::{
    can_be_decided_again, evaluations_of, has_same_frame, is_evaluation, is_of_same_task,
    is_same_task, refusal_of_evaluation, single_settings, way_on,
};
pub use scoring::{Named, ScoredRun, Scoring, as_evaluation, in_order, width};
