//! A run of the engine in a world, in process.

use std::sync::Arc;

use gepa_engine::{Event, ExampleSets, Settings};
use gepa_evaluation::ExampleId;

use super::conditions::Conditions;
use super::item::Split;
use super::twin::twins;
use super::world::World;
use crate::searching::{SearchError, Searched, TaskInProcess};

/// A search to be run: a world, the latencies of its models, and the engine's settings.
#[derive(Clone, Debug)]
pub struct Search {
    /// The task.
    pub world: Arc<World>,
    /// Conditions of the models. In process only the latencies apply.
    pub conditions: Conditions,
    /// The engine's settings.
    pub settings: Settings,
    /// Items for minibatches.
    pub train: usize,
    /// Items for the fronts.
    pub pareto: usize,
    /// Items held out.
    pub validation: usize,
}

impl Search {
    /// Runs it to its end in a new memory store.
    pub async fn finish(&self) -> Result<Searched, SearchError> {
        self.finish_watched(|_| {}).await
    }

    /// Like [`finish`](Self::finish); `see` gets each batch of events when it is stored.
    pub async fn finish_watched(&self, see: impl FnMut(&[Event])) -> Result<Searched, SearchError> {
        let conditions = self.conditions.clone();
        let (evaluator, reflector) = twins(Arc::clone(&self.world), conditions);
        let task = TaskInProcess {
            seed_prompt: self.world.seed_prompt().to_owned(),
            sets: self.sets(),
            evaluator: Arc::new(evaluator),
            reflector: Arc::new(reflector),
        };
        task.search(self.settings.clone(), see).await
    }

    fn sets(&self) -> ExampleSets {
        ExampleSets {
            train: self.ids(Split::Train, self.train),
            pareto: self.ids(Split::Pareto, self.pareto),
            validation: self.ids(Split::Validation, self.validation),
        }
    }

    fn ids(&self, split: Split, count: usize) -> Vec<ExampleId> {
        let items = self.world.items(split).iter().take(count);
        items.map(|item| item.id.as_str().into()).collect()
    }
}
