//! `gepa branch`

use std::path::Path;
use std::process::ExitCode;

use gepa_configs::{ConfigSource, Difference, StoredSettings, TaskConfig, listed};
use gepa_engine::config::BudgetSettings;
use gepa_engine::record::{RunRow, RunSummary};
use gepa_engine::{BranchPoint, RunId};
use gepa_models::Environment;
use gepa_tasks::Services;

use crate::arguments::{BranchArguments, Watching};
use crate::command::run::{announce, builder_of, check_app, connect, runtime, watch};
use crate::error::CommandError;
use crate::progress::Limits;
use crate::signals::Signals;
use crate::surroundings::{
    check_is_search, environment, find_run, open_existing, show_notes, store_url, stored_settings,
    stored_task,
};

/// Tables and keys on which the scores of the shared part rest.
const SHARED: [&str; 14] = [
    "prompt",
    "components",
    "dataset",
    "examples",
    "evaluator",
    "scorer",
    "policy",
    "judge",
    "search.frontier",
    "search.archive_max_size",
    "search.archive_min_score",
    "search.duplicates",
    "search.reuse_outcomes",
    "search.allow_overlap",
];

pub(crate) fn branch(arguments: &BranchArguments) -> Result<ExitCode, CommandError> {
    let environment = environment()?;
    runtime()?.block_on(begin(&environment, arguments))
}

async fn begin(
    environment: &Environment,
    arguments: &BranchArguments,
) -> Result<ExitCode, CommandError> {
    let url = store_url(&arguments.run.store, environment);
    let origin = find_run(&*open_existing(&url).await?, &arguments.run.run).await?;
    check_is_search(&origin, "branched")?;
    let store = gepa_postgres::open(&url).await?;
    let stored = stored_settings(&origin, environment)?;
    let overrides = overrides(&stored, &origin, &arguments.overrides);
    let task = match &arguments.config {
        Some(file) => {
            source(file, environment, &arguments.overrides).load_to_go_on(&origin.config)?
        }
        None => stored_task(&origin, environment, &overrides)?,
    };
    show_notes(&task);
    check_shared(&stored, &task, &origin.run_id)?;
    let before = stored_task(&origin, environment, &[])?;
    let services = Services::new(task.environment().clone());
    task.check_models(&services.models)?;
    let signals = Signals::new().map_err(CommandError::Runtime)?;
    let limits = Limits::of(task.config.settings().budget.clone());
    let attempt = task.attempt_limit();
    let point = BranchPoint {
        run: origin.run_id.clone(),
        iteration: arguments.at,
        config: before.config,
    };
    let connected = connect(&task, &services).await?;
    check_app(&stored, &connected, &origin.run_id)?;
    let builder = builder_of(task, connected, &store);
    let handle = Box::pin(builder.branch(point)).await?;
    announce(handle.run_id())?;
    let run = store.run(handle.run_id()).await?;
    // Progress counts from the beginning of the journal, which the shared part is in.
    let fresh = RunRow {
        summary: RunSummary::default(),
        ..run
    };
    let watching = Watching {
        store: &arguments.run.store,
        log: arguments.log,
    };
    watch(handle, signals, store, &fresh, limits, attempt, watching).await
}

fn source<'a>(
    file: &'a Path,
    environment: &'a Environment,
    overrides: &'a [String],
) -> ConfigSource<'a> {
    ConfigSource {
        file,
        environment,
        overrides,
        dialects: gepa_jobs::DIALECTS,
    }
}

/// The overrides behind the limits that the origin got after it had begun.
fn overrides(stored: &StoredSettings, origin: &RunRow, typed: &[String]) -> Vec<String> {
    let mut overrides = Vec::new();
    if let Some(in_force) = &origin.summary.limits {
        overrides.extend(changed_limits(stored.budget(), in_force));
    }
    overrides.extend(typed.iter().cloned());
    overrides
}

fn changed_limits(before: &BudgetSettings, after: &BudgetSettings) -> Vec<String> {
    let values = |budget| serde_json::to_value(budget).unwrap_or_default();
    let (before, after) = (values(before), values(after));
    let Some(keys) = after.as_object() else {
        return Vec::new();
    };
    keys.iter()
        .filter(|(key, value)| !value.is_null() && before.get(key.as_str()) != Some(value))
        .map(|(key, value)| format!("budget.{key}={value}"))
        .collect()
}

fn check_shared(
    stored: &StoredSettings,
    task: &TaskConfig,
    origin: &RunId,
) -> Result<(), CommandError> {
    let mut differences = stored.differences_to(task).deciding;
    differences.retain(is_shared);
    if differences.is_empty() {
        return Ok(());
    }
    Err(CommandError::Usage(format!(
        "{}; the scores that the branch shares with {origin} rest on it. Begin a new run with `gepa run`",
        listed(&differences)
    )))
}

fn is_shared(difference: &Difference) -> bool {
    SHARED.iter().any(|shared| {
        let rest = difference.key.strip_prefix(shared);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}
