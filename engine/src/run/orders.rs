//! What a stepped run gives out, and what it takes back.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{ExampleId, Scored, Stage, Usage};

use crate::event::ReflectionFailure;
use crate::ids::{Timestamp, TrialKey};

/// Something to carry out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Order {
    /// Run a candidate on examples; each is answered by [`SteppedRun::settle`](crate::SteppedRun::settle).
    Trial(TrialOrder),
    /// Rewrite a component; answered by [`SteppedRun::settle_reflection`](crate::SteppedRun::settle_reflection).
    Reflection(ReflectionOrder),
}

/// One candidate on examples of one trial.
#[derive(Clone, Debug)]
pub struct TrialOrder {
    /// The trial.
    pub trial: TrialKey,
    /// Why it happens.
    pub stage: Stage,
    /// The candidate.
    pub candidate: Arc<Candidate>,
    /// The places to fill, with their examples, in the order of the trial.
    pub rollouts: Vec<(u32, ExampleId)>,
}

/// One component to rewrite.
#[derive(Clone, Debug)]
pub struct ReflectionOrder {
    /// The iteration.
    pub iteration: u64,
    /// The component.
    pub component: Arc<str>,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The parent.
    pub candidate: Arc<Candidate>,
    /// The parent's outcomes on its minibatch, for the examples that have a score.
    pub outcomes: Vec<(ExampleId, Scored)>,
}

/// The answer to a [`ReflectionOrder`].
#[derive(Clone, Debug)]
pub struct Rewritten {
    /// The new text, or why there is none.
    pub text: Result<String, ReflectionFailure>,
    /// The model's reply, if there was one.
    pub reply: Option<String>,
    /// What the call cost.
    pub usage: Usage,
    /// When it began.
    pub since: Timestamp,
}
