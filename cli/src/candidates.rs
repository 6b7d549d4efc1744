//! Finds a candidate by the name that the user gives.

use gepa_ablation::way_on;
use gepa_archive::CandidateIndex;
use gepa_engine::record::{CandidateRow, RunRow};

use crate::error::CommandError;

/// The candidate called `text`: `baseline` (or `seed`), `best`, an archive index, or the beginning
/// of a candidate id.
pub(crate) fn find_candidate<'a>(
    text: &str,
    run: &RunRow,
    candidates: &'a [CandidateRow],
) -> Result<&'a CandidateRow, CommandError> {
    let index = match text {
        "baseline" | "seed" => return candidates.first().ok_or_else(|| nothing_tried(run)),
        "best" => Some(run.summary.best.ok_or_else(|| nothing_scored(run))?),
        _ => text.parse().ok().map(CandidateIndex),
    };
    let by_index = index.and_then(|index| candidates.iter().find(|row| row.index == Some(index)));
    if let Some(row) = by_index {
        return Ok(row);
    }
    let mut matching = candidates
        .iter()
        .filter(|row| !text.is_empty() && row.candidate_id.to_string().starts_with(text));
    let Some(first) = matching.next() else {
        let members = candidates.iter().filter(|row| row.index.is_some()).count();
        return Err(CommandError::Usage(format!(
            "no candidate is called `{text}`; say `baseline`, `best`, an archive index below {members}, or the \
             beginning of a candidate id (`gepa export {} --what candidates` lists them)",
            run.run_id
        )));
    };
    if matching.any(|other| other.candidate_id != first.candidate_id) {
        return Err(CommandError::Usage(format!(
            "`{text}` is the beginning of several candidate ids; give more of it"
        )));
    }
    Ok(first)
}

/// The best candidate so far.
pub(crate) fn best<'a>(run: &RunRow, candidates: &'a [CandidateRow]) -> Option<&'a CandidateRow> {
    let index = run.summary.best?;
    candidates.iter().find(|row| row.index == Some(index))
}

pub(crate) fn nothing_scored(run: &RunRow) -> CommandError {
    CommandError::Missing(format!(
        "run {} has no best candidate: not even the seed has a pareto score ({})",
        run.run_id,
        run.summary.status.as_str()
    ))
}

fn nothing_tried(run: &RunRow) -> CommandError {
    CommandError::Missing(format!(
        "run {} was created but never began; {}",
        run.run_id,
        way_on(run)
    ))
}
