//! Runs over HTTP, read-only so far: what a store holds, for whoever cannot open it.
//!
//! Holds no state of its own; every answer is read from the store. Listens on nothing by itself:
//! the application binds a listener and hands it to [`serve`].

mod failure;
mod routes;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use gepa_engine::Store;
use tokio::net::TcpListener;

pub use routes::MAX_EVENTS;

/// The routes over a store:
///
/// | route | answers |
/// |---|---|
/// | `GET /health` | `{"status": "ok"}` while the store can be read |
/// | `GET /runs` | all runs, oldest first |
/// | `GET /runs/{id}` | one run with its counters |
/// | `GET /runs/{id}/events?after=0&limit=1000` | a page of its journal |
pub fn router(store: Arc<dyn Store>) -> Router {
    Router::new()
        .route("/health", get(routes::health))
        .route("/runs", get(routes::runs))
        .route("/runs/{id}", get(routes::run))
        .route("/runs/{id}/events", get(routes::events))
        .with_state(store)
}

/// Serves a store on a listener until the future is dropped.
pub async fn serve(listener: TcpListener, store: Arc<dyn Store>) -> std::io::Result<()> {
    axum::serve(listener, router(store)).await
}
