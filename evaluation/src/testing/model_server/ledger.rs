//! The server's own account of what it was asked and what it answered.

use std::collections::VecDeque;
use std::sync::Arc;

use super::reply::ReportedUsage;
use super::request::ModelCall;
use super::server::Shared;

/// What a server has done so far.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Calls that arrived whole, those answered with an error or not at all included.
    pub calls_received: u64,
    /// Calls answered with status 200 and a complete body, readable or not.
    pub calls_answered: u64,
    /// Prompt tokens reported in complete, readable replies.
    pub prompt_tokens: u64,
    /// Completion tokens reported in complete, readable replies.
    pub completion_tokens: u64,
    /// Cached tokens reported in complete, readable replies.
    pub cached_tokens: u64,
    /// Calls under way now.
    pub in_flight: usize,
    /// Most calls that were ever under way at once.
    pub max_in_flight: usize,
    /// The latest calls, oldest first.
    pub recent: Vec<ModelCall>,
}

/// The ledger while it is written.
#[derive(Debug)]
pub(super) struct Books {
    ledger: Ledger,
    recent: VecDeque<ModelCall>,
    keep: usize,
}

/// A call under way; leaves the books' in-flight count when it is dropped.
pub(super) struct OpenCall {
    shared: Arc<Shared>,
    is_open: bool,
}

impl Books {
    pub(super) fn keeping(keep: usize) -> Self {
        Self {
            ledger: Ledger::default(),
            recent: VecDeque::new(),
            keep,
        }
    }

    pub(super) fn ledger(&self) -> Ledger {
        let mut ledger = self.ledger.clone();
        ledger.recent = self.recent.iter().cloned().collect();
        ledger
    }
}

impl OpenCall {
    /// Books a call that arrived, and gives it its index.
    pub(super) fn received(shared: &Arc<Shared>, call: &mut ModelCall) -> Self {
        let mut books = shared.books.lock();
        let books = &mut *books;
        call.index = books.ledger.calls_received;
        books.ledger.calls_received += 1;
        books.ledger.in_flight += 1;
        books.ledger.max_in_flight = books.ledger.max_in_flight.max(books.ledger.in_flight);
        books.recent.push_back(call.clone());
        if books.recent.len() > books.keep {
            books.recent.pop_front();
        }
        Self {
            shared: Arc::clone(shared),
            is_open: true,
        }
    }

    /// Books a complete answer, just before its last byte leaves.
    pub(super) fn answered(&mut self, status: u16, usage: Option<ReportedUsage>) {
        self.close();
        if status != 200 {
            return;
        }
        let mut books = self.shared.books.lock();
        let usage = usage.unwrap_or_default();
        books.ledger.calls_answered += 1;
        books.ledger.prompt_tokens += usage.prompt_tokens;
        books.ledger.completion_tokens += usage.completion_tokens;
        books.ledger.cached_tokens += usage.cached_tokens;
    }

    fn close(&mut self) {
        if self.is_open {
            self.is_open = false;
            self.shared.books.lock().ledger.in_flight -= 1;
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.close();
    }
}
