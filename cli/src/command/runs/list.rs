//! The list of runs.

use std::io::{self, Write};
use std::process::ExitCode;

use gepa_server::{NewestRuns, RunEntry};

use crate::arguments::RunsArguments;
use crate::error::CommandError;
use crate::format::{cost, count, one_line, score, time};
use crate::output::{err, people, stdout};
use crate::surroundings::existing_store;

pub(super) async fn list(arguments: &RunsArguments) -> Result<ExitCode, CommandError> {
    let store = existing_store(&arguments.store).await?;
    let mut selection = arguments.filter.selection();
    let archived_too = selection.clone();
    if !arguments.all {
        selection.query.archived = Some(false);
    }
    let limit = arguments.last.unwrap_or(usize::MAX);
    let newest = NewestRuns::read(&*store, &selection, limit).await?;
    let listed = &newest.entries;
    if arguments.json {
        let mut out = stdout();
        for run in listed {
            serde_json::to_writer(&mut out, run).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    if !listed.is_empty() {
        let mut out = people();
        write_table(&mut out, listed)?;
        out.flush()?;
    }
    let meant = match listed.len() {
        0 if limit > 0 => archived_too.count(&*store).await?,
        some => some,
    };
    if let Some(note) = note(&newest, meant, arguments.all) {
        let _ = writeln!(err(), "{note}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What a list without a run, or without archived ones, does not say.
fn note(newest: &NewestRuns, meant: usize, with_archived: bool) -> Option<String> {
    let (all, archived) = (newest.of, newest.archived);
    if all == 0 {
        return Some("the store has no runs yet; start one with `gepa run CONFIG`".to_owned());
    }
    match (newest.entries.len(), meant) {
        (0, 0) => Some(format!("none of the {all} runs meets the conditions")),
        (0, _) if !with_archived => {
            Some("only archived runs meet the conditions; `--all` lists them".to_owned())
        }
        _ if archived > 0 && !with_archived => {
            Some(format!("{archived} archived; `--all` lists them as well"))
        }
        _ => None,
    }
}

fn write_table(out: &mut impl Write, runs: &[RunEntry]) -> io::Result<()> {
    writeln!(
        out,
        "{:<27}  {:<8}  {:<23}  {:<11}  {:>15}  {:>11}  {:>9}  {:>9}  name",
        "run", "short", "created", "status", "pareto baseline", "pareto best", "rollouts", "cost"
    )?;
    for run in runs {
        let cost = cost(run.total_cost_usd, run.unpriced_calls);
        let figure = |value: Option<f64>| value.map_or_else(|| "none yet".to_owned(), score);
        let tags: Vec<String> = run.tags.iter().map(|tag| format!("#{tag}")).collect();
        let archived = run.archived_at.map_or("", |_| " (archived)");
        let line = format!(
            "{:<27}  {:<8}  {:<23}  {:<11}  {:>15}  {:>11}  {:>9}  {:>9}  {}{archived} {}",
            run.run_id.as_str(),
            run.short,
            run.created_at.map(time).unwrap_or_default(),
            run.state,
            figure(run.baseline_score),
            figure(run.best_score),
            count(run.total_rollouts),
            cost,
            one_line(&run.name, 60),
            tags.join(" ")
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
