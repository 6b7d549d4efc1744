//! `[workers]`: rollouts executed by workers on other machines.

use std::path::PathBuf;

use gepa_engine::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[workers]`: hand rollouts to workers through a queue instead of executing them here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WorkersSettings {
    /// The NATS server with JetStream that carries the work: `nats://HOST:4222` or `tls://HOST:4222`. Its
    /// credentials come from the environment: `GEPA_QUEUE_USER` and `GEPA_QUEUE_PASSWORD`, or
    /// `GEPA_QUEUE_TOKEN`. Without it rollouts are executed in this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The name under which workers offer the evaluator. Default: the evaluator's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version of what the evaluator calls, such as that of a task app. Workers with another one get no
    /// rollouts of this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The most rollouts of one trial in one message, at least 1. More of them save messages where a rollout
    /// takes a few milliseconds.
    pub largest_batch: u32,
    /// Whether workers make the calls of the proposer as well.
    pub reflections: bool,
    /// Seconds that work may wait while no fitting worker is there, or the queue does not answer, before the run
    /// pauses, resumably.
    pub outage_seconds: f64,
}

impl Default for WorkersSettings {
    fn default() -> Self {
        Self {
            queue: None,
            name: None,
            version: None,
            largest_batch: 1,
            reflections: false,
            outage_seconds: 600.0,
        }
    }
}

impl WorkersSettings {
    /// Whether no key is set.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        if let Some(url) = &self.queue {
            check_address("workers.queue", url, problems);
        }
        if self.largest_batch == 0 {
            problems.push(Problem::new("workers.largest_batch", "must be at least 1"));
        }
        if !(self.outage_seconds > 0.0 && self.outage_seconds <= 1e7) {
            let message = "must be above 0 and at most 10000000 seconds";
            problems.push(Problem::new("workers.outage_seconds", message));
        }
    }
}

/// `[limits]`: limits that hold over several processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LimitsSettings {
    /// The NATS server with JetStream over which all processes that name it share the limits of
    /// `[providers]`: requests and tokens per minute, calls at once, pauses. Credentials as for
    /// `workers.queue`. Without it the limits hold in each process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<String>,
    /// The folder in which the processes of one machine keep what keys with `providers.NAME.dollars_per_day` have
    /// spent, where `shared` is not set. Default: `.gepa/limits` in the current directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
}

impl LimitsSettings {
    /// Whether no key is set.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        if let Some(url) = &self.shared {
            check_address("limits.shared", url, problems);
        }
    }
}

/// Checks the address of a queue in a config, which is stored with the run.
pub(crate) fn check_address(key: &str, url: &str, problems: &mut Vec<Problem>) {
    if url.contains('@') {
        let message = "holds credentials, which are stored with the run; set GEPA_QUEUE_USER and \
                       GEPA_QUEUE_PASSWORD, or GEPA_QUEUE_TOKEN, in the environment";
        problems.push(Problem::new(key, message));
    }
    if cfg!(not(feature = "queue")) {
        let message = "needs a build of gepa with the feature `queue`, which this one has not";
        problems.push(Problem::new(key, message));
    }
}
