//! A task on texts of a collection.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gepa_engine::ExampleSets;
use gepa_evaluation::ExampleId;

use super::belief::Belief;
use super::corpus::{Corpus, CorpusError, Labelled};
use super::sheet;
use super::words::features;
use crate::draws::Key;

/// Texts from which the reflection model's beliefs come.
const READ_BEFORE: usize = 1_500;

/// How many texts each set has.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// For minibatches.
    pub train: usize,
    /// For the fronts.
    pub pareto: usize,
    /// Never shown; the score on them is the true score of a prompt.
    pub test: usize,
}

/// A task: a pure function of the collection, a seed and the sizes of its sets.
#[derive(Debug)]
pub struct TextTask {
    pub(super) labels: Vec<String>,
    pub(super) belief: Belief,
    pub(super) key: Key,
    items: BTreeMap<String, TextItem>,
    sizes: Sizes,
}

/// A text with its label.
#[derive(Debug)]
pub(super) struct TextItem {
    pub(super) text: String,
    pub(super) label: String,
    pub(super) features: BTreeSet<String>,
}

impl TextTask {
    /// Draws a task from the collection in `folder`.
    pub fn draw(
        corpus: Corpus,
        folder: &Path,
        seed: u64,
        sizes: Sizes,
    ) -> Result<Self, CorpusError> {
        let key = Key::of_text(corpus.as_str()).with(seed);
        let mut rows = corpus.read(folder)?;
        for last in (1..rows.len()).rev() {
            rows.swap(last, key.with(last as u64).below(last + 1));
        }
        let labels: BTreeSet<String> = rows.iter().map(|(_, label)| label.clone()).collect();
        let labels: Vec<String> = labels.into_iter().collect();
        let used = (sizes.train + sizes.pareto + sizes.test).min(rows.len());
        let read = &rows[used..rows.len().min(used + READ_BEFORE)];
        let belief = Belief::learnt(read, &labels, key.with(1_000_000));
        rows.truncate(used);
        Ok(Self {
            labels,
            belief,
            key: key.with(2_000_000),
            items: items(rows, sizes),
            sizes,
        })
    }

    /// The prompt with which every search begins: no rules.
    pub fn seed_prompt(&self) -> &'static str {
        sheet::OPENING
    }

    /// The examples. The first `pareto` of the pareto set are used.
    pub fn sets(&self, pareto: usize) -> ExampleSets {
        ExampleSets {
            train: ids('T', self.sizes.train),
            pareto: ids('P', pareto.min(self.sizes.pareto)),
            validation: Vec::new(),
        }
    }

    /// The score of a prompt on the texts that are never shown.
    pub fn true_score(&self, prompt: &str) -> f64 {
        let rules = sheet::rules_in(prompt);
        let tests = self.items.iter().filter(|(id, _)| id.starts_with('X'));
        let (mut right, mut all) = (0_u32, 0_u32);
        for (_, item) in tests {
            all += 1;
            right += u32::from(self.answer(&rules, item) == item.label);
        }
        f64::from(right) / f64::from(all.max(1))
    }

    pub(super) fn item(&self, id: &str) -> Option<&TextItem> {
        self.items.get(id)
    }

    pub(super) fn answer(&self, rules: &BTreeSet<sheet::Rule>, item: &TextItem) -> &str {
        sheet::label(rules, &item.features, &self.labels, self.belief.commonest())
    }
}

fn items(rows: Vec<Labelled>, sizes: Sizes) -> BTreeMap<String, TextItem> {
    let named = rows.into_iter().enumerate().map(|(at, (text, label))| {
        let id = if at < sizes.train {
            name('T', at)
        } else if at < sizes.train + sizes.pareto {
            name('P', at - sizes.train)
        } else {
            name('X', at - sizes.train - sizes.pareto)
        };
        let features = features(&text);
        let item = TextItem {
            text,
            label,
            features,
        };
        (id, item)
    });
    named.collect()
}

fn name(set: char, at: usize) -> String {
    format!("{set}-{:04}", at + 1)
}

fn ids(set: char, count: usize) -> Vec<ExampleId> {
    (0..count).map(|at| name(set, at).as_str().into()).collect()
}
