//! Reads seed lists and divides them into the three example sets.

use std::collections::BTreeSet;

use gepa_configs::ExampleItem;
use gepa_evaluation::ExampleId;
use toml::{Table, Value};

use super::reader::{Found, Reader, whole};
use super::spellings::{
    FEEDBACK_FRACTION, PARETO_SET_SIZE, Spellings, TEST_POOL, TRAIN_SEEDS, VALIDATION_SEEDS,
};

/// Longest list. The limit keeps a mistyped range from filling the memory.
const MAX_SEEDS: u64 = 1_000_000;
const DEFAULT_FEEDBACK_FRACTION: f64 = 0.5;
const DEFAULT_PARETO_SET_SIZE: u64 = 64;

/// The three example sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sets {
    pub(super) train: Vec<u64>,
    pub(super) pareto: Vec<u64>,
    pub(super) validation: Vec<u64>,
}

/// Reads the lists and divides the training seeds. The train set gets at least `minibatch_size`
/// seeds if there are enough.
pub(super) fn read_sets(reader: &mut Reader<'_>, minibatch_size: u32) -> Sets {
    let fraction = reader
        .fraction(FEEDBACK_FRACTION)
        .unwrap_or(DEFAULT_FEEDBACK_FRACTION);
    let most_pareto = reader
        .count(PARETO_SET_SIZE, 1)
        .unwrap_or(DEFAULT_PARETO_SET_SIZE);
    reader.link("examples", TRAIN_SEEDS);
    reader.link("examples.validation", VALIDATION_SEEDS);
    let all = seeds(reader, TRAIN_SEEDS);
    if all.as_ref().is_none_or(Vec::is_empty) {
        let key = reader.key(TRAIN_SEEDS);
        if all.is_none() && reader.has_refused(&key) {
            return Sets::default();
        }
        reader.refuse(
            &key,
            "is missing or empty; name the seeds to train on, for example [0, 1, 2]",
        );
        return Sets::default();
    }
    let all = all.unwrap_or_default();
    let (train, pareto) = divide(
        &all,
        fraction,
        most_pareto as usize,
        minibatch_size as usize,
    );
    if all.len() == 1 {
        let key = reader.key(TRAIN_SEEDS);
        reader.note(
            &key,
            "is a single seed: minibatches and the Pareto front share it",
        );
    }
    let validation = seeds(reader, VALIDATION_SEEDS);
    let test_pool = seeds(reader, TEST_POOL);
    let validation = match (validation, test_pool) {
        (None, Some(test_pool)) => {
            let key = reader.key(TEST_POOL);
            reader.keys.link("examples.validation", key.clone());
            reader.note(
                &key,
                "serves as the validation set, for there are no validation seeds",
            );
            test_pool
        }
        (validation, test_pool) => {
            if test_pool.is_some() {
                let key = reader.key(TEST_POOL);
                reader.note(
                    &key,
                    "has no effect: the validation seeds are what is held out",
                );
            }
            validation.unwrap_or_default()
        }
    };
    Sets {
        train,
        pareto,
        validation,
    }
}

/// Divides the seeds: the first part is the train set, the rest is the pareto set. The order stays,
/// so the file shows which seed belongs to which set.
pub(super) fn divide(
    all: &[u64],
    fraction: f64,
    most_pareto: usize,
    minibatch_size: usize,
) -> (Vec<u64>, Vec<u64>) {
    if let [only] = all {
        return (vec![*only], vec![*only]);
    }
    let wanted = (all.len() as f64 * fraction).round() as usize;
    let least_train = if minibatch_size < all.len() {
        minibatch_size
    } else {
        1
    };
    let train = wanted.max(least_train).min(all.len() - 1);
    // The limit of the pareto set is applied last; the seeds beyond it join the train set.
    let pareto_size = (all.len() - train).min(most_pareto);
    let (train, pareto) = all.split_at(all.len() - pareto_size);
    (train.to_vec(), pareto.to_vec())
}

/// Seeds in the form of our own config.
pub(super) fn items(seeds: &[u64]) -> Vec<ExampleItem> {
    seeds
        .iter()
        .map(|seed| ExampleItem::from(ExampleId::Seed(*seed)))
        .collect()
}

/// The number of seeds that both lists hold.
pub(super) fn shared(left: &[u64], right: &[u64]) -> usize {
    let left: BTreeSet<&u64> = left.iter().collect();
    right.iter().filter(|seed| left.contains(seed)).count()
}

fn seeds(reader: &mut Reader<'_>, spellings: Spellings) -> Option<Vec<u64>> {
    let found = reader.find(spellings)?;
    let all = match expanded(found.value) {
        Ok(all) => all,
        Err(message) => {
            reader.refuse(&found.key, message);
            return None;
        }
    };
    Some(without_repeats(reader, &found, all))
}

