//! The rollouts of a run, narrow enough to be kept in memory by the million.

use std::collections::HashMap;

use gepa_archive::ContentId;
use gepa_engine::occupancy::{Call, LimitNotes};
use gepa_engine::record::{RolloutRow, RunRow};
use gepa_engine::{RolloutPages, RunId, Seq, Store, StoreError, Timestamp};
use gepa_evaluation::{ExampleId, FailureKind, MicroUsd, Stage};

/// Characters of a failure's message that distinguish it from others.
const LONGEST_MESSAGE: usize = 200;

/// One rollout. There can be a million of them, so its size counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) seq: Seq,
    pub(super) started: i64,
    pub(super) finished: i64,
    cost: MicroUsd,
    /// NaN without a score.
    score: f64,
    pub(super) iteration: u32,
    pub(super) candidate: u32,
    pub(super) example: u32,
    pub(super) attempts: u32,
    pub(super) prompt_tokens: u32,
    pub(super) completion_tokens: u32,
    /// All of them, those of unknown kind included.
    pub(super) tokens: u32,
    message: u32,
    /// Whether calls have no known price.
    is_unpriced: bool,
    failure: Option<FailureKind>,
    pub(super) stage: Stage,
}

/// The rollouts of one run, in the order in which they were first stored.
#[derive(Debug)]
pub(super) struct RolloutIndex {
    run: RunId,
    last: Seq,
    entries: Vec<Entry>,
    /// Where the failed rollout of a place in a trial stands: iteration, trial, position. Others are never
    /// tried again.
    failed: HashMap<(u64, u32, u32), usize>,
    candidates: Names<ContentId>,
    examples: Names<ExampleId>,
    messages: Names<String>,
    notes: LimitNotes,
}

impl Entry {
    /// Its score; `None` for a failure.
    pub(super) fn score(&self) -> Option<f64> {
        (!self.score.is_nan()).then_some(self.score)
    }

    /// Its cost in dollars, unless it is unknown.
    pub(super) fn known_dollars(&self) -> Option<f64> {
        let is_unknown = self.is_unpriced && self.cost.0 == 0;
        (!is_unknown).then(|| self.cost.dollars())
    }

    /// The kind of its failure, and the number of its message.
    pub(super) fn failure(&self) -> Option<(FailureKind, u32)> {
        self.failure.map(|kind| (kind, self.message))
    }

    /// What took a slot.
    pub(super) fn call(&self) -> Call {
        Call {
            phase: Some(self.stage.phase()),
            started_at: Timestamp(self.started),
            finished_at: Timestamp(self.finished),
            attempts: self.attempts,
            failed: self.failure.is_some(),
        }
    }
}

/// Numbers for values that occur often.
#[derive(Debug)]
struct Names<T> {
    numbers: HashMap<T, u32>,
    values: Vec<T>,
}

impl<T: Clone + Eq + std::hash::Hash> Names<T> {
    fn new() -> Self {
        Self {
            numbers: HashMap::new(),
            values: Vec::new(),
        }
    }

    fn number(&mut self, value: &T) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let number = self.values.len() as u32;
        self.numbers.insert(value.clone(), number);
        self.values.push(value.clone());
        number
    }
}

impl RolloutIndex {
    pub(super) fn new(run: RunId) -> Self {
        Self {
            run,
            last: Seq(0),
            entries: Vec::new(),
            failed: HashMap::new(),
            candidates: Names::new(),
            examples: Names::new(),
            messages: Names::new(),
            notes: LimitNotes::default(),
        }
    }

    /// Reads the rollouts that were stored since.
    pub(super) async fn catch_up(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let run = self.run.clone();
        let mut pages = RolloutPages::after(store, &run, self.last);
        while let Some(page) = pages.next().await? {
            for row in &page {
                self.take_in(row);
            }
        }
        Ok(())
    }

    /// Reads what was noted since about the limits on model calls.
    pub(super) async fn catch_up_notes(
        &mut self,
        store: &dyn Store,
        run: &RunRow,
    ) -> Result<(), StoreError> {
        self.notes.catch_up(store, run).await
    }

    pub(super) fn notes(&self) -> &LimitNotes {
        &self.notes
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn candidate(&self, id: &ContentId) -> Option<u32> {
        self.candidates.numbers.get(id).copied()
    }

    /// The entries of one candidate.
    pub(super) fn of_candidate(&self, id: &ContentId) -> impl Iterator<Item = &Entry> {
        let number = self.candidate(id);
        let entries = self.entries.iter();
        entries.filter(move |entry| Some(entry.candidate) == number)
    }

    /// The examples, by their numbers.
    pub(super) fn examples(&self) -> &[ExampleId] {
        &self.examples.values
    }

    pub(super) fn example(&self, number: u32) -> Option<&ExampleId> {
        self.examples.values.get(number as usize)
    }

    pub(super) fn message(&self, number: u32) -> &str {
        let message = self.messages.values.get(number as usize);
        message.map_or("", String::as_str)
    }

    /// A rollout that was tried again after a resumption replaces its earlier entry.
    fn take_in(&mut self, row: &RolloutRow) {
        self.last = row.seq;
        let usage = row.whole_usage();
        let message = row.error.as_deref().map(kind_of_message);
        let entry = Entry {
            seq: row.seq,
            iteration: u32::try_from(row.key.iteration).unwrap_or(u32::MAX),
            candidate: self.candidates.number(&row.candidate_id),
            example: self.examples.number(&row.example),
            stage: row.stage,
            attempts: row.attempts,
            score: row.score.unwrap_or(f64::NAN),
            failure: row.failure,
            message: match row.failure {
                Some(_) => self.messages.number(&message.unwrap_or_default()),
                None => 0,
            },
            prompt_tokens: narrow(usage.prompt_tokens),
            completion_tokens: narrow(usage.completion_tokens),
            tokens: narrow(usage.total_tokens()),
            cost: usage.cost,
            is_unpriced: usage.unpriced_calls > 0,
            started: row.started_at.0,
            finished: row.finished_at.0,
        };
        let place = (row.key.iteration, row.key.index, row.position);
        let known = if self.failed.is_empty() {
            None
        } else {
            self.failed.remove(&place)
        };
        let at = known.unwrap_or(self.entries.len());
        match self.entries.get_mut(at) {
            Some(earlier) => *earlier = entry,
            None => self.entries.push(entry),
        }
        if row.failure.is_some() {
            self.failed.insert(place, at);
        }
    }
}

/// A number of tokens; no model reads or writes four thousand million in one rollout.
fn narrow(tokens: u64) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

/// A message without the digits in which messages of one cause differ.
fn kind_of_message(message: &str) -> String {
    let mut kind = String::new();
    for symbol in message.chars().take(LONGEST_MESSAGE) {
        if !symbol.is_ascii_digit() {
            kind.push(symbol);
        } else if !kind.ends_with('#') {
            kind.push('#');
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_differ_in_their_digits_are_of_one_kind() {
        let first = kind_of_message("row 12: no answer after 30.5 s");
        assert_eq!(first, kind_of_message("row 7: no answer after 1.25 s"));
        assert_eq!(first, "row #: no answer after #.# s");
    }
}
