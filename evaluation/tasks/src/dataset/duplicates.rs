//! Rows with different ids and the same inputs: a leak when they sit in different sets.

use std::collections::{HashMap, HashSet};

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

/// What rows with the same inputs show about sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowConflicts {
    /// Rows whose inputs already occur in an earlier set of the list. Each row is named at most
    /// once, with its first occurrence; the same id in two sets counts as well.
    pub duplicates: Vec<DuplicateContent>,
    /// Pairs of rows with the same inputs and different answers, whichever sets they are in; each
    /// row is named once, with the first of its kind.
    pub contradictions: Vec<(ExampleId, ExampleId)>,
}

/// Compares the inputs of all rows of the sets (case, surrounding and repeated white space aside).
/// Ids that the dataset does not have are skipped. Each row is hashed once.
pub fn row_conflicts(dataset: &Dataset, sets: &[&[ExampleId]]) -> RowConflicts {
    let mut keys: HashMap<&ExampleId, [u8; 32]> = HashMap::new();
    let mut first_seen: HashMap<[u8; 32], (usize, &ExampleId, Option<&str>)> = HashMap::new();
    let mut contradicting: HashSet<&ExampleId> = HashSet::new();
    let mut conflicts = RowConflicts::default();
    for (set, ids) in sets.iter().enumerate() {
        for id in *ids {
            let Some(row) = dataset.row(id) else {
                continue;
            };
            let answer = row.answer().map(str::trim);
            let key = *keys.entry(id).or_insert_with(|| content_key(row));
            let seen = first_seen.entry(key).or_insert((set, id, answer));
            let (first_set, first, first_answer) = *seen;
            if first_set != set {
                conflicts.duplicates.push(DuplicateContent {
                    first_set,
                    first: first.clone(),
                    second_set: set,
                    second: id.clone(),
                });
            }
            if first_answer != answer && contradicting.insert(id) {
                conflicts.contradictions.push((first.clone(), id.clone()));
            }
        }
    }
    conflicts
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
