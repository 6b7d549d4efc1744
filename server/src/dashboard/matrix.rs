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

#[derive(Clone, Copy)]
struct Cell {
    score: f32,
    seq: u32,
    state: u8,
}

const MISSING: Cell = Cell {
    score: f32::NAN,
    seq: 0,
    state: 0,
};

pub(super) fn matrix(rows: &RunRows, set: ExampleSet, index: &RolloutIndex) -> Content {
    let RunRows {
        run, candidates, ..
    } = rows;
    let examples = match set {
        ExampleSet::Pareto => &run.pareto,
        ExampleSet::Validation => &run.validation,
    };
    let bought = bought(set, examples, candidates, index);
    let mut rows: Vec<(&CandidateRow, Vec<Cell>)> = Vec::new();
    for (row, bought) in candidates.iter().zip(bought) {
        let scores = match set {
            ExampleSet::Pareto => row.scores.as_deref(),
            ExampleSet::Validation => row.validation_scores.as_deref(),
        };
        if scores.is_some() || bought.is_some() {
            rows.push((row, cells(scores, bought, examples.len())));
        }
    }
    encoded(set, examples, &rows)
}

/// What the rollouts say about each candidate; `None` where it has none on this set.
fn bought(
    set: ExampleSet,
    examples: &[ExampleId],
    candidates: &[CandidateRow],
    index: &RolloutIndex,
) -> Vec<Option<Vec<Cell>>> {
    let places: HashMap<&ExampleId, usize> = examples.iter().zip(0..).collect();
    let mut at: HashMap<u32, usize> = HashMap::new();
    for (position, row) in candidates.iter().enumerate() {
        if let Some(number) = index.candidate(&row.candidate_id) {
            // Of two proposals with the same content the first one was evaluated.
            at.entry(number).or_insert(position);
        }
    }
    let mut rows: Vec<Option<Vec<Cell>>> = vec![None; candidates.len()];
    for entry in index.entries() {
        let place = index.example(entry.example).and_then(|id| places.get(id));
        let (Some(place), Some(position)) = (place, at.get(&entry.candidate)) else {
            continue;
        };
        if !belongs(set, entry.stage) {
            continue;
        }
        let Some(row) = rows.get_mut(*position) else {
            continue;
        };
        let row = row.get_or_insert_with(|| vec![MISSING; examples.len()]);
        if let Some(cell) = row.get_mut(*place) {
            *cell = of_entry(entry);
        }
    }
    rows
}

fn belongs(set: ExampleSet, stage: Stage) -> bool {
    let is_held_out = matches!(stage, Stage::ValidationBaseline | Stage::ValidationTopK);
    match set {
        ExampleSet::Validation => is_held_out,
        ExampleSet::Pareto => matches!(stage, Stage::Seed | Stage::Pareto | Stage::MergeGate),
    }
}

fn of_entry(entry: &Entry) -> Cell {
    let state = match (entry.score, entry.failure) {
        (Some(_), _) => 1,
        (None, Some((FailureKind::Transient, _))) => 2,
        (None, Some((FailureKind::Permanent, _))) => 3,
        (None, Some((FailureKind::Timeout, _))) => 4,
        (None, Some((FailureKind::Refused, _))) => 5,
        (None, None) => 6,
    };
    Cell {
        score: entry.score.map_or(f32::NAN, |score| score as f32),
        // A page asks for nothing behind an event that does not fit.
        seq: u32::try_from(entry.seq.0).unwrap_or(0),
        state,
    }
}

/// The row's scores, which include those that were reused and not bought again.
fn cells(scores: Option<&[Option<f64>]>, bought: Option<Vec<Cell>>, count: usize) -> Vec<Cell> {
    let mut cells = bought.unwrap_or_else(|| vec![MISSING; count]);
    let Some(scores) = scores else {
        return cells;
    };
    for (cell, score) in cells.iter_mut().zip(scores) {
        if let Some(score) = score {
            cell.score = *score as f32;
            cell.state = 1;
        }
    }
    cells
}

fn encoded(
    set: ExampleSet,
    examples: &[ExampleId],
    rows: &[(&CandidateRow, Vec<Cell>)],
) -> Content {
    let iterations: Vec<u64> = rows.iter().map(|(row, _)| row.iteration).collect();
    let header = json!({
        "set": set.as_str(), "examples": examples, "iterations": iterations, "states": STATES,
    });
    let mut header = header.to_string();
    while !header.len().is_multiple_of(4) {
        header.push(' ');
    }
    let count = rows.len() * examples.len();
    let mut bytes = Vec::with_capacity(4 + header.len() + count * 9);
    bytes.extend((header.len() as u32).to_le_bytes());
    bytes.extend(header.as_bytes());
    let cells = || rows.iter().flat_map(|(_, cells)| cells);
    for cell in cells() {
        bytes.extend(cell.score.to_le_bytes());
    }
    for cell in cells() {
        bytes.extend(cell.seq.to_le_bytes());
    }
    bytes.extend(cells().map(|cell| cell.state));
    Content {
        media_type: "application/octet-stream",
        bytes,
    }
}
