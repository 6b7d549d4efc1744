//! `gepa sweep`

mod cell;
mod file;
mod running;
mod table;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use gepa_engine::RunId;
use gepa_models::Environment;
use gepa_server::{Views, write_comparison};
use gepa_tasks::Services;

use crate::arguments::SweepArguments;
use crate::command::gate::put;
use crate::command::report::{unwritten, write_file};
use crate::command::run::runtime;
use crate::error::CommandError;
use crate::output::{err, people};
use crate::surroundings::{environment, store_url};

use cell::{Cell, Stand, cells, stands};
use file::Sweep;
use running::{Surroundings, run_all};
use table::Findings;

pub(crate) fn sweep(arguments: &SweepArguments) -> Result<ExitCode, CommandError> {
    let environment = environment()?;
    let sweep = Sweep::read(&arguments.file).map_err(|problems| refused(&problems))?;
    let checked = cells(&sweep, &environment).map_err(|problems| refused(&problems))?;
    runtime()?.block_on(Box::pin(go(arguments, environment, sweep, checked)))
}

fn refused(problems: &[String]) -> CommandError {
    CommandError::Usage(format!(
        "nothing was run; {} to correct:\n{}",
        match problems.len() {
            1 => "there is one problem".to_owned(),
            many => format!("there are {many} problems"),
        },
        problems.join("\n")
    ))
}

async fn go(
    arguments: &SweepArguments,
    environment: Environment,
    sweep: Sweep,
    checked: Vec<(Cell, gepa_configs::TaskConfig)>,
) -> Result<ExitCode, CommandError> {
    let Some((_, first)) = checked.first() else {
        return Ok(ExitCode::SUCCESS);
    };
    let services = Services::new(first.environment().clone());
    for (_, task) in &checked {
        task.check_models(&services.models)?;
    }
    let url = store_url(&arguments.store, &environment);
    if arguments.plan {
        return plan(&sweep, &checked, &url).await;
    }
    let store = gepa_postgres::open(&url).await?;
    let before = stands(&*store, &checked).await?;
    let begun: Vec<(Cell, Stand)> = checked
        .iter()
        .map(|(cell, _)| cell.clone())
        .zip(before)
        .collect();
    let over = begun
        .iter()
        .filter(|(_, stand)| matches!(stand, Stand::Over(_)))
        .count();
    if over > 0 {
        let _ = writeln!(err(), "{over} of {} runs are over already", begun.len());
    }
    let surroundings = Arc::new(Surroundings {
        store: Arc::clone(&store),
        environment,
        services,
        config: sweep.config.clone(),
    });
    let parallel = arguments
        .parallel
        .map_or(sweep.parallel, std::num::NonZeroUsize::get);
    let code = run_all(&surroundings, &begun, parallel).await?;
    let after = stands(&*store, &checked).await?;
    let ended: Vec<(Cell, Stand)> = checked
        .into_iter()
        .map(|(cell, _)| cell)
        .zip(after)
        .collect();
    let findings = Findings::of(&sweep, &ended);
    let mut out = people();
    findings.write(&mut out)?;
    out.flush()?;
    if let Some(path) = &arguments.json {
        put(path, &(serde_json::to_string_pretty(&findings)? + "\n"))?;
    }
    if let Some(path) = &arguments.report {
        let runs = ended
            .iter()
            .filter_map(|(_, stand)| run_of(stand))
            .collect::<Vec<RunId>>();
        let views = Views::new(store);
        let mut page = Vec::new();
        write_comparison(&views, &sweep.name, &runs, &mut page)
            .await
            .map_err(unwritten)?;
        write_file(path, &page)?;
    }
    if code.is_some() {
        let file = arguments.file.display();
        let _ = writeln!(
            err(),
            "not all runs are over; go on with: gepa sweep {file}"
        );
    }
    Ok(code.map_or(ExitCode::SUCCESS, ExitCode::from))
}

fn run_of(stand: &Stand) -> Option<RunId> {
    match stand {
        Stand::New => None,
        Stand::Open(run) | Stand::Over(run) => Some(run.run_id.clone()),
    }
}

/// Prints the runs and how far each is.
async fn plan(
    sweep: &Sweep,
    checked: &[(Cell, gepa_configs::TaskConfig)],
    url: &str,
) -> Result<ExitCode, CommandError> {
    let stands = match gepa_postgres::open_existing(url).await {
        Ok(store) => stands(&*store, checked).await?,
        Err(_) => vec![Stand::New; checked.len()],
    };
    let mut out = people();
    writeln!(
        out,
        "{}: {} settings, {} seeds, {} runs",
        sweep.name,
        sweep.settings.len(),
        sweep.seeds.len(),
        sweep.runs()
    )?;
    for ((cell, task), stand) in checked.iter().zip(stands) {
        let stands = match &stand {
            Stand::New => "to be run".to_owned(),
            Stand::Open(run) => {
                format!("goes on: {} ({})", run.run_id, run.summary.status.as_str())
            }
            Stand::Over(run) => format!("over: {} ({})", run.run_id, run.summary.status.as_str()),
        };
        let limit = task.config.settings().budget.max_rollouts;
        let limit = limit.map_or_else(
            || "no limit of rollouts".to_owned(),
            |limit| format!("{limit} rollouts at most"),
        );
        writeln!(out, "  {}: {limit}; {stands}", cell.label)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
