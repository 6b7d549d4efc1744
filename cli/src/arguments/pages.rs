//! The arguments of the commands that show pages: `gepa serve`, `gepa open`, `gepa report`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::store::{RunReference, StoreArguments};

pub(super) const SERVE_NOTES: &str = "\
GEPA_API_KEY is the key that every request except /health must carry. Without a key the server
listens on loopback only. Its address is printed on stderr. A signal interrupts the jobs; a server
that is started again on the same store resumes them.

With a store of the form postgres://USER@HOST/DATABASE any number of servers on any number of machines
share its jobs. Each answers for all of them. When one dies, another takes its jobs up within 10 s.

With --queue workers execute the rollouts: `gepa worker --evaluator CONFIG --queue URL`, where CONFIG is the
config of the jobs. GEPA_QUEUE_USER and GEPA_QUEUE_PASSWORD, or GEPA_QUEUE_TOKEN, are the credentials.";

pub(super) const OPEN_NOTES: &str = "\
The address goes to stdout. Only programs on this machine can reach it, and only with the token that it
contains. Nothing is run or resumed; a run that another process works on is shown as it goes on. Ctrl-C ends it.";

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The address to listen on; port 0 takes a free port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Jobs that run at a time; further jobs wait in a queue
    #[arg(long, value_name = "N", default_value = "4")]
    pub(crate) max_jobs: NonZeroUsize,
    /// Minutes a job waits for a provider or task app that is down before it fails
    #[arg(long, value_name = "M", default_value = "30")]
    pub(crate) outage_minutes: u64,
    /// A file of keys with roles and tenants; it is read again when it changes
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,
    /// Let workers execute the rollouts of all jobs; they take them from this NATS server
    #[cfg(feature = "queue")]
    #[arg(long, value_name = "URL")]
    pub(crate) queue: Option<String>,
    /// Share the limits of providers' keys with all processes that name this NATS server
    #[cfg(feature = "queue")]
    #[arg(long, value_name = "URL")]
    pub(crate) limits: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct OpenArguments {
    /// The run to show first: an id, the beginning of one, or `latest`; by default the list of runs
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// The port on 127.0.0.1; 0 takes a free port
    #[arg(long, value_name = "PORT", default_value = "0")]
    pub(crate) port: u16,
    /// Print the address and start no browser
    #[arg(long)]
    pub(crate) no_browser: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    #[command(flatten)]
    pub(crate) run: RunReference,
    /// The file to write; by default stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
