//! A trial that is running: it has one slot per example, filled when the outcome settles.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{ExampleId, FailureKind, Outcome, Scored, Stage};

use super::priority::Priority;
use super::scale::is_own_failure;
use crate::event::{Decision, TrialFinished, TrialStarted};
use crate::ids::TrialKey;

/// One candidate on a list of examples.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) key: TrialKey,
    pub(crate) stage: Stage,
    pub(crate) candidate: Arc<Candidate>,
    pub(crate) examples: Vec<ExampleId>,
    /// Where its rollouts stand in the queue.
    pub(crate) priority: Priority,
    /// The number of its step in a row that grows.
    pub(crate) rung: Option<u32>,
    slots: Vec<Slot>,
    open: usize,
    executed: u64,
    /// Whether rollouts that failed because of their surroundings were ordered once more.
    bought_again: bool,
}

#[derive(Clone, Debug)]
enum Slot {
    /// No outcome yet; `again` if the slot had an outcome that another attempt may improve.
    Open {
        again: bool,
    },
    /// Another trial in flight buys the outcome.
    Waiting,
    Executed(Arc<Outcome>),
    /// Another trial bought the outcome while this one was in flight.
    Shared(Arc<Outcome>),
    Reused(Arc<Outcome>),
    /// An earlier position of this trial has the same example.
    SameAs(usize),
    /// The outcome is no longer needed.
    Dropped,
}

/// Where the outcome of a rollout comes from.
#[derive(Debug)]
pub(crate) enum Found {
    /// It was known when the trial's proposal began.
    Known(Arc<Outcome>),
    /// Another trial bought it since.
    Bought(Arc<Outcome>),
    /// Another trial is buying it.
    InFlight,
    /// It has to be bought.
    Nothing,
}

impl From<Option<Arc<Outcome>>> for Found {
    fn from(known: Option<Arc<Outcome>>) -> Self {
        known.map_or(Self::Nothing, Self::Known)
    }
}

impl Trial {
    /// Creates a trial. `find` says which outcomes need not be bought.
    pub(crate) fn new(
        key: TrialKey,
        stage: Stage,
        candidate: Arc<Candidate>,
        examples: Vec<ExampleId>,
        find: impl Fn(&ExampleId) -> Found,
    ) -> Self {
        // The large sets hold no example twice; only minibatches and merge subsets can repeat one.
        let may_repeat = matches!(
            stage,
            Stage::MinibatchParent | Stage::MinibatchChild | Stage::MergeGate
        );
        let mut slots: Vec<Slot> = Vec::with_capacity(examples.len());
        for (position, example) in examples.iter().enumerate() {
            let earlier = may_repeat
                .then(|| {
                    examples[..position]
                        .iter()
                        .position(|other| other == example)
                })
                .flatten();
            slots.push(match (earlier, find(example)) {
                (Some(first), _) => Slot::SameAs(first),
                (None, Found::Known(outcome)) => Slot::Reused(outcome),
                (None, Found::Bought(outcome)) => Slot::Shared(outcome),
                (None, Found::InFlight) => Slot::Waiting,
                (None, Found::Nothing) => Slot::Open { again: false },
            });
        }
        let open = slots
            .iter()
            .filter(|slot| matches!(slot, Slot::Open { .. } | Slot::Waiting))
            .count();
        Self {
            key,
            stage,
            candidate,
            examples,
            priority: Priority::ALONE,
            rung: None,
            slots,
            open,
            executed: 0,
            bought_again: false,
        }
    }

    /// Copies the trial for another proposal; the copy buys nothing.
    pub(crate) fn as_known(&self, key: TrialKey) -> Self {
        let known = |position| {
            let outcome = self.outcome(position);
            outcome.map_or(Slot::Dropped, |outcome| Slot::Reused(Arc::clone(outcome)))
        };
        Self {
            key,
            stage: self.stage,
            candidate: Arc::clone(&self.candidate),
            examples: self.examples.clone(),
            priority: self.priority,
            rung: None,
            slots: (0..self.slots.len()).map(known).collect(),
            open: 0,
            executed: 0,
            bought_again: true,
        }
    }

    pub(crate) fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    pub(crate) fn started(&self) -> Decision {
        Decision::TrialStarted(TrialStarted {
            trial: self.key,
            stage: self.stage,
            candidate: self.candidate.content_id(),
            examples: self.examples.clone(),
            reused: (self.slots.len() as u64 - self.unknown()) as u32,
            rung: self.rung,
            speculative: false,
        })
    }

    pub(crate) fn finished(&self) -> Decision {
        let scores: Vec<f64> = self.scores().into_iter().flatten().collect();
        Decision::TrialFinished(TrialFinished {
            trial: self.key,
            stage: self.stage,
            mean_score: mean(&scores),
            scored: scores.len() as u32,
            failed: (self.slots.len() - scores.len()) as u32,
        })
    }

