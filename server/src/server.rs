//! A server: its jobs, its routes, its end.

use std::sync::Arc;

use axum::Router;
use gepa_engine::{Store, StoreError};
use tokio::net::TcpListener;

use crate::events::{Feeds, Streams};
use crate::jobs::{JobSource, Supervisor};
use crate::listener;
use crate::routes;
use crate::settings::ServerSettings;
use crate::telemetry;

/// What every route can reach.
pub(crate) struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) supervisor: Supervisor,
    pub(crate) feeds: Feeds,
    pub(crate) streams: Streams,
}

/// Works on the jobs of a store and answers for them. [`shut_down`](Self::shut_down) it before it
/// is dropped, so that its jobs are stored as interrupted; a killed one loses the calls in flight.
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
    /// Takes up every job of the store that is not over. Runs of other programs in the same store
    /// are shown and left alone.
    pub async fn start(
        store: Arc<dyn Store>,
        source: Arc<dyn JobSource>,
        settings: ServerSettings,
    ) -> Result<Self, StoreError> {
        telemetry::install();
        let supervisor = Supervisor::start(Arc::clone(&store), source, settings.clone()).await?;
        let app = App {
            feeds: Feeds::new(Arc::clone(&store)),
            streams: Streams::new(settings.max_streams),
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
        routes::router(&self.app, self.settings.api_key.as_deref())
    }

    /// Answers on a listener until [`shut_down`](Self::shut_down) has been called.
    pub async fn serve(&self, listener: TcpListener) {
        let closing = self.app.supervisor.closing();
        listener::serve(listener, self.router(), closing).await;
    }

    /// Interrupts every job and waits until all are stored; a server started later goes on with
    /// them.
    pub async fn shut_down(&self) {
        self.app.supervisor.shut_down().await;
    }
}
