//! The tables of one run, changed as the projector says, within a transaction.

use std::collections::BTreeMap;

use gepa_archive::CandidateIndex;
use gepa_engine::record::{CandidateRow, Change, GateRow, RolloutRow, TrialRow};
use gepa_engine::{
    CandidateAccepted, Event, RunId, Seq, StoreError, Timestamp, TrialKey, ValidationResult,
};
use gepa_evaluation::Usage;
use rusqlite::{CachedStatement, Connection, ToSql, params};

use super::insert;
use super::place::Place;
use super::read;
use super::value::{RunNumber, int, json, word};
use crate::projection::{ChangeError, Tables};

/// The tables, and the sums of trials not yet written: one statement per trial and batch.
pub(super) struct RunTables<'c> {
    connection: &'c Connection,
    place: &'c Place,
    run: &'c RunId,
    number: RunNumber,
    /// Kept at hand, as a batch needs them for most of its events.
    new_event: CachedStatement<'c>,
    new_rollout: CachedStatement<'c>,
    executed: BTreeMap<TrialKey, Executed>,
}

/// What a batch adds to a trial.
struct Executed {
    first: Seq,
    rollouts: u64,
    usage: Usage,
}

impl<'c> RunTables<'c> {
    pub(super) fn new(
        connection: &'c Connection,
        place: &'c Place,
        run: &'c RunId,
        number: RunNumber,
    ) -> Result<Self, StoreError> {
        let prepare = |sql| {
            let prepared = connection.prepare_cached(sql);
            prepared.map_err(|error| place.explain(&error))
        };
        Ok(Self {
            connection,
            place,
            run,
            number,
            new_event: prepare(insert::EVENT)?,
            new_rollout: prepare(insert::ROLLOUT)?,
            executed: BTreeMap::new(),
        })
    }

    /// Writes an event into the journal.
    pub(super) fn journal(&mut self, event: &Event) -> Result<(), StoreError> {
        insert::event(&mut self.new_event, self.number, self.run, event)
            .map_err(|error| self.place.explain(&error))
    }

    /// Writes what the batch adds to its trials.
    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        for (key, executed) in std::mem::take(&mut self.executed) {
            let Executed {
                first,
                rollouts,
                usage,
            } = executed;
            let known = self.add_to_trial(key, rollouts, usage);
            if known.map_err(|error| self.place.explain(&error))? == 0 {
                return Err(StoreError::Misfit {
                    run: self.run.clone(),
                    seq: first,
                    detail: never_started(key),
                });
            }
        }
        Ok(())
    }

    fn add_to_trial(&self, key: TrialKey, rollouts: u64, usage: Usage) -> rusqlite::Result<usize> {
        self.connection
            .prepare_cached(
                "UPDATE trials SET executed = executed + ?4, calls = calls + ?5, \
                 prompt_tokens = prompt_tokens + ?6, completion_tokens = completion_tokens + ?7, \
                 cached_tokens = cached_tokens + ?8, unknown_tokens = unknown_tokens + ?9, \
                 cost_micro_usd = cost_micro_usd + ?10, unpriced_calls = unpriced_calls + ?11 \
                 WHERE run_id = ?1 AND iteration = ?2 AND trial_index = ?3",
            )?
            .execute(params![
                self.run.as_str(),
                int(key.iteration),
                key.index,
                int(rollouts),
                int(usage.calls),
                int(usage.prompt_tokens),
                int(usage.completion_tokens),
                int(usage.cached_tokens),
                int(usage.unknown_tokens),
                int(usage.cost.0),
                int(usage.unpriced_calls),
            ])
    }

    fn update(&self, sql: &'static str, values: &[&dyn ToSql]) -> Result<usize, ChangeError> {
        let changed = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(values));
        self.written(changed)
    }

    fn written<T>(&self, result: rusqlite::Result<T>) -> Result<T, ChangeError> {
        result.map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => ChangeError::Misfit(format!(
                "it repeats or contradicts an earlier one ({error})"
            )),
            _ => ChangeError::Store(self.place.explain(&error)),
        })
    }

    fn gate(&self, iteration: u64, gate: &GateRow) -> Result<(), ChangeError> {
        let changed = self.update(
            "UPDATE candidates SET gate_passed = ?3, gate_compared = ?4, gate_parent_sum = ?5, \
             gate_child_sum = ?6 WHERE run_id = ?1 AND iteration = ?2",
            &[
                &self.run.as_str(),
                &int(iteration),
                &gate.passed,
                &gate.compared,
                &gate.parent_sum,
                &gate.child_sum,
            ],
        )?;
        found(changed, || no_candidate(iteration))
    }

    fn accept(&self, accepted: &CandidateAccepted, seq: Seq) -> Result<(), ChangeError> {
        let scores = self.written(json(&accepted.scores))?;
        let objectives = self.written(json(&accepted.objectives))?;
        let changed = self.update(
            "UPDATE candidates SET status = 'accepted', archive_index = ?3, mean_score = ?4, \
             scores = ?5, objectives = ?6, accepted_seq = ?7 \
             WHERE run_id = ?1 AND iteration = ?2 AND archive_index IS NULL",
            &[
                &self.run.as_str(),
                &int(accepted.iteration),
                &accepted.index.0,
                &accepted.mean_score,
                &scores,
                &objectives,
                &int(seq.0),
            ],
        )?;
        found(changed, || {
            format!(
                "iteration {} has no candidate that could be accepted",
                accepted.iteration
            )
        })
    }

    fn evict(&self, index: CandidateIndex, seq: Seq) -> Result<(), ChangeError> {
        let changed = self.update(
            "UPDATE candidates SET status = 'evicted', evicted_seq = ?3 \
             WHERE run_id = ?1 AND archive_index = ?2",
            &[&self.run.as_str(), &index.0, &int(seq.0)],
        )?;
        found(changed, || never_accepted(index))
    }

    fn validate(&self, result: &ValidationResult) -> Result<(), ChangeError> {
        let scores = self.written(json(&result.scores))?;
        let changed = self.update(
            "UPDATE candidates SET validation_score = ?3, validation_scores = ?4 \
             WHERE run_id = ?1 AND archive_index = ?2",
            &[
                &self.run.as_str(),
                &result.candidate.0,
                &result.mean_score,
                &scores,
            ],
        )?;
        found(changed, || never_accepted(result.candidate))
    }

    fn finish_trial(
        &self,
        key: TrialKey,
        mean_score: Option<f64>,
        scored: u32,
        failed: u32,
        at: Timestamp,
    ) -> Result<(), ChangeError> {
        let changed = self.update(
            "UPDATE trials SET mean_score = ?4, scored = ?5, failed = ?6, finished_at = ?7 \
             WHERE run_id = ?1 AND iteration = ?2 AND trial_index = ?3",
            &[
                &self.run.as_str(),
                &int(key.iteration),
                &key.index,
                &mean_score,
                &scored,
                &failed,
                &at.0,
            ],
        )?;
        found(changed, || never_started(key))
    }

    fn start_trial(&self, row: &TrialRow) -> Result<(), ChangeError> {
        self.written(insert::trial(self.connection, row))
    }

    fn settle(&mut self, row: &RolloutRow) -> Result<(), ChangeError> {
        self.add(row, 1);
        let inserted = insert::rollout(&mut self.new_rollout, self.number, row);
        self.written(inserted)
    }

    fn settle_again(&mut self, row: &RolloutRow) -> Result<(), ChangeError> {
        self.add(row, 0);
        let changed = self.written(insert::rollout_again(self.connection, self.number, row))?;
        found(changed, || {
            format!(
                "rollout {} of trial `{}` has no failure to replace",
                row.position,
                row.trial_id()
            )
        })
    }

    fn add(&mut self, row: &RolloutRow, rollouts: u64) {
        let executed = self.executed.entry(row.key).or_insert_with(|| Executed {
            first: row.seq,
            rollouts: 0,
            usage: Usage::default(),
        });
        executed.rollouts += rollouts;
        executed.usage += row.usage + row.judge_usage;
    }
}

