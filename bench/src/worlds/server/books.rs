//! The books of one run. The server keeps them, so clients can be checked against them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use crate::worlds::{Answer, Role};

/// The calls of one run. A call is counted before the last byte of its answer is sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Books {
    /// Complete answers of the policy.
    pub policy_calls: u64,
    /// Complete answers of the reflection model.
    pub reflector_calls: u64,
    /// Tokens of the chats that got complete answers.
    pub prompt_tokens: u64,
    /// Tokens of these answers.
    pub completion_tokens: u64,
    /// Calls that got a fault instead of a complete answer, and malformed calls.
    pub errors: u64,
    /// Calls refused for lack of capacity or because of a rate limit.
    pub rejected: u64,
    /// Calls that are being served now.
    pub in_flight: u64,
    /// Most calls that were served at once.
    pub max_in_flight: u64,
    /// Seconds of serving calls, without waiting for a place.
    pub model_seconds: f64,
    /// When the first call arrived, in milliseconds since 1970; 0 before the first call.
    pub first_at_ms: u64,
    /// When serving a call last ended, in milliseconds since 1970; 0 before the first end.
    pub last_at_ms: u64,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    books: Books,
    began: Option<Instant>,
    timeline: Vec<(Role, f64, f64)>,
}

/// The end of a call.
pub(super) enum Ending<'a> {
    Answered(&'a Answer),
    Failed,
}

impl Ledger {
    pub(super) fn books(&self) -> Books {
        self.pages.lock().books.clone()
    }

    /// Role, begin and end of serving of every call, in milliseconds since the run's first call.
    pub(super) fn timeline(&self) -> Vec<(&'static str, f64, f64)> {
        let pages = self.pages.lock();
        let spans = pages.timeline.iter();
        spans
            .map(|(role, begin, end)| (role.as_str(), *begin, *end))
            .collect()
    }

    /// Notes that a call has arrived.
    pub(super) fn arrived(&self) {
        let mut pages = self.pages.lock();
        if pages.began.is_none() {
            pages.began = Some(Instant::now());
            pages.books.first_at_ms = now_ms();
        }
    }

    pub(super) fn rejected(&self) {
        self.pages.lock().books.rejected += 1;
    }

    pub(super) fn malformed(&self) {
        self.pages.lock().books.errors += 1;
    }

    /// Notes that serving a call begins.
    pub(super) fn begin(&self) {
        let mut pages = self.pages.lock();
        let books = &mut pages.books;
        books.in_flight += 1;
        books.max_in_flight = books.max_in_flight.max(books.in_flight);
    }

    /// Notes that serving a call, which began at `began`, ends.
    pub(super) fn end(&self, role: Role, began: Instant, ending: &Ending<'_>) {
        let ended = Instant::now();
        let mut pages = self.pages.lock();
        let first = pages.began.unwrap_or(began);
        let since = |at: Instant| milliseconds(at.saturating_duration_since(first));
        let span = (role, since(began), since(ended));
        pages.timeline.push(span);
        let books = &mut pages.books;
        books.in_flight -= 1;
        books.model_seconds += (ended - began).as_secs_f64();
        books.last_at_ms = now_ms();
        match ending {
            Ending::Failed => books.errors += 1,
            Ending::Answered(answer) => {
                match role {
                    Role::Policy => books.policy_calls += 1,
                    Role::Reflector => books.reflector_calls += 1,
                }
                books.prompt_tokens += answer.prompt_tokens;
                books.completion_tokens += answer.completion_tokens;
            }
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
