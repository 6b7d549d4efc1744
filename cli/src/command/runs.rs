//! `gepa runs`

use std::io::Write;
use std::process::ExitCode;

use gepa_engine::Store;
use gepa_engine::record::{RunRow, RunStatus};

use crate::arguments::StoreArguments;
use crate::error::CommandError;
use crate::format::{count, dollars, one_line, score, time};
use crate::output::stdout;
use crate::surroundings::{block_on, existing_store};

pub(crate) fn runs(arguments: &StoreArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        let store = existing_store(arguments)?;
        let runs = store.runs().await?;
        if runs.is_empty() {
            let hint = "the store has no runs yet; start one with `gepa run CONFIG`";
            let _ = writeln!(std::io::stderr(), "{hint}");
            return Ok(ExitCode::SUCCESS);
        }
        let mut out = stdout();
        writeln!(
            out,
            "{:<27}  {:<23}  {:<11}  {:>15}  {:>11}  {:>9}  {:>9}  name",
            "run", "created", "status", "pareto baseline", "pareto best", "rollouts", "cost"
        )?;
        for run in &runs {
            write_line(&mut out, &*store, run).await?;
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn write_line(
    out: &mut impl Write,
    store: &dyn Store,
    run: &RunRow,
) -> Result<(), CommandError> {
    let summary = &run.summary;
    let is_open = summary.status == RunStatus::Running;
    let was_killed = is_open && !store.is_claimed(&run.run_id).await?;
    let status = if was_killed {
        "killed"
    } else {
        summary.status.as_str()
    };
    let figure = |value: Option<f64>| value.map_or_else(|| "none yet".to_owned(), score);
    writeln!(
        out,
        "{:<27}  {:<23}  {status:<11}  {:>15}  {:>11}  {:>9}  {:>9}  {}",
        run.run_id.as_str(),
        time(run.created_at),
        figure(summary.baseline_score),
        figure(summary.best_score),
        count(summary.counters.total_rollouts),
        dollars(summary.counters.total_cost_usd()),
        one_line(&run.name, 60)
    )?;
    Ok(())
}
