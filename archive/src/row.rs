//! Score rows: the scores of one candidate on the pareto instances.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::{ArchiveError, InstanceIndex};

/// One candidate's result on one pareto instance.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceScore {
    /// The instance.
    pub instance: InstanceIndex,
    /// The score; finite, higher is better.
    pub score: f64,
    /// Scores of named objectives; higher is better. An absent objective has no value on this
    /// instance.
    pub objectives: IndexMap<Arc<str>, f64>,
}

/// A candidate's scores in the order they were obtained, with their means.
///
/// Means are plain left-to-right sums from 0.0 divided by the count, so the order of the entries
/// decides their last bit.
#[derive(Clone, Debug)]
pub struct ScoreRow {
    /// Instance ids as plain integers, so that comparing two layouts is one memory comparison.
    pub(crate) instances: Box<[u32]>,
    /// Parallel to `instances`; shared with the archive instead of copied.
    pub(crate) scores: Arc<[f64]>,
    /// Every objective of every instance, instance-major.
    pub(crate) cells: Vec<Cell>,
    mean: f64,
    objective_means: IndexMap<Arc<str>, f64>,
}

/// One objective's score on one instance.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) instance: InstanceIndex,
    pub(crate) objective: Arc<str>,
    pub(crate) score: f64,
}

impl ScoreRow {
    /// Checks the scores and computes the means. Any instances may be missing, even all of them.
    ///
    /// # Errors
    /// A score is not finite, an instance occurs twice, or the sum of the scores is not finite.
    pub fn new(entries: Vec<InstanceScore>) -> Result<Self, ArchiveError> {
        let instances: Box<[u32]> = entries.iter().map(|entry| entry.instance.0).collect();
        refuse_duplicates(&instances)?;
        let mut total = 0.0;
        for entry in &entries {
            if !entry.score.is_finite() {
                let InstanceScore {
                    instance, score, ..
                } = *entry;
                return Err(ArchiveError::BadScore { instance, score });
            }
            total += entry.score;
        }
        let scores: Arc<[f64]> = entries.iter().map(|entry| entry.score).collect();
        let cells = collect_cells(entries)?;
        let objective_means = objective_means(&cells)?;
        Ok(Self {
            mean: mean_of(total, scores.len())?,
            instances,
            scores,
            cells,
            objective_means,
        })
    }

    /// The mean score; negative infinity if no instance was scored.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The number of scored instances.
    pub fn scored(&self) -> usize {
        self.scores.len()
    }

    /// The mean of each objective over the instances that have it, in order of first appearance.
    pub fn objective_means(&self) -> &IndexMap<Arc<str>, f64> {
        &self.objective_means
    }

    /// The instances with their scores, in the order they were obtained.
    pub fn iter(&self) -> impl Iterator<Item = (InstanceIndex, f64)> + '_ {
        self.instances
            .iter()
            .map(|&id| InstanceIndex(id))
            .zip(self.scores.iter().copied())
    }
}

fn refuse_duplicates(instances: &[u32]) -> Result<(), ArchiveError> {
    if instances.windows(2).all(|pair| pair[0] < pair[1]) {
        return Ok(());
    }
    let mut sorted = instances.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(ArchiveError::DuplicateInstance(InstanceIndex(pair[0]))),
        None => Ok(()),
    }
}

fn mean_of(total: f64, count: usize) -> Result<f64, ArchiveError> {
    if count == 0 {
        return Ok(f64::NEG_INFINITY);
    }
    let mean = total / count as f64;
    if mean.is_finite() {
        Ok(mean)
    } else {
        Err(ArchiveError::MeanOverflow)
    }
}

fn collect_cells(entries: Vec<InstanceScore>) -> Result<Vec<Cell>, ArchiveError> {
    let mut cells = Vec::new();
    for InstanceScore {
        instance,
        objectives,
        ..
    } in entries
    {
        for (objective, score) in objectives {
            if !score.is_finite() {
                return Err(ArchiveError::BadObjective {
                    instance,
                    objective,
                    score,
                });
            }
            cells.push(Cell {
                instance,
                objective,
                score,
            });
        }
    }
    Ok(cells)
}

fn objective_means(cells: &[Cell]) -> Result<IndexMap<Arc<str>, f64>, ArchiveError> {
    let mut sums: IndexMap<Arc<str>, (f64, usize)> = IndexMap::new();
    for cell in cells {
        if let Some((total, count)) = sums.get_mut(&cell.objective) {
            *total += cell.score;
            *count += 1;
        } else {
            sums.insert(Arc::clone(&cell.objective), (0.0 + cell.score, 1));
        }
    }
    let mut means = IndexMap::with_capacity(sums.len());
    for (objective, (total, count)) in sums {
        means.insert(objective, mean_of(total, count)?);
    }
    Ok(means)
}
