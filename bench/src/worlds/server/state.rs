//! The state that all connections of a server share: conditions, worlds and runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::admission::Admission;
use super::books::Ledger;
use crate::worlds::{Conditions, Family, Tally, World, WorldModel};

/// Worlds in the cache. Making a world takes a few milliseconds.
const WORLDS_KEPT: usize = 256;

#[derive(Debug, Default)]
pub(super) struct State {
    regime: Mutex<Arc<Regime>>,
    worlds: Mutex<BTreeMap<WorldName, Arc<WorldModel>>>,
    runs: Mutex<BTreeMap<RunName, Arc<Run>>>,
}

/// The conditions in force, and the admission of calls under them.
#[derive(Debug, Default)]
pub(super) struct Regime {
    pub(super) conditions: Conditions,
    pub(super) admission: Admission,
}

/// A family and a seed.
pub(super) type WorldName = (Family, u64);
type RunName = (WorldName, String);

/// One client's label within a world.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) tally: Tally,
    pub(super) ledger: Ledger,
}

impl State {
    pub(super) fn regime(&self) -> Arc<Regime> {
        Arc::clone(&self.regime.lock())
    }

    /// Puts other conditions into force. Calls that are being answered keep the old conditions.
    pub(super) fn control(&self, conditions: Conditions) {
        let admission = Admission::under(&conditions);
        *self.regime.lock() = Arc::new(Regime {
            conditions,
            admission,
        });
    }

    pub(super) fn model(&self, name: WorldName) -> Arc<WorldModel> {
        let mut worlds = self.worlds.lock();
        if worlds.len() >= WORLDS_KEPT && !worlds.contains_key(&name) {
            worlds.pop_first();
        }
        let (family, seed) = name;
        let model = worlds.entry(name).or_insert_with(|| {
            let world = Arc::new(World::new(family, seed));
            Arc::new(WorldModel::new(world))
        });
        Arc::clone(model)
    }

    pub(super) fn run(&self, world: WorldName, label: &str) -> Arc<Run> {
        let mut runs = self.runs.lock();
        let run = runs.entry((world, label.to_owned())).or_default();
        Arc::clone(run)
    }
}
