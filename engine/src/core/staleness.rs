//! Children overtaken by other children. They exist only under the free schedule, where the search
//! may move on without limit while a child waits for its slowest rollout.
//!
//! A child of a reflection is *stale* at its gate in two cases. First, `gate_lag` generations or
//! more were issued after its own; the ordered schedule never allows this. Second, its parent stood
//! on the front when it was drawn and no longer does. A child that has all its pareto scores is
//! never checked: its row is compared with the current archive, so nothing about it can be out of
//! date.

use std::ops::Range;

use gepa_archive::Origin;
use gepa_evaluation::Stage;

use super::ledger::Reservation;
use super::priority::Priority;
use super::progress::compare_with;
use super::proposal::{Proposal, REGATE_TRIAL, Regate, Verdict};
use super::row::Row;
use super::state::Core;
use super::trial::Trial;
use crate::config::{ScheduleKind, StaleChildren};
use crate::event::CloseReason;
use crate::random::DrawPurpose;

impl Core {
    /// Why a child is too stale to go on; `None` if staleness does not end it.
    pub(super) fn dropped_as_stale(&self, proposal: &Proposal) -> Option<String> {
        let drops = self.config.settings().run.stale_children == StaleChildren::Drop;
        drops.then(|| self.staleness(proposal)).flatten()
    }

    /// Tries each stale child of a generation once against the present pool. Returns whether a
    /// trial began.
    pub(super) fn begin_regates(&mut self, siblings: &Range<u64>) -> bool {
        if self.config.settings().run.stale_children != StaleChildren::Regate {
            return false;
        }
        let mut begun = false;
        for iteration in siblings.clone() {
            let Some(mut proposal) = self.open.remove(&iteration) else {
                continue;
            };
            let passed = matches!(proposal.verdict, Some(Verdict::Pass(_)));
            if passed && proposal.regate.is_none() && self.staleness(&proposal).is_some() {
                proposal.regate = Some(Regate::default());
                begun |= self.begin_regate(&mut proposal);
            }
            self.open.insert(iteration, proposal);
        }
        begun
    }

    /// Ends a proposal whose child came too late. The same text may be proposed again, so the
    /// outcomes of its minibatch are kept.
    pub(super) fn turn_away_stale(&mut self, proposal: Proposal, detail: String) {
        if let Some(trial) = &proposal.child_trial {
            self.memory.remember_turned_away(trial);
        }
        self.turn_away(proposal, CloseReason::Stale, detail);
    }

    /// Compares the child's scores with those of the candidate drawn in its parent's place.
    pub(super) fn regate_done(&mut self, proposal: &mut Proposal) {
        self.finish_trial(proposal.regate_trial());
        let (Some(rival), Some(child)) = (proposal.regate_trial(), &proposal.child_trial) else {
            return;
        };
        let scores: Vec<_> = rival.scores().iter().map(|score| [*score; 2]).collect();
        let worst = self.worst_of(proposal, &scores);
        let scores = rival.values(worst).into_iter();
        let mut opposing: Vec<[Option<f64>; 2]> = scores.map(|score| [score; 2]).collect();
        self.without_excluded(child, &mut opposing);
        let comparison = compare_with(child, &opposing, worst);
        let passed = comparison.compared > 0 && self.passes(proposal, &opposing, comparison);
        let Some(regate) = &mut proposal.regate else {
            return;
        };
        proposal.verdict = Some(if comparison.compared == 0 {
            // There is no score to exceed, so the verdict of the first gate applies.
            regate.rival = None;
            Verdict::Pass(regate.first)
        } else if passed {
            Verdict::Pass(Some(comparison))
        } else {
            let rival = regate.rival.unwrap_or_default();
            let detail = format!("not better than candidate {rival} on its minibatch");
            Verdict::Close(CloseReason::Stale, detail, Some(comparison))
        });
    }

    /// Why a child is stale; `None` if it is not.
    pub(super) fn staleness(&self, proposal: &Proposal) -> Option<String> {
        let run = &self.config.settings().run;
        let is_paid_for = proposal.row.as_ref().is_some_and(Row::is_complete);
        if run.schedule == ScheduleKind::Ordered
            || proposal.origin != Origin::Reflection
            || is_paid_for
        {
            return None;
        }
        let since = self.next_generation - 1 - proposal.generation;
        if since >= u64::from(run.gate_lag) {
            return Some(format!("{since} generations began after its own"));
        }
        let parent = *proposal.parents.first()?;
        (proposal.parent_survived && !self.archive.survives(parent))
            .then(|| format!("its parent, candidate {parent}, has left the front"))
    }

    /// Returns whether a trial of another parent began. If its own parent is drawn again, or the
    /// budget does not cover the trial and the pareto set, the verdict of the first gate applies.
    fn begin_regate(&mut self, proposal: &mut Proposal) -> bool {
        let iteration = proposal.iteration;
        let index = self.select_parent(DrawPurpose::Regate, iteration);
        let candidate = self.candidate_of(index);
        let Some(child) = &proposal.child_trial else {
            return false;
        };
        if proposal.parents.contains(&index) {
            return false;
        }
        let key = proposal.key(REGATE_TRIAL);
        let content = candidate.content_id();
        let trial = Trial::new(
            key,
            Stage::MinibatchParent,
            candidate,
            child.examples.clone(),
            |example| self.memory.of_parent(content, example),
        );
        let pareto = match &proposal.row {
            Some(_) => 0,
            None => self.first_order() as u64,
        };
        if !self.ledger.covers_rollouts(trial.open() + pareto) {
            return false;
        }
        let first = match proposal.verdict.take() {
            Some(Verdict::Pass(comparison)) => comparison,
            _ => None,
        };
        self.journal_gate(proposal, first, true);
        proposal.reserved.rollouts += trial.open();
        self.ledger.reserve(Reservation {
            rollouts: trial.open(),
            reflections: 0,
        });
        let trial = trial.with_priority(Priority::gate(proposal));
        self.order_trial(&trial);
        let complete = trial.is_complete();
        proposal.regate = Some(Regate {
            rival: Some(index),
            trial: Some(trial),
            first,
        });
        if complete {
            self.regate_done(proposal);
        }
        true
    }
}
