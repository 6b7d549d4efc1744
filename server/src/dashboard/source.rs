//! What the routes of the page read from, and how they read a request.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::StatusCode;
use gepa_engine::{RunId, Store, StoreError};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::content::ViewError;
use super::views::Views;
use crate::ablation::Ablations;
use crate::access::{Caller, TenantQuota};
use crate::auth::{check_role, check_tenant};
use crate::failure::Failure;
use crate::steering::{SteerError, SteerRequest, Steered, role_of};

/// Largest request for an act, in bytes.
const MAX_BODY: usize = 4 << 20;

/// What the routes of the page read from.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) views: Arc<Views>,
    /// Does what people want of runs.
    pub(crate) helm: Arc<dyn Helm>,
}

/// Does what a person wants of a run.
#[async_trait]
pub(crate) trait Helm: Send + Sync {
    /// Whether jobs can be cancelled, and runs that go on are taken up again.
    fn runs_jobs(&self) -> bool;

    /// Begins a run from an iteration of another one; the answer is its id.
    async fn branch(
        &self,
        origin: &RunId,
        iteration: Option<u64>,
        overrides: &Map<String, Value>,
    ) -> Result<RunId, Failure>;

    /// The store, opened for writing.
    async fn writable(&self) -> Result<Arc<dyn Store>, StoreError>;

    /// The ablations that this server began.
    fn ablations(&self) -> &Ablations;

    /// The quotas of all tenants.
    fn quotas(&self) -> Vec<TenantQuota> {
        Vec::new()
    }

    /// Does what the request asks.
    async fn steer(&self, run: &RunId, request: SteerRequest) -> Result<Steered, SteerError>;
}

/// The run of a path, if it belongs to the caller's tenant and the caller's role suffices for the act.
pub(super) async fn of_caller(
    source: &Source,
    caller: &Caller,
    act: &str,
    run: &str,
) -> Result<RunId, Failure> {
    if let Some(role) = role_of(act) {
        check_role(caller, role)?;
    }
    let run: RunId = run.parse()?;
    let stored = source.views.store().run(&run).await;
    check_tenant(caller, &stored.map_err(ViewError::from)?)?;
    Ok(run)
}

/// The body of a request.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Failure> {
    let bytes = axum::body::to_bytes(body, MAX_BODY).await.map_err(|_| {
        let message = format!("the body could not be read; it may have {MAX_BODY} bytes");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("the body cannot be used: {error}");
        Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    })
}
