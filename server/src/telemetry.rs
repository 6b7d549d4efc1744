//! The process's metrics in the text form Prometheus reads.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Records the metrics of this process from now on. Where another recorder is installed already,
/// that one keeps them and `/metrics` says so.
pub(crate) fn install() {
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().ok());
}

/// All metrics; `None` where another recorder has them.
pub(crate) fn render() -> Option<String> {
    let handle = RECORDER.get()?.as_ref()?;
    handle.run_upkeep();
    Some(handle.render())
}
