//! Rows of different sets whose inputs are almost the same: a leak that the comparison of whole inputs does not
//! find.

use std::collections::HashMap;

use gepa_evaluation::ExampleId;

use super::{Dataset, DuplicateContent, Row};

/// Only inputs of eight words or more are compared; of shorter ones a single word decides.
const FEWEST_WORDS: usize = 8;
/// Words of one shingle.
const SHINGLE: usize = 3;
/// Rows are near duplicates if they share this part of the shingles that either has.
const ALIKE: f64 = 0.8;
/// No more words than this are looked at.
const MOST_WORDS: usize = 2_000_000;

/// Rows that have almost the inputs of a row in an earlier set, and whether the rows had too many words to look
/// for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NearDuplicates {
    /// Each row is named at most once, with one row that it is like. Rows with the very same inputs are not
    /// among them.
    pub found: Vec<DuplicateContent>,
    /// Whether nothing was looked for, because the sets have more than two million words.
    pub too_large: bool,
}

struct Shingled<'d> {
    set: usize,
    id: &'d ExampleId,
    words: Vec<String>,
    /// Hashes, ascending.
    shingles: Vec<u64>,
}

/// Compares the inputs of all rows of the sets by the shingles of three words that they share: at least 80 % of
/// those that either has. Inputs of fewer than eight words are left out. Ids that the dataset does not have are
/// skipped.
///
/// Two rows that are that much alike share one of the rarest fifth of their shingles, so only rows that do are
/// compared.
pub fn near_duplicates(dataset: &Dataset, sets: &[&[ExampleId]]) -> NearDuplicates {
    let mut rows: Vec<Shingled<'_>> = Vec::new();
    let mut words_seen = 0;
    for (set, ids) in sets.iter().enumerate() {
        for id in *ids {
            let Some(row) = dataset.row(id) else {
                continue;
            };
            let words = words_of(row);
            words_seen += words.len();
            if words_seen > MOST_WORDS {
                return NearDuplicates {
                    too_large: true,
                    ..NearDuplicates::default()
                };
            }
            if words.len() >= FEWEST_WORDS {
                rows.push(Shingled {
                    set,
                    id,
                    shingles: shingles_of(&words),
                    words,
                });
            }
        }
    }
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for shingle in rows.iter().flat_map(|row| &row.shingles) {
        *counts.entry(*shingle).or_default() += 1;
    }
    let mut index: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut found = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let mut rarest = row.shingles.clone();
        rarest.sort_unstable_by_key(|shingle| (counts[shingle], *shingle));
        rarest.truncate(most_unlike(rarest.len()) + 1);
        let earlier = rarest.iter().filter_map(|shingle| index.get(shingle));
        let mut earlier: Vec<usize> = earlier.flatten().copied().collect();
        earlier.sort_unstable();
        earlier.dedup();
        let first = earlier.into_iter().map(|place| &rows[place]).find(|other| {
            other.set != row.set
                && other.id != row.id
                && other.words != row.words
                && likeness(&other.shingles, &row.shingles) >= ALIKE
        });
        if let Some(first) = first {
            found.push(DuplicateContent {
                first_set: first.set,
                first: first.id.clone(),
                second_set: row.set,
                second: row.id.clone(),
            });
        }
        for shingle in rarest {
            index.entry(shingle).or_default().push(at);
        }
    }
    NearDuplicates {
        found,
        too_large: false,
    }
}

/// How many of this many shingles a near duplicate may lack: the other part of [`ALIKE`].
fn most_unlike(shingles: usize) -> usize {
    shingles / 5
}

/// The words of a row's inputs, in lower case and without signs around them.
fn words_of(row: &Row) -> Vec<String> {
    let words = row.inputs().flat_map(|(_, text)| text.split_whitespace());
    let words = words.map(|word| word.trim_matches(|sign: char| !sign.is_alphanumeric()));
    words
        .filter(|word| word.chars().any(char::is_alphabetic))
        .map(str::to_lowercase)
        .collect()
}

fn shingles_of(words: &[String]) -> Vec<u64> {
    let mut shingles: Vec<u64> = words.windows(SHINGLE).map(hash).collect();
    shingles.sort_unstable();
    shingles.dedup();
    shingles
}

fn hash(words: &[String]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for word in words {
        hasher.update(word.as_bytes());
        hasher.update(b" ");
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// The part of the values in either list that is in both. Lists are ascending.
fn likeness(left: &[u64], right: &[u64]) -> f64 {
    let shared = left
        .iter()
        .filter(|one| right.binary_search(one).is_ok())
        .count();
    let all = left.len() + right.len() - shared;
    shared as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn likeness_is_the_shared_part() {
        assert!((likeness(&[1, 2, 3, 4], &[2, 3, 4, 5]) - 0.6).abs() < 1e-9);
        assert!((likeness(&[1, 2], &[1, 2]) - 1.0).abs() < 1e-9);
    }

    proptest! {
        /// Why only rows that share one of their rarest shingles are compared.
        #[test]
        fn lists_that_are_alike_share_one_of_the_first_fifth(
            both in prop::collection::btree_set(0_u64..60, 1..30),
            more in prop::collection::btree_set(0_u64..60, 0..4),
            others in prop::collection::btree_set(0_u64..60, 0..4),
        ) {
            let with = |more: &BTreeSet<u64>| both.union(more).copied().collect::<Vec<_>>();
            let (left, right) = (with(&more), with(&others));

            prop_assume!(likeness(&left, &right) >= ALIKE);
            let head = |list: &[u64]| {
                list[..=most_unlike(list.len())].to_vec()
            };
            prop_assert!(head(&left).iter().any(|one| head(&right).contains(one)));
        }
    }
}
