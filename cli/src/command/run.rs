//! `gepa run`

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use gepa_configs::{ConfigSource, TaskConfig};
use gepa_engine::record::{RunRow, statistics};
use gepa_engine::{Run, RunBuilder, RunEnd, RunHandle, RunId, RunResult, Store};
use gepa_models::Environment;
use gepa_tasks::Services;
use tokio::runtime::Runtime;

use crate::arguments::{LogForm, RunArguments};
use crate::command::plan::plan;
use crate::error::{CommandError, EXIT_FAILURES, EXIT_INTERRUPTED, EXIT_PROVIDER_DOWN};
use crate::feed::Feed;
use crate::output::stdout;
use crate::progress::{Limits, Standing, follow};
use crate::report::write_summary;
use crate::signals::Signals;
use crate::surroundings::{environment, find_run, show_notes, store_url};

pub(crate) fn run(arguments: &RunArguments) -> Result<ExitCode, CommandError> {
    let environment = environment()?;
    if let (Some(file), None) = (&arguments.config, &arguments.resume) {
        let task = source(file, &environment, arguments).load()?;
        show_notes(&task);
        let services = Services::new(task.environment().clone());
        let runtime = runtime()?;
        if arguments.plan {
            return runtime.block_on(plan(&task, &services));
        }
        return runtime.block_on(begin(task, &services, &environment, arguments));
    }
    runtime()?.block_on(resume(&environment, arguments))
}

fn runtime() -> Result<Runtime, CommandError> {
    Runtime::new().map_err(CommandError::Runtime)
}

fn source<'a>(
    file: &'a Path,
    environment: &'a Environment,
    arguments: &'a RunArguments,
) -> ConfigSource<'a> {
    ConfigSource {
        file,
        environment,
        overrides: &arguments.overrides,
        dialects: gepa_jobs::DIALECTS,
    }
}

async fn begin(
    task: TaskConfig,
    services: &Services,
    environment: &Environment,
    arguments: &RunArguments,
) -> Result<ExitCode, CommandError> {
    task.check_models(&services.models)?;
    // From here on signals are caught. They take effect once the run has started.
    let signals = Signals::new().map_err(CommandError::Runtime)?;
    let store = gepa_store::open(&store_url(&arguments.store, environment))?;
    let limits = Limits::of(&task.config);
    let builder = builder(task, services, &store).await?;
    let handle = builder.start().await?;
    announce(handle.run_id())?;
    let run = store.run(handle.run_id()).await?;
    // The row may already be newer than the run's beginning, so its summary is not used.
    let fresh = RunRow {
        summary: gepa_engine::record::RunSummary::default(),
        ..run
    };
    watch(handle, signals, store, &fresh, limits, arguments).await
}

async fn resume(
    environment: &Environment,
    arguments: &RunArguments,
) -> Result<ExitCode, CommandError> {
    let url = store_url(&arguments.store, environment);
    let reference = arguments.resume.as_deref().unwrap_or_default();
    // A missing store is not created, since it could hold no run.
    let run = find_run(&*gepa_store::open_existing(&url)?, reference).await?;
    let store = gepa_store::open(&url)?;
    let task = match &arguments.config {
        Some(file) => source(file, environment, arguments).load()?,
        None => source(Path::new(""), environment, arguments).load_stored(&run.config)?,
    };
    show_notes(&task);
    let services = Services::new(task.environment().clone());
    task.check_models(&services.models)?;
    let signals = Signals::new().map_err(CommandError::Runtime)?;
    let limits = Limits::of(&task.config);
    let builder = builder(task, &services, &store).await?;
    announce(&run.run_id)?;
    let handle = builder.resume(run.run_id.clone()).await?;
    if run.summary.paused {
        // A user who resumes a paused run wants it to continue.
        handle.control().resume();
    }
    watch(handle, signals, store, &run, limits, arguments).await
}

async fn builder(
    task: TaskConfig,
    services: &Services,
    store: &Arc<dyn Store>,
) -> Result<RunBuilder, CommandError> {
    let connected = task.connect(services).await?;
    Ok(Run::builder(task.config)
        .described_as(task.described)
        .store(Arc::clone(store))
        .evaluator(connected.evaluator)
        .proposer(connected.proposer))
}

/// Prints the run's id as the first line on stdout. If the reader has closed stdout, the run
/// continues.
fn announce(run: &RunId) -> Result<(), CommandError> {
    let mut out = stdout();
    let written = writeln!(out, "{run}").and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

async fn watch(
    handle: RunHandle,
    signals: Signals,
    store: Arc<dyn Store>,
    before: &RunRow,
    limits: Limits,
    arguments: &RunArguments,
) -> Result<ExitCode, CommandError> {
    let run_id = handle.run_id().clone();
    let events = handle.subscribe();
    let feed = Feed::new(
        run_id.clone(),
        Arc::clone(&store),
        events,
        before.summary.seq,
    );
    let standing = Standing::new(before, limits);
    let listening = tokio::spawn(signals.steer(handle.control()));
    let (finished, followed) = tokio::join!(
        handle.finish(),
        follow(run_id.clone(), feed, standing, arguments.log)
    );
    listening.abort();
    let result = finished.map_err(|error| CommandError::Stopped {
        error,
        resume: resume_command(&run_id, arguments),
    })?;
    followed?;
    let candidates = store.candidates(&result.run.run_id).await?;
    if arguments.log == LogForm::Json {
        let mut out = stdout();
        serde_json::to_writer(&mut out, &statistics(&result.run))?;
        writeln!(out)?;
        out.flush()?;
    } else {
        let mut text = Vec::new();
        write_summary(&mut text, &result.run, &candidates)?;
        write_next_steps(&mut text, &result, arguments)?;
        let _ = io::stderr().write_all(&text);
    }
    Ok(exit_code(&result.end))
}

fn write_next_steps(
    out: &mut dyn Write,
    result: &RunResult,
    arguments: &RunArguments,
) -> io::Result<()> {
    let run = &result.run.run_id;
    if matches!(result.end, RunEnd::Interrupted { .. }) {
        return writeln!(out, "\nresume with: {}", resume_command(run, arguments));
    }
    let store = store_option(arguments);
    writeln!(out, "\nbest prompt:  gepa best {run}{store}")?;
    writeln!(out, "everything:   gepa show {run}{store}")
}

fn resume_command(run: &RunId, arguments: &RunArguments) -> String {
    format!("gepa run --resume {run}{}", store_option(arguments))
}

fn store_option(arguments: &RunArguments) -> String {
    let store = arguments.store.store.as_ref();
    store.map_or_else(String::new, |url| format!(" --store {url}"))
}

fn exit_code(end: &RunEnd) -> ExitCode {
    failure_code(end).map_or(ExitCode::SUCCESS, ExitCode::from)
}

/// The exit code of a run that did not succeed.
pub(crate) fn failure_code(end: &RunEnd) -> Option<u8> {
    match end {
        RunEnd::Interrupted {
            provider_down: true,
            ..
        } => Some(EXIT_PROVIDER_DOWN),
        RunEnd::Interrupted { .. } => Some(EXIT_INTERRUPTED),
        RunEnd::Finished(reason) if reason.is_failure() => Some(EXIT_FAILURES),
        _ => None,
    }
}
