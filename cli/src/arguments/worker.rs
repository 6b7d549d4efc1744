//! The arguments of `gepa worker`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

pub(crate) const WORKER_NOTES: &str = "\
A worker needs the config file of the run, its data and its keys; it needs no store. It gets rollouts only of
runs whose evaluator, data, prompt, models and version of gepa are the same as its own, and says so where
they are not. GEPA_QUEUE names the default queue. GEPA_QUEUE_USER and GEPA_QUEUE_PASSWORD, or
GEPA_QUEUE_TOKEN, are its credentials; GEPA_QUEUE_CA, GEPA_QUEUE_CERT and GEPA_QUEUE_KEY name files for TLS.

The first Ctrl-C ends the rollouts in hand and takes no more, the second drops them. Other workers get what
was dropped.";

#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
    /// The config file of the run
    #[arg(long, value_name = "CONFIG")]
    pub(crate) evaluator: PathBuf,
    /// The queue; by default `workers.queue` of the config, then `GEPA_QUEUE`
    #[arg(long, value_name = "URL")]
    pub(crate) queue: Option<String>,
    /// Set a key of the configuration, for example `--set evaluator.processes=8`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Messages with rollouts that are worked on at once
    #[arg(long, value_name = "N", default_value = "8")]
    pub(crate) slots: NonZeroUsize,
    /// Seconds without a sign of life after which a worker counts as lost
    #[arg(long, value_name = "S", default_value = "10", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) lost_after: u64,
    /// Workers that may be lost over one rollout; with one more it has failed as `worker_lost`
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) deliveries: u32,
    /// Show metrics in the form of Prometheus at this address, under /metrics
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics: Option<SocketAddr>,
}
