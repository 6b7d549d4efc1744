//! Compares the baseline with the best candidate, on the pareto set and on the validation set.

use std::fmt::Write as _;
use std::io::{self, Write};

use gepa_engine::record::{RunRow, RunStatus};
use gepa_engine::verdict::{ComparedSet, CountedScores, RunTables};
use gepa_statistics::{Comparison, mean_interval};

use crate::format::{CONFIDENCE, difference, estimate, score};

/// Writes both comparisons, with the scores that the verdict rests on.
pub(super) fn write_comparison(out: &mut dyn Write, tables: &RunTables) -> io::Result<()> {
    let run = &tables.run;
    let scores = |set| {
        let before = tables.counted(set, tables.seed()?)?;
        Some((before, tables.counted(set, tables.best()?)?))
    };
    writeln!(out, "\npareto set ({} examples)", run.pareto.len())?;
    match scores(ComparedSet::Pareto) {
        Some((before, after)) => write_set(out, tables, &before, &after)?,
        None => writeln!(out, "  not scored: {}", why_unscored(run))?,
    }
    writeln!(
        out,
        "\nvalidation set ({} examples, held out)",
        run.validation.len()
    )?;
    match scores(ComparedSet::Validation) {
        Some((before, after)) => write_set(out, tables, &before, &after),
        None => writeln!(out, "  not run: {}", why_unvalidated(run)),
    }
}

/// Writes what an evaluation found: the mean of one prompt.
pub(super) fn write_evaluation(out: &mut dyn Write, tables: &RunTables) -> io::Result<()> {
    let run = &tables.run;
    let scores = tables
        .seed()
        .and_then(|seed| tables.counted(ComparedSet::Pareto, seed));
    let mean = scores.map_or_else(
        || "no score yet".to_owned(),
        |found| mean_of(&found, missing(run)),
    );
    writeln!(
        out,
        "\nan evaluation scores one prompt and proposes nothing; `gepa eval` compares prompts, models and runs"
    )?;
    writeln!(out, "score ({} examples)  {mean}", run.pareto.len())
}

/// What is said of examples without a score. A limit can end a set early, and rows of pareto scores may grow.
fn missing(run: &RunRow) -> &'static str {
    match run.summary.counters.failed_rollouts {
        0 => "were not run and are not part of the mean",
        _ => {
            "were not run, or failed for a reason of the surroundings, and are not part of the mean"
        }
    }
}

fn write_set(
    out: &mut dyn Write,
    tables: &RunTables,
    before: &CountedScores,
    after: &CountedScores,
) -> io::Result<()> {
    let missing = missing(&tables.run);
    writeln!(out, "  baseline    {}", mean_of(before, missing))?;
    if tables.best().is_some_and(|best| tables.is_seed(best)) {
        return writeln!(out, "  best        the baseline is the best candidate");
    }
    writeln!(out, "  best        {}", mean_of(after, missing))?;
    let pairs: Vec<(f64, f64)> = before
        .scores
        .iter()
        .zip(&after.scores)
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

fn mean_of(counted: &CountedScores, missing: &str) -> String {
    let known: Vec<f64> = counted.scores.iter().copied().flatten().collect();
    let unscored = counted.scores.len() - known.len();
    let mut text = match (mean_interval(&known, CONFIDENCE), known.first()) {
        (Some(found), _) => estimate(found),
        (None, Some(only)) => format!("{only:.3}  from a single example, which gives no interval"),
        (None, None) => "no score: every rollout failed".to_owned(),
    };
    if counted.failures > 0 {
        let _ = write!(
            text,
            "; {} failed and count{} as {}",
            counted.failures,
            if counted.failures == 1 { "s" } else { "" },
            score(counted.failure_score)
        );
    }
    if unscored > 0 && !known.is_empty() {
        let _ = write!(text, "; {unscored} {missing}");
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
