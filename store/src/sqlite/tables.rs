//! Changes the tables of one run within a transaction, as the projector says.

use std::collections::BTreeMap;

use gepa_archive::CandidateIndex;
use gepa_engine::record::{Cell, Change, Column, GateRow, Misfit, RolloutRow, usage_cells};
use gepa_engine::{
    CandidateAccepted, CloseReason, Event, RevisedMean, RowExtended, RunId, Seq, StoreError,
    Timestamp, TrialFinished, TrialKey, ValidationResult,
};
use gepa_evaluation::Usage;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params_from_iter};

use super::insert;
use super::place::Place;
use super::read;
use super::value::{Parameter, RunNumber};

/// The tables, and the sums of trials that are not written yet: one statement per trial and batch.
pub(super) struct RunTables<'c> {
    connection: &'c Connection,
    place: &'c Place,
    run: &'c RunId,
    number: RunNumber,
    /// Kept in the struct, because most events of a batch need them.
    new_event: CachedStatement<'c>,
    new_rollout: CachedStatement<'c>,
    executed: BTreeMap<TrialKey, Executed>,
}

/// The amounts that a batch adds to a trial.
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
        let prepare = |sql: &str| {
            let prepared = connection.prepare_cached(sql);
            prepared.map_err(|error| place.explain(&error))
        };
        Ok(Self {
            connection,
            place,
            run,
            number,
            new_event: prepare(insert::EVENT)?,
            new_rollout: prepare(&insert::ROLLOUT)?,
            executed: BTreeMap::new(),
        })
    }

    /// Writes an event into the journal.
    pub(super) fn journal(&mut self, event: &Event) -> Result<(), StoreError> {
        insert::event(&mut self.new_event, self.number, self.run, event)
            .map_err(|error| self.place.explain(&error))
    }

    /// Writes the amounts that the batch adds to its trials.
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
        let mut values = vec![Cell::text(self.run.as_str())];
        key.write(&mut values);
        values.push(Cell::count(rollouts));
        values.extend(usage_cells(usage));
        self.connection
            .prepare_cached(
                "UPDATE trials SET executed = executed + ?4, calls = calls + ?5, \
                 prompt_tokens = prompt_tokens + ?6, completion_tokens = completion_tokens + ?7, \
                 cached_tokens = cached_tokens + ?8, unknown_tokens = unknown_tokens + ?9, \
                 cost_micro_usd = cost_micro_usd + ?10, unpriced_calls = unpriced_calls + ?11 \
                 WHERE run_id = ?1 AND iteration = ?2 AND trial_index = ?3",
            )?
            .execute(params_from_iter(values.into_iter().map(Parameter)))
    }

    /// Changes the rows that `sql` finds by the run as ?1 and by the rest of `values`.
    fn update(&self, sql: &'static str, values: Vec<Cell<'_>>) -> Result<usize, ChangeError> {
        let run = Cell::text(self.run.as_str());
        let values = std::iter::once(run).chain(values).map(Parameter);
        let changed = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params_from_iter(values)));
        self.written(changed)
    }

    fn written<T>(&self, result: rusqlite::Result<T>) -> Result<T, ChangeError> {
        result.map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => misfit(format!(
                "it repeats or contradicts an earlier one ({error})"
            )),
            _ => ChangeError::Store(self.place.explain(&error)),
        })
    }

    fn gate(&self, iteration: u64, gate: &GateRow) -> Result<(), ChangeError> {
        let mut values = vec![Cell::count(iteration)];
        gate.write(&mut values);
        let changed = self.update(
            "UPDATE candidates SET gate_passed = ?3, gate_compared = ?4, gate_parent_sum = ?5, \
             gate_child_sum = ?6 WHERE run_id = ?1 AND iteration = ?2",
            values,
        )?;
        found(changed, || {
            format!("iteration {iteration} has no candidate")
        })
    }

    fn accept(&self, accepted: &CandidateAccepted, seq: Seq) -> Result<(), ChangeError> {
        let iteration = accepted.iteration;
        let changed = self.update(
            "UPDATE candidates SET status = 'accepted', archive_index = ?3, mean_score = ?4, \
             scores = ?5, objectives = ?6, accepted_seq = ?7 \
             WHERE run_id = ?1 AND iteration = ?2 AND archive_index IS NULL",
            vec![
                Cell::count(iteration),
                Cell::count(accepted.index.0.into()),
                Cell::Real(accepted.mean_score),
                Cell::json(&accepted.scores),
                Cell::json(&accepted.objectives),
                Cell::count(seq.0),
            ],
        )?;
        found(changed, || {
            format!("iteration {iteration} has no candidate that could be accepted")
        })
    }

    /// Adds scores to the stored row.
    fn extend(&self, extended: &RowExtended) -> Result<(), ChangeError> {
        let index = extended.candidate;
        let member = || Cell::count(index.0.into());
        let found_row = self
            .connection
            .prepare_cached(
                "SELECT scores FROM candidates WHERE run_id = ?1 AND archive_index = ?2",
            )
            .and_then(|mut statement| {
                let place = [Cell::text(self.run.as_str()), member()].map(Parameter);
                let read = |row: &Row<'_>| row.get::<_, Option<String>>(0);
                statement
                    .query_row(params_from_iter(place), read)
                    .optional()
            });
        let stored = self.written(found_row)?.flatten();
        let read = |text: String| serde_json::from_str::<Vec<Option<f64>>>(&text).ok();
        let Some(mut scores) = stored.and_then(read).filter(|row| extended.fits(row)) else {
            return Err(misfit(format!(
                "the row of candidate {index} has no such positions"
            )));
        };
        extended.add_to(&mut scores);
        let changed = self.update(
            "UPDATE candidates SET mean_score = ?3, scores = ?4, objectives = ?5 \
             WHERE run_id = ?1 AND archive_index = ?2",
            vec![
                member(),
                Cell::Real(extended.mean_score),
                Cell::json(&scores),
                Cell::json(&extended.objectives),
            ],
        )?;
        found(changed, || never_accepted(index))
    }

    fn revise_mean(&self, mean: &RevisedMean) -> Result<(), ChangeError> {
        let mut values = vec![Cell::count(mean.candidate.0.into())];
        mean.mean_score.write(&mut values);
        let changed = self.update(
            "UPDATE candidates SET mean_score = ?3 WHERE run_id = ?1 AND archive_index = ?2",
            values,
        )?;
        found(changed, || never_accepted(mean.candidate))
    }

    fn evict(&self, index: CandidateIndex, seq: Seq) -> Result<(), ChangeError> {
        let changed = self.update(
            "UPDATE candidates SET status = 'evicted', evicted_seq = ?3 \
             WHERE run_id = ?1 AND archive_index = ?2",
            vec![Cell::count(index.0.into()), Cell::count(seq.0)],
        )?;
        found(changed, || never_accepted(index))
    }

    fn close(&self, iteration: u64, reason: CloseReason) -> Result<(), ChangeError> {
        // An iteration may end before it has a candidate.
        self.update(
            "UPDATE candidates SET status = 'rejected', close_reason = ?3 \
             WHERE run_id = ?1 AND iteration = ?2",
            vec![Cell::count(iteration), Cell::word(reason)],
        )?;
        Ok(())
    }

    fn validate(&self, result: &ValidationResult) -> Result<(), ChangeError> {
        let mut values = vec![Cell::count(result.candidate.0.into())];
        result.mean_score.write(&mut values);
        result.scores.write(&mut values);
        let changed = self.update(
            "UPDATE candidates SET validation_score = ?3, validation_scores = ?4 \
             WHERE run_id = ?1 AND archive_index = ?2",
            values,
        )?;
        found(changed, || never_accepted(result.candidate))
    }

    fn finish_trial(&self, finished: &TrialFinished, at: Timestamp) -> Result<(), ChangeError> {
        let mut values = Vec::new();
        finished.trial.write(&mut values);
        finished.mean_score.write(&mut values);
        finished.scored.write(&mut values);
        finished.failed.write(&mut values);
        at.write(&mut values);
        let changed = self.update(
            "UPDATE trials SET mean_score = ?4, scored = ?5, failed = ?6, finished_at = ?7 \
             WHERE run_id = ?1 AND iteration = ?2 AND trial_index = ?3",
            values,
        )?;
        found(changed, || never_started(finished.trial))
    }

    fn settle(&mut self, row: &RolloutRow) -> Result<(), ChangeError> {
        self.add(row, 1);
        let inserted = insert::rollout(&mut self.new_rollout, self.number, row);
        self.written(inserted)
    }

    fn settle_again(&mut self, row: RolloutRow) -> Result<(), ChangeError> {
        self.add(&row, 0);
        let earlier = read::failed_rollout(self.connection, self.place, self.run, &row)?;
        let Some(earlier) = earlier else {
            return Err(misfit(format!(
                "rollout {} of trial `{}` has no failure to replace",
                row.position,
                row.trial_id()
            )));
        };
        let id = [self.number.key(earlier.seq)];
        let deleted = self
            .connection
            .execute("DELETE FROM rollouts WHERE id = ?1", id);
        self.written(deleted)?;
        let row = row.after(earlier);
        let inserted = insert::rollout(&mut self.new_rollout, self.number, &row);
        self.written(inserted)
    }

    fn add(&mut self, row: &RolloutRow, rollouts: u64) {
        let executed = self.executed.entry(row.key).or_insert_with(|| Executed {
            first: row.seq,
            rollouts: 0,
            usage: Usage::default(),
        });
        executed.rollouts += rollouts;
        executed.usage += row.whole_usage();
    }
}

