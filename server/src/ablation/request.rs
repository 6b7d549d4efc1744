//! What a person asks of an ablation, and why it is refused.

use gepa_ablation::{AblationError, AblationSettings};
use gepa_configs::ConfigError;
use gepa_engine::{RunId, StoreError};
use serde::Deserialize;

/// What a person asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AblateRequest {
    /// The iteration that proposed the candidate; the best candidate unless given.
    pub(crate) iteration: Option<u64>,
    /// The most rollouts that are executed.
    pub(crate) max_rollouts: u64,
    #[serde(default = "margin")]
    pub(crate) margin: f64,
    #[serde(default = "confidence")]
    pub(crate) confidence: f64,
    /// Who asks, for the journal.
    #[serde(default)]
    pub(crate) who: String,
    /// Why, in the person's words.
    #[serde(default)]
    pub(crate) why: String,
}

fn margin() -> f64 {
    AblationSettings::MARGIN
}

fn confidence() -> f64 {
    AblationSettings::CONFIDENCE
}

impl AblateRequest {
    pub(super) fn settings(&self) -> AblationSettings {
        AblationSettings {
            max_rollouts: self.max_rollouts,
            margin: self.margin,
            confidence: self.confidence,
        }
    }
}

/// Why an ablation does not begin. Nothing was paid for then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AblateError {
    #[error("an ablation of run {0} goes on already; wait for its end, or cancel it")]
    Goes(RunId),
    #[error("another process is at an ablation of run {0}; wait for its end")]
    GoesElsewhere(RunId),
    #[error(
        "a process works on run {0}, and the findings are written into its journal; pause the run, or wait until it \
         is over"
    )]
    Busy(RunId),
    #[error("{0} ablations go on in this server; wait until one of them has ended")]
    Full(usize),
    #[error("no ablation of run {0} goes on here")]
    Idle(RunId),
    #[error("the server is shutting down")]
    Closing,
    #[error("run {0} has no such candidate; name the iteration that proposed it")]
    NoCandidate(RunId),
    #[error(
        "the quota of tenant `{tenant}` is {quota} rollouts a day, of which ablations have taken {asked}; give a \
         budget of at most {}",
        quota.saturating_sub(*asked)
    )]
    OverQuota {
        tenant: String,
        quota: u64,
        asked: u64,
    },
    #[error(
        "this server cannot evaluate prompts of run {run}, because its stored config cannot be used here: {error}; \
         run `gepa ablate {run}` where the run was made"
    )]
    UnknownEvaluator { run: RunId, error: ConfigError },
    #[error("{0}; the scores of the run rest on it. Start the app that the run began with")]
    OtherApp(String),
    #[error(transparent)]
    Ablation(#[from] AblationError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
