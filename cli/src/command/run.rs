//! `gepa run`

use std::io::{self, Write};
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gepa_configs::{ConfigError, ConfigSource, ConnectedTask, StoredSettings, TaskConfig};
use gepa_engine::record::{CandidateRow, RunRow, RunStatus};
use gepa_engine::verdict::{Verdict, read_tables, with_verdict};
use gepa_engine::{Plan, Run, RunBuilder, RunEnd, RunHandle, RunId, RunResult, Store, warm_start};
use gepa_models::Environment;
use gepa_tasks::Services;
use tokio::runtime::Runtime;

use crate::arguments::{LogForm, RunArguments, Watching};
use crate::candidates::best;
use crate::command::export::stats_of;
use crate::command::plan::{plan, say_refusal};
use crate::command::resumption::{check_limits, check_settings, say_that_it_is_over};
use crate::command::start::{paid_by, start_line};
use crate::error::{
    CommandError, EXIT_BUDGET, EXIT_FAILURES, EXIT_INTERRUPTED, EXIT_PROVIDER_DOWN,
};
use crate::feed::Feed;
use crate::output::{err, stdout};
use crate::progress::{Limits, Standing, Troubles, follow};
use crate::report::{write_prompt, write_summary};
use crate::run_log;
use crate::screen::Screen;
use crate::signals::Signals;
use crate::surroundings::{
    check_is_search, environment, find_run, open_existing, show_notes, show_warnings, store_url,
    stored_settings, stored_task,
};
use gepa_ablation::evaluations_of;

/// After this time a start is called long.
const LONG_START: Duration = Duration::from_secs(3);

pub(crate) fn run(arguments: &RunArguments) -> Result<ExitCode, CommandError> {
    let environment = environment()?;
    if let (Some(file), None) = (&arguments.config, &arguments.resume) {
        let task = source(file, &environment, arguments).load()?;
        show_notes(&task);
        let services = Services::new(task.environment().clone());
        let runtime = runtime()?;
        if arguments.plan {
            runtime.block_on(show_warnings(&task, &arguments.store, &environment));
            return runtime.block_on(plan(
                &task,
                &services,
                &store_url(&arguments.store, &environment),
                None,
            ));
        }
        return runtime.block_on(begin(task, &services, &environment, arguments));
    }
    runtime()?.block_on(resume(&environment, arguments))
}

pub(super) fn runtime() -> Result<Runtime, CommandError> {
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
    let store = gepa_postgres::open(&store_url(&arguments.store, environment)).await?;
    let limits = Limits::of(task.config.settings().budget.clone());
    let attempt = task.attempt_limit();
    let mut known = evaluations_of(&store, &task.described, task.config.prompt()).await?;
    let start = warm_start(&*store, &task.config).await?;
    if let Some(start) = &start {
        let _ = writeln!(err(), "{}", start_line(start));
        known.extend(paid_by(&*store, start, &task).await?);
    }
    let connected = connect(&task, services).await?;
    let plan = Plan::of(
        &task.config,
        Some((&*connected.evaluator, &*connected.proposer)),
    );
    // Outcomes that are known already are not paid for, so what a proposal costs is not known then.
    let is_refused = plan.refusal.is_some() && (known.is_empty() || !plan.allows_proposals());
    if is_refused {
        say_refusal(&plan, &task.config);
        return Ok(ExitCode::from(EXIT_BUDGET));
    }
    let builder = builder_of(task, connected, &store);
    let handle = builder.knowing(known).start().await?;
    announce(handle.run_id())?;
    keep_log(arguments, environment, handle.run_id());
    let run = store.run(handle.run_id()).await?;
    // The row may already be newer than the run's beginning, so its summary is not used.
    let fresh = RunRow {
        summary: gepa_engine::record::RunSummary::default(),
        ..run
    };
    watch(
        handle,
        signals,
        store,
        &fresh,
        limits,
        attempt,
        arguments.into(),
    )
    .await
}

