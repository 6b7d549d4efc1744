//! A call in flight, and how it is counted.

use std::sync::Arc;

use super::answer::Answer;
use super::request::ModelCall;
use super::shared::Shared;

/// A call in flight. Dropping it lowers the in-flight count.
pub(super) struct OpenCall {
    shared: Arc<Shared>,
    model: String,
    is_open: bool,
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
