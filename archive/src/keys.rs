//! Which fronts exist, and which values of a score row belong to which front.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

use crate::InstanceIndex;
use crate::row::ScoreRow;

/// The keys over which fronts are kept; the same four kinds as in the reference implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frontier {
    /// One front per instance, by score.
    #[default]
    Instance,
    /// One front per objective, by its mean over the instances that carry it.
    Objective,
    /// All instance fronts, then all objective fronts.
    Hybrid,
    /// One front per instance and objective.
    Cartesian,
}

/// The key of a front.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FrontKey {
    /// The score of an instance.
    Instance(InstanceIndex),
    /// The mean of an objective.
    Objective(Arc<str>),
    /// An objective's score on an instance.
    Cartesian(InstanceIndex, Arc<str>),
}

/// Slots for instances and fronts, each numbered in order of first appearance.
///
/// A slot is a position in a stored row and a bit in a membership bitset. For instance fronts both
/// numberings are equal, and a row that lists the instances in slot order is stored unchanged.
#[derive(Clone, Debug)]
pub(crate) struct KeyLayout {
    frontier: Frontier,
    instances: Vec<u32>,
    instance_slots: HashMap<u32, u32>,
    /// Empty for [`Frontier::Instance`].
    keys: IndexSet<FrontKey>,
}

/// A row's values in slot order. NaN marks a missing value.
pub(crate) struct PlacedRow {
    /// By instance slot.
    pub(crate) scores: Arc<[f64]>,
    /// By front slot.
    pub(crate) values: Arc<[f64]>,
}

impl KeyLayout {
    pub(crate) fn new(frontier: Frontier) -> Self {
        Self {
            frontier,
            instances: Vec::new(),
            instance_slots: HashMap::new(),
            keys: IndexSet::new(),
        }
    }

    /// The number of front slots.
    pub(crate) fn front_count(&self) -> usize {
        match self.frontier {
            Frontier::Instance => self.instances.len(),
            _ => self.keys.len(),
        }
    }

    /// Whether a front comes after all fronts that are not late, for any slot: instance keys come
    /// before objective keys even if the instance appeared later.
    pub(crate) fn is_late(&self, slot: usize) -> bool {
        self.frontier == Frontier::Hybrid && matches!(self.keys[slot], FrontKey::Objective(_))
    }

    pub(crate) fn key(&self, slot: usize) -> FrontKey {
        match self.frontier {
            Frontier::Instance => FrontKey::Instance(InstanceIndex(self.instances[slot])),
            _ => self.keys[slot].clone(),
        }
    }

    pub(crate) fn instance_slot(&self, instance: InstanceIndex) -> Option<usize> {
        self.instance_slots
            .get(&instance.0)
            .map(|&slot| slot as usize)
    }

    /// The instances by slot.
    pub(crate) fn instances(&self) -> &[u32] {
        &self.instances
    }

    /// Brings a row into slot order, and opens slots for new instances and keys.
    pub(crate) fn place(&mut self, row: &ScoreRow) -> PlacedRow {
        let scores = self.place_scores(row);
        let values = match self.frontier {
            Frontier::Instance => Arc::clone(&scores),
            Frontier::Objective => self.place_keyed(objective_values(row)),
            Frontier::Hybrid => self.place_keyed(
                row.iter()
                    .map(|(instance, score)| (FrontKey::Instance(instance), score))
                    .chain(objective_values(row)),
            ),
            Frontier::Cartesian => self.place_keyed(row.cells.iter().map(|cell| {
                (
                    FrontKey::Cartesian(cell.instance, Arc::clone(&cell.objective)),
                    cell.score,
                )
            })),
        };
        PlacedRow { scores, values }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.instances.capacity() * size_of::<u32>()
            + self.instance_slots.capacity() * (size_of::<(u32, u32)>() + 1)
            + self.keys.capacity() * (size_of::<FrontKey>() + 3 * size_of::<usize>())
    }

    fn place_scores(&mut self, row: &ScoreRow) -> Arc<[f64]> {
        let in_slot_order = self.instances.starts_with(&row.instances);
        if in_slot_order {
            return Arc::clone(&row.scores);
        }
        let mut placed = Vec::with_capacity(row.instances.len());
        for (&instance, &score) in row.instances.iter().zip(row.scores.iter()) {
            let next = self.instances.len() as u32;
            let slot = *self.instance_slots.entry(instance).or_insert(next);
            if slot == next {
                self.instances.push(instance);
            }
            put(&mut placed, slot as usize, score);
        }
        placed.into()
    }

    fn place_keyed(&mut self, values: impl Iterator<Item = (FrontKey, f64)>) -> Arc<[f64]> {
        let mut placed = Vec::new();
        for (key, value) in values {
            let (slot, _) = self.keys.insert_full(key);
            put(&mut placed, slot, value);
        }
        placed.into()
    }
}

/// Sets a value. A short row stays short: places after its last value are not filled.
fn put(placed: &mut Vec<f64>, slot: usize, value: f64) {
    if placed.len() <= slot {
        placed.resize(slot + 1, f64::NAN);
    }
    placed[slot] = value;
}

fn objective_values(row: &ScoreRow) -> impl Iterator<Item = (FrontKey, f64)> + '_ {
    row.objective_means()
        .iter()
        .map(|(objective, &mean)| (FrontKey::Objective(Arc::clone(objective)), mean))
}
