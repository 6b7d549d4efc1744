//! `gepa runs`

use std::io::Write;
use std::process::ExitCode;

use gepa_engine::Store;
use gepa_engine::record::{RunRow, RunStatus};

use crate::arguments::StoreArguments;
use crate::error::CommandError;
use crate::format::{count, dollars, one_line, score, time};
use crate::output::people;
use crate::surroundings::{block_on, existing_store};

/// The fewest characters of a short id.
const SHORTEST: usize = 6;

pub(crate) fn runs(arguments: &StoreArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        let store = existing_store(arguments).await?;
        let mut runs = store.runs().await?;
        runs.reverse();
        if runs.is_empty() {
            let hint = "the store has no runs yet; start one with `gepa run CONFIG`";
            let _ = writeln!(std::io::stderr(), "{hint}");
            return Ok(ExitCode::SUCCESS);
        }
        let mut out = people();
        writeln!(
            out,
            "{:<27}  {:<8}  {:<23}  {:<11}  {:>15}  {:>11}  {:>9}  {:>9}  name",
            "run",
            "short",
            "created",
            "status",
            "pareto baseline",
            "pareto best",
            "rollouts",
            "cost"
        )?;
        let ids: Vec<&str> = runs.iter().map(|run| run.run_id.as_str()).collect();
        for run in &runs {
            write_line(&mut out, &*store, run, short(run.run_id.as_str(), &ids)).await?;
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The end of an id that no other run's id ends with. Its beginning is the time, which runs of one day
/// share.
fn short<'i>(id: &'i str, all: &[&str]) -> &'i str {
    let is_unique = |end: &str| all.iter().filter(|other| other.ends_with(end)).count() == 1;
    let starts = (0..id.len().saturating_sub(SHORTEST)).rev();
    let mut ends = starts.filter_map(|start| id.get(start + 1..));
    ends.find(|end| is_unique(end)).unwrap_or(id)
}

async fn write_line(
    out: &mut impl Write,
    store: &dyn Store,
    run: &RunRow,
    short: &str,
) -> Result<(), CommandError> {
    let summary = &run.summary;
    let is_open = summary.status == RunStatus::Running;
    let was_killed = is_open && !store.is_claimed(&run.run_id).await?;
    let status = if was_killed {
        "killed"
    } else {
        summary.status.as_str()
    };
    let counters = &summary.counters;
    let cost = match (counters.unpriced_calls, counters.total_cost_micro_usd) {
        (1.., 0) => "unknown".to_owned(),
        _ => dollars(counters.total_cost_usd()),
    };
    let figure = |value: Option<f64>| value.map_or_else(|| "none yet".to_owned(), score);
    writeln!(
        out,
        "{:<27}  {short:<8}  {:<23}  {status:<11}  {:>15}  {:>11}  {:>9}  {:>9}  {}",
        run.run_id.as_str(),
        time(run.created_at),
        figure(summary.baseline_score),
        figure(summary.best_score),
        count(summary.counters.total_rollouts),
        cost,
        one_line(&run.name, 60)
    )?;
    Ok(())
}
