//! Finds what commands need: the environment, the store, a run.

use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gepa_ablation::{is_evaluation, refusal_of_evaluation};
use gepa_configs::{ConfigError, ConfigSource, StoredSettings, TaskConfig};
use gepa_engine::record::RunRow;
use gepa_engine::{RunId, Store, StoreError, newest_runs};
use gepa_models::Environment;
use tokio::runtime::{Builder, Runtime};

use crate::arguments::{RunReference, StoreArguments};
use crate::error::CommandError;
use crate::output::err;
use crate::report::{earlier_run, warnings};

const DEFAULT_STORE: &str = "sqlite://.gepa/gepa.db";
const STORE_VARIABLE: &str = "GEPA_STORE";
const ENVIRONMENT_FILE: &str = ".env";
/// Ids that are counted when a text means several runs.
const MOST_MATCHES: usize = 1_000;

/// The process environment, extended by `.env`. The process environment wins.
pub(crate) fn environment() -> Result<Environment, CommandError> {
    Ok(Environment::of_process().overlaid_with(Path::new(ENVIRONMENT_FILE))?)
}

/// Writes the config's notes for its author to stderr, one a line.
pub(crate) fn show_notes(task: &TaskConfig) {
    for note in task.notes() {
        let _ = writeln!(err(), "note: {note}");
    }
}

/// Writes what will make a run of this task show nothing to stderr, one warning a line.
pub(crate) async fn show_warnings(
    task: &TaskConfig,
    store: &StoreArguments,
    environment: &Environment,
) {
    // What earlier runs know is looked up if there is a store; a check needs none.
    let earlier = match gepa_postgres::open_existing(&store_url(store, environment)).await {
        Ok(store) => earlier_run(&task.config, &*store).await.unwrap_or_default(),
        Err(_) => None,
    };
    for warning in warnings(task, earlier.as_ref()) {
        let _ = writeln!(err(), "warning: {warning}");
    }
}

/// The URL of the store.
pub(crate) fn store_url(arguments: &StoreArguments, environment: &Environment) -> String {
    let named = arguments.store.as_deref();
    let url = named.or_else(|| environment.get(STORE_VARIABLE));
    url.unwrap_or(DEFAULT_STORE).to_owned()
}

/// A store that must exist: commands that only read create none.
pub(crate) async fn existing_store(
    arguments: &StoreArguments,
) -> Result<Arc<dyn Store>, CommandError> {
    // Reading a store needs no keys, so a bad line in `.env` is worth a note only.
    let process = Environment::of_process();
    let overlaid = process.overlaid_with(Path::new(ENVIRONMENT_FILE));
    let environment = overlaid.unwrap_or_else(|error| {
        let _ = writeln!(err(), "note: {error}; it is not read");
        Environment::of_process()
    });
    let url = store_url(arguments, &environment);
    open_existing(&url).await
}

/// Opens the store at a URL, which must exist. Where the usual one does not, a folder above may have it.
pub(crate) async fn open_existing(url: &str) -> Result<Arc<dyn Store>, CommandError> {
    let opened = gepa_postgres::open_existing(url).await;
    opened.map_err(|error| match store_above(url) {
        Some(found) => CommandError::Usage(format!(
            "{error}; a folder above has one: `--store sqlite://{}`",
            found.display()
        )),
        None => error.into(),
    })
}

fn store_above(url: &str) -> Option<PathBuf> {
    let usual = Path::new(url.strip_prefix("sqlite://")?);
    if url != DEFAULT_STORE || usual.exists() {
        return None;
    }
    let here = std::env::current_dir().ok()?;
    let above = here.ancestors().skip(1).map(|folder| folder.join(usual));
    above.into_iter().find(|path| path.is_file())
}

/// Runs the work on the current thread, which suffices for commands that read.
pub(crate) fn block_on<T>(
    work: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    let runtime: Runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CommandError::Runtime)?;
    runtime.block_on(work)
}

/// Opens the store and finds the run of a command.
pub(crate) async fn find(
    reference: &RunReference,
) -> Result<(Arc<dyn Store>, RunRow), CommandError> {
    let store = existing_store(&reference.store).await?;
    let run = find_run(&*store, &reference.run).await?;
    Ok((store, run))
}

/// The run with this id, or the only run whose id begins or ends with this text, or the latest.
pub(crate) async fn find_run(store: &dyn Store, text: &str) -> Result<RunRow, CommandError> {
    if text == "latest" {
        let none = || {
            CommandError::Missing("the store has no runs yet; start one with `gepa run`".to_owned())
        };
        return latest_run(store).await?.ok_or_else(none);
    }
    if let Ok(id) = text.parse()
        && let Some(run) = known_run(store, &id).await?
    {
        return Ok(run);
    }
    let matching = store.run_ids(text, MOST_MATCHES).await?;
    match matching.as_slice() {
        [run] if !text.is_empty() => Ok(store.run(run).await?),
        [_, ..] => Err(CommandError::Usage(format!(
            "`{text}` is the beginning or the end of {} run ids; give more of it (`gepa runs` lists them)",
            if matching.len() < MOST_MATCHES {
                matching.len().to_string()
            } else {
                "many".to_owned()
            }
        ))),
        [] => Err(CommandError::Usage(format!(
            "no run is called `{text}`; `gepa runs` lists all runs"
        ))),
    }
}

/// Refuses a run that is no search, for a command that goes on with one. `act` reads as in "cannot be resumed".
pub(crate) fn check_is_search(run: &RunRow, act: &str) -> Result<(), CommandError> {
    refusal_of_evaluation(run, act).map_or(Ok(()), |refusal| Err(CommandError::Usage(refusal)))
}

/// The latest search; the latest evaluation where there is none.
async fn latest_run(store: &dyn Store) -> Result<Option<RunRow>, StoreError> {
    let mut found = newest_runs(store, 1, |run| !is_evaluation(run)).await?;
    if found.is_empty() {
        found = newest_runs(store, 1, |_| true).await?;
    }
    Ok(found.pop())
}

async fn known_run(store: &dyn Store, id: &RunId) -> Result<Option<RunRow>, StoreError> {
    match store.run(id).await {
        Ok(run) => Ok(Some(run)),
        Err(StoreError::UnknownRun(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The task of a stored run, with these keys set otherwise.
pub(crate) fn stored_task(
    run: &RunRow,
    environment: &Environment,
    overrides: &[String],
) -> Result<TaskConfig, ConfigError> {
    source_of_stored(environment, overrides).load_stored(&run.config)
}

/// The settings of a stored run, without its files and keys; `None` if this version cannot read them.
pub(crate) fn readable_settings(run: &RunRow) -> Option<StoredSettings> {
    stored_settings(run, &Environment::of_process()).ok()
}

/// The settings of a stored run, without its files.
pub(crate) fn stored_settings(
    run: &RunRow,
    environment: &Environment,
) -> Result<StoredSettings, ConfigError> {
    source_of_stored(environment, &[]).stored_settings(&run.config)
}

fn source_of_stored<'a>(environment: &'a Environment, overrides: &'a [String]) -> ConfigSource<'a> {
    ConfigSource {
        file: Path::new(""),
        environment,
        overrides,
        dialects: gepa_jobs::DIALECTS,
    }
}
