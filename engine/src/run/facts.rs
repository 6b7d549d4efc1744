//! What becomes of an answer: the fact that is journaled, or the news that a provider is down.

use std::sync::Arc;

use gepa_evaluation::{Outcome, RolloutRequest, Usage};

use crate::core::RolloutWork;
use crate::event::{Fact, RolloutSettled};
use crate::ids::Timestamp;

/// A rollout in progress, with the cost of its attempts so far.
#[derive(Debug)]
pub(super) struct RolloutJob {
    pub(super) work: RolloutWork,
    /// Attempts begun.
    pub(super) attempt: u32,
    pub(super) started_at: Option<Timestamp>,
    /// The results of earlier attempts, if there were any.
    pub(super) earlier: Option<Box<Earlier>>,
}

/// The results of a rollout's attempts so far.
#[derive(Debug)]
pub(super) struct Earlier {
    pub(super) usage: Usage,
    pub(super) judge_usage: Usage,
    /// The error of the last attempt.
    pub(super) failure: Outcome,
}

/// The outcome of a wait for work.
pub(super) enum DispatchOutcome {
    /// A fact to journal.
    Fact(Fact),
    /// Facts to journal.
    Facts(Vec<Fact>),
    /// The provider is down; the run must pause.
    ProviderDown {
        /// The error that showed it.
        reason: String,
        /// When calls go on, in seconds since the Unix epoch, where that is known.
        goes_on_at: Option<u64>,
        /// A fact to journal as well, if attempts have cost anything.
        attempts: Option<Fact>,
    },
    /// Nothing to journal.
    Nothing,
}

impl RolloutJob {
    pub(super) fn new(work: RolloutWork) -> Self {
        Self {
            work,
            attempt: 0,
            started_at: None,
            earlier: None,
        }
    }

    /// The present attempt, for the evaluator.
    pub(super) fn request(&self, run_id: Arc<str>, trial_id: Arc<str>) -> RolloutRequest {
        let work = &self.work;
        RolloutRequest {
            candidate: Arc::clone(&work.candidate),
            example: work.example.clone(),
            run_id,
            trial_id,
            stage: work.stage,
            iteration: work.trial.iteration,
            trial_index: work.trial.index,
            attempt: self.attempt,
        }
    }

    /// The cost of all attempts, including the one that ended with this evaluation.
    pub(super) fn spent(&self, usage: Usage, judge_usage: Usage) -> (Usage, Usage) {
        match &self.earlier {
            Some(earlier) => (earlier.usage + usage, earlier.judge_usage + judge_usage),
            None => (usage, judge_usage),
        }
    }

    /// The fact of a rollout whose next attempt comes after a resumption; `None` if no attempt has
    /// ended yet.
    pub(super) fn suspended(mut self, now: Timestamp) -> Option<Fact> {
        let Earlier {
            usage,
            judge_usage,
            failure,
        } = *self.earlier.take()?;
        let record = self.record(failure, usage, judge_usage, now);
        Some(Fact::RolloutSuspended(Box::new(record)))
    }

    /// The fact of a rollout that is not tried again; `None` if no attempt has ended yet.
    pub(super) fn given_up(mut self, now: Timestamp) -> Option<Fact> {
        let Earlier {
            usage,
            judge_usage,
            failure,
        } = *self.earlier.take()?;
        Some(self.settled(failure, (usage, judge_usage), now))
    }

    /// The fact of a rollout that is over, with the cost of all its attempts.
    pub(super) fn settled(
        self,
        outcome: Outcome,
        (usage, judge_usage): (Usage, Usage),
        now: Timestamp,
    ) -> Fact {
        let record = self.record(outcome, usage, judge_usage, now);
        Fact::RolloutSettled(Box::new(record))
    }

    fn record(
        self,
        outcome: Outcome,
        usage: Usage,
        judge_usage: Usage,
        now: Timestamp,
    ) -> RolloutSettled {
        RolloutSettled {
            trial: self.work.trial,
            stage: self.work.stage,
            candidate: self.work.candidate.content_id(),
            position: self.work.position as u32,
            example: self.work.example,
            attempts: self.attempt,
            again: self.work.again,
            started_at: self.started_at.unwrap_or(now),
            finished_at: now,
            usage,
            judge_usage,
            outcome: Arc::new(outcome),
        }
    }
}
