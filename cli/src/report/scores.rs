//! Compares the baseline with the best candidate, on the pareto set and on the validation set.

use std::fmt::Write as _;
use std::io::{self, Write};

use gepa_engine::record::{CandidateRow, RunRow, RunStatus};
use gepa_statistics::{Comparison, mean_interval};

use crate::candidates::best;
use crate::format::{CONFIDENCE, difference, estimate, score};

/// The scores of a candidate on a set, and the mean with which it is compared.
type Scored = (Vec<Option<f64>>, Option<f64>);

/// Writes both comparisons.
pub(super) fn write_comparison(
    out: &mut dyn Write,
    run: &RunRow,
    candidates: &[CandidateRow],
) -> io::Result<()> {
    let baseline = candidates.first();
    let best = best(run, candidates);
    let pareto = |row: Option<&CandidateRow>| {
        let row = row?;
        Some((row.scores.clone()?, row.mean_score))
    };
    writeln!(out, "\npareto set ({} examples)", run.pareto.len())?;
    match (pareto(baseline), pareto(best)) {
        (Some(before), Some(after)) => {
            write_set(out, &before, &after, is_same(baseline, best), missing(run))?;
        }
        _ => writeln!(out, "  not scored: {}", why_unscored(run))?,
    }
    let held_out = |row: Option<&CandidateRow>| {
        let row = row?;
        Some((row.validation_scores.clone()?, row.validation_score))
    };
    writeln!(
        out,
        "\nvalidation set ({} examples, held out)",
        run.validation.len()
    )?;
    match (held_out(baseline), held_out(best)) {
        (Some(before), Some(after)) => {
            write_set(out, &before, &after, is_same(baseline, best), missing(run))
        }
        _ => writeln!(out, "  not run: {}", why_unvalidated(run)),
    }
}

/// What is said of examples without a score. A limit can end a set early, and rows of pareto scores may grow.
fn missing(run: &RunRow) -> &'static str {
    match run.summary.counters.failed_rollouts {
        0 => "were not run and are not part of the mean",
        _ => "were not run, or failed, and are not part of the mean",
    }
}

fn is_same(baseline: Option<&CandidateRow>, best: Option<&CandidateRow>) -> bool {
    baseline.map(|row| row.candidate_id) == best.map(|row| row.candidate_id)
}

fn write_set(
    out: &mut dyn Write,
    before: &Scored,
    after: &Scored,
    is_same: bool,
    missing: &str,
) -> io::Result<()> {
    writeln!(out, "  baseline    {}", mean_of(before, missing))?;
    if is_same {
        return writeln!(out, "  best        the baseline is the best candidate");
    }
    writeln!(out, "  best        {}", mean_of(after, missing))?;
    let pairs: Vec<(f64, f64)> = before
        .0
        .iter()
        .zip(&after.0)
        .filter_map(|(left, right)| Some(((*left)?, (*right)?)))
        .collect();
    let gain = match Comparison::of(&pairs, CONFIDENCE) {
        Some(found) => difference(found.difference),
        None => format!(
            "unknown: {} examples have both scores, and an interval needs more",
            pairs.len()
        ),
    };
    writeln!(out, "  difference  {gain}")
}

fn mean_of((scores, counted): &Scored, missing: &str) -> String {
    let known: Vec<f64> = scores.iter().copied().flatten().collect();
    let unscored = scores.len() - known.len();
    let mut text = match (mean_interval(&known, CONFIDENCE), known.first()) {
        (Some(found), _) => estimate(found),
        (None, Some(only)) => format!("{only:.3}  from a single example, which gives no interval"),
        (None, None) => "no score: every rollout failed".to_owned(),
    };
    if unscored > 0 && !known.is_empty() {
        let _ = write!(text, "; {unscored} {missing}");
        let plain = known.iter().sum::<f64>() / known.len() as f64;
        if let Some(counted) = counted.filter(|mean| (mean - plain).abs() > 1e-9) {
            let _ = write!(
                text,
                ": compared as {} with failures as the lowest score",
                score(counted)
            );
        }
    }
    text
}

fn why_unscored(run: &RunRow) -> &'static str {
    match run.summary.status {
        RunStatus::Queued => "the run has not begun",
        RunStatus::Running => "the seed is still being scored",
        RunStatus::Paused => "the run is paused before the seed was scored",
        RunStatus::Interrupted => "the run was interrupted before the seed was scored",
        RunStatus::Cancelled => "the run was cancelled before the seed was scored",
        _ => "the run ended before the seed was scored",
    }
}

fn why_unvalidated(run: &RunRow) -> String {
    if run.validation.is_empty() {
        return "the configuration has no validation examples".to_owned();
    }
    match run.summary.status {
        RunStatus::Queued => "the run has not begun".to_owned(),
        RunStatus::Running => "it follows the search, which has not ended".to_owned(),
        RunStatus::Interrupted => "the run was interrupted before it".to_owned(),
        RunStatus::Failed => "the run failed before it".to_owned(),
        RunStatus::Cancelled => "the run was cancelled before it".to_owned(),
        RunStatus::Paused => "the run is paused before it".to_owned(),
        _ if run.summary.validation.is_empty() => "the run ended without it".to_owned(),
        _ => "the best candidate was not among the validated candidates".to_owned(),
    }
}