impl RunTables<'_> {
    /// Makes one change. The error says why it fits no row.
    pub(super) fn change(&mut self, change: Change) -> Result<(), ChangeError> {
        match change {
            Change::Candidate(row) => self.written(insert::candidate(self.connection, &row)),
            Change::Gate(iteration, gate) => self.gate(iteration, &gate),
            Change::Accepted(accepted, seq) => self.accept(&accepted, seq),
            Change::Extended(extended) => self.extend(&extended),
            Change::Mean(mean) => self.revise_mean(&mean),
            Change::Evicted(index, seq) => self.evict(index, seq),
            Change::Closed(iteration, reason) => self.close(iteration, reason),
            Change::Validated(result) => self.validate(&result),
            Change::Trial(row) => self.written(insert::trial(self.connection, &row)),
            Change::TrialFinished(finished, at) => self.finish_trial(&finished, at),
            Change::Rollout(row) => self.settle(&row),
            Change::RolloutAgain(row) => self.settle_again(*row),
            Change::Reflection(row) => self.written(insert::reflection(self.connection, &row)),
            Change::Snapshot(row) => self.written(insert::snapshot(self.connection, &row)),
            other => Err(misfit(format!("no table takes {other:?}"))),
        }
    }
}

/// Why a change was not made.
#[derive(Debug)]
pub(super) enum ChangeError {
    /// The change fits no row, or the row to add exists already.
    Misfit(Misfit),
    /// The tables could not be written.
    Store(StoreError),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn misfit(detail: String) -> ChangeError {
    ChangeError::Misfit(Misfit(detail))
}

fn found(changed: usize, missing: impl FnOnce() -> String) -> Result<(), ChangeError> {
    if changed == 0 {
        return Err(misfit(missing()));
    }
    Ok(())
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
