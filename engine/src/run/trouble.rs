//! What goes wrong before it becomes an outcome: attempts that fail and are tried again. A subscriber
//! sees them at once, long before the journal has a settled rollout.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use gepa_evaluation::{Evaluator, Failure, FailureKind, Outcome, Proposer};
use tokio::sync::watch;

use crate::event::RolloutSettled;
use crate::stop::StopReason;

/// Rollouts that must fail in the same way, with no score before them, until a run gives up.
const FIRST_FAILURES: usize = 4;
/// The same for rollouts that all ended at their time limit, each of which takes long.
const FIRST_TIMEOUTS: usize = 2;

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
    /// Whether each of the failures was a time limit.
    all_timed_out: bool,
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
            all_timed_out: true,
            last_message: String::new(),
            notice,
        }
    }

    /// Whether no rollout has had a score, and few have failed. Until then each is tried alone.
    pub(super) fn is_first(&self) -> bool {
        !self.is_over && self.failures.len() < FIRST_FAILURES
    }

    /// The failures after which the run is given up.
    fn enough(&self) -> usize {
        if self.all_timed_out {
            FIRST_TIMEOUTS
        } else {
            FIRST_FAILURES
        }
    }

    /// Whether a rollout that ends like this is tried again. Where nothing has ever worked, the same failure twice
    /// is enough, and another rollout that ends at the time limit is not tried a second time.
    pub(super) fn may_retry(&self, failure: &Failure, is_repeated: bool) -> bool {
        let is_slow = failure.kind == FailureKind::Timeout && !self.failures.is_empty();
        self.is_over || !(is_repeated || is_slow && self.all_timed_out)
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
            Outcome::Failed(failure) => self.take(failure),
        }
    }

    fn take(&mut self, failure: &Failure) {
        self.failures.push(words(&failure.message));
        self.all_timed_out &= failure.kind == FailureKind::Timeout;
        self.last_message.clone_from(&failure.message);
    }

    /// The reason to give up: the first rollouts all failed, and in the same way.
    pub(super) fn verdict(&self) -> Option<StopReason> {
        let first = self.failures.first()?;
        let is_hopeless = self.may_give_up
            && !self.is_over
            && self.failures.len() >= self.enough()
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
    use super::*;

    fn failure(message: &str) -> Failure {
        Failure::new(FailureKind::Transient, message)
    }

    fn opening() -> Opening {
        Opening::new(watch::channel(Trouble::default()).0, true, false)
    }

    fn note(opening: &mut Opening, kind: FailureKind, message: &str) {
        opening.take(&Failure::new(kind, message));
    }

    #[test]
    fn time_limits_end_the_opening_after_two_rollouts_and_other_failures_after_four() {
        let mut slow = opening();
        let timeout = Failure::new(FailureKind::Timeout, "no result within 60 s");
        assert!(slow.may_retry(&timeout, false), "a first start may be slow");
        assert!(!slow.may_retry(&timeout, true));
        note(&mut slow, FailureKind::Timeout, "no result within 60 s");
        assert!(slow.verdict().is_none());
        assert!(
            !slow.may_retry(&timeout, false),
            "a second rollout has one attempt"
        );
        note(&mut slow, FailureKind::Timeout, "no result within 60 s");
        assert!(slow.verdict().is_some());

        let mut mixed = opening();
        note(&mut mixed, FailureKind::Timeout, "no result within 60 s");
        for _ in 0..3 {
            assert!(mixed.verdict().is_none());
            note(&mut mixed, FailureKind::Permanent, "no result within 60 s");
        }
        assert!(mixed.verdict().is_some());
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
