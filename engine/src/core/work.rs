//! The orders that the core gives to the run, which can wait for their results.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{EarlierAttempt, ExampleId, ReflectiveRecord, Stage};

use super::priority::Priority;
use super::scale::Scale;
use super::trial::Trial;
use crate::config::CopiedExamples;
use crate::ids::TrialKey;
use crate::reflection::{ShownWords, TextRules};

/// An order, answered by a fact.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Run a rollout; answered by `RolloutSettled`.
    Rollout(RolloutWork),
    /// Ask the proposer for one component; answered by `ReflectionSettled`.
    Reflection(Box<ReflectionWork>),
    /// Removes from the queue everything that has not started.
    DropQueued,
    /// Removes from the queue the rollouts of a trial that have not started. Answered by
    /// `RolloutsDropped`, if there were any.
    DropTrial(TrialKey),
    /// Moves the rollouts of a trial that have not started to another place in the queue.
    Move(TrialKey, Priority),
}

/// A rollout to run.
#[derive(Clone, Debug)]
pub(crate) struct RolloutWork {
    pub(crate) trial: TrialKey,
    pub(crate) stage: Stage,
    pub(crate) candidate: Arc<Candidate>,
    pub(crate) position: usize,
    pub(crate) example: ExampleId,
    /// Whether this rollout replaces a settled failure.
    pub(crate) again: bool,
    /// Its place in the queue.
    pub(crate) priority: Priority,
}

/// A component to rewrite.
#[derive(Clone, Debug)]
pub(crate) struct ReflectionWork {
    pub(crate) iteration: u64,
    pub(crate) component: Arc<str>,
    pub(crate) attempt: u32,
    /// The parent.
    pub(crate) candidate: Arc<Candidate>,
    /// The parent's outcomes on its minibatch, for the examples that could be scored.
    pub(crate) records: Vec<ReflectiveRecord>,
    /// Why the last answer could not be used; empty at the first attempt.
    pub(crate) complaint: String,
    /// A person's hint.
    pub(crate) hint: Option<Arc<str>>,
    pub(crate) rules: TextRules,
    /// A text that was too long and is to be shortened.
    pub(crate) shorten: Option<Arc<str>>,
    /// Rejected rewrites of the component, the oldest first.
    pub(crate) earlier: Vec<EarlierAttempt>,
    /// The number of texts requested.
    pub(crate) texts: u32,
}

impl ReflectionWork {
    /// The words of the examples that a new text must not copy; `None` if it may.
    pub(crate) fn shown_words(&self) -> Option<ShownWords> {
        let rules = &self.rules;
        let looked_for = rules.copied != CopiedExamples::Allow;
        looked_for.then(|| ShownWords::of(&self.records, &self.component, &rules.current))
    }
}

/// Orders for all open slots of a trial, without those whose outcomes other trials buy.
pub(crate) fn rollouts_of(trial: &Trial) -> impl Iterator<Item = Work> + '_ {
    let open = trial.open_positions();
    open.map(|(position, again)| rollout_at(trial, position, again))
}

/// The order for one slot of a trial.
pub(super) fn rollout_at(trial: &Trial, position: usize, again: bool) -> Work {
    Work::Rollout(RolloutWork {
        trial: trial.key,
        stage: trial.stage,
        candidate: Arc::clone(&trial.candidate),
        position,
        example: trial.examples[position].clone(),
        again,
        priority: trial.priority,
    })
}

/// Whether every rollout of a trial has an outcome that stands. Rollouts that failed because of their
/// surroundings are ordered once more first.
pub(super) fn is_complete(trial: &mut Trial, scale: &Scale, work: &mut Vec<Work>) -> bool {
    if !trial.is_complete() {
        return false;
    }
    if scale.leaves_failures_out() || !trial.reopen_passing() {
        return true;
    }
    work.extend(rollouts_of(trial));
    false
}
