//! The server's own count of calls and answers.

use std::collections::{BTreeMap, VecDeque};

use super::request::ModelCall;

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
    pub(super) ledger: Ledger,
    pub(super) recent: VecDeque<ModelCall>,
    pub(super) keep: usize,
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
