//! The changes that a batch makes to the tables of its run, as the projector says.

use std::collections::BTreeMap;

use gepa_archive::CandidateIndex;
use gepa_engine::record::{Cell, Change, Column, ColumnError, GateRow, RolloutRow, usage_cells};
use gepa_engine::{
    CandidateAccepted, CloseReason, RevisedMean, RowExtended, RunId, Seq, Timestamp, TrialFinished,
    TrialKey, ValidationResult,
};
use gepa_evaluation::Usage;

use crate::database::{Database, decoded};
use crate::failure::Failure;
use crate::inserts::Inserts;
use crate::pipeline::Pipeline;
use crate::value::Parameter;

/// The changes of one batch, within its transaction.
pub(crate) struct Changes<'d> {
    database: &'d Database,
    run: &'d RunId,
    pub(crate) pipeline: Pipeline<'d>,
    pub(crate) inserts: Inserts,
    updates: Vec<(String, Vec<Parameter>)>,
    executed: BTreeMap<TrialKey, Executed>,
    /// What the batch spent, for the limits of its tenant.
    spent: Executed,
}

/// The amounts that a batch adds to a trial.
#[derive(Default)]
struct Executed {
    rollouts: u64,
    usage: Usage,
}

impl<'d> Changes<'d> {
    pub(crate) fn new(database: &'d Database, run: &'d RunId, pipeline: Pipeline<'d>) -> Self {
        Self {
            inserts: Inserts::new(),
            database,
            run,
            pipeline,
            updates: Vec::new(),
            executed: BTreeMap::new(),
            spent: Executed::default(),
        }
    }

    /// Makes one change, which the event `seq` caused.
    pub(crate) async fn change(&mut self, change: Change) -> Result<(), Failure> {
        let made = match change {
            Change::Candidate(row) => self.inserts.candidate(&row),
            Change::Trial(row) => self.inserts.trial(&row),
            Change::Reflection(row) => {
                self.spent.usage += row.usage;
                self.inserts.reflection(&row)
            }
            Change::Snapshot(row) => self.inserts.snapshot(&row),
            Change::Rollout(row) => {
                self.add(&row, 1);
                self.inserts.rollout(&row)
            }
            Change::RolloutAgain(row) => return self.settle_again(*row).await,
            Change::Extended(extended) => return self.extend(&extended).await,
            other => {
                self.update(other);
                Ok(())
            }
        };
        made.map_err(refused)
    }

    /// Hands all waiting rows and updates to the transaction, rows first: no update precedes the row
    /// that it changes.
    pub(crate) fn finish(&mut self) {
        self.inserts.send(self.database, &mut self.pipeline);
        for (sql, parameters) in std::mem::take(&mut self.updates) {
            self.pipeline.push(sql, parameters);
        }
        self.add_to_trials();
        self.add_to_spending();
    }

    fn update(&mut self, change: Change) {
        match change {
            Change::Gate(iteration, gate) => self.gate(iteration, &gate),
            Change::Accepted(accepted, seq) => self.accept(&accepted, seq),
            Change::Mean(mean) => self.revise_mean(&mean),
            Change::Evicted(index, seq) => self.evict(index, seq),
            Change::Closed(iteration, reason) => self.close(iteration, reason),
            Change::Validated(result) => self.validate(&result),
            Change::TrialFinished(finished, at) => self.finish_trial(&finished, at),
            // A change that a newer engine makes and this store does not know.
            other => self.must_change(
                "UPDATE {s}.runs SET status = status WHERE run_id = $1 AND $2 IS NULL",
                vec![Cell::Text(format!("{other:?}").into())],
            ),
        }
    }

    /// Adds an UPDATE that finds its row by the run as $1 and by the rest of `values`. If it finds
    /// none, the transaction fails.
    fn must_change(&mut self, update: &str, values: Vec<Cell<'_>>) {
        let sql = format!(
            "WITH changed AS ({} RETURNING 1) SELECT 1 / count(*) FROM changed",
            self.database.sql(update)
        );
        self.updates.push((sql, self.with_run(values)));
    }

    fn with_run(&self, values: Vec<Cell<'_>>) -> Vec<Parameter> {
        let run = Cell::text(self.run.as_str());
        std::iter::once(run)
            .chain(values)
            .map(Parameter::from)
            .collect()
    }

    fn gate(&mut self, iteration: u64, gate: &GateRow) {
        let mut values = vec![Cell::count(iteration)];
        gate.write(&mut values);
        self.must_change(
            "UPDATE {s}.candidates SET gate_passed = $3, gate_compared = $4, \
             gate_parent_sum = $5, gate_child_sum = $6 WHERE run_id = $1 AND iteration = $2",
            values,
        );
    }

