//! A server that shows the runs of a store and runs none.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use futures::future::BoxFuture;
use gepa_configs::ConfigSource;
use gepa_engine::{RunId, Store, StoreError};
use gepa_models::Environment;
use gepa_tasks::Services;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::routes::table;
use super::source::{Helm, Source};
use super::views::Views;
use crate::ablation::Ablations;
use crate::access::Access;
use crate::auth;
use crate::failure::Failure;
use crate::jobs::ConfiguredJobs;
use crate::listener;
use crate::steering::{SteerError, SteerRequest, Steered, steer_here};

/// Serves the page and its data. It starts and resumes no run; it can ablate a prompt.
pub struct Viewer {
    views: Arc<Views>,
    token: String,
    environment: Environment,
    writable: Open,
    ablations: Arc<Ablations>,
}

/// Opens the store for writing, which only an act on a run at rest needs.
type Open = Arc<dyn Fn() -> Opening + Send + Sync>;
/// A store that is being opened.
type Opening = BoxFuture<'static, Result<Arc<dyn Store>, StoreError>>;

impl std::fmt::Debug for Viewer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Viewer").finish_non_exhaustive()
    }
}

/// Steers runs that it does not run.
struct AtHand {
    open: Open,
    environment: Environment,
    ablations: Arc<Ablations>,
}

#[async_trait]
impl Helm for AtHand {
    fn runs_jobs(&self) -> bool {
        false
    }

    async fn branch(
        &self,
        origin: &RunId,
        _: Option<u64>,
        _: &Map<String, Value>,
    ) -> Result<RunId, Failure> {
        let message =
            format!("this server runs nothing; begin the branch with `gepa branch {origin}`");
        Err(Failure::new(StatusCode::CONFLICT, message))
    }

    fn ablations(&self) -> &Ablations {
        &self.ablations
    }

    async fn writable(&self) -> Result<Arc<dyn Store>, StoreError> {
        (self.open)().await
    }

    async fn steer(&self, run: &RunId, request: SteerRequest) -> Result<Steered, SteerError> {
        let store = self.writable().await?;
        let run = store.run(run).await?;
        let config = async {
            let source = ConfigSource {
                file: Path::new(""),
                environment: &self.environment,
                overrides: &[],
                dialects: gepa_jobs::DIALECTS,
            };
            Ok(source.load_stored(&run.config)?.config)
        };
        steer_here(&*store, &run, request, config).await
    }
}

impl Viewer {
    /// A viewer of a store, which `writable` opens for writing where a person acts on a run that no
    /// process works on. Stored configs are read with `environment`. Requests for data need the token, which the page takes from the address
    /// it is opened with.
    pub fn new(
        store: Arc<dyn Store>,
        environment: Environment,
        writable: impl Fn() -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let mut token = String::new();
        for _ in 0..2 {
            let run = gepa_engine::RunId::fresh(gepa_engine::Timestamp::now());
            // The second half of an id comes from the system's randomness.
            let digits = run.as_str();
            token.push_str(&digits[digits.len().saturating_sub(12)..]);
        }
        let services = Arc::new(Services::new(environment.clone()));
        let source = ConfiguredJobs::new(environment.clone(), services);
        Self {
            views: Arc::new(Views::new(store)),
            token,
            ablations: Arc::new(Ablations::new(Arc::new(source))),
            environment,
            writable: Arc::new(writable),
        }
    }

    /// The token of requests for data.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Serves until `closing` becomes true.
    pub async fn serve(&self, listener: TcpListener, closing: watch::Receiver<bool>) {
        listener::serve(listener, self.router(), closing).await;
        self.ablations.shut_down().await;
    }

    fn router(&self) -> Router {
        let source = Source {
            views: Arc::clone(&self.views),
            helm: Arc::new(AtHand {
                open: Arc::clone(&self.writable),
                environment: self.environment.clone(),
                ablations: Arc::clone(&self.ablations),
            }),
        };
        table::<Source>()
            .into_iter()
            .fold(Router::new(), |router, (path, methods)| {
                router.route(path, methods)
            })
            .fallback(async || Failure::new(StatusCode::NOT_FOUND, "there is no such page"))
            .layer(middleware::from_fn_with_state(
                Access::of_key(&self.token),
                auth::check,
            ))
            .with_state(source)
    }
}
