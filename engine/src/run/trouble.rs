//! What goes wrong before it becomes an outcome: attempts that fail and are tried again. A subscriber
//! sees them at once, long before the journal has a settled rollout.

use std::collections::BTreeSet;
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
    failures: Vec<Words>,
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
                self.failures.push(words(&failure.message));
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
            && self
                .failures
                .iter()
                .all(|failure| are_similar(failure, first));
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

/// Whether two failures have the same cause, judged by their messages.
pub(super) fn are_alike(before: &Outcome, now: &Failure) -> bool {
    match before {
        Outcome::Failed(before) => are_similar(&words(&before.message), &words(&now.message)),
        Outcome::Scored(_) => false,
    }
}

/// The words of a message. What names an example (numbers, ids, hashes) is no word.
type Words = BTreeSet<String>;

fn words(message: &str) -> Words {
    message
        .split(|one: char| !one.is_alphanumeric())
        .filter(|word| !word.is_empty() && !word.contains(|one: char| one.is_ascii_digit()))
        .map(str::to_owned)
        .collect()
}

/// Whether two messages share at least half of the words that either has: the rest is what the example
/// brought into them, such as the text that could not be read.
fn are_similar(one: &Words, other: &Words) -> bool {
    2 * one.intersection(other).count() >= one.union(other).count()
}

#[cfg(test)]
mod tests {
    use gepa_evaluation::FailureKind;

    use super::*;

    fn failure(message: &str) -> Failure {
        Failure::new(FailureKind::Transient, message)
    }

    #[test]
    fn messages_are_alike_where_they_differ_in_what_the_example_brings() {
        for (before, now, expected) in [
            ("example 3: KeyError", "example 12: KeyError", true),
            ("example 3: KeyError", "example 12: ValueError", false),
            (
                "the process died before it answered (exit status: 1); stderr ends with: ValueError: pear",
                "the process died before it answered (exit status: 1); stderr ends with: KeyError: 'plum'",
                true,
            ),
            ("KeyError: 'apple'", "KeyError: 'pear'", false),
            ("row a81f: cannot read it", "row 77c0: cannot read it", true),
            ("", "", true),
            ("", "content filter", false),
        ] {
            let before_failed = Outcome::Failed(failure(before));
            assert_eq!(
                are_alike(&before_failed, &failure(now)),
                expected,
                "{before} / {now}"
            );
        }
        assert!(!are_alike(
            &Outcome::score(1.0),
            &failure("example 3: KeyError")
        ));
    }
}