    fn accept(&mut self, accepted: &CandidateAccepted, seq: Seq) {
        self.must_change(
            "UPDATE {s}.candidates SET status = 'accepted', archive_index = $3, mean_score = $4, \
             scores = $5, objectives = $6, accepted_seq = $7 \
             WHERE run_id = $1 AND iteration = $2 AND archive_index IS NULL",
            vec![
                Cell::count(accepted.iteration),
                Cell::count(accepted.index.0.into()),
                Cell::Real(accepted.mean_score),
                Cell::json(&accepted.scores),
                Cell::json(&accepted.objectives),
                Cell::count(seq.0),
            ],
        );
    }

    fn revise_mean(&mut self, mean: &RevisedMean) {
        let mut values = vec![Cell::count(mean.candidate.0.into())];
        mean.mean_score.write(&mut values);
        self.must_change(
            "UPDATE {s}.candidates SET mean_score = $3 WHERE run_id = $1 AND archive_index = $2",
            values,
        );
    }

    fn evict(&mut self, index: CandidateIndex, seq: Seq) {
        self.must_change(
            "UPDATE {s}.candidates SET status = 'evicted', evicted_seq = $3 \
             WHERE run_id = $1 AND archive_index = $2",
            vec![Cell::count(index.0.into()), Cell::count(seq.0)],
        );
    }

    fn close(&mut self, iteration: u64, reason: CloseReason) {
        // An iteration may end before it has a candidate.
        let sql = self.database.sql(
            "UPDATE {s}.candidates SET status = 'rejected', close_reason = $3 \
             WHERE run_id = $1 AND iteration = $2",
        );
        let values = self.with_run(vec![Cell::count(iteration), Cell::word(reason)]);
        self.updates.push((sql, values));
    }

    fn validate(&mut self, result: &ValidationResult) {
        let mut values = vec![Cell::count(result.candidate.0.into())];
        result.mean_score.write(&mut values);
        result.scores.write(&mut values);
        self.must_change(
            "UPDATE {s}.candidates SET validation_score = $3, validation_scores = $4 \
             WHERE run_id = $1 AND archive_index = $2",
            values,
        );
    }

    fn finish_trial(&mut self, finished: &TrialFinished, at: Timestamp) {
        let mut values = Vec::new();
        finished.trial.write(&mut values);
        finished.mean_score.write(&mut values);
        finished.scored.write(&mut values);
        finished.failed.write(&mut values);
        at.write(&mut values);
        self.must_change(
            "UPDATE {s}.trials SET mean_score = $4, scored = $5, failed = $6, finished_at = $7 \
             WHERE run_id = $1 AND iteration = $2 AND trial_index = $3",
            values,
        );
    }

    /// Adds scores to the stored row, which is read within the transaction.
    async fn extend(&mut self, extended: &RowExtended) -> Result<(), Failure> {
        let index = Cell::count(extended.candidate.0.into());
        let sql = self
            .database
            .sql("SELECT scores FROM {s}.candidates WHERE run_id = $1 AND archive_index = $2");
        let values = self.with_run(vec![index.clone()]);
        let found = self.read(sql, values).await?;
        let stored = found
            .first()
            .and_then(|row| row.try_get::<_, Option<String>>(0).ok().flatten());
        let read = |text: String| serde_json::from_str::<Vec<Option<f64>>>(&text).ok();
        let Some(mut scores) = stored.and_then(read).filter(|row| extended.fits(row)) else {
            return Err(Failure::Refused("the row has no such positions".to_owned()));
        };
        extended.add_to(&mut scores);
        self.must_change(
            "UPDATE {s}.candidates SET mean_score = $3, scores = $4, objectives = $5 \
             WHERE run_id = $1 AND archive_index = $2",
            vec![
                index,
                Cell::Real(extended.mean_score),
                Cell::json(&scores),
                Cell::json(&extended.objectives),
            ],
        );
        Ok(())
    }

