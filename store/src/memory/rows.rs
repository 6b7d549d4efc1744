//! The rows of one run, changed as the projector says.

use std::collections::BTreeMap;
use std::sync::Arc;

use gepa_archive::CandidateIndex;
use gepa_engine::record::{
    ArtifactRow, CandidateRow, CandidateStatus, Change, ReflectionRow, RolloutRow, SnapshotRow,
    TrialRow,
};
use gepa_engine::{CandidateAccepted, Seq, StoreError, TrialKey, ValidationResult};

use crate::projection::{ChangeError, Tables};

/// The rows. The large ones are shared, so that readers copy them without holding a lock.
#[derive(Default)]
pub(super) struct Rows {
    candidates: Vec<Arc<CandidateRow>>,
    by_iteration: BTreeMap<u64, usize>,
    members: BTreeMap<CandidateIndex, usize>,
    trials: Vec<Arc<TrialRow>>,
    by_key: BTreeMap<TrialKey, usize>,
    /// Ascending by event.
    rollouts: Vec<RolloutRow>,
    /// Those that can be tried again.
    failed: BTreeMap<(TrialKey, u32), Seq>,
    pub(super) reflections: Vec<ReflectionRow>,
    pub(super) snapshots: Vec<SnapshotRow>,
    pub(super) artifacts: Vec<ArtifactRow>,
}

impl Rows {
    pub(super) fn candidates(&self) -> Vec<Arc<CandidateRow>> {
        self.candidates.clone()
    }

    pub(super) fn trials(&self) -> Vec<Arc<TrialRow>> {
        self.trials.clone()
    }

    pub(super) fn rollouts(&self, after: Seq, limit: usize) -> Vec<RolloutRow> {
        let first = self.rollouts.partition_point(|row| row.seq <= after);
        let page = self.rollouts[first..].iter().take(limit);
        page.cloned().collect()
    }

    fn propose(&mut self, row: CandidateRow) -> Result<(), ChangeError> {
        let position = self.candidates.len();
        let earlier = self.by_iteration.insert(row.iteration, position);
        if earlier.is_some() {
            return misfit(format!(
                "iteration {} has a candidate already",
                row.iteration
            ));
        }
        self.candidates.push(Arc::new(row));
        Ok(())
    }

    fn of_iteration(&mut self, iteration: u64) -> Result<&mut CandidateRow, ChangeError> {
        match self.by_iteration.get(&iteration) {
            Some(position) => Ok(Arc::make_mut(&mut self.candidates[*position])),
            None => misfit(format!("iteration {iteration} has no candidate")),
        }
    }

    fn member(&mut self, index: CandidateIndex) -> Result<&mut CandidateRow, ChangeError> {
        match self.members.get(&index) {
            Some(position) => Ok(Arc::make_mut(&mut self.candidates[*position])),
            None => misfit(format!("candidate {index} was never accepted")),
        }
    }

    fn accept(&mut self, accepted: CandidateAccepted, seq: Seq) -> Result<(), ChangeError> {
        if self.members.contains_key(&accepted.index) {
            return misfit(format!("candidate {} was accepted before", accepted.index));
        }
        let row = self.of_iteration(accepted.iteration)?;
        if row.index.is_some() {
            return misfit(format!(
                "iteration {} has no candidate that could be accepted",
                accepted.iteration
            ));
        }
        row.status = CandidateStatus::Accepted;
        row.index = Some(accepted.index);
        row.mean_score = Some(accepted.mean_score);
        row.scores = Some(accepted.scores);
        row.objectives = accepted.objectives;
        row.accepted_seq = Some(seq);
        let position = self.by_iteration[&accepted.iteration];
        self.members.insert(accepted.index, position);
        Ok(())
    }

    fn validate(&mut self, result: ValidationResult) -> Result<(), ChangeError> {
        let row = self.member(result.candidate)?;
        row.validation_score = result.mean_score;
        row.validation_scores = Some(result.scores);
        Ok(())
    }

