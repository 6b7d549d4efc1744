//! The leases of a process, and the calls of each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gepa_archive::Candidate;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::record::{CallOutcome, CallRecord};
use super::substitution::SubstitutionPlan;
use gepa_evaluation::RolloutClock;
use gepa_models::{ChatModel, Spending};

/// Calls one rollout may make; an app that makes more runs in circles.
const MOST_CALLS: usize = 4096;

/// Text of messages kept per rollout, in bytes.
const MOST_KEPT_BYTES: usize = 8 * 1024 * 1024;

/// Looks leases up by their ids.
#[derive(Default)]
pub(super) struct Registry {
    leases: Mutex<HashMap<String, Arc<LeaseState>>>,
}

/// The terms for the calls of one rollout attempt.
#[derive(Clone, Debug)]
pub struct LeaseTerms {
    /// The rules that put the candidate into the app's messages.
    pub plan: Arc<SubstitutionPlan>,
    /// The candidate whose texts are put in.
    pub candidate: Arc<Candidate>,
    /// The model that answers; the model named in the app's call is ignored.
    pub policy: Arc<ChatModel>,
    /// The longest an answer may take.
    pub answer_within: Duration,
}

/// A lease as its calls see it.
#[derive(Debug)]
pub(super) struct LeaseState {
    pub(super) terms: LeaseTerms,
    /// The clock of the rollout that opened the lease.
    clock: Option<RolloutClock>,
    ended: watch::Sender<bool>,
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    entries: Vec<Entry>,
    kept_bytes: usize,
    /// The module of each fingerprint, in order of first appearance.
    modules: Vec<(u64, Option<usize>)>,
}

#[derive(Debug)]
struct Entry {
    record: CallRecord,
    spending: Arc<Spending>,
    is_open: bool,
}

/// The place of a call in its lease's record.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallSlot(usize);

impl Registry {
    pub(super) fn insert(&self, trial_id: String, state: Arc<LeaseState>) {
        self.leases.lock().insert(trial_id, state);
    }

    pub(super) fn find(&self, trial_id: &str) -> Option<Arc<LeaseState>> {
        self.leases.lock().get(trial_id).cloned()
    }

    pub(super) fn remove(&self, trial_id: &str) {
        self.leases.lock().remove(trial_id);
    }
}

impl LeaseState {
    pub(super) fn new(terms: LeaseTerms) -> Self {
        Self {
            terms,
            clock: RolloutClock::current(),
            ended: watch::Sender::new(false),
            calls: Mutex::default(),
        }
    }

    /// Returns once the lease has ended.
    pub(super) async fn ended(&self) {
        let mut receiver = self.ended.subscribe();
        // The sender lives as long as this state, so waiting cannot fail.
        let _ = receiver.wait_for(|ended| *ended).await;
    }

    /// Does the work of a call as a part of the rollout.
    pub(super) async fn within_rollout<W: Future>(&self, work: W) -> W::Output {
        match &self.clock {
            Some(clock) => clock.clone().scope(work).await,
            None => work.await,
        }
    }

    /// The module of a call: the one its text names, else by its place among the calls so far.
    pub(super) fn module_of(&self, fingerprint: u64, by_text: Option<usize>) -> Option<usize> {
        let plan = &self.terms.plan;
        if !plan.is_pipeline() {
            return None;
        }
        let mut calls = self.calls.lock();
        let known = calls.modules.iter().find(|(one, _)| *one == fingerprint);
        if let Some((_, module)) = known {
            return *module;
        }
        let module = by_text.or_else(|| plan.module_by_order(calls.modules.len()));
        calls.modules.push((fingerprint, module));
        module
    }

    /// Opens the record of a call; `None` if the lease has ended or had too many calls.
    pub(super) fn begin(
        &self,
        mut record: CallRecord,
        spending: &Arc<Spending>,
    ) -> Option<CallSlot> {
        let mut calls = self.calls.lock();
        if *self.ended.borrow() || calls.entries.len() >= MOST_CALLS {
            return None;
        }
        let bytes: usize = record
            .messages
            .iter()
            .map(|message| message.content.len())
            .sum();
        if calls.kept_bytes + bytes > MOST_KEPT_BYTES {
            record.messages.clear();
        } else {
            calls.kept_bytes += bytes;
        }
        calls.entries.push(Entry {
            record,
            spending: Arc::clone(spending),
            is_open: true,
        });
        Some(CallSlot(calls.entries.len() - 1))
    }

    /// Closes the record of a call, once.
    pub(super) fn finish(&self, slot: CallSlot, outcome: CallOutcome) {
        let mut calls = self.calls.lock();
        if let Some(entry) = calls.entries.get_mut(slot.0).filter(|entry| entry.is_open) {
            entry.is_open = false;
            entry.record.outcome = outcome;
            entry.record.usage = entry.spending.usage();
        }
    }

    /// Ends the calls in flight and takes the record.
    pub(super) fn end(&self) -> Vec<CallRecord> {
        self.ended.send_replace(true);
        let calls = std::mem::take(&mut *self.calls.lock());
        calls
            .entries
            .into_iter()
            .map(|entry| {
                let mut record = entry.record;
                if entry.is_open {
                    record.usage = entry.spending.usage();
                }
                record
            })
            .collect()
    }
}
