//! Runs of a sweep side by side.

use std::io::Write;
use std::sync::Arc;

use gepa_configs::{ConfigSource, TaskConfig};
use gepa_engine::record::RunRow;
use gepa_engine::{RunEnd, RunHandle, RunId, Store};
use gepa_models::Environment;
use gepa_server::ControlSocket;
use gepa_tasks::Services;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::cell::{Cell, Stand};
use crate::command::run::{builder_of, check_app, failure_code};
use crate::error::{CommandError, EXIT_INTERRUPTED, EXIT_PROVIDER_DOWN};
use crate::format::score;
use crate::output::err;
use crate::signals::Signals;
use crate::surroundings::{stored_settings, stored_task};

/// What the runs share.
pub(super) struct Surroundings {
    pub(super) store: Arc<dyn Store>,
    pub(super) environment: Environment,
    /// One limiter for each provider, for all runs.
    pub(super) services: Services,
    pub(super) config: std::path::PathBuf,
}

/// How far a user wants the runs to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    GoOn,
    Interrupt,
    Abort,
}

/// Runs what is not over, at most `parallel` runs at once. Returns the exit code for what did not end well.
pub(super) async fn run_all(
    surroundings: &Arc<Surroundings>,
    cells: &[(Cell, Stand)],
    parallel: usize,
) -> Result<Option<u8>, CommandError> {
    let signals = Signals::new().map_err(CommandError::Runtime)?;
    let (wish, wished) = watch::channel(Wish::GoOn);
    let listening = tokio::spawn(listen(signals, wish));
    let mut waiting = cells
        .iter()
        .enumerate()
        .filter(|(_, (_, stand))| !matches!(stand, Stand::Over(_)));
    let mut running = JoinSet::new();
    let mut code = None;
    let of = cells.len();
    loop {
        while running.len() < parallel && *wished.borrow() == Wish::GoOn && code.is_none() {
            let Some((place, (cell, stand))) = waiting.next() else {
                break;
            };
            let (surroundings, cell) = (Arc::clone(surroundings), cell.clone());
            let (stand, wished) = (stand.clone(), wished.clone());
            running.spawn(async move {
                let number = format!("{} of {of}", place + 1);
                let ended = Box::pin(one(&surroundings, &cell, stand, wished, &number)).await;
                (number, cell, ended)
            });
        }
        let Some(joined) = running.join_next().await else {
            break;
        };
        let (number, cell, ended) = joined.map_err(|error| {
            CommandError::Missing(format!("a run ended by a fault of this program: {error}"))
        })?;
        let (text, failure) = match ended {
            Ok((run, end)) => {
                let shown = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), score);
                let summary = &run.summary;
                let text = format!(
                    "{}  {}: best {}, held out {}",
                    run.run_id,
                    summary.status.as_str(),
                    shown(summary.best_score),
                    shown(summary.best_validation_score)
                );
                // A run that ended says nothing about the others, also where it ended without a score.
                let failure = failure_code(&run, &end);
                (
                    text,
                    failure.filter(|_| !matches!(end, RunEnd::Finished(_))),
                )
            }
            Err(error) => (error.to_string(), Some(1)),
        };
        let _ = writeln!(err(), "{number}  {}  {text}", cell.label);
        // A run that failed says nothing about the others; a provider that is down does.
        if let Some(failure @ (EXIT_INTERRUPTED | EXIT_PROVIDER_DOWN | 1)) = failure {
            code = Some(code.map_or(failure, |before: u8| before.max(failure)));
        }
    }
    listening.abort();
    if *wished.borrow() != Wish::GoOn {
        code = Some(EXIT_INTERRUPTED);
    }
    Ok(code)
}

async fn listen(mut signals: Signals, wish: watch::Sender<Wish>) {
    signals.next().await;
    let _ = writeln!(
        err(),
        "\nwaiting for the calls in flight; press Ctrl-C again to drop them. The sweep can be repeated in either case"
    );
    wish.send_replace(Wish::Interrupt);
    signals.next().await;
    wish.send_replace(Wish::Abort);
}

async fn one(
    surroundings: &Surroundings,
    cell: &Cell,
    stand: Stand,
    mut wished: watch::Receiver<Wish>,
    number: &str,
) -> Result<(RunRow, RunEnd), CommandError> {
    let handle = match stand {
        Stand::Open(run) => Box::pin(resume(surroundings, &run)).await?,
        Stand::New | Stand::Over(_) => Box::pin(begin(surroundings, cell)).await?,
    };
    let run_id: RunId = handle.run_id().clone();
    let _ = writeln!(err(), "{number}  {}  {run_id}", cell.label);
    let control = handle.control();
    // Without a socket the run goes on; it can be steered when it is at rest.
    let reachable = ControlSocket::open(&run_id, handle.control());
    let obeying = tokio::spawn(async move {
        if wished
            .wait_for(|wish| *wish >= Wish::Interrupt)
            .await
            .is_ok()
        {
            control.interrupt("a signal was received");
        }
        if wished.wait_for(|wish| *wish == Wish::Abort).await.is_ok() {
            control.abort("a second signal was received");
        }
    });
    let finished = handle.finish().await;
    obeying.abort();
    drop(reachable);
    let result = finished?;
    Ok((result.run, result.end))
}

async fn begin(surroundings: &Surroundings, cell: &Cell) -> Result<RunHandle, CommandError> {
    let source = ConfigSource {
        file: &surroundings.config,
        environment: &surroundings.environment,
        overrides: &cell.overrides,
        dialects: gepa_jobs::DIALECTS,
    };
    let task: TaskConfig = source.load()?;
    let connected = task.connect(&surroundings.services).await?;
    Ok(builder_of(task, connected, &surroundings.store)
        .start()
        .await?)
}

/// Goes on under the stored settings, which are those of the sweep.
async fn resume(surroundings: &Surroundings, run: &RunRow) -> Result<RunHandle, CommandError> {
    let environment = &surroundings.environment;
    let stored = stored_settings(run, environment)?;
    let task = stored_task(run, environment, &[])?;
    let began_with = task.config.settings().budget.clone();
    let connected = task.connect(&surroundings.services).await?;
    check_app(&stored, &connected, &run.run_id)?;
    let builder = builder_of(task, connected, &surroundings.store).began_with(began_with);
    let handle = builder.resume(run.run_id.clone()).await?;
    if run.summary.paused {
        // A user who repeats the sweep wants its runs to go on.
        handle.control().resume();
    }
    Ok(handle)
}
