//! What a run has shown, and what two candidates show against each other: in the words and figures
//! of the command line.

use std::sync::Arc;

use gepa_engine::verdict::{CONFIDENCE, Verdict, tables_of};
use gepa_engine::{RunId, Store, StoreError};
use gepa_evaluation::ExampleId;
use gepa_statistics::Comparison;
use serde::Serialize;
use serde_json::{Value, json};

use super::content::ViewError;
use super::run_rows::RunRows;

/// The verdict on a run, with what else is known, one fact a line.
pub(super) async fn verdict<'r>(
    store: &dyn Store,
    rows: &'r RunRows,
) -> Result<&'r Value, StoreError> {
    rows.verdict.get_or_try_init(|| decided(store, rows)).await
}

async fn decided(store: &dyn Store, rows: &RunRows) -> Result<Value, StoreError> {
    let (candidates, trials) = (Arc::clone(&rows.candidates), Arc::clone(&rows.trials));
    let reflections = Arc::clone(&rows.reflections);
    let tables = tables_of(store, rows.run.clone(), candidates, trials, reflections).await?;
    let verdict = Verdict::of(&tables);
    Ok(json!({
        "word": verdict.verdict.as_str(),
        "details": verdict.details(),
        "verdict": verdict,
    }))
}

/// Two candidates of a run on both sets, as `gepa diff` compares them.
pub(super) fn of_candidates(rows: &RunRows, before: u64, after: u64) -> Result<Value, ViewError> {
    let (before, after) = (rows.of_iteration(before)?, rows.of_iteration(after)?);
    let pareto = both(before.scores.as_deref(), after.scores.as_deref());
    let held_out = both(
        before.validation_scores.as_deref(),
        after.validation_scores.as_deref(),
    );
    Ok(json!({
        "pareto": Comparison::of(&pareto, CONFIDENCE),
        "validation": Comparison::of(&held_out, CONFIDENCE),
    }))
}

/// Two runs' best candidates, on the held-out examples that both runs have.
#[derive(Clone, Debug, Serialize)]
pub struct BestOfRuns {
    /// What they show; `None` without an example that both were scored on.
    pub comparison: Option<Comparison>,
    /// The examples that both runs have held out.
    pub shared: usize,
}

impl BestOfRuns {
    /// Compares the best candidate of `after` with that of `before`.
    ///
    /// # Errors
    ///
    /// The store failed, or does not know a run.
    pub async fn read(
        store: &dyn Store,
        before: &RunId,
        after: &RunId,
    ) -> Result<Self, StoreError> {
        let (left, right) = (
            held_out(store, before).await?,
            held_out(store, after).await?,
        );
        let mut shared = 0;
        let mut pairs = Vec::new();
        for (example, score) in &left {
            let Some((_, other)) = right.iter().find(|(other, _)| other == example) else {
                continue;
            };
            shared += 1;
            pairs.extend(score.zip(*other));
        }
        Ok(Self {
            comparison: Comparison::of(&pairs, CONFIDENCE),
            shared,
        })
    }
}

/// The held-out examples of a run, with the scores of its best candidate.
async fn held_out(
    store: &dyn Store,
    run: &RunId,
) -> Result<Vec<(ExampleId, Option<f64>)>, StoreError> {
    let run = store.run(run).await?;
    let mut results = run.summary.validation.iter();
    let best = results.find(|result| Some(result.candidate) == run.summary.best);
    let scores = best.map(|result| result.scores.clone()).unwrap_or_default();
    let scores = scores.into_iter().chain(std::iter::repeat(None));
    Ok(run.validation.into_iter().zip(scores).collect())
}

/// The scores of the examples that have one on both sides.
fn both(before: Option<&[Option<f64>]>, after: Option<&[Option<f64>]>) -> Vec<(f64, f64)> {
    let pairs = before.unwrap_or_default().iter();
    pairs
        .zip(after.unwrap_or_default())
        .filter_map(|(before, after)| before.zip(*after))
        .collect()
}
