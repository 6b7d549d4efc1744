//! Pareto sets evaluated before the gate has been decided on, in slots that would idle.
//!
//! `decided` keeps the ordered schedule's promise. Which children it is for, what it reserves and
//! what it takes as known follow from decisions alone: the pareto set is reserved when the proposal
//! is issued, outcomes count as known if they were then, and a set that was begun is finished, even
//! where the gate then finds a twin. Nothing else can turn such a child away: its own verdict and
//! those of its whole generation are known.
//!
//! `likely` begins while rollouts of the minibatch are still out and stops when it turns out to be
//! mistaken, so what it spends depends on timing: it is for the free schedule.

use std::ops::Range;

use gepa_archive::Origin;
use gepa_evaluation::Stage;

use super::Core;
use super::ledger::Reservation;
use super::priority::Priority;
use super::progress::{compare_with, opposing_scores};
use super::proposal::{PARETO_TRIAL, Proposal, Unwanted, Verdict};
use super::trial::Trial;
use super::work::Work;
use crate::config::{Duplicates, ScheduleKind, Speculation, StaleChildren};
use crate::event::CloseReason;
use crate::ids::TrialKey;

impl Core {
    /// Sets the pareto sets of a generation just issued aside, as far as the budget covers them on
    /// top of what may be asked of it until they are given back: the minibatches of all generations
    /// the lag lets in, and the pareto sets of those that have none set aside. Near the end of a
    /// budget speculation stops before anything else is held up.
    pub(super) fn reserve_for_speculation(&mut self, siblings: &Range<u64>) {
        if !self.speculates_on_decided() {
            return;
        }
        let pareto = self.config.sets().pareto.len() as u64;
        let minibatches = self.config.generation_rollouts() - pareto;
        let to_come = u64::from(self.config.settings().run.gate_lag) * minibatches + pareto;
        let reservation = Reservation {
            rollouts: pareto,
            reflections: 0,
        };
        let as_of = self.memory.age();
        for iteration in siblings.clone() {
            let without = self
                .open
                .values()
                .filter(|proposal| !proposal.gate_committed && proposal.early_as_of.is_none());
            let needed = without.count() as u64 * pareto + to_come;
            if !self.ledger.covers_rollouts(needed) {
                return;
            }
            if let Some(proposal) = self.open.get_mut(&iteration) {
                proposal.reserved.rollouts += pareto;
                proposal.early_as_of = Some(as_of);
                self.ledger.reserve(reservation);
            }
        }
    }

    /// Orders the pareto sets of the children of a generation that will go on.
    pub(super) fn speculate_on_decided(&mut self, siblings: &Range<u64>) {
        if !self.speculates_on_decided() || !self.gates_are_ready(siblings) {
            return;
        }
        let skips = self.config.settings().search.duplicates == Duplicates::Skip;
        let mut contents = Vec::new();
        for iteration in self.will_go_on(siblings) {
            let Some(mut proposal) = self.open.remove(&iteration) else {
                continue;
            };
            if let Some(content) = proposal.child.as_ref().map(|child| child.content_id()) {
                let twin = self.contents.get(&content);
                let was_known = twin.is_some_and(|twin| twin.position() < proposal.known_pool);
                let is_twin = contents.contains(&content) || (was_known && skips);
                contents.push(content);
                let as_of = proposal.early_as_of.filter(|_| !is_twin);
                if let (Some(as_of), None) = (as_of, &proposal.pareto_trial)
                    && let Some(trial) = self.pareto_trial(&proposal, as_of)
                {
                    self.begin_early(&mut proposal, trial);
                }
            }
            self.open.insert(iteration, proposal);
        }
    }

    /// Orders the pareto set of a child that already has more than its parent, whatever the
    /// rollouts of its minibatch that are still out will say.
    pub(super) fn speculate_if_likely(&mut self, proposal: &mut Proposal) {
        let settings = self.config.settings();
        let may_be_outranked = settings
            .search
            .keep_best
            .is_some_and(|most| u64::from(most) < self.config.generation_size());
        let is_known = proposal.verdict.is_some() || proposal.pareto_trial.is_some();
        if settings.run.speculate != Speculation::Likely || may_be_outranked || is_known {
            return;
        }
        if !self.is_ahead(proposal) || self.is_turned_away(proposal) {
            return;
        }
        let Some(trial) = self.pareto_trial(proposal, u64::MAX) else {
            return;
        };
        if self.ledger.covers_rollouts(trial.open()) {
            self.ledger.reserve(Reservation {
                rollouts: trial.open(),
                reflections: 0,
            });
            proposal.reserved.rollouts += trial.open();
            self.begin_early(proposal, trial);
        }
    }

