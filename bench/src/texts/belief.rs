//! What the reflection model believes about words: learnt on texts that no set contains, as a
//! language model has read others, and blurred.

use std::collections::BTreeMap;

use super::corpus::Labelled;
use super::words::features;
use crate::draws::Key;

/// Counts that every label starts with.
const START: f64 = 0.3;
/// Texts' worth of the labels' own frequencies.
const SMOOTHING: f64 = 2.0;
/// Standard deviation of the blur, in units of the logarithm of a ratio.
const BLUR: f64 = 0.5;

/// Beliefs about features and labels.
#[derive(Debug)]
pub(super) struct Belief {
    counts: BTreeMap<String, Vec<f64>>,
    /// Frequencies of the labels.
    base: Vec<f64>,
    key: Key,
}

impl Belief {
    /// From these texts; `labels` is sorted.
    pub(super) fn learnt(texts: &[Labelled], labels: &[String], key: Key) -> Self {
        let mut counts: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let mut base = vec![1.0; labels.len()];
        for (text, label) in texts {
            let Ok(label) = labels.binary_search(label) else {
                continue;
            };
            base[label] += 1.0;
            for feature in features(text) {
                let row = counts.entry(feature);
                row.or_insert_with(|| vec![START; labels.len()])[label] += 1.0;
            }
        }
        let total: f64 = base.iter().sum();
        let base = base.into_iter().map(|count| count / total).collect();
        Self { counts, base, key }
    }

    /// The commonest label.
    pub(super) fn commonest(&self) -> usize {
        let numbered = self.base.iter().enumerate();
        let most = numbered.max_by(|one, other| one.1.total_cmp(other.1).then(other.0.cmp(&one.0)));
        most.map_or(0, |(label, _)| label)
    }

    /// How much a feature speaks for a label: the logarithm of a ratio of probabilities, blurred.
    pub(super) fn speaks_for(&self, feature: &str, label: usize) -> f64 {
        let row = self.counts.get(feature);
        let count = |at: usize| row.map_or(START, |row| row[at]);
        let total: f64 = (0..self.base.len()).map(count).sum();
        let share = (count(label) + SMOOTHING * self.base[label]) / (total + SMOOTHING);
        let blur = self.key.and(Key::of_text(feature)).with(label as u64);
        (share / self.base[label]).ln() + BLUR * blur.normal()
    }
}
