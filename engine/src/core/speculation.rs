//! Pareto sets that begin before their gate is decided on, in slots that would be idle otherwise.
//!
//! `decided` keeps the promise of the ordered schedule: a pareto set begins before its turn only if
//! it is certain that its turn will come. All gates before it are known, no earlier proposal has
//! the same text, and the budget covers the set together with everything that may be requested
//! until then. The decisions and the executed rollouts are then the same as without speculation;
//! only the start is earlier.
//!
//! A set that began can still prove unwanted where the settings change in between, at the point of a branch.

use std::collections::BTreeSet;
use std::ops::Range;

use gepa_archive::ContentId;

use super::issue::MERGE_SUBSET;
use super::ledger::Reservation;
use super::priority::Priority;
use super::proposal::{Proposal, Unwanted, Verdict};
use super::row::{Row, Rung};
use super::state::Core;
use super::work::Work;
use crate::config::{Duplicates, ScheduleKind, Speculation};
use crate::event::CloseReason;

impl Core {
    /// Begins the pareto sets of children that are certain to go on once the gates before theirs
    /// have been committed.
    pub(super) fn begin_decided(&mut self) {
        if !self.begins_decided() {
            return;
        }
        let pareto = self.first_order() as u64;
        let generation = self.generation_rollouts();
        let minibatches = (generation - pareto).max(MERGE_SUBSET);
        let gate_lag = u64::from(self.config.settings().run.gate_lag);
        let mut contents: BTreeSet<ContentId> = self
            .open
            .values()
            .filter(|proposal| proposal.gate_committed)
            .filter_map(Proposal::content)
            .collect();
        // Rollouts of pareto sets that the earlier gates will request.
        let mut promised = 0;
        let mut undecided = self.open.values().find(|proposal| !proposal.gate_committed);
        while let Some(first) = undecided {
            let (siblings, due) = (first.siblings.clone(), first.generation + gate_lag);
            if !self.gates_are_ready(&siblings) {
                return;
            }
            // This many generations may be issued before these gates are committed. Each is issued
            // only if the budget covers one child of it to the end.
            let to_come = due.saturating_sub(self.next_generation) * minibatches + generation;
            for iteration in self.will_go_on(&siblings) {
                let Some(mut proposal) = self.open.remove(&iteration) else {
                    continue;
                };
                if proposal.row.is_none() {
                    promised += pareto;
                    let fits = self.ledger.covers_rollouts(promised + to_come);
                    if fits && !self.may_be_twin(&proposal, &contents) {
                        promised -= pareto;
                        let as_of = proposal.as_of;
                        if let Some((row, rung)) = self.first_rung(&proposal, as_of) {
                            self.begin_early(&mut proposal, row, rung);
                        }
                    }
                }
                contents.extend(proposal.content());
                self.open.insert(iteration, proposal);
            }
            undecided = self.open.range(siblings.end..).next().map(|(_, next)| next);
        }
    }

    /// Whether pareto sets may begin before their turn without a change of decisions. With a lag of
    /// 1 no gate has another gate before it.
    pub(super) fn begins_decided(&self) -> bool {
        let run = &self.config.settings().run;
        run.speculate == Speculation::Decided
            && run.schedule == ScheduleKind::Ordered
            && run.gate_lag > 1
            && self.policies.evaluation.configured.is_fixed()
    }

    /// Whether the text may prove to be known already when the gate is committed.
    fn may_be_twin(&self, proposal: &Proposal, ahead: &BTreeSet<ContentId>) -> bool {
        let skips = self.config.settings().search.duplicates == Duplicates::Skip;
        proposal.content().is_none_or(|content| {
            ahead.contains(&content) || (skips && self.contents.contains_key(&content))
        })
    }

    /// Ends a proposal that does not go on. If its pareto set has begun, the end waits for the
    /// rollouts in flight, and the others are removed from the queue.
    pub(super) fn turn_away(
        &mut self,
        mut proposal: Proposal,
        reason: CloseReason,
        detail: String,
    ) {
        let iteration = proposal.iteration;
        let Some(row) = &proposal.row else {
            self.close(iteration, reason, detail);
            return;
        };
        let open = row.last().filter(|trial| !trial.is_complete());
        let is_dropping = open.is_some();
        self.work
            .extend(open.map(|trial| Work::DropTrial(trial.key)));
        proposal.rank = usize::MAX;
        proposal.unwanted = Some(Unwanted {
            reason,
            detail,
            is_dropping,
        });
        proposal.gate_committed = true;
        self.open.insert(iteration, proposal);
    }

    /// Makes the row of a proposal's child and its first order. It does not give the order yet.
    fn first_rung(&mut self, proposal: &Proposal, as_of: u64) -> Option<(Row, Rung)> {
        let mut row = self.row_of(proposal, as_of)?;
        let rung = self.next_rung(&mut row, proposal.child_trial.as_ref())?;
        row.reserved = self.reserved_for(&row, &rung);
        Some((row, rung))
    }

    fn begin_early(&mut self, proposal: &mut Proposal, mut row: Row, rung: Rung) {
        proposal.reserved.rollouts += row.reserved;
        self.ledger.reserve(Reservation {
            rollouts: row.reserved,
            reflections: 0,
        });
        row.priority = Priority::early(proposal);
        self.order_rung(&mut row, rung);
        self.grow(&mut row, proposal.child_trial.as_ref());
        proposal.row = Some(row);
    }

    /// The proposals whose children go on when the gates of their generation are committed.
    fn will_go_on(&self, siblings: &Range<u64>) -> Vec<u64> {
        let open = self.open.range(siblings.clone());
        let mut passed: Vec<_> = open
            .filter_map(|(iteration, proposal)| match &proposal.verdict {
                Some(Verdict::Pass(gate)) => Some((*iteration, proposal.reflection(), *gate)),
                _ => None,
            })
            .collect();
        Self::take_lesser(&mut passed, |(_, asker, gate)| (*asker, *gate));
        self.best_first(&mut passed, |(_, _, gate)| *gate);
        passed.truncate(self.most_kept());
        passed
            .into_iter()
            .map(|(iteration, ..)| iteration)
            .collect()
    }
}
