//! The process's metrics in the text format of Prometheus.

use std::sync::OnceLock;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics::gauge;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::jobs::Backlog;
use crate::listener;

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Records the metrics of this process from now on. If another recorder is installed already, it
/// keeps the metrics, and `/metrics` answers 404.
pub(crate) fn install() {
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().ok());
}

/// Sets the gauges of waiting jobs, by which engines can be scaled.
pub(crate) fn jobs(backlog: Backlog) {
    gauge!("gepa_jobs_waiting").set(backlog.jobs as f64);
    gauge!("gepa_jobs_oldest_wait_seconds").set(backlog.oldest.as_secs_f64());
}

/// All metrics; `None` if another recorder keeps them.
pub(crate) fn render() -> Option<String> {
    let handle = RECORDER.get()?.as_ref()?;
    handle.run_upkeep();
    Some(handle.render())
}

/// Records the metrics of this process from now on and answers `GET /metrics` on `listener`, for a
/// process that serves nothing else.
pub async fn serve_metrics(listener: TcpListener) {
    install();
    let metrics = || async { render().ok_or(StatusCode::NOT_FOUND) };
    let router = Router::new().route("/metrics", get(metrics));
    // The sender lives as long as the listener is served.
    let (_open, closing) = watch::channel(false);
    listener::serve(listener, router, closing).await;
}