    /// Ends a proposal that does not go on. Where its pareto set was begun, the end waits for what
    /// is in flight, and under the free schedule the rest is taken from the queue.
    pub(super) fn turn_away(
        &mut self,
        mut proposal: Proposal,
        reason: CloseReason,
        detail: String,
    ) {
        let iteration = proposal.iteration;
        let Some(trial) = &proposal.pareto_trial else {
            self.close(iteration, reason, detail);
            return;
        };
        let may_drop = self.config.settings().run.schedule == ScheduleKind::Free;
        let is_dropping = may_drop && !trial.is_complete();
        if is_dropping {
            self.work.push(Work::DropTrial(trial.key));
        }
        proposal.rank = usize::MAX;
        proposal.unwanted = Some(Unwanted {
            reason,
            detail,
            is_dropping,
        });
        proposal.gate_committed = true;
        self.open.insert(iteration, proposal);
    }

    /// The trial of a proposal's child on the pareto set, with what was known at `as_of`.
    pub(super) fn pareto_trial(&self, proposal: &Proposal, as_of: u64) -> Option<Trial> {
        let child = proposal.child.clone()?;
        let key = TrialKey {
            iteration: proposal.iteration,
            index: PARETO_TRIAL,
        };
        let pareto = self.config.sets().pareto.clone();
        let content = child.content_id();
        let gate = proposal.child_trial.as_ref();
        Some(Trial::new(key, Stage::Pareto, child, pareto, |example| {
            self.memory.of_child(content, example, gate, as_of)
        }))
    }

    fn speculates_on_decided(&self) -> bool {
        let run = &self.config.settings().run;
        run.speculate == Speculation::Decided && run.schedule == ScheduleKind::Ordered
    }

    fn begin_early(&mut self, proposal: &mut Proposal, mut trial: Trial) {
        trial.speculative = true;
        let trial = trial.with_priority(Priority::speculative(proposal));
        self.order_trial(&trial);
        if trial.is_complete() {
            self.finish_trial(Some(&trial));
        }
        proposal.pareto_trial = Some(trial);
    }

    /// The proposals whose children the gates of their generation will let go on.
    fn will_go_on(&self, siblings: &Range<u64>) -> Vec<u64> {
        let open = self.open.range(siblings.clone());
        let mut passed: Vec<_> = open
            .filter_map(|(iteration, proposal)| match &proposal.verdict {
                Some(Verdict::Pass(comparison)) => Some((*iteration, *comparison)),
                _ => None,
            })
            .collect();
        self.best_first(&mut passed, |(_, comparison)| *comparison);
        passed.truncate(self.most_kept());
        passed.into_iter().map(|(iteration, _)| iteration).collect()
    }

    /// Whether the outcomes so far exceed the whole sum to beat.
    fn is_ahead(&self, proposal: &Proposal) -> bool {
        let Some(child) = &proposal.child_trial else {
            return false;
        };
        let opposing = opposing_scores(proposal);
        let so_far = compare_with(child, &opposing);
        let whole = |side: usize| {
            opposing
                .iter()
                .filter_map(|scores| scores[side])
                .sum::<f64>()
        };
        let to_beat = whole(0).max(whole(1));
        so_far.compared > 0 && self.passes(proposal.origin, to_beat, so_far.child_sum)
    }

    /// Whether the gate would turn the child away for another reason than its scores.
    fn is_turned_away(&self, proposal: &Proposal) -> bool {
        let keeps_stale = self.config.settings().run.stale_children == StaleChildren::Keep;
        let Some(child) = &proposal.child else {
            return true;
        };
        let content = child.content_id();
        let is_begun = self.open.values().any(|other| {
            let trial = other.pareto_trial.as_ref();
            trial.is_some_and(|trial| trial.candidate.content_id() == content)
        });
        let twin = self.twin_of(child, proposal.generation);
        is_begun || twin.is_some() || (!keeps_stale && self.staleness(proposal).is_some())
    }

    /// The gate's rule: a merge may equal the better of its parents.
    pub(super) fn passes(&self, origin: Origin, parent_sum: f64, child_sum: f64) -> bool {
        if origin == Origin::Merge {
            child_sum >= parent_sum
        } else {
            let acceptance = self.config.settings().search.acceptance;
            acceptance.passes(parent_sum, child_sum)
        }
    }
}
