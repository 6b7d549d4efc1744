//! `gepa show RUN --candidates`

use std::io::{self, Write};

use gepa_engine::record::{CandidateRow, CandidateStatus, RunRow};
use serde_json::json;

use crate::format::score;

/// A table of the candidates, by iteration.
pub(super) fn write(
    out: &mut dyn Write,
    run: &RunRow,
    candidates: &[CandidateRow],
) -> io::Result<()> {
    let head = [
        "iteration",
        "candidate",
        "origin",
        "parents",
        "gate",
        "pareto",
        "held-out",
        "state",
    ];
    let mut rows: Vec<&CandidateRow> = candidates.iter().collect();
    rows.sort_by_key(|row| row.iteration);
    let lines: Vec<[String; 8]> = rows.iter().map(|row| line(run, row)).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = lines.iter().map(|line| line[column].chars().count());
            cells.max().unwrap_or(0).max(head[column].len())
        })
        .collect();
    let written = |cells: &[&str]| {
        let cells = cells.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    writeln!(out, "{}", written(&head))?;
    for line in &lines {
        let cells: Vec<&str> = line.iter().map(String::as_str).collect();
        writeln!(out, "{}", written(&cells))?;
    }
    writeln!(
        out,
        "\n* the best candidate; gate: sums of parent and child"
    )
}

fn line(run: &RunRow, row: &CandidateRow) -> [String; 8] {
    let shown = |score_of: Option<f64>| score_of.map_or_else(|| "-".to_owned(), score);
    let parents: Vec<String> = row.parents.iter().map(ToString::to_string).collect();
    let gate = row.gate.as_ref().map_or_else(
        || "-".to_owned(),
        |gate| format!("{} : {}", sum(gate.parent_sum), sum(gate.child_sum)),
    );
    let is_best = row.index.is_some() && row.index == run.summary.best;
    let index = row.index.map_or_else(
        || "-".to_owned(),
        |index| format!("{index}{}", if is_best { " *" } else { "" }),
    );
    [
        row.iteration.to_string(),
        index,
        row.origin.as_str().to_owned(),
        if parents.is_empty() {
            "-".to_owned()
        } else {
            parents.join(" and ")
        },
        gate,
        shown(row.mean_score),
        shown(row.validation_score),
        state(run, row),
    ]
}

/// The state in words, with the reason of a rejection.
pub(super) fn state(run: &RunRow, row: &CandidateRow) -> String {
    if row
        .index
        .is_some_and(|index| run.summary.vetoed.contains(&index))
    {
        return "vetoed".to_owned();
    }
    match (row.status, row.close_reason) {
        (CandidateStatus::Rejected, Some(reason)) => {
            let reason = json!(reason);
            let reason = reason.as_str().unwrap_or_default().replace('_', " ");
            format!("rejected: {reason}")
        }
        (status, _) => status.as_str().to_owned(),
    }
}

fn sum(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