    /// Fills a slot. Returns false if there is no such slot or it is filled already.
    pub(crate) fn settle(&mut self, position: usize, outcome: Arc<Outcome>) -> bool {
        match self.slots.get_mut(position) {
            Some(slot @ Slot::Open { .. }) => {
                *slot = Slot::Executed(outcome);
                self.open -= 1;
                self.executed += 1;
                true
            }
            _ => false,
        }
    }

    /// Records that a slot stays open after failed attempts.
    pub(crate) fn suspend(&mut self, position: usize) {
        if let Some(Slot::Open { again }) = self.slots.get_mut(position) {
            *again = true;
        }
    }

    /// Drops a slot that has no outcome.
    pub(crate) fn drop_open(&mut self, position: usize) {
        if let Some(slot @ Slot::Open { .. }) = self.slots.get_mut(position) {
            *slot = Slot::Dropped;
            self.open -= 1;
        }
    }

    /// Drops every slot that has no outcome.
    pub(crate) fn drop_all_open(&mut self) {
        for position in 0..self.slots.len() {
            self.drop_open(position);
        }
    }

    /// Whether slots were dropped. Such a trial has no result.
    pub(crate) fn is_cut_short(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Dropped))
    }

    /// Reopens, once, the slots whose rollouts failed because of their surroundings. Returns false if
    /// there are none, or if more than half of the slots failed so: such surroundings do not recover
    /// between two attempts.
    pub(crate) fn reopen_passing(&mut self) -> bool {
        let is_passing = |slot: &Slot| match slot {
            Slot::Executed(outcome) => matches!(
                &**outcome,
                Outcome::Failed(failure) if failure.kind == FailureKind::Transient && !failure.fatal
            ),
            _ => false,
        };
        let passing = self.slots.iter().filter(|slot| is_passing(slot)).count();
        if self.bought_again || passing == 0 || 2 * passing > self.slots.len() {
            return false;
        }
        self.bought_again = true;
        for slot in self.slots.iter_mut().filter(|slot| is_passing(slot)) {
            *slot = Slot::Open { again: true };
            self.open += 1;
            self.executed -= 1;
        }
        true
    }

    /// Reopens the slots whose failures another attempt may cure.
    pub(crate) fn reopen_retryable(&mut self) {
        for slot in &mut self.slots {
            let Slot::Executed(outcome) = slot else {
                continue;
            };
            if let Outcome::Failed(failure) = &**outcome
                && failure.kind.is_retryable()
            {
                *slot = Slot::Open { again: true };
                self.open += 1;
                self.executed -= 1;
            }
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.open == 0
    }

    /// The number of rollouts executed so far.
    pub(crate) fn executed(&self) -> u64 {
        self.executed
    }

    /// The number of rollouts that are still open, those included that another trial buys.
    pub(crate) fn open(&self) -> u64 {
        self.open as u64
    }

    /// The number of outcomes that were not known when the trial's proposal began. The trial buys no more.
    pub(crate) fn unknown(&self) -> u64 {
        let is_known = |slot: &&Slot| matches!(slot, Slot::Reused(_) | Slot::SameAs(_));
        (self.slots.len() - self.slots.iter().filter(is_known).count()) as u64
    }

    /// The number of outcomes that it waits for and that other trials buy.
    pub(crate) fn waiting(&self) -> u64 {
        let slots = self.slots.iter();
        slots.filter(|slot| matches!(slot, Slot::Waiting)).count() as u64
    }

    /// The place at which it waits for the outcome of this example.
    pub(crate) fn waiting_for(&self, example: &ExampleId) -> Option<usize> {
        let mut places = self.examples.iter().zip(&self.slots);
        places.position(|(one, slot)| matches!(slot, Slot::Waiting) && one == example)
    }

    /// What another trial of the same text can take from this one.
    pub(crate) fn found(&self, example: &ExampleId) -> Found {
        let mut places = self.examples.iter().zip(&self.slots);
        match places.find(|(one, _)| *one == example) {
            Some((_, Slot::Open { .. } | Slot::Waiting)) => Found::InFlight,
            Some((_, Slot::Executed(outcome) | Slot::Shared(outcome) | Slot::Reused(outcome))) => {
                lasting(outcome).map_or(Found::Nothing, Found::Bought)
            }
            _ => Found::Nothing,
        }
    }

    /// Buys an outcome that it has waited for.
    pub(crate) fn buy(&mut self, position: usize) {
        if let Some(slot @ Slot::Waiting) = self.slots.get_mut(position) {
            *slot = Slot::Open { again: false };
        }
    }

    /// Fills a slot with an outcome that another trial bought.
    pub(crate) fn share(&mut self, position: usize, outcome: Arc<Outcome>) {
        if let Some(slot @ Slot::Waiting) = self.slots.get_mut(position) {
            *slot = Slot::Shared(outcome);
            self.open -= 1;
        }
    }

    /// Places whose outcomes other trials bought while this one was in flight.
    pub(crate) fn shared_positions(&self) -> Vec<usize> {
        let places = self.slots.iter().enumerate();
        let shared = places.filter(|(_, slot)| matches!(slot, Slot::Shared(_)));
        shared.map(|(position, _)| position).collect()
    }

    /// Counts an outcome as bought by this trial.
    pub(crate) fn take_over(&mut self, position: usize) {
        if let Some(slot) = self.slots.get_mut(position)
            && let Slot::Shared(outcome) = slot
        {
            *slot = Slot::Executed(Arc::clone(outcome));
            self.executed += 1;
        }
    }

    /// Counts an outcome that it bought as bought by another trial. Returns false if it has bought none, or
    /// one that may be another one next time.
    pub(crate) fn hand_over(&mut self, example: &ExampleId) -> bool {
        let mut places = self.examples.iter().zip(&mut self.slots);
        let Some((_, slot)) = places.find(|(one, _)| *one == example) else {
            return false;
        };
        let Slot::Executed(outcome) = slot else {
            return false;
        };
        let Some(outcome) = lasting(outcome) else {
            return false;
        };
        *slot = Slot::Shared(outcome);
        self.executed -= 1;
        true
    }

    /// Positions without an outcome, and whether each had one before.
    pub(crate) fn open_positions(&self) -> impl Iterator<Item = (usize, bool)> + '_ {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(position, slot)| match slot {
                Slot::Open { again } => Some((position, *again)),
                _ => None,
            })
    }

    pub(crate) fn scored(&self, position: usize) -> Option<&Scored> {
        self.outcome(position).and_then(|outcome| outcome.scored())
    }

    /// Scores by position; `None` where a rollout failed or is open.
    pub(crate) fn scores(&self) -> Vec<Option<f64>> {
        (0..self.slots.len())
            .map(|at| self.scored(at).map(|scored| scored.score))
            .collect()
    }

    /// What each position counts as in a comparison: its score, or `worst` where the candidate failed by
    /// its own doing. `None` where a rollout is open, or failed for another reason.
    pub(crate) fn values(&self, worst: Option<f64>) -> Vec<Option<f64>> {
        (0..self.slots.len())
            .map(|at| self.value(at, worst))
            .collect()
    }

    /// What a position counts as in a comparison.
    pub(crate) fn value(&self, position: usize, worst: Option<f64>) -> Option<f64> {
        let outcome = self.outcome(position)?;
        match outcome.scored() {
            Some(scored) => Some(scored.score),
            None => worst.filter(|_| is_own_failure(outcome)),
        }
    }

    /// Outcomes bought by this trial, by example.
    pub(crate) fn bought(&self) -> impl Iterator<Item = (&ExampleId, &Arc<Outcome>)> + '_ {
        self.examples
            .iter()
            .zip(&self.slots)
            .filter_map(|(example, slot)| match slot {
                Slot::Executed(outcome) => Some((example, outcome)),
                _ => None,
            })
    }

    /// Positions in the order in which their scores were obtained: first those with a known
    /// outcome, then those that were bought.
    pub(crate) fn obtained(&self) -> impl Iterator<Item = usize> + '_ {
        let was_known = |at: &usize| matches!(self.slots[*at], Slot::Reused(_));
        let known = (0..self.slots.len()).filter(was_known);
        known.chain((0..self.slots.len()).filter(move |at| !was_known(at)))
    }

    /// The outcome on an example, from wherever it came.
    pub(crate) fn outcome_on(&self, example: &ExampleId) -> Option<&Arc<Outcome>> {
        let position = self.examples.iter().position(|one| one == example)?;
        self.outcome(position)
    }

    fn outcome(&self, position: usize) -> Option<&Arc<Outcome>> {
        match self.slots.get(position)? {
            Slot::Open { .. } | Slot::Waiting | Slot::Dropped => None,
            Slot::Executed(outcome) | Slot::Shared(outcome) | Slot::Reused(outcome) => {
                Some(outcome)
            }
            Slot::SameAs(first) => self.outcome(*first),
        }
    }
}

/// The mean; `None` if there are no values.
pub(crate) fn mean(scores: &[f64]) -> Option<f64> {
    (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
}

/// Whether a deterministic evaluator would give the outcome again.
pub(crate) fn is_lasting(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Scored(_) => true,
        Outcome::Failed(failure) => {
            matches!(failure.kind, FailureKind::Permanent | FailureKind::Refused)
        }
    }
}

fn lasting(outcome: &Arc<Outcome>) -> Option<Arc<Outcome>> {
    is_lasting(outcome).then(|| Arc::clone(outcome))
}
