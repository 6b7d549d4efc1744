//! The schedules: which decision comes next.
//!
//! *Ordered*: gates and pareto scores are committed in issue order. A generation is issued exactly
//! when the gates `gate_lag` generations back and the pareto scores `pareto_lag` generations back
//! have been committed, no earlier and no later. What a proposal knows therefore depends only on
//! the two lags.
//!
//! *Free*: every gate and row that is ready is committed. A generation is issued as soon as fewer
//! gates and fewer pareto scores than the lags are open. Lags count generations; most hold a single
//! proposal.

use std::ops::Range;

use super::state::{Core, Part};
use crate::config::ScheduleKind;

/// The decisions whose order a schedule fixes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    CommitGates(Range<u64>),
    CommitPareto(Range<u64>),
}

/// The result of an attempt to issue a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Issue {
    Issued,
    /// No proposal can be issued before those in flight have been decided on.
    Blocked,
    /// The search is over.
    Stopped,
}

impl Core {
    /// Makes every decision that can be made now.
    pub(super) fn advance(&mut self) {
        self.commit_seed_if_complete();
        while matches!(self.part, Part::Searching | Part::Draining) {
            if !self.step() {
                break;
            }
        }
        self.begin_decided();
        self.begin_validation_if_drained();
        self.finish_if_validated();
    }

    /// Makes the next decision, if it can be made now.
    pub(super) fn step(&mut self) -> bool {
        match self.config.settings().run.schedule {
            ScheduleKind::Ordered => self.ordered_step(),
            ScheduleKind::Free => self.free_step(),
        }
    }

    fn ordered_step(&mut self) -> bool {
        let run = &self.config.settings().run;
        let (gate_lag, pareto_lag) = (u64::from(run.gate_lag), u64::from(run.pareto_lag));
        let gate = self.open.values().find(|proposal| !proposal.gate_committed);
        let pareto = self.open.values().find(|proposal| proposal.gate_committed);
        let gate_due = gate.map(|p| {
            let step = Step::CommitGates(p.siblings.clone());
            ((p.generation + gate_lag, 0), step)
        });
        let pareto_due = pareto.map(|p| {
            let step = Step::CommitPareto(p.siblings.clone());
            ((p.generation + pareto_lag, 1), step)
        });
        let first_due = [gate_due, pareto_due]
            .into_iter()
            .flatten()
            .min_by_key(|(due, _)| *due);
        let issue_due = (self.next_generation, 2);
        let searching = matches!(self.part, Part::Searching);
        if searching && first_due.as_ref().is_none_or(|(due, _)| *due > issue_due) {
            match self.issue() {
                Issue::Issued | Issue::Stopped => return true,
                Issue::Blocked => {}
            }
        }
        first_due.is_some_and(|(_, step)| self.commit_if_ready(step))
    }

    fn free_step(&mut self) -> bool {
        let ready = self.open.values().find_map(|proposal| {
            let siblings = &proposal.siblings;
            if proposal.gate_is_ready() && self.gates_are_ready(siblings) {
                Some(Step::CommitGates(siblings.clone()))
            } else if proposal.pareto_is_ready() && self.paretos_are_ready(siblings) {
                Some(Step::CommitPareto(siblings.clone()))
            } else {
                None
            }
        });
        if let Some(step) = ready {
            return self.commit_if_ready(step);
        }
        let run = &self.config.settings().run;
        let mut open_gates: Vec<u64> = self
            .open
            .values()
            .filter(|proposal| !proposal.gate_committed)
            .map(|proposal| proposal.generation)
            .collect();
        let mut open: Vec<u64> = self.open.values().map(|p| p.generation).collect();
        open_gates.dedup();
        open.dedup();
        let has_room =
            open_gates.len() < run.gate_lag as usize && open.len() < run.pareto_lag as usize;
        let searching = matches!(self.part, Part::Searching);
        searching && has_room && self.issue() != Issue::Blocked
    }

    fn commit_if_ready(&mut self, step: Step) -> bool {
        match step {
            Step::CommitGates(siblings) if self.gates_are_ready(&siblings) => {
                self.commit_gates(siblings);
                true
            }
            Step::CommitPareto(siblings) if self.paretos_are_ready(&siblings) => {
                self.commit_pareto(siblings);
                true
            }
            _ => false,
        }
    }
}
