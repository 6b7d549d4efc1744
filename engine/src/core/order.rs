//! Which decision comes next: the schedules.
//!
//! *Ordered*: gates and pareto scores are committed in issue order, and a proposal is issued exactly
//! when the gates `gate_lag` back and the pareto scores `pareto_lag` back have been committed, no
//! earlier and no later. What a proposal knows therefore depends on the two lags only.
//!
//! *Free*: whatever is ready is committed; a proposal is issued as soon as fewer gates and fewer
//! pareto scores than the lags are open.

use super::{Core, Part};
use crate::config::ScheduleKind;

/// The decisions whose order a schedule fixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    CommitGate(u64),
    CommitPareto(u64),
}

/// What came of trying to issue a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Issue {
    Issued,
    /// What is promised to proposals in flight must be decided on first.
    Blocked,
    /// The search is over.
    Stopped,
}

impl Core {
    /// Makes every decision that can be made now.
    pub(super) fn advance(&mut self) {
        self.commit_seed_if_complete();
        while matches!(self.part, Part::Searching | Part::Draining) {
            let progressed = match self.config.settings().run.schedule {
                ScheduleKind::Ordered => self.ordered_step(),
                ScheduleKind::Free => self.free_step(),
            };
            if !progressed {
                break;
            }
        }
        self.begin_validation_if_drained();
        self.finish_if_validated();
    }

    fn ordered_step(&mut self) -> bool {
        let run = &self.config.settings().run;
        let (gate_lag, pareto_lag) = (u64::from(run.gate_lag), u64::from(run.pareto_lag));
        let gate = self.open.values().find(|proposal| !proposal.gate_committed);
        let pareto = self.open.values().find(|proposal| proposal.gate_committed);
        let gate_due = gate.map(|p| ((p.iteration + gate_lag, 0), Step::CommitGate(p.iteration)));
        let pareto_due = pareto.map(|p| {
            (
                (p.iteration + pareto_lag, 1),
                Step::CommitPareto(p.iteration),
            )
        });
        let first_due = [gate_due, pareto_due]
            .into_iter()
            .flatten()
            .min_by_key(|(due, _)| *due);
        let issue_due = (self.next_iteration, 2);
        let searching = matches!(self.part, Part::Searching);
        if searching && first_due.is_none_or(|(due, _)| due > issue_due) {
            match self.issue() {
                Issue::Issued | Issue::Stopped => return true,
                Issue::Blocked => {}
            }
        }
        first_due.is_some_and(|(_, step)| self.commit_if_ready(step))
    }

    fn free_step(&mut self) -> bool {
        let ready = self.open.values().find_map(|proposal| {
            if proposal.gate_is_ready() {
                Some(Step::CommitGate(proposal.iteration))
            } else if proposal.pareto_is_ready() {
                Some(Step::CommitPareto(proposal.iteration))
            } else {
                None
            }
        });
        if let Some(step) = ready {
            return self.commit_if_ready(step);
        }
        let run = &self.config.settings().run;
        let open_gates = self
            .open
            .values()
            .filter(|proposal| !proposal.gate_committed)
            .count();
        let has_room =
            open_gates < run.gate_lag as usize && self.open.len() < run.pareto_lag as usize;
        let searching = matches!(self.part, Part::Searching);
        searching && has_room && self.issue() != Issue::Blocked
    }

    fn commit_if_ready(&mut self, step: Step) -> bool {
        match step {
            Step::CommitGate(iteration) if self.open[&iteration].gate_is_ready() => {
                self.commit_gate(iteration);
                true
            }
            Step::CommitPareto(iteration) if self.open[&iteration].pareto_is_ready() => {
                self.commit_pareto(iteration);
                true
            }
            _ => false,
        }
    }
}
