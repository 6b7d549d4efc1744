//! The tables of a run in memory, made from its journal. The views, the memory store and the check
//! of a database all use them.

mod candidates;
mod score_history;
mod trials;

pub use candidates::CandidateTable;
pub use score_history::ScoreHistory;
pub use trials::TrialTable;

use std::sync::Arc;

use super::project::{Change, Misfit, Projector};
use super::rows::{
    CandidateRow, ReflectionRow, RolloutRow, RunRow, RunSummary, SnapshotRow, TrialRow,
};
use super::tokens::token_estimate;
use crate::event::{Decision, Event, EventBody, SnapshotTaken};
use crate::ids::{RunId, Seq};

/// The tables of one run.
#[derive(Clone, Debug)]
pub struct Tables {
    created: RunRow,
    projector: Projector,
    candidates: CandidateTable,
    trials: TrialTable,
    reflections: Vec<ReflectionRow>,
    snapshots: Vec<SnapshotRow>,
}

impl Tables {
    /// Creates the tables of a run before its first event. The summary in `run` is ignored.
    pub fn new(run: RunRow) -> Self {
        let created = RunRow {
            summary: RunSummary::default(),
            ..run
        };
        Self {
            projector: Projector::new(created.run_id.clone(), RunSummary::default()),
            created,
            candidates: CandidateTable::default(),
            trials: TrialTable::default(),
            reflections: Vec::new(),
            snapshots: Vec::new(),
        }
    }

    /// Returns the tables of the same run before its first event.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self::new(self.created.clone())
    }

    /// Adds the next event.
    ///
    /// # Errors
    ///
    /// The event does not follow from those before it. The tables then hold a part of its changes
    /// and must be built again.
    pub fn take_in(&mut self, event: &Event) -> Result<(), Misfit> {
        for change in self.projector.apply(event) {
            self.change(change, event)?;
        }
        Ok(())
    }

    /// The run in its present state.
    pub fn run(&self) -> RunRow {
        RunRow {
            summary: self.summary().clone(),
            ..self.created.clone()
        }
    }

    /// Gives the run another name.
    pub fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.created.name);
    }

    /// The run.
    pub fn run_id(&self) -> &RunId {
        &self.created.run_id
    }

    /// The state of the run.
    pub fn summary(&self) -> &RunSummary {
        self.projector.summary()
    }

    /// All candidates, in the order proposed.
    pub fn candidates(&self) -> &[Arc<CandidateRow>] {
        self.candidates.rows()
    }

    /// All trials, in the order started.
    pub fn trials(&self) -> &[Arc<TrialRow>] {
        self.trials.rows()
    }

    /// All rollouts, ascending by event.
    pub fn rollouts(&self) -> &[RolloutRow] {
        self.trials.rollouts()
    }

    /// The rollouts whose events come after `after`.
    pub fn rollouts_after(&self, after: Seq) -> &[RolloutRow] {
        let rollouts = self.trials.rollouts();
        &rollouts[rollouts.partition_point(|row| row.seq <= after)..]
    }

    /// All settled reflection calls, ascending by event.
    pub fn reflections(&self) -> &[ReflectionRow] {
        &self.reflections
    }

    /// All snapshots, in the order taken.
    pub fn snapshots(&self) -> &[SnapshotRow] {
        &self.snapshots
    }

    fn change(&mut self, change: Change, event: &Event) -> Result<(), Misfit> {
        match change {
            Change::Reflection(row) => self.reflections.push(*row),
            Change::Snapshot(row) => {
                let row = self.with_what_old_journals_lack(*row, event);
                self.snapshots.push(row);
            }
            change => {
                let left = self.candidates.change(change)?;
                if let Some(change) = left {
                    self.trials.change(change)?;
                }
            }
        }
        Ok(())
    }

    /// Journals written before snapshots had score and token count hold both in their candidates.
    fn with_what_old_journals_lack(&self, row: SnapshotRow, event: &Event) -> SnapshotRow {
        let EventBody::Decision(Decision::SnapshotTaken(taken)) = &event.body else {
            return row;
        };
        let subject = self.candidates.member(taken.subject);
        let SnapshotTaken {
            score, token_count, ..
        } = taken;
        let known_score = subject.and_then(|subject| subject.mean_score);
        let known_tokens = || {
            subject.map(|subject| {
                let sections = self.created.template.sections(&subject.components);
                token_estimate(&sections)
            })
        };
        SnapshotRow {
            score: score.or(known_score).unwrap_or_default(),
            token_count: token_count.or_else(known_tokens).unwrap_or_default(),
            ..row
        }
    }
}
