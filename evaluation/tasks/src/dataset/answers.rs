//! Whether the rows of a dataset expect what a scorer can compare with.

use indexmap::IndexMap;

use super::{Dataset, DatasetError};
use crate::scorer::Scorer;

/// Rows named in one message at most.
const MOST_NAMED: usize = 5;

/// Refuses a dataset in which rows expect what the scorer cannot compare with, and names the rows.
pub fn check_answers(dataset: &Dataset, scorer: &Scorer) -> Result<(), DatasetError> {
    let mut faults: IndexMap<String, Vec<String>> = IndexMap::new();
    let mut rows = 0_usize;
    for (id, row) in dataset.rows() {
        let Some(fault) = scorer.fault_of(row.answer()) else {
            continue;
        };
        rows += 1;
        if rows <= MOST_NAMED {
            let named = format!("`{id}` ({})", row.place());
            faults.entry(fault).or_default().push(named);
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    let said: Vec<String> = faults
        .iter()
        .map(|(fault, named)| format!("row {} {fault}", named.join(", ")))
        .collect();
    let more = match rows.saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(", and {more} more rows likewise"),
    };
    Err(DatasetError::BadSettings(format!(
        "the scorer compares with expected answers, but {}{more}; correct the rows, set `answer` to \
         the right column, or use another scorer",
        said.join("; ")
    )))
}
