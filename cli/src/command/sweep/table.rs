//! What a sweep found: each setting over its seeds, against the first one.

use std::collections::BTreeMap;
use std::io::{self, Write};

use gepa_engine::RunId;
use gepa_engine::record::{RunRow, RunStatus};
use gepa_engine::verdict::CONFIDENCE;
use gepa_statistics::{Comparison, Estimate, interval_of_means};
use serde::Serialize;

use super::cell::{Cell, Stand};
use super::file::Sweep;
use crate::command::compare::write_table;
use crate::format::{cost, count, score};

/// All settings of a sweep.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    name: String,
    /// What the scores are: those of held-out examples, or of the pareto set where there are none.
    scores: &'static str,
    settings: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    setting: String,
    runs: Vec<RunOf>,
    /// Of the best candidates, over the seeds.
    score: Option<OverSeeds>,
    /// Of the seed prompt, over the seeds.
    baseline: Option<f64>,
    /// To the first setting, over the seeds that both have.
    difference: Option<OverSeeds>,
    mean_rollouts: Option<f64>,
    mean_tokens: Option<f64>,
    /// Of the calls with a known price, in all runs. Null if there are calls, and none of them has one.
    total_cost_usd: Option<f64>,
    /// Calls whose price is unknown.
    unpriced_calls: u64,
}

/// A mean over seeds. Nothing can be read from the interval of two values, or of equal ones, so they have none.
#[derive(Clone, Copy, Debug, Serialize)]
struct OverSeeds {
    mean: f64,
    low: Option<f64>,
    high: Option<f64>,
    confidence: f64,
    count: usize,
}

#[derive(Debug, Serialize)]
struct RunOf {
    seed: u64,
    run_id: RunId,
    status: &'static str,
    score: Option<f64>,
}

impl Findings {
    pub(super) fn of(sweep: &Sweep, cells: &[(Cell, Stand)]) -> Self {
        let rows = cells.iter().filter_map(|(cell, stand)| match stand {
            Stand::New => None,
            Stand::Open(run) | Stand::Over(run) => Some((cell, &**run)),
        });
        let rows: Vec<(&Cell, &RunRow)> = rows.collect();
        let is_held_out = rows.iter().any(|(_, run)| !run.validation.is_empty());
        let best = |run: &RunRow| {
            if is_held_out {
                run.summary.best_validation_score
            } else {
                run.summary.best_score
            }
        };
        let baseline = |run: &RunRow| {
            if is_held_out {
                run.summary.baseline_validation_score
            } else {
                run.summary.baseline_score
            }
        };
        // Runs that are not over have a score that may still rise.
        let of_setting = |place: usize| -> BTreeMap<u64, &RunRow> {
            let mine = rows.iter().filter(|(cell, run)| {
                cell.setting == place && run.summary.status == RunStatus::Succeeded
            });
            mine.map(|(cell, run)| (cell.seed, *run)).collect()
        };
        let first = of_setting(0);
        let settings = sweep.settings.iter().enumerate().map(|(place, setting)| {
            let over = of_setting(place);
            let scores: Vec<f64> = over.values().filter_map(|run| best(run)).collect();
            let pairs: Vec<(f64, f64)> = over
                .iter()
                .filter_map(|(seed, run)| Some((best(first.get(seed)?)?, best(run)?)))
                .collect();
            let all = rows.iter().filter(|(cell, _)| cell.setting == place);
            let (mut known, mut unpriced_calls) = (0.0, 0);
            for (_, run) in all.clone() {
                known += run.summary.counters.total_cost_usd();
                unpriced_calls += run.summary.counters.unpriced_calls;
            }
            Row {
                setting: setting.label(),
                score: interval_of_means(&scores, CONFIDENCE).map(OverSeeds::of),
                baseline: mean(over.values().filter_map(|run| baseline(run))),
                difference: (place > 0)
                    .then(|| Comparison::of(&pairs, CONFIDENCE))
                    .flatten()
                    .map(|found| OverSeeds::of(found.difference)),
                mean_rollouts: mean(
                    over.values()
                        .map(|run| run.summary.counters.total_rollouts as f64),
                ),
                mean_tokens: mean(
                    over.values()
                        .map(|run| run.summary.counters.total_tokens as f64),
                ),
                total_cost_usd: (known > 0.0 || unpriced_calls == 0).then_some(known),
                unpriced_calls,
                runs: all
                    .map(|(cell, run)| RunOf {
                        seed: cell.seed,
                        run_id: run.run_id.clone(),
                        status: run.summary.status.as_str(),
                        score: best(run),
                    })
                    .collect(),
            }
        });
        Self {
            name: sweep.name.clone(),
            scores: if is_held_out { "held out" } else { "pareto" },
            settings: settings.collect(),
        }
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let heads = [
            "setting".to_owned(),
            "runs".to_owned(),
            "baseline".to_owned(),
            format!("best, {}", self.scores),
            "against the first setting".to_owned(),
            "rollouts".to_owned(),
            "tokens".to_owned(),
            "cost".to_owned(),
        ];
        let mut rows = vec![heads.to_vec()];
        for row in &self.settings {
            let over = row
                .runs
                .iter()
                .filter(|run| run.status == "succeeded")
                .count();
            let figure = |value: Option<f64>| {
                value.map_or_else(|| "-".to_owned(), |one| count(one.round() as u64))
            };
            rows.push(vec![
                row.setting.clone(),
                format!("{over} of {}", row.runs.len()),
                row.baseline.map_or_else(|| "-".to_owned(), score),
                row.score
                    .map_or_else(|| "-".to_owned(), |one| one.shown(score)),
                row.difference.map_or_else(
                    || "-".to_owned(),
                    |one| one.shown(|value| format!("{value:+.3}")),
                ),
                figure(row.mean_rollouts),
                figure(row.mean_tokens),
                cost(row.total_cost_usd.unwrap_or_default(), row.unpriced_calls),
            ]);
        }
        write_table(out, &rows)?;
        writeln!(
            out,
            "\n  means over seeds of runs that succeeded, with {} % intervals from three seeds on; cost is the sum of all runs",
            CONFIDENCE * 100.0
        )
    }
}

impl OverSeeds {
    fn of(found: Estimate) -> Self {
        let tells = found.count >= 3 && found.high > found.low;
        Self {
            mean: found.mean,
            low: tells.then_some(found.low),
            high: tells.then_some(found.high),
            confidence: found.confidence,
            count: found.count,
        }
    }

    fn shown(self, figure: impl Fn(f64) -> String) -> String {
        let mean = figure(self.mean);
        match (self.low, self.high) {
            (Some(low), Some(high)) => format!("{mean} [{}, {}]", figure(low), figure(high)),
            _ => mean,
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
