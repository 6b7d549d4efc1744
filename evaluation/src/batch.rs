//! Rollouts of one trial that an evaluator gets in one call, and their answers as they come.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gepa_archive::Candidate;

use crate::{Evaluation, ExampleId, Failure, FailureKind, Outcome, Phase, RolloutRequest, Stage};

/// Rollouts of one trial: one candidate on an ordered list of examples. It may be a part of the
/// trial: what slots and the budget allow at that moment.
#[derive(Clone, Debug)]
pub struct TrialBatch {
    /// The candidate under evaluation.
    pub candidate: Arc<Candidate>,
    /// The examples to run it on, in the order of the trial; at least one, none twice. An answer
    /// names the place of its example in this list.
    pub examples: Vec<ExampleId>,
    /// The run this belongs to.
    pub run_id: Arc<str>,
    /// The trial this belongs to.
    pub trial_id: Arc<str>,
    /// Why the trial happens; fixes the phase.
    pub stage: Stage,
    /// The iteration; 0 for the seed's evaluation.
    pub iteration: u64,
    /// The trial's place within its iteration.
    pub trial_index: u32,
    /// Which attempt this is at each of these rollouts, from 1.
    pub attempt: u32,
}

impl TrialBatch {
    /// The phase the stage belongs to.
    pub fn phase(&self) -> Phase {
        self.stage.phase()
    }

    /// Whether reflection will read the traces of these rollouts; others may skip building them.
    pub fn wants_trace(&self) -> bool {
        self.stage.wants_trace()
    }

    /// The failure of a rollout whose batch ended without an answer for it.
    pub fn no_answer() -> Failure {
        let message = "the evaluator ended the batch without an answer for this rollout";
        Failure::new(FailureKind::Permanent, message)
    }

    /// The rollouts one by one, in order.
    pub fn requests(&self) -> impl Iterator<Item = RolloutRequest> + '_ {
        self.examples.iter().map(|example| RolloutRequest {
            candidate: Arc::clone(&self.candidate),
            example: example.clone(),
            run_id: Arc::clone(&self.run_id),
            trial_id: Arc::clone(&self.trial_id),
            stage: self.stage,
            iteration: self.iteration,
            trial_index: self.trial_index,
            attempt: self.attempt,
        })
    }
}

impl From<RolloutRequest> for TrialBatch {
    fn from(request: RolloutRequest) -> Self {
        Self {
            candidate: request.candidate,
            examples: vec![request.example],
            run_id: request.run_id,
            trial_id: request.trial_id,
            stage: request.stage,
            iteration: request.iteration,
            trial_index: request.trial_index,
            attempt: request.attempt,
        }
    }
}

/// Takes one answer for each rollout of a batch, in any order.
///
/// An answer for a place that the batch does not have, or that is answered already, breaks the
/// batch: each rollout that has no answer by then fails permanently with that reason.
pub struct BatchAnswers {
    state: Mutex<State>,
}

struct State {
    is_answered: Vec<bool>,
    /// Rollouts without an answer.
    open: usize,
    /// Answered, and not taken yet.
    given: Vec<(usize, Evaluation)>,
}

impl BatchAnswers {
    /// The answers of a batch of `rollouts` rollouts, none given yet.
    pub fn new(rollouts: usize) -> Self {
        Self {
            state: Mutex::new(State {
                is_answered: vec![false; rollouts],
                open: rollouts,
                given: Vec::new(),
            }),
        }
    }

    /// Answers the rollout of the example at `place`.
    pub fn give(&self, place: usize, evaluation: Evaluation) {
        let mut state = self.locked();
        let rollouts = state.is_answered.len();
        match state.is_answered.get(place) {
            Some(false) => state.answer(place, evaluation),
            Some(true) => state.break_with(&format!(
                "the evaluator answered place {place} of a batch twice"
            )),
            None => state.break_with(&format!(
                "the evaluator answered place {place} of a batch of {rollouts} rollouts"
            )),
        }
    }

    /// Fails each rollout that has no answer.
    pub fn fail_rest(&self, failure: &Failure) {
        self.locked().fail_rest(failure);
    }

    /// The places of the rollouts that have no answer, in order.
    pub fn open_places(&self) -> Vec<usize> {
        let state = self.locked();
        let places = state.is_answered.iter().enumerate();
        places
            .filter(|(_, is)| !**is)
            .map(|(place, _)| place)
            .collect()
    }

    /// Whether answers were given since the last call of [`take`](Self::take).
    pub fn has_news(&self) -> bool {
        !self.locked().given.is_empty()
    }

    /// Whether each rollout has its answer.
    pub fn is_complete(&self) -> bool {
        self.locked().open == 0
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answers given since the last call, with their places, in the order they were given.
    pub fn take(&self) -> Vec<(usize, Evaluation)> {
        std::mem::take(&mut self.locked().given)
    }
}

impl fmt::Debug for BatchAnswers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BatchAnswers")
            .field("open", &self.locked().open)
            .finish_non_exhaustive()
    }
}

impl State {
    fn answer(&mut self, place: usize, evaluation: Evaluation) {
        self.is_answered[place] = true;
        self.open -= 1;
        self.given.push((place, evaluation));
    }

    fn break_with(&mut self, message: &str) {
        self.fail_rest(&Failure::new(FailureKind::Permanent, message));
    }

    fn fail_rest(&mut self, failure: &Failure) {
        if self.open == 0 {
            return;
        }
        for place in 0..self.is_answered.len() {
            if !self.is_answered[place] {
                let outcome = Outcome::Failed(failure.clone());
                self.answer(place, Evaluation::free(outcome));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(score: f64) -> Evaluation {
        Evaluation::free(Outcome::score(score))
    }

    fn messages(answers: &BatchAnswers) -> Vec<(usize, String)> {
        let taken = answers.take().into_iter();
        taken
            .map(|(place, evaluation)| match evaluation.outcome {
                Outcome::Scored(scored) => (place, scored.score.to_string()),
                Outcome::Failed(failure) => (place, failure.message),
            })
            .collect()
    }

    #[test]
    fn each_answer_is_taken_once_and_in_any_order() {
        let answers = BatchAnswers::new(3);
        answers.give(2, scored(0.5));
        answers.give(0, scored(1.0));
        assert_eq!(messages(&answers), [(2, "0.5".into()), (0, "1".into())]);
        assert!(!answers.is_complete());
        answers.give(1, scored(0.0));
        assert_eq!(messages(&answers), [(1, "0".into())]);
        assert!(answers.is_complete());
    }

    #[test]
    fn an_answer_that_fits_no_open_place_fails_what_is_open() {
        for (place, reason) in [
            (0, "place 0 of a batch twice"),
            (7, "place 7 of a batch of 2"),
        ] {
            let answers = BatchAnswers::new(2);
            answers.give(0, scored(1.0));
            answers.give(place, scored(0.0));
            let taken = messages(&answers);
            assert_eq!(taken[0], (0, "1".into()));
            assert!(taken[1].0 == 1 && taken[1].1.contains(reason), "{taken:?}");
            // The rest of the batch's life changes nothing any more.
            answers.give(1, scored(1.0));
            assert!(answers.take().is_empty());
        }
    }
}
