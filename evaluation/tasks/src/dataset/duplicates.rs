//! Rows with different ids and the same inputs: a leak when they sit in different sets.

use indexmap::IndexMap;

use super::{Dataset, Row};
use gepa_evaluation::ExampleId;

/// Two rows of different sets with the same inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateContent {
    /// The place of the first set in the list given.
    pub first_set: usize,
    /// The row in the first set.
    pub first: ExampleId,
    /// The place of the second set in the list given.
    pub second_set: usize,
    /// The row in the second set.
    pub second: ExampleId,
}

/// Finds rows whose inputs (case, surrounding and repeated white space aside) already occur in an
/// earlier set of the list. Each row is reported at most once, against its first occurrence; the
/// same id in two sets counts as well. Ids the dataset does not have are skipped.
pub fn duplicate_contents(dataset: &Dataset, sets: &[&[ExampleId]]) -> Vec<DuplicateContent> {
    let mut first_seen: IndexMap<[u8; 32], (usize, &ExampleId)> = IndexMap::new();
    let mut duplicates = Vec::new();
    for (set, ids) in sets.iter().enumerate() {
        for id in *ids {
            let Some(row) = dataset.row(id) else {
                continue;
            };
            let (first_set, first) = *first_seen.entry(content_key(row)).or_insert((set, id));
            if first_set != set {
                duplicates.push(DuplicateContent {
                    first_set,
                    first: first.clone(),
                    second_set: set,
                    second: id.clone(),
                });
            }
        }
    }
    duplicates
}

/// Pairs of rows with the same inputs and different answers, whichever sets they are in; each row is
/// named once, with the first of its kind.
pub fn contradictions(dataset: &Dataset, sets: &[&[ExampleId]]) -> Vec<(ExampleId, ExampleId)> {
    let mut first_seen: IndexMap<[u8; 32], &ExampleId> = IndexMap::new();
    let mut pairs = Vec::new();
    for id in sets.iter().copied().flatten() {
        let Some(row) = dataset.row(id) else {
            continue;
        };
        let first = *first_seen.entry(content_key(row)).or_insert(id);
        let answer = |id| dataset.row(id).and_then(Row::answer).map(str::trim);
        let pair = (first.clone(), id.clone());
        if answer(first) != answer(id) && !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs
}

fn content_key(row: &Row) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for (name, text) in row.inputs() {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        for part in [name.to_owned(), words.join(" ")] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    *hasher.finalize().as_bytes()
}