async fn resume(
    environment: &Environment,
    arguments: &RunArguments,
) -> Result<ExitCode, CommandError> {
    let url = store_url(&arguments.store, environment);
    let reference = arguments.resume.as_deref().unwrap_or_default();
    // A missing store is not created, since it could hold no run.
    let run = find_run(&*open_existing(&url).await?, reference).await?;
    check_is_search(&run, "resumed")?;
    let stored = stored_settings(&run, environment)?;
    let task = match &arguments.config {
        Some(file) => source(file, environment, arguments).load_to_go_on(&run.config)?,
        None => stored_task(&run, environment, &arguments.overrides)?,
    };
    show_notes(&task);
    // Without a config and `--set` it is the stored config already.
    let is_stored = arguments.config.is_none() && arguments.overrides.is_empty();
    check_settings(&stored, &task, &run.run_id, is_stored)?;
    let began_with = stored.budget();
    let budget = &task.config.settings().budget;
    let in_force = run.summary.limits.as_ref().unwrap_or(began_with);
    let wanted = in_force.with_changes(began_with, budget);
    if run.summary.status.is_terminal() && wanted == *in_force {
        say_that_it_is_over(&run);
    }
    let services = Services::new(task.environment().clone());
    if arguments.plan {
        check_limits(&run, in_force, &wanted)?;
        return plan(&task, &services, &url, Some(&run)).await;
    }
    let store = gepa_postgres::open(&url).await?;
    task.check_models(&services.models)?;
    let signals = Signals::new().map_err(CommandError::Runtime)?;
    let connected = connect(&task, &services).await?;
    check_app(&stored, &connected, &run.run_id)?;
    let attempt = task.attempt_limit();
    let builder = builder_of(task, connected, &store).began_with(began_with.clone());
    // A reader of the id may look at the run, so a refusal comes first.
    let handle = builder.resume(run.run_id.clone()).await?;
    announce(&run.run_id)?;
    keep_log(arguments, environment, &run.run_id);
    if run.summary.paused {
        // A user who resumes a paused run wants it to continue.
        handle.control().resume();
    }
    watch(
        handle,
        signals,
        store,
        &run,
        Limits::of(wanted),
        attempt,
        arguments.into(),
    )
    .await
}

/// Opens the log file of the run, if the user wants one. Without it the run goes on.
fn keep_log(arguments: &RunArguments, environment: &Environment, run: &RunId) {
    let url = store_url(&arguments.store, environment);
    let _ = match run_log::open(&url, run) {
        Ok(None) => Ok(()),
        Ok(Some(path)) => writeln!(err(), "log       {}", path.display()),
        Err(reason) => writeln!(err(), "note: {reason}"),
    };
}

/// Refuses a task app that says it is of another version, or has other data, than when the run began.
pub(super) fn check_app(
    stored: &StoredSettings,
    connected: &ConnectedTask,
    run: &RunId,
) -> Result<(), CommandError> {
    match stored.other_app(connected) {
        None => Ok(()),
        Some(changed) => Err(CommandError::Usage(format!(
            "{changed}; the scores of {run} rest on it. Start the app that the run began with, or begin a new run \
             with `gepa run`"
        ))),
    }
}

pub(super) fn builder_of(
    task: TaskConfig,
    connected: ConnectedTask,
    store: &Arc<dyn Store>,
) -> RunBuilder {
    let described = task.described_with(&connected);
    Run::builder(task.config)
        .described_as(described)
        .store(Arc::clone(store))
        .evaluator(connected.evaluator)
        .proposer(connected.proposer)
}

/// Connects the parts of a task. Says what is being waited for if that takes long.
pub(super) async fn connect(
    task: &TaskConfig,
    services: &Services,
) -> Result<ConnectedTask, CommandError> {
    say_if_long(task, task.connect(services)).await
}

/// The same in this process, also where the config names a queue.
#[cfg(feature = "queue")]
pub(super) async fn connect_here(
    task: &TaskConfig,
    services: &Services,
) -> Result<ConnectedTask, CommandError> {
    say_if_long(task, task.connect_here(services)).await
}

async fn say_if_long(
    task: &TaskConfig,
    connecting: impl Future<Output = Result<ConnectedTask, ConfigError>>,
) -> Result<ConnectedTask, CommandError> {
    let mut connecting = pin!(connecting);
    tokio::select! {
        connected = &mut connecting => return Ok(connected?),
        () = tokio::time::sleep(LONG_START) => {}
    }
    let hint = if task.starts_programs() {
        ": a program must print its hello line, such as {\"protocol\": 1}, and flush it (in Python \
         `print(..., flush=True)`); `start_timeout_seconds` says how long this may take"
    } else {
        ""
    };
    let _ = writeln!(
        err(),
        "still connecting after {} s{hint}",
        LONG_START.as_secs()
    );
    Ok(connecting.await?)
}

