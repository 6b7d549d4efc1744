//! A run as spans of OpenTelemetry: one trace per process that works on the run.
//!
//! Spans are made from the journal's events, so their times are those of the journal. Calls of models follow
//! the semantic conventions for generative AI.

mod export;
mod trace;

use gepa_engine::StoreError;
use gepa_engine::record::RunRow;

use crate::feed::Feed;
use crate::spans::export::Exporter;
use crate::spans::trace::Trace;
use crate::surroundings::readable_settings;

/// Spans made before they are sent; the feed waits meanwhile, so that none is dropped.
const MOST_WAITING: usize = 2_000;

/// Sends the spans of a run until its events end. Without an address in the environment nothing is sent.
pub(crate) async fn follow(run: RunRow, mut feed: Feed) -> Result<(), StoreError> {
    let Some(mut exporter) = Exporter::from_environment() else {
        return Ok(());
    };
    let settings = readable_settings(&run);
    let mut trace = Trace::begin(exporter.tracer(), &run, settings.as_ref());
    let mut waiting = 0;
    while let Some(events) = feed.next().await? {
        for event in events.iter() {
            waiting += trace.take_in(event);
            if waiting >= MOST_WAITING {
                exporter.flush().await;
                waiting = 0;
            }
        }
    }
    trace.end();
    exporter.end().await;
    Ok(())
}
