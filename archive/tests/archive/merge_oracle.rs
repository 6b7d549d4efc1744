//! The merge search written out from its description, on plain vectors.

use std::collections::BTreeMap;

use gepa_archive::{Draw, choices_weighted, sample_indices, sample_with_replacement};

/// The candidates with all data that the description mentions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    /// Texts by component name.
    pub(crate) texts: Vec<BTreeMap<String, String>>,
    pub(crate) parents: Vec<Vec<usize>>,
    pub(crate) means: Vec<f64>,
    /// Scores by instance.
    pub(crate) scores: Vec<BTreeMap<u32, f64>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Logs {
    pub(crate) a: Vec<(usize, usize, usize)>,
    pub(crate) b: Vec<(usize, usize, Vec<usize>)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Merge {
    pub(crate) pair: (usize, usize),
    pub(crate) ancestor: usize,
    pub(crate) texts: BTreeMap<String, String>,
    pub(crate) description: Vec<usize>,
    pub(crate) subset: Vec<u32>,
    pub(crate) sums: (f64, f64),
}

pub(crate) fn merge(
    pool: &Pool,
    survivors: &[usize],
    logs: &mut Logs,
    floor: usize,
    draw: &mut dyn Draw,
) -> Option<Merge> {
    if survivors.len() < 2 || pool.texts.len() < 3 {
        return None;
    }
    for _outer in 0..10 {
        let Some((i, j, a)) = pair(pool, survivors, logs, draw) else {
            continue;
        };
        let mut texts = BTreeMap::new();
        let mut description = Vec::new();
        for name in pool.texts[a].keys() {
            let source = source(pool, name, (i, j, a), draw);
            texts.insert(name.clone(), pool.texts[source][name].clone());
            description.push(source);
        }
        if logs.b.contains(&(i, j, description.clone())) {
            continue;
        }
        let common: Vec<u32> = pool.scores[i]
            .keys()
            .filter(|id| pool.scores[j].contains_key(id))
            .copied()
            .collect();
        if common.is_empty() || common.len() < floor {
            continue;
        }
        logs.b.push((i, j, description.clone()));
        logs.a.push((i, j, a));
        let subset = subset(pool, (i, j), &common, draw);
        let sum = |one: usize| {
            subset
                .iter()
                .fold(0.0, |sum, id| sum + pool.scores[one][id])
        };
        let sums = (sum(i), sum(j));
        return Some(Merge {
            pair: (i, j),
            ancestor: a,
            texts,
            description,
            subset,
            sums,
        });
    }
    None
}

fn pair(
    pool: &Pool,
    survivors: &[usize],
    logs: &Logs,
    draw: &mut dyn Draw,
) -> Option<(usize, usize, usize)> {
    for _inner in 0..10 {
        let drawn = sample_indices(draw, survivors.len(), 2);
        let (x, y) = (survivors[drawn[0]], survivors[drawn[1]]);
        let (i, j) = (x.min(y), x.max(y));
        if is_ancestor(pool, i, j) || is_ancestor(pool, j, i) {
            continue;
        }
        let common: Vec<usize> = (0..pool.texts.len())
            .filter(|&a| is_ancestor(pool, a, i) && is_ancestor(pool, a, j))
            .filter(|&a| !logs.a.contains(&(i, j, a)))
            .filter(|&a| pool.means[a] <= pool.means[i] && pool.means[a] <= pool.means[j])
            .filter(|&a| {
                pool.texts[a].iter().any(|(name, text)| {
                    let (one, other) = (&pool.texts[i][name], &pool.texts[j][name]);
                    one != other && (text == one || text == other)
                })
            })
            .collect();
        let weights: Vec<f64> = common.iter().map(|&a| pool.means[a]).collect();
        if let Some(position) = choices_weighted(draw, &weights) {
            return Some((i, j, common[position]));
        }
    }
    None
}

fn is_ancestor(pool: &Pool, ancestor: usize, of: usize) -> bool {
    pool.parents[of]
        .iter()
        .any(|&one| one == ancestor || is_ancestor(pool, ancestor, one))
}

fn source(pool: &Pool, name: &str, (i, j, a): (usize, usize, usize), draw: &mut dyn Draw) -> usize {
    let (of_i, of_j, of_a) = (
        &pool.texts[i][name],
        &pool.texts[j][name],
        &pool.texts[a][name],
    );
    if of_i != of_j && (of_a == of_i || of_a == of_j) {
        return if of_a == of_i { j } else { i };
    }
    if of_a != of_i && of_a != of_j {
        if pool.means[i] == pool.means[j] {
            return [i, j][draw.below(2)];
        }
        return if pool.means[i] > pool.means[j] { i } else { j };
    }
    i
}

fn subset(pool: &Pool, (i, j): (usize, usize), common: &[u32], draw: &mut dyn Draw) -> Vec<u32> {
    let bucket = |keep: &dyn Fn(f64, f64) -> bool| -> Vec<u32> {
        common
            .iter()
            .copied()
            .filter(|id| keep(pool.scores[i][id], pool.scores[j][id]))
            .collect()
    };
    let buckets = [
        bucket(&|one, other| one > other),
        bucket(&|one, other| one < other),
        bucket(&|one, other| one == other),
    ];
    let mut taken: Vec<u32> = Vec::new();
    for bucket in buckets {
        let count = bucket.len().min(2).min(5 - taken.len());
        if count > 0 {
            taken.extend(
                sample_indices(draw, bucket.len(), count)
                    .into_iter()
                    .map(|at| bucket[at]),
            );
        }
    }
    let missing = 5 - taken.len();
    if missing > 0 {
        let rest: Vec<u32> = common
            .iter()
            .copied()
            .filter(|id| !taken.contains(id))
            .collect();
        if rest.len() >= missing {
            taken.extend(
                sample_indices(draw, rest.len(), missing)
                    .into_iter()
                    .map(|at| rest[at]),
            );
        } else {
            taken.extend(
                sample_with_replacement(draw, common.len(), missing)
                    .into_iter()
                    .map(|at| common[at]),
            );
        }
    }
    taken
}
