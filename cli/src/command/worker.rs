//! `gepa worker`

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gepa_configs::{ConfigSource, TaskConfig};
use gepa_models::Environment;
use gepa_queue::{Address, Queue, QueueError, Stop, Worker, WorkerSettings};
use gepa_tasks::Services;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::arguments::WorkerArguments;
use crate::command::run::{connect_here, runtime};
use crate::error::CommandError;
use crate::output::err;
use crate::signals::Signals;
use crate::surroundings::{environment, show_notes};

/// The variable with the default queue.
const QUEUE_VARIABLE: &str = "GEPA_QUEUE";

pub(crate) fn worker(arguments: &WorkerArguments) -> Result<ExitCode, CommandError> {
    let environment = environment()?;
    let source = ConfigSource {
        file: &arguments.evaluator,
        environment: &environment,
        overrides: &arguments.overrides,
        dialects: gepa_jobs::DIALECTS,
    };
    let task = source.load()?;
    show_notes(&task);
    let address = address(arguments, &task, &environment)?;
    runtime()?.block_on(serve(arguments, &task, &address))
}

fn address(
    arguments: &WorkerArguments,
    task: &TaskConfig,
    environment: &Environment,
) -> Result<Address, CommandError> {
    if let Some(url) = &arguments.queue {
        return Ok(task.address(url));
    }
    let named = || Some(task.address(environment.get(QUEUE_VARIABLE)?));
    task.queue_address().or_else(named).ok_or_else(|| {
        CommandError::Usage(format!(
            "no queue is named; use --queue nats://HOST:4222, or set `workers.queue` in the config, or {QUEUE_VARIABLE}"
        ))
    })
}

async fn serve(
    arguments: &WorkerArguments,
    task: &TaskConfig,
    address: &Address,
) -> Result<ExitCode, CommandError> {
    let signals = Signals::new().map_err(CommandError::Runtime)?;
    let services = Services::new(task.environment().clone());
    task.check_models(&services.models)?;
    if let Some(address) = arguments.metrics {
        show_metrics(address).await?;
    }
    let queue = Arc::new(
        Queue::connect(address)
            .await
            .map_err(|error| refused(&error))?,
    );
    let connected = connect_here(task, &services).await?;
    let offer = task.offer();
    let settings = WorkerSettings {
        slots: arguments.slots,
        lost_after: Duration::from_secs(arguments.lost_after),
        most_deliveries: arguments.deliveries,
    };
    say(&format!(
        "offering {offer} at {} with {} slots",
        queue.url(),
        arguments.slots
    ));
    let mut worker = Worker::new(queue, offer, connected.evaluator)
        .with_settings(settings)
        .with_notices(|notice| say(&notice));
    if task.settings().workers.reflections {
        worker = worker.with_proposer(connected.proposer);
    }
    let (stopping, stop) = watch::channel(Stop::No);
    let listening = tokio::spawn(listen(signals, stopping));
    let served = worker.serve(stop).await.map_err(|error| refused(&error))?;
    listening.abort();
    say(&format!("ended after {} rollouts", served.rollouts));
    Ok(ExitCode::SUCCESS)
}

async fn listen(mut signals: Signals, stopping: watch::Sender<Stop>) {
    signals.next().await;
    say("ending the rollouts in hand; press Ctrl-C again to drop them");
    stopping.send_replace(Stop::WhenDone);
    signals.next().await;
    say("dropping the rollouts in hand; other workers get them");
    stopping.send_replace(Stop::AtOnce);
    stopping.closed().await;
}

async fn show_metrics(address: std::net::SocketAddr) -> Result<(), CommandError> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        CommandError::Usage(format!(
            "cannot show metrics at {address}: {error}; name another address with --metrics"
        ))
    })?;
    if let Ok(address) = listener.local_addr() {
        say(&format!("metrics at http://{address}/metrics"));
    }
    tokio::spawn(gepa_server::serve_metrics(listener));
    Ok(())
}

pub(super) fn refused(error: &QueueError) -> CommandError {
    match error {
        QueueError::Unreachable { .. } => CommandError::Unreachable(error.to_string()),
        _ => CommandError::Usage(error.to_string()),
    }
}

fn say(text: &str) {
    let _ = writeln!(err(), "{text}");
}
