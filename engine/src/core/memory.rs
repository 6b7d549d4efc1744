//! Cache of outcomes by candidate content and example, so that no rollout is bought twice.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use gepa_archive::ContentId;
use gepa_evaluation::{ExampleId, Outcome, Stage};

use super::trial::{Trial, is_lasting};
use crate::config::{Duplicates, SearchRules, SearchSettings};

/// Outcomes by content and example.
type Outcomes = HashMap<ContentId, HashMap<ExampleId, Known>>;

/// With fewer contents than this, the cache is not searched for unused ones.
const FEWEST_SWEPT: usize = 64;

/// The number of contents whose outcomes at gates are kept.
const MOST_TRIED: usize = 1_024;

/// An outcome, and the age of the memory when the outcome came in.
#[derive(Debug)]
struct Known {
    outcome: Arc<Outcome>,
    since: u64,
}

/// Scored outcomes by content and example. Holds only outcomes that can be needed again. Where
/// duplicates are skipped, no candidate reaches the pareto set twice. The memory then holds no
/// outcomes of rejected children, none of the pareto set, and none of archive members that can no
/// longer be parents.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says whether one kind of outcome is reused"
)]
pub(crate) struct Memory {
    reuse: bool,
    /// Whether outcomes of parents are reused as well.
    reuse_for_parents: bool,
    /// Whether outcomes of earlier gates are used again.
    reuse_tried: bool,
    /// Whether an outcome that another proposal buys is waited for.
    in_flight: bool,
    duplicates: Duplicates,
    /// The number of trials stored so far.
    age: u64,
    /// From minibatches, so with everything that a reflection needs.
    minibatch: Outcomes,
    /// From merge gates and the pareto set. Empty unless duplicates are kept.
    pareto: Outcomes,
    /// From gates, passed or not: a model that proposes a rejected text again buys nothing. Only the
    /// latest contents are kept.
    tried: Outcomes,
    /// The contents in `tried`, the oldest first.
    tried_in_order: VecDeque<ContentId>,
    /// The number of contents at which the next search for unused ones begins.
    sweep_at: usize,
}

impl Memory {
    pub(crate) fn new(reuse: bool, search: &SearchSettings) -> Self {
        let duplicates = search.duplicates;
        Self {
            reuse,
            reuse_for_parents: reuse && search.rules == SearchRules::Own,
            reuse_tried: reuse && search.rules == SearchRules::Own,
            in_flight: search.reuse_in_flight,
            duplicates,
            age: 0,
            minibatch: Outcomes::new(),
            pareto: Outcomes::new(),
            tried: Outcomes::new(),
            tried_in_order: VecDeque::new(),
            sweep_at: FEWEST_SWEPT,
        }
    }

    /// Whether known outcomes are reused at all.
    pub(crate) fn reuses(&self) -> bool {
        self.reuse
    }

    /// Whether no two proposals in flight buy the same outcome.
    pub(crate) fn shares_in_flight(&self) -> bool {
        self.in_flight && self.reuse_tried
    }

    /// Applies other settings from now on.
    pub(crate) fn tune(&mut self, search: &SearchSettings) {
        self.in_flight = search.reuse_in_flight;
    }

    /// The age of the memory: the number of trials stored so far.
    pub(crate) fn age(&self) -> u64 {
        self.age
    }

    /// Stores what a trial bought. Outcomes of the seed on the pareto set are never reused: the
    /// reference implementation does not cache them, and reuse would change the order of sums.
    pub(crate) fn remember(&mut self, trial: &Trial) {
        let keeps_all = self.duplicates == Duplicates::Keep;
        if keeps_all || !matches!(trial.stage, Stage::MergeGate | Stage::Pareto) {
            self.take_in(trial);
        }
    }

    /// Removes contents for which `may_be_asked_for` returns false. It searches only after enough
    /// contents have been added, so that the search stays cheap. No later question needs the
    /// removed outcomes.
    pub(crate) fn sweep(&mut self, may_be_asked_for: impl Fn(&ContentId) -> bool) {
        // Where duplicates are kept, a child may have the content of any earlier candidate.
        if self.duplicates == Duplicates::Keep || self.minibatch.len() < self.sweep_at {
            return;
        }
        self.minibatch
            .retain(|content, _| may_be_asked_for(content));
        self.sweep_at = (2 * self.minibatch.len()).max(FEWEST_SWEPT);
    }

    /// Stores what was bought for a child that was refused for another reason than its scores,
    /// because the same text may be proposed again.
    pub(crate) fn remember_turned_away(&mut self, trial: &Trial) {
        self.take_in(trial);
    }

    /// Stores what was bought for a child that may still be refused.
    pub(crate) fn remember_undecided(&mut self, trial: &Trial) {
        if self.duplicates == Duplicates::Keep {
            self.remember(trial);
        }
    }

    /// Every text buys its outcomes at the gate, as in journals of versions before 0.2.
    pub(crate) fn buy_at_every_gate(&mut self) {
        self.reuse_tried = false;
    }

