//! Refinements: generations that make the row of an accepted candidate longer.
//!
//! A refinement is issued in place of a proposal and has an iteration of its own. It has no gate and
//! is committed in order, with the pareto scores.

use std::sync::Arc;

use gepa_archive::{CandidateIndex, Extension, Origin, ScoreRow};

use super::ledger::Reservation;
use super::priority::Priority;
use super::proposal::Proposal;
use super::row::Row;
use super::state::Core;
use crate::event::{CloseReason, Decision, RefinementIssued, RowExtended, SnapshotTag};
use crate::stop::StopReason;

impl Core {
    /// Begins a refinement if it is the turn of one.
    pub(super) fn issue_due_refinement(&mut self, iteration: u64) -> bool {
        let share = self.config.settings().search.growing.refine;
        let rollouts = self.ledger.settled().rollouts;
        let is_due = |growth: &super::growth::Growth| growth.is_due(share, rollouts);
        self.growth.as_ref().is_some_and(is_due) && self.issue_refinement(iteration)
    }

    /// Spends what no proposal can be bought with on a refinement, after everything in flight has
    /// been decided on.
    pub(super) fn issue_last_refinement(&mut self, reason: &StopReason) -> bool {
        let is_for_want_of_rollouts = matches!(reason, StopReason::RolloutBudget { .. });
        let iteration = self.next_iteration;
        let is_issued = is_for_want_of_rollouts && self.issue_refinement(iteration);
        if is_issued {
            self.next_iteration += 1;
            self.next_generation += 1;
        }
        is_issued
    }

    fn issue_refinement(&mut self, iteration: u64) -> bool {
        let block = u64::from(self.config.settings().search.growing.block);
        let count = block.min(self.ledger.rollouts_left()) as usize;
        let (Some(growth), Some(leader)) = (&mut self.growth, self.archive.best()) else {
            return false;
        };
        if count == 0 {
            return false;
        }
        let Some(member) = growth.choose(leader, iteration, &mut *self.random) else {
            return false;
        };
        let positions = growth.take(member, count);
        if positions.is_empty() {
            return false;
        }
        // The archive's origin has no meaning here; a merge would count among the merges in flight.
        let mut proposal = self.proposal(iteration, Origin::Reflection);
        proposal.refines = Some(member);
        proposal.gate_committed = true;
        let as_of = proposal.as_of.min(self.memory.age());
        self.decide(Decision::RefinementIssued(RefinementIssued {
            iteration,
            candidate: member,
            count: positions.len() as u32,
        }));
        let mut row = self.refinement_row(iteration, self.candidate_of(member), positions, as_of);
        row.priority = Priority::refinement(&proposal);
        if let Some(rung) = self.next_rung(&mut row, None) {
            row.reserved = rung.trial.open();
            proposal.reserved = Reservation {
                rollouts: row.reserved,
                reflections: 0,
            };
            self.ledger.reserve(proposal.reserved);
            self.order_rung(&mut row, rung);
            self.grow(&mut row, None);
        }
        proposal.row = Some(row);
        self.open.insert(iteration, proposal);
        true
    }

    /// The row of a member becomes longer.
    pub(super) fn commit_refinement(&mut self, mut proposal: Proposal, member: CandidateIndex) {
        let iteration = proposal.iteration;
        let reserved = std::mem::take(&mut proposal.reserved);
        let Some(row) = proposal.row.take() else {
            return;
        };
        self.count_row(reserved.rollouts, &row);
        row.trials().for_each(|trial| self.memory.remember(trial));
        if self.extend(iteration, member, &row).is_none() {
            let detail = format!("candidate {member} has left the archive");
            self.close_with_waste(iteration, CloseReason::Dropped, detail, row.executed());
        }
    }

    fn extend(&mut self, iteration: u64, member: CandidateIndex, row: &Row) -> Option<Extension> {
        let is_live = self.archive.get(member).is_some_and(|one| !one.evicted);
        let further = self.obtained_by(row);
        let counted = self.counting(row.counted(&self.scale));
        let shown = self.counting(row.known_scores());
        let growth = self.growth.as_mut().filter(|_| is_live)?;
        let longer: ScoreRow = growth.longer_row(member, &further)?;
        let from = growth.length(member) as u32;
        let known = row.known_scores();
        growth.extend(member, &counted, &shown, further);
        let extension = self
            .archive
            .extend(member, &longer, &growth.ranked())
            .ok()?;
        let (length, estimate) = (growth.length(member), growth.estimate(member));
        let means = known.iter().map(|one| {
            let (mean, outcomes) = growth.shown(member, one.position);
            // An example that was taken out meanwhile does not count, and its outcome is shown.
            (mean.or(one.score), outcomes)
        });
        let (scores, mut outcomes): (Vec<_>, Vec<u32>) = means.unzip();
        if outcomes.iter().all(|count| *count <= 1) {
            outcomes.clear();
        }
        let leader = self.leader();
        if extension.best_changed {
            self.since_best = 0;
        }
        self.decide(Decision::RowExtended(Box::new(RowExtended {
            iteration,
            candidate: member,
            from,
            to: length as u32,
            positions: known.iter().map(|one| one.position as u32).collect(),
            scores,
            outcomes,
            mean_score: longer.mean(),
            objectives: super::commit::named_means(&longer),
            estimate,
            front: self.archive.front().ids(),
            improvement: extension.front_changed,
            leader: leader?,
            committed_rollouts: self.ledger.settled().rollouts,
        })));
        if let Some(best) = self.archive.best().filter(|_| extension.best_changed) {
            self.snapshot(SnapshotTag::Best, best);
        }
        Some(extension)
    }

    /// The best candidate and what is known about it; `None` unless rows grow.
    pub(super) fn leader(&self) -> Option<crate::event::Leader> {
        let best = self.archive.best()?;
        let mean = self.archive.get(best)?.mean;
        Some(self.growth.as_ref()?.leader(best, mean))
    }

    fn refinement_row(
        &mut self,
        iteration: u64,
        candidate: Arc<gepa_archive::Candidate>,
        positions: Vec<usize>,
        as_of: u64,
    ) -> Row {
        let trials_before = self.scorings.trials_in(iteration);
        Row::of_positions(iteration, trials_before, candidate, positions, as_of)
    }
}