impl Tables for RunTables<'_> {
    fn candidate(&self, index: CandidateIndex) -> Result<Option<CandidateRow>, StoreError> {
        read::member(self.connection, self.place, self.run, index)
    }

    fn change(&mut self, change: Change) -> Result<(), ChangeError> {
        match change {
            Change::Candidate(row) => self.written(insert::candidate(self.connection, &row)),
            Change::Gate(iteration, gate) => self.gate(iteration, &gate),
            Change::Accepted(accepted, seq) => self.accept(&accepted, seq),
            Change::Evicted(index, seq) => self.evict(index, seq),
            Change::Closed(iteration, reason) => {
                let reason = self.written(word(reason))?;
                self.update(
                    "UPDATE candidates SET status = 'rejected', close_reason = ?3 \
                     WHERE run_id = ?1 AND iteration = ?2",
                    &[&self.run.as_str(), &int(iteration), &reason],
                )?;
                Ok(())
            }
            Change::Validated(result) => self.validate(&result),
            Change::Trial(row) => self.start_trial(&row),
            Change::TrialFinished {
                key,
                mean_score,
                scored,
                failed,
                at,
            } => self.finish_trial(key, mean_score, scored, failed, at),
            Change::Rollout(row) => self.settle(&row),
            Change::RolloutAgain(row) => self.settle_again(&row),
            Change::Reflection(row) => self.written(insert::reflection(self.connection, &row)),
            Change::Snapshot(row) => self.written(insert::snapshot(self.connection, &row)),
            Change::Artifact(row) => self.written(insert::artifact(self.connection, &row)),
            other => Err(ChangeError::Misfit(format!("no table takes {other:?}"))),
        }
    }
}

fn found(changed: usize, missing: impl FnOnce() -> String) -> Result<(), ChangeError> {
    if changed == 0 {
        return Err(ChangeError::Misfit(missing()));
    }
    Ok(())
}

fn no_candidate(iteration: u64) -> String {
    format!("iteration {iteration} has no candidate")
}

fn never_accepted(index: CandidateIndex) -> String {
    format!("candidate {index} was never accepted")
}

fn never_started(key: TrialKey) -> String {
    format!(
        "trial {} of iteration {} was never started",
        key.index, key.iteration
    )
}
