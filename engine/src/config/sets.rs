//! The three sets of examples, and what they may have in common.

use std::collections::BTreeSet;
use std::ops::Range;

use gepa_evaluation::ExampleId;

use super::problem::Problem;
use super::settings::Overlap;

/// The three example sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExampleSets {
    /// Minibatches for reflection are drawn from these.
    pub train: Vec<ExampleId>,
    /// The fronts are kept over these.
    pub pareto: Vec<ExampleId>,
    /// Held out: only the baseline and the final best are scored on them. May be empty.
    pub validation: Vec<ExampleId>,
}

impl ExampleSets {
    /// Sets of examples that are named by numbers: `train`, `pareto` and `validation`.
    pub fn of_seeds(train: Range<u64>, pareto: Range<u64>, validation: Range<u64>) -> Self {
        let ids = |seeds: Range<u64>| seeds.map(ExampleId::Seed).collect();
        Self {
            train: ids(train),
            pareto: ids(pareto),
            validation: ids(validation),
        }
    }
}

/// Adds a problem for each set that is empty, has an example twice, or shares one that it may not share.
pub(super) fn check_sets(sets: &ExampleSets, allowed: &[Overlap], problems: &mut Vec<Problem>) {
    for (name, set) in [("train", &sets.train), ("pareto", &sets.pareto)] {
        if set.is_empty() {
            problems.push(Problem::new(
                format!("examples.{name}"),
                "names no example; the search needs at least one",
            ));
        }
    }
    let named = [
        ("train", &sets.train),
        ("pareto", &sets.pareto),
        ("validation", &sets.validation),
    ];
    for (name, set) in named {
        if let Some(twice) = first_repeated(set) {
            problems.push(Problem::new(
                format!("examples.{name}"),
                format!("names example {twice} twice; name each once"),
            ));
        }
    }
    let pairs = [
        (Overlap::TrainPareto, named[0], named[1]),
        (Overlap::TrainValidation, named[0], named[2]),
        (Overlap::ParetoValidation, named[1], named[2]),
    ];
    for (overlap, (first_name, first), (second_name, second)) in pairs {
        let first: BTreeSet<&ExampleId> = first.iter().collect();
        let shared: Vec<&ExampleId> = second.iter().filter(|id| first.contains(id)).collect();
        if let (Some(one), false) = (shared.first(), allowed.contains(&overlap)) {
            problems.push(Problem::new(
                format!("examples.{second_name}"),
                format!(
                    "shares {} example(s) with `{first_name}`, the first is {one}; give the sets different \
                     examples, or allow it with search.allow_overlap = [\"{}\"]",
                    shared.len(),
                    overlap.as_str()
                ),
            ));
        }
    }
}

fn first_repeated(set: &[ExampleId]) -> Option<&ExampleId> {
    let mut seen = BTreeSet::new();
    set.iter().find(|id| !seen.insert(*id))
}
