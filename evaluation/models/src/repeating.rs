//! How many calls of a model are being made again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Counts a call that is made again and again, until it is over.
#[derive(Debug)]
pub(super) struct Repeating(Arc<AtomicU32>);

impl Repeating {
    pub(super) fn new(calls: &Arc<AtomicU32>) -> Self {
        calls.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(calls))
    }
}

impl Drop for Repeating {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
