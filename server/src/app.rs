//! What the routes of a server share.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::FromRef;
use gepa_engine::{RunId, Store, StoreError};
use serde_json::{Map, Value};

use crate::ablation::Ablations;
use crate::access::{Access, TenantQuota};
use crate::dashboard::{Helm, Source, Views};
use crate::events::{Feeds, Streams};
use crate::failure::Failure;
use crate::jobs::Supervisor;
use crate::past_scores::PastScores;
use crate::steering::{SteerError, SteerRequest, Steered};

/// What the routes share.
pub(crate) struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) supervisor: Arc<Supervisor>,
    pub(crate) access: Access,
    pub(crate) feeds: Feeds,
    pub(crate) past_scores: PastScores,
    pub(crate) streams: Streams,
    pub(crate) views: Arc<Views>,
    pub(crate) ablations: Ablations,
}

impl FromRef<Arc<App>> for Source {
    fn from_ref(app: &Arc<App>) -> Self {
        Self {
            views: Arc::clone(&app.views),
            helm: Arc::clone(app) as Arc<dyn Helm>,
        }
    }
}

#[async_trait]
impl Helm for App {
    fn runs_jobs(&self) -> bool {
        true
    }

    async fn branch(
        &self,
        origin: &RunId,
        iteration: Option<u64>,
        overrides: &Map<String, Value>,
    ) -> Result<RunId, Failure> {
        Ok(self.supervisor.branch(origin, iteration, overrides).await?)
    }

    fn ablations(&self) -> &Ablations {
        &self.ablations
    }

    fn quotas(&self) -> Vec<TenantQuota> {
        self.access.quotas()
    }

    async fn writable(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::clone(&self.store))
    }

    async fn steer(&self, run: &RunId, request: SteerRequest) -> Result<Steered, SteerError> {
        self.supervisor.steer(run, request).await
    }
}