fn without_repeats(reader: &mut Reader<'_>, found: &Found<'_>, all: Vec<u64>) -> Vec<u64> {
    let mut seen = BTreeSet::new();
    let count = all.len();
    let once: Vec<u64> = all.into_iter().filter(|seed| seen.insert(*seed)).collect();
    if once.len() < count {
        let repeated = count - once.len();
        reader.note(
            &found.key,
            format!("names {repeated} seed(s) more than once; each counts once"),
        );
    }
    once
}

/// Expands a list of seeds or ranges, or one range.
fn expanded(value: &Value) -> Result<Vec<u64>, String> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut all = Vec::new();
    for item in items {
        let range = match item {
            Value::Table(table) => of_table(table)?,
            Value::String(text) => of_text(text)?,
            number => {
                let seed =
                    whole(number).ok_or("must hold whole numbers of 0 or more, or ranges")?;
                (seed, seed + 1, 1)
            }
        };
        let (start, end, step) = range;
        let count = end.saturating_sub(start).div_ceil(step);
        if count == 0 {
            return Err(format!(
                "holds an empty range from {start} to {end}; its end must be above its start"
            ));
        }
        if count > MAX_SEEDS || all.len() as u64 + count > MAX_SEEDS {
            return Err(format!("holds more than {MAX_SEEDS} seeds"));
        }
        all.extend((0..count).map(|index| start + index * step));
    }
    Ok(all)
}

fn of_table(table: &Table) -> Result<(u64, u64, u64), String> {
    let part = |name: &str| table.get(name).and_then(whole);
    let step = match table.get("step") {
        None => Some(1),
        Some(step) => whole(step).filter(|step| *step > 0),
    };
    match (part("start"), part("end"), step) {
        (Some(start), Some(end), Some(step)) => Ok((start, end, step)),
        _ => Err(
            "holds a range that is not { start = 0, end = 10, step = 1 }, its end left out"
                .to_owned(),
        ),
    }
}

fn of_text(text: &str) -> Result<(u64, u64, u64), String> {
    let parsed = text
        .split_once("..")
        .and_then(|(from, to)| Some((from.trim().parse().ok()?, to.trim().parse().ok()?, 1)));
    parsed.ok_or_else(|| "holds a text that is no range such as \"0..50\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<Vec<u64>, String> {
        let mut table: Table = toml::from_str(&format!("seeds = {text}")).unwrap();
        expanded(&table.remove("seeds").unwrap())
    }

    #[test]
    fn lists_and_ranges_of_either_form_are_seeds() {
        assert_eq!(list("[3, 1]").unwrap(), [3, 1]);
        assert_eq!(list("{ start = 2, end = 9, step = 3 }").unwrap(), [2, 5, 8]);
        assert_eq!(
            list("[{ start = 0, end = 2 }, 7, \"9..11\"]").unwrap(),
            [0, 1, 7, 9, 10]
        );
        assert_eq!(list("\"4..6\"").unwrap(), [4, 5]);
    }

    #[test]
    fn values_that_are_no_seeds_are_refused() {
        for wrong in [
            "[-1]",
            "[1.5]",
            "\"x\"",
            "{ start = 5, end = 5 }",
            "{ end = 5 }",
            "\"0..99999999999\"",
            "[true]",
        ] {
            assert!(list(wrong).is_err(), "{wrong}");
        }
        assert!(list("{ start = 0, end = 9, step = 0 }").is_err());
    }

    #[track_caller]
    fn check_division(
        count: u64,
        fraction: f64,
        most_pareto: usize,
        minibatch: usize,
        expected: (usize, usize),
    ) {
        let all: Vec<u64> = (0..count).collect();
        let (train, pareto) = divide(&all, fraction, most_pareto, minibatch);
        assert_eq!((train.len(), pareto.len()), expected);
        if count > 1 {
            assert_eq!(
                [train, pareto].concat(),
                all,
                "nothing is lost, the order stays"
            );
        }
    }

    #[test]
    fn the_first_part_trains_and_the_rest_is_the_front() {
        check_division(30, 0.33, 64, 8, (10, 20));
        check_division(15, 0.33, 64, 8, (8, 7));
        check_division(5, 0.5, 64, 8, (3, 2));
        check_division(100, 0.1, 20, 8, (80, 20));
        check_division(10, 1.0, 64, 3, (9, 1));
        check_division(10, 0.0, 64, 3, (3, 7));
        check_division(2, 0.5, 64, 8, (1, 1));
        check_division(1, 0.5, 64, 8, (1, 1));
    }
}
