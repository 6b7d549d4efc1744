//! A server: its jobs, its routes, its shutdown.

use std::sync::Arc;

use axum::Router;
use gepa_engine::{Store, StoreError};
use tokio::net::TcpListener;

use crate::ablation::Ablations;
use crate::access::{Access, AccessError};
use crate::app::App;
use crate::dashboard::Views;
use crate::events::{Feeds, Streams};
use crate::jobs::{Fleet, JobSource, Supervisor};
use crate::listener;
use crate::past_scores::PastScores;
use crate::routes;
use crate::settings::ServerSettings;
use crate::telemetry;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file of keys cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Runs the jobs of a store and serves the HTTP API. Call [`shut_down`](Self::shut_down) before
/// dropping it, so that its jobs are stored as interrupted. A server that is killed loses the calls
/// in flight.
pub struct Server {
    app: Arc<App>,
    settings: ServerSettings,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Server")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Starts every job of the store that has not ended. Runs of other programs in the same store
    /// are shown but not run.
    pub async fn start(
        store: Arc<dyn Store>,
        source: Arc<dyn JobSource>,
        settings: ServerSettings,
    ) -> Result<Self, StartError> {
        Self::start_in(store, source, settings, None).await
    }

    /// Starts one of several engines that share a store: it takes jobs from their queue, and answers
    /// for all of them.
    pub async fn start_in_fleet(
        store: Arc<dyn Store>,
        source: Arc<dyn JobSource>,
        settings: ServerSettings,
        fleet: Arc<dyn Fleet>,
    ) -> Result<Self, StartError> {
        Self::start_in(store, source, settings, Some(fleet)).await
    }

    async fn start_in(
        store: Arc<dyn Store>,
        source: Arc<dyn JobSource>,
        settings: ServerSettings,
        fleet: Option<Arc<dyn Fleet>>,
    ) -> Result<Self, StartError> {
        telemetry::install();
        let access = Access::new(settings.api_key.as_deref(), settings.keys_file.as_deref())?;
        if fleet.is_none() {
            access.refuse_quotas()?;
        }
        let starting = Supervisor::start(
            Arc::clone(&store),
            Arc::clone(&source),
            settings.clone(),
            access.clone(),
            fleet,
        );
        let supervisor = starting.await?;
        let app = App {
            access,
            feeds: Feeds::new(Arc::clone(&store)),
            past_scores: PastScores::default(),
            streams: Streams::new(settings.max_streams),
            views: Arc::new(Views::new(Arc::clone(&store))),
            ablations: Ablations::new(source),
            supervisor,
            store,
        };
        Ok(Self {
            app: Arc::new(app),
            settings,
        })
    }

    /// The routes; see the guide to the HTTP API.
    pub fn router(&self) -> Router {
        routes::router(&self.app)
    }

    /// Serves the routes on a listener until [`shut_down`](Self::shut_down) is called.
    pub async fn serve(&self, listener: TcpListener) {
        let closing = self.app.supervisor.closing();
        listener::serve(listener, self.router(), closing).await;
    }

    /// Interrupts every job and waits until all are stored. A server started later resumes them.
    pub async fn shut_down(&self) {
        let ablations = self.app.ablations.shut_down();
        tokio::join!(self.app.supervisor.shut_down(), ablations);
    }
}
