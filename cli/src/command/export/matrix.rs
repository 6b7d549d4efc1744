//! The export of scores as a matrix: a row for each example, a column for each candidate.

use std::io::Write;

use gepa_engine::record::{CandidateRow, RunRow};
use gepa_evaluation::ExampleId;
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::export::RowWriter;

/// The columns before those of the candidates.
const FIRST: [&str; 2] = ["set", "example"];

/// The candidates that entered the archive; those rejected at the gate have no scores of these sets.
pub(super) fn columns(candidates: &[CandidateRow]) -> Vec<String> {
    let first = FIRST.map(str::to_owned).into_iter();
    first
        .chain(accepted(candidates).map(|(index, _)| format!("candidate_{index}")))
        .collect()
}

/// Writes the rows. A score that is missing, or whose rollout failed, stays empty.
pub(super) fn write<W: Write>(
    run: &RunRow,
    candidates: &[CandidateRow],
    writer: &mut RowWriter<W>,
) -> Result<(), CommandError> {
    let pareto: Vec<Option<&[Option<f64>]>> = accepted(candidates)
        .map(|(_, row)| row.scores.as_deref())
        .collect();
    let held_out: Vec<Option<&[Option<f64>]>> = accepted(candidates)
        .map(|(_, row)| row.validation_scores.as_deref())
        .collect();
    write_set("pareto", &run.pareto, &pareto, writer)?;
    write_set("validation", &run.validation, &held_out, writer)
}

fn write_set<W: Write>(
    set: &str,
    examples: &[ExampleId],
    columns: &[Option<&[Option<f64>]>],
    writer: &mut RowWriter<W>,
) -> Result<(), CommandError> {
    for (position, example) in examples.iter().enumerate() {
        let mut cells = vec![json!(set), json!(example)];
        cells.extend(columns.iter().map(|scores| score_at(*scores, position)));
        writer.write(cells)?;
    }
    Ok(())
}

fn score_at(scores: Option<&[Option<f64>]>, position: usize) -> Value {
    let score = scores.and_then(|scores| scores.get(position).copied().flatten());
    score.map_or(Value::Null, |score| json!(score))
}

fn accepted(candidates: &[CandidateRow]) -> impl Iterator<Item = (u32, &CandidateRow)> {
    let mut rows: Vec<(u32, &CandidateRow)> = candidates
        .iter()
        .filter_map(|row| Some((row.index?.0, row)))
        .collect();
    rows.sort_by_key(|(index, _)| *index);
    rows.into_iter()
}
