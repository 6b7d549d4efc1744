//! `gepa show RUN --lineage`

use std::collections::BTreeMap;
use std::io::{self, Write};

use gepa_archive::CandidateIndex;
use gepa_engine::record::{CandidateRow, RunRow};

use super::candidates::state;
use crate::format::score;

/// The candidates as a tree under their first parents. A merge names its second parent.
pub(super) fn write(
    out: &mut dyn Write,
    run: &RunRow,
    candidates: &[CandidateRow],
) -> io::Result<()> {
    let mut children: BTreeMap<Option<CandidateIndex>, Vec<&CandidateRow>> = BTreeMap::new();
    let mut rows: Vec<&CandidateRow> = candidates.iter().collect();
    rows.sort_by_key(|row| row.iteration);
    for row in rows {
        children
            .entry(row.parents.first().copied())
            .or_default()
            .push(row);
    }
    // The next row is at the end; a row waits with the lines drawn before it.
    let roots = children.remove(&None).unwrap_or_default();
    let mut waiting: Vec<(&CandidateRow, String, String)> = roots
        .into_iter()
        .rev()
        .map(|row| (row, String::new(), String::new()))
        .collect();
    while let Some((row, lead, below)) = waiting.pop() {
        writeln!(out, "{lead}{}", named(run, row))?;
        let Some(index) = row.index else { continue };
        let own = children.remove(&Some(index)).unwrap_or_default();
        let last = own.len().saturating_sub(1);
        for (place, child) in own.into_iter().enumerate().rev() {
            let (branch, rest) = if place == last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            waiting.push((child, format!("{below}{branch}"), format!("{below}{rest}")));
        }
    }
    Ok(())
}

fn named(run: &RunRow, row: &CandidateRow) -> String {
    let mut parts = Vec::new();
    parts.push(match row.index {
        Some(index) if Some(index) == run.summary.best => format!("{index} * (best)"),
        Some(index) => index.to_string(),
        None => "-".to_owned(),
    });
    parts.push(format!("iteration {}", row.iteration));
    parts.push(row.origin.as_str().to_owned());
    if let Some(second) = row.parents.get(1) {
        parts.push(format!("also of {second}"));
    }
    if let Some(gate) = &row.gate {
        parts.push(format!(
            "gate {:.2} : {:.2}",
            gate.parent_sum, gate.child_sum
        ));
    }
    if let Some(mean) = row.mean_score {
        parts.push(format!("pareto {}", score(mean)));
    }
    parts.push(state(run, row));
    parts.join(", ")
}
