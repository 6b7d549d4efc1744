//! Counts how many of the last rollouts failed.

use std::collections::VecDeque;

use gepa_evaluation::Outcome;

use super::trial::Trial;
use crate::stop::StopReason;

/// The number of latest rollouts that the fraction is taken over.
const WINDOW: usize = 100;
/// With fewer rollouts than this, the fraction is not checked.
const FEWEST: usize = 10;

/// The recent outcomes, in the order in which their trials were decided on.
#[derive(Debug)]
pub(crate) struct FailureWindow {
    max_fraction: f64,
    failed: VecDeque<bool>,
    failures: usize,
    last_message: String,
}

impl FailureWindow {
    pub(crate) fn new(max_fraction: f64) -> Self {
        Self {
            max_fraction,
            failed: VecDeque::new(),
            failures: 0,
            last_message: String::new(),
        }
    }

    /// Sets the fraction of failed rollouts above which a run ends.
    pub(crate) fn tolerate(&mut self, max_fraction: f64) {
        self.max_fraction = max_fraction;
    }

    /// Counts the rollouts that a decided trial executed.
    pub(crate) fn count(&mut self, trial: &Trial) {
        for (_, outcome) in trial.bought() {
            let failed = match &**outcome {
                Outcome::Scored(_) => false,
                Outcome::Failed(failure) => {
                    self.last_message.clone_from(&failure.message);
                    true
                }
            };
            self.failed.push_back(failed);
            self.failures += usize::from(failed);
            if self.failed.len() > WINDOW {
                self.failures -= usize::from(self.failed.pop_front() == Some(true));
            }
        }
    }

    /// The reason to stop, if the fraction of failed rollouts exceeds the limit.
    pub(crate) fn verdict(&self) -> Option<StopReason> {
        let seen = self.failed.len();
        let too_many = self.failures as f64 > self.max_fraction * seen as f64;
        (seen >= FEWEST && too_many).then(|| self.reason())
    }

    /// The reason to stop when no rollout could be scored.
    pub(crate) fn reason(&self) -> StopReason {
        StopReason::EvaluatorFailures {
            failed: self.failures as u64,
            of: self.failed.len() as u64,
            message: self.last_message.clone(),
        }
    }
}