    /// Stores what was bought for a child at its gate, whether or not it passed.
    pub(crate) fn remember_tried(&mut self, trial: &Trial) {
        if !self.reuse_tried || trial.executed() == 0 {
            return;
        }
        self.age += 1;
        let content = trial.candidate.content_id();
        let of_content = self.tried.entry(content).or_insert_with(|| {
            self.tried_in_order.push_back(content);
            HashMap::new()
        });
        for (example, outcome) in trial.bought() {
            if is_lasting(outcome) {
                let (outcome, since) = (Arc::clone(outcome), self.age);
                of_content
                    .entry(example.clone())
                    .or_insert(Known { outcome, since });
            }
        }
        if self.shares_in_flight() {
            self.tried_in_order.retain(|known| *known != content);
            self.tried_in_order.push_back(content);
        }
        if self.tried_in_order.len() > MOST_TRIED
            && let Some(oldest) = self.tried_in_order.pop_front()
        {
            self.tried.remove(&oldest);
        }
    }

    /// The outcome of a child at an earlier gate, as known at the age `as_of`.
    pub(crate) fn of_tried(
        &self,
        content: ContentId,
        example: &ExampleId,
        as_of: u64,
    ) -> Option<Arc<Outcome>> {
        let tried = self.tried.get(&content).and_then(|of| of.get(example));
        let known = tried.into_iter().chain(self.of_minibatch(content, example));
        let mut in_time = known.filter(|known| known.since <= as_of);
        in_time.next().map(|known| Arc::clone(&known.outcome))
    }

    /// Where outcomes in flight are shared, a gate also uses what was bought for a parent.
    fn of_minibatch(&self, content: ContentId, example: &ExampleId) -> Option<&Known> {
        let parents = self.shares_in_flight().then_some(&self.minibatch)?;
        parents.get(&content)?.get(example)
    }

    /// The outcome of a parent on a training example, with its traces.
    pub(crate) fn of_parent(
        &self,
        content: ContentId,
        example: &ExampleId,
    ) -> Option<Arc<Outcome>> {
        if !self.reuse_for_parents {
            return None;
        }
        let known = self.minibatch.get(&content).and_then(|of| of.get(example));
        let as_child = || self.of_tried(content, example, u64::MAX);
        let known = known.map(|known| Arc::clone(&known.outcome));
        known.or_else(|| self.shares_in_flight().then(as_child).flatten())
    }

    /// The outcomes of a candidate on pareto examples, as known at the age `as_of`. `gate` is the
    /// trial of the candidate's own gate.
    pub(crate) fn of_child(
        &self,
        content: ContentId,
        gate: Option<&Trial>,
        as_of: u64,
    ) -> impl Fn(&ExampleId) -> Option<Arc<Outcome>> {
        let gate = gate.filter(|_| self.reuse);
        let shares_in_flight = self.shares_in_flight();
        // The content is looked up once, not for each example.
        let known = [&self.minibatch, &self.pareto].map(|outcomes| outcomes.get(&content));
        let known = known.map(|outcomes| outcomes.filter(|_| self.reuse));
        move |example| {
            let just_bought = gate.and_then(|trial| {
                let found = if shares_in_flight {
                    trial.outcome_on(example)
                } else {
                    let mut bought = trial.bought();
                    let found = bought.find(|(known, _)| *known == example);
                    found.map(|(_, outcome)| outcome)
                };
                found.filter(|outcome| outcome.scored().is_some())
            });
            just_bought.map(Arc::clone).or_else(|| {
                let known = known.iter().flatten();
                let known = known.filter_map(|outcomes| outcomes.get(example));
                let scored = known.filter(|known| known.outcome.scored().is_some());
                let mut in_time = scored.filter(|known| known.since <= as_of);
                in_time.next().map(|known| Arc::clone(&known.outcome))
            })
        }
    }

    fn take_in(&mut self, trial: &Trial) {
        let is_minibatch = matches!(trial.stage, Stage::MinibatchParent | Stage::MinibatchChild);
        let keeps_failures = is_minibatch && self.shares_in_flight();
        let outcomes = match trial.stage {
            _ if is_minibatch => &mut self.minibatch,
            Stage::MergeGate | Stage::Pareto => &mut self.pareto,
            _ => return,
        };
        if !self.reuse {
            return;
        }
        self.age += 1;
        let of_content = outcomes.entry(trial.candidate.content_id()).or_default();
        for (example, outcome) in trial.bought() {
            let is_kept = outcome.scored().is_some() || (keeps_failures && is_lasting(outcome));
            if is_kept {
                let known = of_content.entry(example.clone());
                let known = known.or_insert_with(|| Known {
                    outcome: Arc::clone(outcome),
                    since: self.age,
                });
                known.outcome = Arc::clone(outcome);
            }
        }
    }
}

#[cfg(test)]
impl Memory {
    /// From here on parents are evaluated again, as in the reference implementation.
    #[expect(
        clippy::iter_over_hash_type,
        reason = "from one map into another, in any order"
    )]
    pub(crate) fn forget_for_parents(&mut self) {
        for (content, outcomes) in self.minibatch.drain() {
            self.pareto.entry(content).or_default().extend(outcomes);
        }
    }

    /// Stores an outcome that no trial bought.
    pub(crate) fn note(&mut self, content: ContentId, example: &ExampleId, outcome: Arc<Outcome>) {
        if self.reuse {
            let since = self.age;
            let of_content = self.pareto.entry(content).or_default();
            of_content.insert(example.clone(), Known { outcome, since });
        }
    }
}