    /// Replaces the row of a rollout that failed before.
    async fn settle_again(&mut self, row: RolloutRow) -> Result<(), Failure> {
        self.add(&row, 0);
        let mut place = Vec::new();
        row.key.write(&mut place);
        row.position.write(&mut place);
        let sql = format!(
            "{} WHERE run_id = $1 AND iteration = $2 AND trial_index = $3 AND position = $4 \
             AND outcome <> 'scored'",
            self.database.select::<RolloutRow>()
        );
        let values = self.with_run(place);
        let found = self.read(sql, values).await?;
        let mut found: Vec<RolloutRow> = decoded("a rollout", &found)?;
        let Some(earlier) = found.pop() else {
            return Err(Failure::Refused(
                "the rollout has no failure to replace".to_owned(),
            ));
        };
        let sql = self
            .database
            .sql("DELETE FROM {s}.rollouts WHERE run_id = $1 AND seq = $2");
        let values = self.with_run(vec![Cell::count(earlier.seq.0)]);
        self.pipeline.push(sql, values);
        self.inserts.rollout(&row.after(earlier)).map_err(refused)
    }

    /// Reads within the transaction, after everything that waits was sent.
    async fn read(
        &mut self,
        sql: String,
        values: Vec<Parameter>,
    ) -> Result<Vec<tokio_postgres::Row>, Failure> {
        self.inserts.send(self.database, &mut self.pipeline);
        for (sql, parameters) in std::mem::take(&mut self.updates) {
            self.pipeline.push(sql, parameters);
        }
        self.pipeline.push(sql, values);
        Ok(self.pipeline.flush().await?.pop().unwrap_or_default())
    }

    fn add(&mut self, row: &RolloutRow, rollouts: u64) {
        let executed = self.executed.entry(row.key).or_default();
        executed.rollouts += rollouts;
        executed.usage += row.whole_usage();
        self.spent.rollouts += rollouts;
        self.spent.usage += row.whole_usage();
    }

    /// Counts for the tenant of a job; a run that is no job has none.
    fn add_to_spending(&mut self) {
        let Executed { rollouts, usage } = std::mem::take(&mut self.spent);
        if rollouts == 0 && usage == Usage::default() {
            return;
        }
        let sql = self.database.sql(
            "INSERT INTO {s}.spending AS s (run_id, day, tenant, rollouts, tokens, cost_micro_usd) \
             SELECT run_id, (clock_timestamp() AT TIME ZONE 'UTC')::date, tenant, $2, $3, $4 \
             FROM {s}.jobs WHERE run_id = $1 ON CONFLICT (run_id, day) DO UPDATE SET \
             rollouts = s.rollouts + excluded.rollouts, tokens = s.tokens + excluded.tokens, \
             cost_micro_usd = s.cost_micro_usd + excluded.cost_micro_usd",
        );
        let counts = [rollouts, usage.total_tokens(), usage.cost.0];
        let values = self.with_run(counts.map(Cell::count).into());
        self.pipeline.push(sql, values);
    }

    /// One statement for all trials of the batch.
    fn add_to_trials(&mut self) {
        const WIDTH: usize = 2 + 1 + Usage::KINDS.len();
        if self.executed.is_empty() {
            return;
        }
        let mut columns: Vec<Vec<Option<i64>>> = vec![Vec::new(); WIDTH];
        let trials = self.executed.len();
        for (key, executed) in std::mem::take(&mut self.executed) {
            let mut cells = Vec::with_capacity(WIDTH);
            key.write(&mut cells);
            cells.push(Cell::count(executed.rollouts));
            cells.extend(usage_cells(executed.usage));
            for (column, cell) in columns.iter_mut().zip(cells) {
                column.push(match cell {
                    Cell::Integer(count) => Some(count),
                    _ => None,
                });
            }
        }
        let sql = self.database.sql(
            "WITH changed AS (UPDATE {s}.trials AS t SET executed = t.executed + a.executed, \
             calls = t.calls + a.calls, prompt_tokens = t.prompt_tokens + a.prompt_tokens, \
             completion_tokens = t.completion_tokens + a.completion_tokens, \
             cached_tokens = t.cached_tokens + a.cached_tokens, \
             unknown_tokens = t.unknown_tokens + a.unknown_tokens, \
             cost_micro_usd = t.cost_micro_usd + a.cost_micro_usd, \
             unpriced_calls = t.unpriced_calls + a.unpriced_calls \
             FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], \
             $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[]) \
             AS a (iteration, trial_index, executed, calls, prompt_tokens, completion_tokens, \
             cached_tokens, unknown_tokens, cost_micro_usd, unpriced_calls) \
             WHERE t.run_id = $1 AND t.iteration = a.iteration AND t.trial_index = a.trial_index \
             RETURNING 1) SELECT 1 / (count(*) = $2)::int FROM changed",
        );
        let mut values = self.with_run(vec![Cell::count(trials as u64)]);
        values.extend(columns.into_iter().map(Parameter::Integers));
        self.pipeline.push(sql, values);
    }
}

fn refused(ColumnError(detail): ColumnError) -> Failure {
    Failure::Refused(detail)
}
