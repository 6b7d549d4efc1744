//! Reports of runs for people.

mod endings;
mod planned;
mod prompt;
mod scores;
mod spending;
mod verdict;

use std::io::{self, Write};

use gepa_ablation::{is_evaluation, way_on};
use gepa_configs::StoredSettings;
use gepa_engine::record::{CandidateRow, RunRow, RunStatus, SnapshotRow};
use gepa_engine::verdict::{RunTables, Verdict};
use gepa_server::state_of;

use crate::candidates::best;
use crate::curve;
use crate::format::{duration, time};

pub(crate) use planned::{earlier_run, warnings, write_planned};
pub(crate) use prompt::write_prompt;

/// Writes the full report of a run.
pub(crate) fn write_run(
    out: &mut dyn Write,
    tables: &RunTables,
    is_claimed: bool,
    settings: Option<&StoredSettings>,
    snapshots: &[SnapshotRow],
    verdict: &Verdict,
) -> io::Result<()> {
    let (run, candidates) = (&tables.run, &tables.candidates);
    write_head(out, run, is_claimed, settings)?;
    if is_evaluation(run) {
        scores::write_evaluation(out, tables)?;
        return spending::write_usage(out, run);
    }
    verdict::write_verdict(out, verdict)?;
    write_best(out, run, candidates)?;
    scores::write_comparison(out, tables)?;
    endings::write_endings(out, run)?;
    curve::write_curve(out, snapshots)?;
    spending::write_counters(out, run)?;
    spending::write_usage(out, run)
}

/// Writes the result of a run in a few lines.
pub(crate) fn write_summary(
    out: &mut dyn Write,
    tables: &RunTables,
    verdict: &Verdict,
) -> io::Result<()> {
    let run = &tables.run;
    writeln!(out)?;
    writeln!(out, "ended     {}", ending(run, false).unwrap_or_default())?;
    verdict::write_verdict(out, verdict)?;
    scores::write_comparison(out, tables)?;
    endings::write_endings(out, run)?;
    spending::write_totals(out, run)
}

fn write_head(
    out: &mut dyn Write,
    run: &RunRow,
    is_claimed: bool,
    settings: Option<&StoredSettings>,
) -> io::Result<()> {
    let summary = &run.summary;
    writeln!(out, "run       {}  `{}`", run.run_id, run.name)?;
    writeln!(out, "status    {}", status(run, is_claimed))?;
    if let Some(ending) = ending(run, is_claimed) {
        writeln!(out, "ended     {ending}")?;
    }
    if let Some(origin) = &summary.origin {
        writeln!(
            out,
            "origin    {}, shared up to iteration {}",
            origin.run, origin.iteration
        )?;
    }
    let worked = duration(summary.active_seconds);
    writeln!(
        out,
        "created   {}, running time {worked}",
        time(run.created_at)
    )?;
    writeln!(out, "policy    {}", policy(run))?;
    let Some(settings) = settings else {
        return Ok(());
    };
    if let Some(writer) = settings.writer() {
        writeln!(out, "rewrites  {writer}")?;
    }
    writeln!(
        out,
        "config    seed {}; all of it: `gepa show {} --config`",
        settings.seed(),
        run.run_id
    )
}

/// The status, with an explanation if it needs one.
pub(crate) fn status(run: &RunRow, is_claimed: bool) -> String {
    let name = run.summary.status.as_str();
    match (run.summary.status, state_of(run, is_claimed)) {
        (RunStatus::Queued, "killed") => {
            format!("killed before its first entry; {}", way_on(run))
        }
        (RunStatus::Queued, _) if !is_claimed => format!(
            "{name}; the server of this store starts it, or `gepa run --resume {}`",
            run.run_id
        ),
        (_, "killed") => format!(
            "{name}, but no process runs it: it was killed; {}",
            way_on(run)
        ),
        (RunStatus::Interrupted, _) if is_claimed => format!("{name}, being resumed"),
        _ => name.to_owned(),
    }
}

/// Why the run ended or was interrupted; `None` while a process runs it.
fn ending(run: &RunRow, is_claimed: bool) -> Option<String> {
    let summary = &run.summary;
    match (&summary.stop_reason, &summary.interruption) {
        (_, Some(interruption)) => Some(format!("interrupted: {interruption}; {}", way_on(run))),
        (Some(reason), None) => Some(reason.to_string()),
        (None, None) if is_claimed => None,
        (None, None) => Some(format!("not yet; {}", way_on(run))),
    }
}

fn policy(run: &RunRow) -> String {
    if run.policy_model == "none" {
        return "no model; the evaluator runs candidates itself".to_owned();
    }
    format!("{}/{}", run.policy_provider, run.policy_model)
}

fn write_best(out: &mut dyn Write, run: &RunRow, candidates: &[CandidateRow]) -> io::Result<()> {
    let Some(best) = best(run, candidates) else {
        return writeln!(out, "\nbest prompt: none yet, the seed has no pareto score");
    };
    let id = best.candidate_id.short();
    match best.index {
        Some(index) if index.0 == 0 => {
            writeln!(
                out,
                "\nbest prompt: the baseline ({id}); no candidate scored higher"
            )?;
        }
        _ => {
            let parents: Vec<String> = best.parents.iter().map(ToString::to_string).collect();
            let index = best.index.unwrap_or_default();
            writeln!(
                out,
                "\nbest prompt: candidate {index} ({id}), {} of {}, iteration {}",
                best.origin.as_str(),
                if parents.is_empty() {
                    "no parent".to_owned()
                } else {
                    parents.join(" and ")
                },
                best.iteration
            )?;
        }
    }
    write_prompt(out, run, best, "  ")
}