    fn trial(&mut self, key: TrialKey) -> Result<&mut TrialRow, ChangeError> {
        match self.by_key.get(&key) {
            Some(position) => Ok(Arc::make_mut(&mut self.trials[*position])),
            None => misfit(format!(
                "trial {} of iteration {} was never started",
                key.index, key.iteration
            )),
        }
    }

    fn start_trial(&mut self, row: TrialRow) -> Result<(), ChangeError> {
        let position = self.trials.len();
        if self.by_key.insert(row.key, position).is_some() {
            return misfit(format!("trial `{}` was started before", row.trial_id));
        }
        self.trials.push(Arc::new(row));
        Ok(())
    }

    fn settle(&mut self, row: RolloutRow) -> Result<(), ChangeError> {
        let trial = self.trial(row.key)?;
        trial.executed += 1;
        trial.usage += row.usage + row.judge_usage;
        let place = (row.key, row.position);
        if row.failure.is_some() && self.failed.insert(place, row.seq).is_some() {
            return misfit(format!(
                "rollout {} of trial `{}` has failed before",
                row.position,
                row.trial_id()
            ));
        }
        self.rollouts.push(row);
        Ok(())
    }

    fn settle_again(&mut self, row: RolloutRow) -> Result<(), ChangeError> {
        let trial = self.trial(row.key)?;
        trial.usage += row.usage + row.judge_usage;
        let Some(earlier) = self.failed.remove(&(row.key, row.position)) else {
            return misfit(format!(
                "rollout {} of trial `{}` has no failure to replace",
                row.position,
                row.trial_id()
            ));
        };
        if row.failure.is_some() {
            self.failed.insert((row.key, row.position), row.seq);
        }
        let position = self.rollouts.partition_point(|other| other.seq < earlier);
        let replaced = self.rollouts.remove(position);
        self.rollouts.push(RolloutRow {
            attempts: replaced.attempts.saturating_add(row.attempts),
            usage: replaced.usage + row.usage,
            judge_usage: replaced.judge_usage + row.judge_usage,
            score: row.score,
            failure: row.failure,
            error: row.error,
            finished_at: row.finished_at,
            seq: row.seq,
            ..replaced
        });
        Ok(())
    }
}

impl Tables for Rows {
    fn candidate(&self, index: CandidateIndex) -> Result<Option<CandidateRow>, StoreError> {
        let position = self.members.get(&index);
        Ok(position.map(|position| (*self.candidates[*position]).clone()))
    }

    fn change(&mut self, change: Change) -> Result<(), ChangeError> {
        match change {
            Change::Candidate(row) => self.propose(*row),
            Change::Gate(iteration, gate) => {
                self.of_iteration(iteration)?.gate = Some(gate);
                Ok(())
            }
            Change::Accepted(accepted, seq) => self.accept(*accepted, seq),
            Change::Evicted(index, seq) => {
                let row = self.member(index)?;
                row.status = CandidateStatus::Evicted;
                row.evicted_seq = Some(seq);
                Ok(())
            }
            Change::Closed(iteration, reason) => {
                if let Ok(row) = self.of_iteration(iteration) {
                    row.status = CandidateStatus::Rejected;
                    row.close_reason = Some(reason);
                }
                Ok(())
            }
            Change::Validated(result) => self.validate(result),
            Change::Trial(row) => self.start_trial(*row),
            Change::TrialFinished {
                key,
                mean_score,
                scored,
                failed,
                at,
            } => {
                let row = self.trial(key)?;
                row.mean_score = mean_score;
                row.scored = Some(scored);
                row.failed = Some(failed);
                row.finished_at = Some(at);
                Ok(())
            }
            Change::Rollout(row) => self.settle(*row),
            Change::RolloutAgain(row) => self.settle_again(*row),
            Change::Reflection(row) => {
                self.reflections.push(*row);
                Ok(())
            }
            Change::Snapshot(row) => {
                self.snapshots.push(*row);
                Ok(())
            }
            Change::Artifact(row) => {
                self.artifacts.push(*row);
                Ok(())
            }
            other => misfit(format!("no table takes {other:?}")),
        }
    }
}

fn misfit<T>(detail: String) -> Result<T, ChangeError> {
    Err(ChangeError::Misfit(detail))
}
