//! The scores of candidates on the examples of a set, as bytes that a page reads without parsing.
//!
//! The answer begins with the length of a JSON header (four bytes, little endian) and the header,
//! padded with spaces so that what follows begins at a multiple of four. Then stand, candidate after
//! candidate and within it example after example: the scores (32-bit floats), the events of the
//! rollouts (32-bit integers; 0 where no rollout of this run is known), the states (bytes).

use std::collections::HashMap;

use gepa_engine::record::CandidateRow;
use gepa_evaluation::{ExampleId, FailureKind, Stage};
use serde_json::json;

use super::content::Content;
use super::resource::ExampleSet;
use super::rollout_index::{Entry, RolloutIndex};
use super::run_rows::RunRows;

/// The names of the states, by their number. A missing score is not a score of zero.
const STATES: [&str; 7] = [
    "missing",
    "scored",
    "transient",
    "permanent",
    "timeout",
    "refused",
    "failed",
];

/// The scores of candidates on examples, in the form that a page uses without parsing it. The cells are
/// written where they are sent from: those of a large run would take more memory than all else.
struct Cells {
    bytes: Vec<u8>,
    /// Where the cells begin.
    first: usize,
    count: usize,
}

pub(super) fn matrix(rows: &RunRows, set: ExampleSet, index: &RolloutIndex) -> Content {
    let RunRows {
        run, candidates, ..
    } = rows;
    let examples = match set {
        ExampleSet::Pareto => &run.pareto,
        ExampleSet::Validation => &run.validation,
    };
    let bought = Bought::of(set, examples, candidates, index);
    let scores = |row: &CandidateRow| match set {
        ExampleSet::Pareto => row.scores.is_some(),
        ExampleSet::Validation => row.validation_scores.is_some(),
    };
    let mut row_of = vec![None; candidates.len()];
    let mut iterations = Vec::new();
    for (position, row) in candidates.iter().enumerate() {
        if scores(row) || bought.is_any[position] {
            row_of[position] = Some(iterations.len());
            iterations.push(row.iteration);
        }
    }
    let mut cells = Cells::new(set, examples, &iterations);
    for (position, place, entry) in bought.entries(index) {
        if let Some(row) = row_of.get(position).copied().flatten() {
            cells.put(row * examples.len() + place, entry);
        }
    }
    for (row, line) in candidates.iter().zip(&row_of) {
        let scores = match set {
            ExampleSet::Pareto => row.scores.as_deref(),
            ExampleSet::Validation => row.validation_scores.as_deref(),
        };
        if let (Some(scores), Some(line)) = (scores, line) {
            for (place, score) in scores.iter().take(examples.len()).enumerate() {
                if let Some(score) = score {
                    cells.score(line * examples.len() + place, *score, 1);
                }
            }
        }
    }
    Content {
        media_type: "application/octet-stream",
        bytes: cells.bytes,
    }
}

/// Which rollouts show whole candidates on a set.
struct Bought {
    set: ExampleSet,
    /// The place in the set, by the number of the example.
    places: Vec<Option<usize>>,
    /// The position of the candidate, by its number.
    positions: Vec<Option<usize>>,
    /// Whether there are rollouts, by the position of the candidate.
    is_any: Vec<bool>,
}

impl Bought {
    fn of(
        set: ExampleSet,
        examples: &[ExampleId],
        candidates: &[CandidateRow],
        index: &RolloutIndex,
    ) -> Self {
        let places: HashMap<&ExampleId, usize> = examples.iter().zip(0..).collect();
        let numbered = index.examples().iter();
        let mut positions = Vec::new();
        for (position, row) in candidates.iter().enumerate() {
            if let Some(number) = index.candidate(&row.candidate_id) {
                let number = number as usize;
                positions.resize(positions.len().max(number + 1), None);
                // Of two proposals with the same content the first one was evaluated.
                positions[number] = positions[number].or(Some(position));
            }
        }
        let mut bought = Self {
            set,
            places: numbered.map(|id| places.get(id).copied()).collect(),
            positions,
            is_any: Vec::new(),
        };
        let mut is_any = vec![false; candidates.len()];
        for (position, ..) in bought.entries(index) {
            is_any[position] = true;
        }
        bought.is_any = is_any;
        bought
    }

    /// The position of the candidate, the place of the example, the rollout.
    fn entries<'i>(
        &self,
        index: &'i RolloutIndex,
    ) -> impl Iterator<Item = (usize, usize, &'i Entry)> {
        index.entries().iter().filter_map(|entry| {
            let place = self.places.get(entry.example as usize).copied().flatten()?;
            let position = self.positions.get(entry.candidate as usize).copied();
            belongs(self.set, entry.stage).then_some((position.flatten()?, place, entry))
        })
    }
}

fn belongs(set: ExampleSet, stage: Stage) -> bool {
    let is_held_out = matches!(stage, Stage::ValidationBaseline | Stage::ValidationTopK);
    match set {
        ExampleSet::Validation => is_held_out,
        ExampleSet::Pareto => matches!(stage, Stage::Seed | Stage::Pareto | Stage::MergeGate),
    }
}

fn state_of(entry: &Entry) -> u8 {
    match (entry.score(), entry.failure()) {
        (Some(_), _) => 1,
        (None, Some((FailureKind::Transient, _))) => 2,
        (None, Some((FailureKind::Permanent, _))) => 3,
        (None, Some((FailureKind::Timeout, _))) => 4,
        (None, Some((FailureKind::Refused, _))) => 5,
        (None, None) => 6,
    }
}

impl Cells {
    fn new(set: ExampleSet, examples: &[ExampleId], iterations: &[u64]) -> Self {
        let header = json!({
            "set": set.as_str(), "examples": examples, "iterations": iterations, "states": STATES,
        });
        let mut header = header.to_string();
        while !header.len().is_multiple_of(4) {
            header.push(' ');
        }
        let count = iterations.len() * examples.len();
        let first = 4 + header.len();
        let mut bytes = Vec::with_capacity(first + count * 9);
        bytes.extend((header.len() as u32).to_le_bytes());
        bytes.extend(header.as_bytes());
        for _ in 0..count {
            bytes.extend(f32::NAN.to_le_bytes());
        }
        bytes.resize(first + count * 9, 0);
        Self {
            bytes,
            first,
            count,
        }
    }

    fn put(&mut self, cell: usize, entry: &Entry) {
        let score = entry.score().unwrap_or(f64::NAN);
        self.score(cell, score, state_of(entry));
        // A page asks for nothing behind an event that does not fit.
        let seq = u32::try_from(entry.seq.0).unwrap_or(0);
        self.write(self.first + 4 * (self.count + cell), &seq.to_le_bytes());
    }

    /// The candidate's row includes scores that were reused and not bought again.
    fn score(&mut self, cell: usize, score: f64, state: u8) {
        self.write(self.first + 4 * cell, &(score as f32).to_le_bytes());
        self.write(self.first + 8 * self.count + cell, &[state]);
    }

    fn write(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }
}
