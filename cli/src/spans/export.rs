//! Where spans go: OTLP over HTTP, to the address in the environment.

use std::io::Write;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider,
};

use crate::output::err;

/// Any of them turns the export on.
const ADDRESSES: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
/// Spans that the exporter holds: more than `follow` makes between two flushes.
const QUEUE: usize = 16_384;

pub(super) struct Exporter {
    provider: SdkTracerProvider,
    has_failed: bool,
}

impl Exporter {
    /// `None` if the environment names no address, or one that cannot be used.
    pub(super) fn from_environment() -> Option<Self> {
        let is_set = |name| std::env::var(name).is_ok_and(|value| !value.is_empty());
        if !ADDRESSES.into_iter().any(is_set) {
            return None;
        }
        let exporter = match SpanExporter::builder().with_http().build() {
            Ok(exporter) => exporter,
            Err(error) => {
                say(&format!(
                    "{error}; correct {} or unset it",
                    ADDRESSES.join(" and ")
                ));
                return None;
            }
        };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .build();
        let mut resource = Resource::builder();
        if std::env::var("OTEL_SERVICE_NAME").is_err() {
            resource = resource.with_service_name("gepa");
        }
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(config)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_resource(resource.build())
            .build();
        Some(Self {
            provider,
            has_failed: false,
        })
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("gepa")
    }

    /// Sends what is waiting. The run goes on if that fails.
    pub(super) async fn flush(&mut self) {
        self.wait(SdkTracerProvider::force_flush).await;
    }

    /// Sends the rest and ends the exporter.
    pub(super) async fn end(mut self) {
        self.flush().await;
        self.wait(SdkTracerProvider::shutdown).await;
    }

    async fn wait(&mut self, act: fn(&SdkTracerProvider) -> OTelSdkResult) {
        let provider = self.provider.clone();
        // The exporter blocks its caller.
        let sent = tokio::task::spawn_blocking(move || act(&provider)).await;
        let error = match sent {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        if !self.has_failed {
            self.has_failed = true;
            say(&error);
        }
    }
}

fn say(error: &str) {
    let _ = writeln!(
        err(),
        "note: spans cannot be sent: {error}; the run goes on without them"
    );
}
