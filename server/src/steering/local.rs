//! Acts on runs of a store on this machine: through the process that works on the run, or into its
//! journal if none does.

use gepa_ablation::refusal_of_evaluation;
use gepa_configs::ConfigError;
use gepa_engine::record::RunRow;
use gepa_engine::{
    Config, RunError, RunId, Seq, SteeredBy, Steering, Store, StoreError, steer_at_rest,
};

use super::control::{self, Reached};
use super::request::{BadRequest, SteerRequest};

/// An act that is in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steered {
    /// Its entry; `None` if the process that works on the run writes it later, which is so for a stop
    /// while calls are in flight, and for a job that waits for a slot to go on.
    pub seq: Option<Seq>,
    /// Whether no process works on the run. Its next resumption takes the act in.
    pub at_rest: bool,
}

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SteerError {
    /// The request names no act.
    #[error(transparent)]
    Request(#[from] BadRequest),
    /// The run's stored config cannot be used.
    #[error("the stored config of the run cannot be used: {0}")]
    Config(#[from] ConfigError),
    /// The run or the store refuses it.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The run is no search, or the process that works on it refuses it.
    #[error("{0}")]
    Refused(String),
    /// No way leads to the process that works on the run.
    #[error(
        "run `{run}` is being written by {holder}, which cannot be reached from here; if a server runs it, name its address (`gepa steer --server URL`)"
    )]
    OutOfReach {
        /// The run.
        run: RunId,
        /// The process.
        holder: String,
    },
}

impl From<StoreError> for SteerError {
    fn from(error: StoreError) -> Self {
        Self::Run(error.into())
    }
}

/// Does what a request asks: through the process of this machine that works on the run, or in the
/// run's journal if no process does. `config` reads the config that the run was started with.
///
/// # Errors
///
/// Why it was not done. Nothing is written then.
pub async fn steer_here(
    store: &dyn Store,
    run: &RunRow,
    request: SteerRequest,
    config: impl Future<Output = Result<Config, ConfigError>>,
) -> Result<Steered, SteerError> {
    if let Some(refusal) = refusal_of_evaluation(run, "steered") {
        return Err(SteerError::Refused(refusal));
    }
    let (steering, by): (Steering, SteeredBy) = request.clone().read()?;
    if store.is_claimed(&run.run_id).await? {
        return through_its_process(&run.run_id, &request).await;
    }
    let config = config.await?;
    match steer_at_rest(store, &run.run_id, &config, steering, by).await {
        Ok(seq) => Ok(Steered {
            seq: Some(seq),
            at_rest: true,
        }),
        // A process has just taken the run.
        Err(RunError::Store(StoreError::Claimed { .. })) => {
            through_its_process(&run.run_id, &request).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn through_its_process(run: &RunId, request: &SteerRequest) -> Result<Steered, SteerError> {
    match control::ask(run, request).await {
        Reached::Done(seq) => Ok(Steered {
            seq,
            at_rest: false,
        }),
        Reached::Refused(message) => Err(SteerError::Refused(message)),
        Reached::NoProcess => Err(SteerError::OutOfReach {
            run: run.clone(),
            holder: "another process".to_owned(),
        }),
    }
}
