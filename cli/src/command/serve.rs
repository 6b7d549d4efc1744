//! `gepa serve`

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gepa_models::Environment;
use gepa_postgres::{PostgresStore, is_postgres};
use gepa_server::{ConfiguredJobs, OutageSettings, Server, ServerSettings};
use gepa_tasks::Services;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::arguments::ServeArguments;
#[cfg(feature = "queue")]
use crate::command::worker::refused;
use crate::error::CommandError;
use crate::fleet::PostgresFleet;
use crate::output::err;
use crate::signals::Signals;
use crate::surroundings::{environment, store_url};

/// The variable with the server's key.
const KEY_VARIABLE: &str = "GEPA_API_KEY";

pub(crate) fn serve(arguments: &ServeArguments) -> Result<ExitCode, CommandError> {
    let environment = environment()?;
    let settings = settings(arguments, &environment);
    let address = arguments.listen;
    if settings.api_key.is_none() && settings.keys_file.is_none() && !address.ip().is_loopback() {
        return Err(CommandError::Usage(format!(
            "other machines can reach {address}, so a key is needed; set {KEY_VARIABLE}, give --keys FILE, or listen on 127.0.0.1"
        )));
    }
    let runtime = Runtime::new().map_err(CommandError::Runtime)?;
    runtime.block_on(listen(arguments, environment, settings))
}

fn settings(arguments: &ServeArguments, environment: &Environment) -> ServerSettings {
    ServerSettings {
        max_jobs: arguments.max_jobs.get(),
        outage: OutageSettings {
            allowed: Duration::from_mins(arguments.outage_minutes),
            ..OutageSettings::default()
        },
        api_key: environment.get(KEY_VARIABLE).map(str::to_owned),
        keys_file: arguments.keys.clone(),
        ..ServerSettings::default()
    }
}

async fn listen(
    arguments: &ServeArguments,
    environment: Environment,
    settings: ServerSettings,
) -> Result<ExitCode, CommandError> {
    let mut signals = Signals::new().map_err(CommandError::Runtime)?;
    let bind = |error: io::Error| {
        CommandError::Usage(format!(
            "cannot listen on {}: {error}; name another address with --listen",
            arguments.listen
        ))
    };
    let listener = TcpListener::bind(arguments.listen).await.map_err(bind)?;
    let address: SocketAddr = listener.local_addr().map_err(bind)?;
    let services = Arc::new(Services::new(environment.clone()));
    let jobs = jobs(arguments, &environment, services).await?;
    let jobs = Arc::new(jobs);
    let url = store_url(&arguments.store, &environment);
    let server = Arc::new(start(&url, jobs, settings).await?);
    say(&format!("listening on http://{address}"));
    let answering = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.serve(listener).await }
    });
    signals.next().await;
    say("interrupting the jobs; a server that is started again on this store resumes them");
    let ended = async {
        server.shut_down().await;
        // Started answers are sent first. A panic there must not keep the process alive.
        let _ = answering.await;
    };
    tokio::select! {
        () = ended => {}
        () = signals.next() => say("stopping at once"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The source of jobs, with the servers that it shares with other processes.
#[cfg(feature = "queue")]
async fn jobs(
    arguments: &ServeArguments,
    environment: &Environment,
    services: Arc<Services>,
) -> Result<ConfiguredJobs, CommandError> {
    if let Some(url) = &arguments.limits {
        let shared = gepa_configs::share_limits(&services.models, url, environment).await;
        shared.map_err(|error| refused(&error))?;
    }
    let jobs = ConfiguredJobs::new(environment.clone(), services);
    let Some(url) = &arguments.queue else {
        return Ok(jobs);
    };
    let queue = gepa_configs::JobQueue::connect(url, environment).await;
    Ok(jobs.over_queue(queue.map_err(|error| refused(&error))?))
}

#[cfg(not(feature = "queue"))]
async fn jobs(
    _: &ServeArguments,
    environment: &Environment,
    services: Arc<Services>,
) -> Result<ConfiguredJobs, CommandError> {
    Ok(ConfiguredJobs::new(environment.clone(), services))
}

/// Starts a server on its own store, or one of several on a store that they share.
async fn start(
    url: &str,
    jobs: Arc<ConfiguredJobs>,
    settings: ServerSettings,
) -> Result<Server, CommandError> {
    if !is_postgres(url) {
        let store = gepa_postgres::open(url).await?;
        return Ok(Server::start(store, jobs, settings).await?);
    }
    let store = Arc::new(PostgresStore::open(url).await?);
    let fleet = Arc::new(PostgresFleet(Arc::clone(&store)));
    Ok(Server::start_in_fleet(store, jobs, settings, fleet).await?)
}

fn say(text: &str) {
    // The server continues if stderr is closed.
    let _ = writeln!(err(), "{text}");
}
