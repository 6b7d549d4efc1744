//! A server that shows the runs of a store and runs none.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use gepa_engine::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::routes::{Source, table};
use super::views::Views;
use crate::access::Access;
use crate::auth;
use crate::failure::Failure;
use crate::listener;

/// Serves the page and its data. It starts and resumes nothing.
#[derive(Debug)]
pub struct Viewer {
    views: Arc<Views>,
    token: String,
}

impl Viewer {
    /// A viewer of a store. Requests for data need the token, which the page takes from the address
    /// it is opened with.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let mut token = String::new();
        for _ in 0..2 {
            let run = gepa_engine::RunId::fresh(gepa_engine::Timestamp::now());
            // The second half of an id comes from the system's randomness.
            let digits = run.as_str();
            token.push_str(&digits[digits.len().saturating_sub(12)..]);
        }
        Self {
            views: Arc::new(Views::new(store)),
            token,
        }
    }

    /// The token of requests for data.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Serves until `closing` becomes true.
    pub async fn serve(&self, listener: TcpListener, closing: watch::Receiver<bool>) {
        listener::serve(listener, self.router(), closing).await;
    }

    fn router(&self) -> Router {
        let source = Source {
            views: Arc::clone(&self.views),
            can_steer: false,
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
