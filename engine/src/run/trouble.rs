//! What goes wrong before it becomes an outcome: attempts that fail and are tried again. A subscriber
//! sees them at once, long before the journal has a settled rollout.

use std::fmt;
use std::sync::Arc;

use gepa_evaluation::{Evaluator, Failure, Outcome, Proposer};
use tokio::sync::watch;

use crate::event::RolloutSettled;
use crate::stop::StopReason;

/// Rollouts that must fail in the same way, with no score before them, until a run gives up.
const FIRST_FAILURES: usize = 4;

/// The failed attempts of this process that were tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Their number.
    pub failed_attempts: u64,
    /// The kind and message of the last one, as a text for people.
    pub last: Option<String>,
}

/// Looks at what goes wrong in a running run.
#[derive(Clone)]
pub struct TroubleWatch {
    pub(super) attempts: watch::Receiver<Trouble>,
    pub(super) evaluator: Arc<dyn Evaluator>,
    pub(super) proposer: Arc<dyn Proposer>,
}

impl TroubleWatch {
    /// The failed attempts so far.
    pub fn attempts(&self) -> Trouble {
        self.attempts.borrow().clone()
    }

    /// The reason why calls wait at this moment, for people; `None` if none has to wait.
    pub fn obstacle(&self) -> Option<String> {
        let of_proposer = || self.proposer.obstacle();
        self.evaluator.obstacle().or_else(of_proposer)
    }
}

impl fmt::Debug for TroubleWatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TroubleWatch")
            .field("attempts", &self.attempts())
            .finish_non_exhaustive()
    }
}

/// The first rollouts of a run: whether any had a score, and how they failed.
#[derive(Debug)]
pub(super) struct Opening {
    is_over: bool,
    /// Whether failures at the beginning may end the run.
    may_give_up: bool,
    failures: Vec<String>,
    last_message: String,
    notice: watch::Sender<Trouble>,
}

impl Opening {
    /// The opening of a run. One that is continued after rollouts has none.
    pub(super) fn new(notice: watch::Sender<Trouble>, may_give_up: bool, is_over: bool) -> Self {
        Self {
            is_over,
            may_give_up,
            failures: Vec::new(),
            last_message: String::new(),
            notice,
        }
    }

    /// Whether no rollout has had a score, and few have failed. Until then each is tried alone.
    pub(super) fn is_first(&self) -> bool {
        !self.is_over && self.failures.len() < FIRST_FAILURES
    }

    /// Whether no rollout has had a score.
    pub(super) fn is_open(&self) -> bool {
        !self.is_over
    }

    /// Reports an attempt that failed and is tried again.
    pub(super) fn note_attempt(&self, failure: &Failure) {
        self.notice.send_modify(|trouble| {
            trouble.failed_attempts += 1;
            let kind = failure.kind.as_str();
            trouble.last = Some(format!("{kind}: {}", failure.message));
        });
    }

    /// Takes in a rollout that is over.
    pub(super) fn note_settled(&mut self, settled: &RolloutSettled) {
        if self.is_over {
            return;
        }
        match &*settled.outcome {
            Outcome::Scored(_) => self.is_over = true,
            Outcome::Failed(failure) => {
                self.failures.push(shape(&failure.message));
                self.last_message.clone_from(&failure.message);
            }
        }
    }

    /// The reason to give up: the first rollouts all failed, and in the same way.
    pub(super) fn verdict(&self) -> Option<StopReason> {
        let first = self.failures.first()?;
        let is_hopeless = self.may_give_up
            && !self.is_over
            && self.failures.len() >= FIRST_FAILURES
            && self.failures.iter().all(|failure| failure == first);
        is_hopeless.then(|| {
            let failed = self.failures.len() as u64;
            StopReason::EvaluatorFailures {
                failed,
                of: failed,
                message: self.last_message.clone(),
            }
        })
    }
}

/// Whether two failures have the same message, but for numbers.
pub(super) fn are_alike(before: &Outcome, now: &Failure) -> bool {
    match before {
        Outcome::Failed(before) => shape(&before.message) == shape(&now.message),
        Outcome::Scored(_) => false,
    }
}

fn shape(message: &str) -> String {
    message
        .chars()
        .filter(|one| !one.is_ascii_digit())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_alike_but_for_numbers() {
        let failure =
            |message: &str| match Outcome::failed(gepa_evaluation::FailureKind::Transient, message)
            {
                Outcome::Failed(failure) => failure,
                Outcome::Scored(_) => unreachable!("a failure was made"),
            };
        let before = Outcome::Failed(failure("example 3: KeyError"));
        assert!(are_alike(&before, &failure("example 12: KeyError")));
        assert!(!are_alike(&before, &failure("example 12: ValueError")));
        assert!(!are_alike(
            &Outcome::score(1.0),
            &failure("example 3: KeyError")
        ));
    }
}