/// Prints the run's id as the first line on stdout. If the reader has closed stdout, the run
/// continues.
pub(super) fn announce(run: &RunId) -> Result<(), CommandError> {
    let mut out = stdout();
    let written = writeln!(out, "{run}").and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

pub(super) async fn watch(
    handle: RunHandle,
    signals: Signals,
    store: Arc<dyn Store>,
    before: &RunRow,
    limits: Limits,
    attempt: (&'static str, f64),
    watching: Watching<'_>,
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
    #[cfg(feature = "otel")]
    let traced = tokio::spawn(crate::spans::follow(
        before.clone(),
        Feed::new(
            run_id.clone(),
            Arc::clone(&store),
            handle.subscribe(),
            before.summary.seq,
        ),
    ));
    let troubles = Troubles::new(handle.trouble(), attempt);
    let listening = tokio::spawn(signals.steer(handle.control()));
    // Without a socket the run goes on; it can be steered when it is at rest.
    let reachable = gepa_server::ControlSocket::open(&run_id, handle.control());
    let (finished, followed) = tokio::join!(
        handle.finish(),
        follow(run_id.clone(), feed, standing, troubles, watching.log)
    );
    listening.abort();
    drop(reachable);
    // Its last spans are sent before the process ends. What cannot be read is an error of the run below.
    #[cfg(feature = "otel")]
    let _ = traced.await;
    let result = finished.map_err(|error| CommandError::Stopped {
        error,
        resume: resume_command(&run_id, watching),
    })?;
    followed?;
    let tables = read_tables(&*store, result.run.clone()).await?;
    let verdict = Verdict::of(&tables);
    if watching.log == LogForm::Json {
        let mut out = stdout();
        serde_json::to_writer(&mut out, &with_verdict(stats_of(&result.run), &verdict))?;
        writeln!(out)?;
        out.flush()?;
    } else {
        let mut text = Vec::new();
        write_summary(&mut Screen(&mut text), &tables, &verdict)?;
        if is_in_memory(watching) {
            write_result(&mut text, &result.run, &tables.candidates)?;
        } else {
            write_next_steps(&mut text, &result, watching)?;
        }
        let _ = err().write_all(&text);
    }
    let code = failure_code(&result.run, &result.end);
    if code == Some(EXIT_BUDGET) {
        let _ = writeln!(
            err(),
            "error: a limit of `[budget]` ended the run before its seed was scored, so there is no result; raise that \
             limit and begin again (`gepa run --plan` shows what a run needs)"
        );
    }
    Ok(code.map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// Whether the run is gone with this process.
fn is_in_memory(watching: Watching<'_>) -> bool {
    let store = watching.store.store.as_deref();
    store.is_some_and(gepa_store::is_in_memory)
}

/// Writes the best prompt of a run that no later command can read.
fn write_result(out: &mut dyn Write, run: &RunRow, candidates: &[CandidateRow]) -> io::Result<()> {
    if let Some(best) = best(run, candidates) {
        writeln!(out, "\nbest prompt:")?;
        write_prompt(out, run, best, "  ")?;
    }
    writeln!(
        out,
        "\nthe store was in memory, so nothing of this run is left; `--store sqlite://PATH` keeps it"
    )
}

fn write_next_steps(
    out: &mut dyn Write,
    result: &RunResult,
    watching: Watching<'_>,
) -> io::Result<()> {
    let run = &result.run.run_id;
    if matches!(result.end, RunEnd::Interrupted { .. }) {
        return writeln!(out, "\nresume with: {}", resume_command(run, watching));
    }
    let store = store_option(watching);
    writeln!(out)?;
    if result.run.summary.best.is_some() {
        writeln!(out, "best prompt:  gepa best {run}{store}")?;
    }
    writeln!(out, "everything:   gepa show {run}{store}")
}

fn resume_command(run: &RunId, watching: Watching<'_>) -> String {
    format!("gepa run --resume {run}{}", store_option(watching))
}

fn store_option(watching: Watching<'_>) -> String {
    let store = watching.store.store.as_ref();
    store.map_or_else(String::new, |url| {
        let shown = gepa_store::without_password(url);
        // A shell would read these characters as its own.
        if shown.contains(['?', '&', '*']) {
            format!(" --store '{shown}'")
        } else {
            format!(" --store {shown}")
        }
    })
}

/// The exit code of a run that did not succeed.
pub(crate) fn failure_code(run: &RunRow, end: &RunEnd) -> Option<u8> {
    let is_scored = run.summary.baseline_score.is_some();
    match end {
        RunEnd::Interrupted {
            provider_down: true,
            ..
        } => Some(EXIT_PROVIDER_DOWN),
        RunEnd::Interrupted { .. } => Some(EXIT_INTERRUPTED),
        RunEnd::Finished(reason) if reason.is_limit() && !is_scored => Some(EXIT_BUDGET),
        RunEnd::Finished(reason) if reason.is_failure() => Some(EXIT_FAILURES),
        // It has no result, though its reason to end is none to fail.
        RunEnd::Finished(_) if run.summary.status == RunStatus::Failed => Some(EXIT_FAILURES),
        // A person ended it; there is nothing to show.
        RunEnd::Finished(_) if !is_scored => Some(EXIT_INTERRUPTED),
        _ => None,
    }
}
