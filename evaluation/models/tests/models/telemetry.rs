//! The metrics of calls, read back through a recorder of our own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gepa_evaluation::LanguageModel;
use gepa_testing::{Fault, FaultPlan};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use crate::support::{connect, echoing, request, settings};

/// Every metric by name and labels: counters and gauges by value, histograms by count.
#[derive(Default)]
struct Book(Mutex<BTreeMap<String, Arc<Entry>>>);

#[derive(Default)]
struct Entry(AtomicU64);

impl Book {
    fn entry(&self, key: &Key) -> Arc<Entry> {
        let labels: Vec<String> = key
            .labels()
            .map(|l| format!("{}={}", l.key(), l.value()))
            .collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Arc::clone(self.0.lock().unwrap().entry(name).or_default())
    }

    fn values(&self) -> BTreeMap<String, u64> {
        let entries = self.0.lock().unwrap();
        let value = |entry: &Entry| entry.0.load(Ordering::SeqCst);
        entries
            .iter()
            .map(|(name, entry)| (name.clone(), value(entry)))
            .collect()
    }
}

impl CounterFn for Entry {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::SeqCst);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::SeqCst);
    }
}

impl GaugeFn for Entry {
    fn increment(&self, value: f64) {
        self.0.fetch_add(value as u64, Ordering::SeqCst);
    }

    fn decrement(&self, value: f64) {
        self.0.fetch_sub(value as u64, Ordering::SeqCst);
    }

    fn set(&self, value: f64) {
        self.0.store(value as u64, Ordering::SeqCst);
    }
}

impl HistogramFn for Entry {
    fn record(&self, _value: f64) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Recorder for Book {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.entry(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.entry(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.entry(key))
    }
}

#[tokio::test]
async fn attempts_tokens_waits_and_the_breaker_are_measured() {
    let book = Book::default();
    let _guard = metrics::set_default_local_recorder(&book);
    let server = echoing(
        FaultPlan::none()
            .at(0, Fault::status(500))
            .from(2, Fault::MissingUsage),
    )
    .await;
    let model = connect(&server, &settings());
    model.complete(request("four")).await.unwrap();
    model.complete(request("four")).await.unwrap();
    let values = book.values();
    let of = "provider=groq model=some-model";
    let expected = [
        (format!("gepa_llm_requests_total {of} outcome=ok"), 2),
        (
            format!("gepa_llm_requests_total {of} outcome=server_error"),
            1,
        ),
        (format!("gepa_llm_request_seconds {of} outcome=ok"), 2),
        (
            format!("gepa_llm_request_seconds {of} outcome=server_error"),
            1,
        ),
        (format!("gepa_llm_in_flight {of}"), 0),
        (format!("gepa_llm_tokens_total {of} kind=prompt"), 3),
        (format!("gepa_llm_tokens_total {of} kind=completion"), 1),
        (format!("gepa_llm_tokens_total {of} kind=cached"), 0),
        (format!("gepa_llm_tokens_total {of} kind=unknown"), 4),
        (format!("gepa_llm_limiter_wait_seconds {of}"), 3),
        ("gepa_llm_breaker_open provider=groq".to_owned(), 0),
    ];
    assert_eq!(values, BTreeMap::from(expected));
}

#[tokio::test]
async fn a_cancelled_attempt_is_counted_and_leaves_the_gauge() {
    let book = Book::default();
    let _guard = metrics::set_default_local_recorder(&book);
    let server = echoing(FaultPlan::none().from(0, Fault::StalledBody)).await;
    let model = connect(&server, &settings());
    let hanging = model.complete(request("hello"));
    let cancelled = tokio::time::timeout(std::time::Duration::from_millis(50), hanging).await;
    assert!(cancelled.is_err());
    let values = book.values();
    let of = "provider=groq model=some-model";
    assert_eq!(
        values[&format!("gepa_llm_requests_total {of} outcome=cancelled")],
        1
    );
    assert_eq!(values[&format!("gepa_llm_in_flight {of}")], 0);
}
