//! Serves a router on a listener.

use axum::Router;
use gepa_tasks::http_listener;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Serves connections of `listener` until `closing`, and then until the started answers have been
/// sent.
pub(crate) async fn serve(listener: TcpListener, router: Router, closing: watch::Receiver<bool>) {
    http_listener::serve(listener, TowerToHyperService::new(router), closing).await;
}
