//! The server's own count of calls and answers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::answer::Answer;
use super::request::ModelCall;
use super::server::Shared;

/// The counts of a server so far.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Calls that arrived in full, including those answered with an error or not at all.
    pub calls_received: u64,
    /// Calls answered with status 200 and a complete body, readable or not.
    pub calls_answered: u64,
    /// Prompt tokens reported in complete, readable replies.
    pub prompt_tokens: u64,
    /// Completion tokens reported in complete, readable replies.
    pub completion_tokens: u64,
    /// Cached tokens reported in complete, readable replies.
    pub cached_tokens: u64,
    /// Calls in flight now.
    pub in_flight: usize,
    /// Most calls that were in flight at once.
    pub max_in_flight: usize,
    /// Calls answered completely, but without usage.
    pub calls_without_usage: u64,
    /// Complete answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Counts by requested model.
    pub by_model: BTreeMap<String, ModelCount>,
    /// The latest calls, oldest first.
    pub recent: Vec<ModelCall>,
}

/// The counts of one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelCount {
    /// Calls that arrived in full.
    pub calls_received: u64,
    /// Calls answered with status 200 and a complete body.
    pub calls_answered: u64,
    /// Prompt and completion tokens reported.
    pub tokens: u64,
}

/// The ledger that the connections write.
#[derive(Debug)]
pub(super) struct Books {
    ledger: Ledger,
    recent: VecDeque<ModelCall>,
    keep: usize,
}

/// A call in flight. Dropping it lowers the in-flight count.
pub(super) struct OpenCall {
    shared: Arc<Shared>,
    model: String,
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
    /// Counts a call that arrived, and sets its index.
    pub(super) fn received(shared: &Arc<Shared>, call: &mut ModelCall) -> Self {
        let mut books = shared.books.lock();
        let books = &mut *books;
        call.index = books.ledger.calls_received;
        books.ledger.calls_received += 1;
        books.ledger.in_flight += 1;
        books.ledger.max_in_flight = books.ledger.max_in_flight.max(books.ledger.in_flight);
        let model = call.model().to_owned();
        let count = books.ledger.by_model.entry(model.clone()).or_default();
        count.calls_received += 1;
        books.recent.push_back(call.clone());
        if books.recent.len() > books.keep {
            books.recent.pop_front();
        }
        Self {
            shared: Arc::clone(shared),
            model,
            is_open: true,
        }
    }

    /// Counts a complete answer, just before its last byte is sent.
    pub(super) fn answered(&mut self, answer: &Answer) {
        self.close();
        let mut books = self.shared.books.lock();
        let ledger = &mut books.ledger;
        *ledger.by_status.entry(answer.status).or_default() += 1;
        if answer.status != 200 {
            return;
        }
        ledger.calls_answered += 1;
        ledger.calls_without_usage += u64::from(answer.usage.is_none());
        let usage = answer.usage.unwrap_or_default();
        ledger.prompt_tokens += usage.prompt_tokens;
        ledger.completion_tokens += usage.completion_tokens;
        ledger.cached_tokens += usage.cached_tokens;
        let count = ledger.by_model.entry(self.model.clone()).or_default();
        count.calls_answered += 1;
        count.tokens += usage.prompt_tokens + usage.completion_tokens;
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
