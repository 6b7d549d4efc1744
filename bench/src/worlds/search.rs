//! A run of the engine in a world, in process.

use std::sync::Arc;

use gepa_archive::{Candidate, CandidateError};
use gepa_engine::{
    Config, Event, ExampleSets, InvalidConfig, Run, RunError, RunResult, Seq, Settings, StoreError,
};
use gepa_evaluation::{ExampleId, PromptTemplate};

use super::conditions::Conditions;
use super::item::Split;
use super::twin::twins;
use super::world::World;
use crate::watched;

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

/// A finished search.
#[derive(Debug)]
pub struct Searched {
    /// Its result.
    pub result: RunResult,
    /// All its events.
    pub journal: Vec<Event>,
}

/// Why a search could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The settings do not hold together.
    #[error("the settings do not hold together: {0:?}")]
    Settings(#[from] InvalidConfig),
    /// The seed prompt is no valid candidate.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Search {
    /// Runs it to its end in a new memory store.
    pub async fn finish(&self) -> Result<Searched, SearchError> {
        self.finish_watched(|_| {}).await
    }

    /// Like [`finish`](Self::finish); `see` gets each batch of events when it is stored.
    pub async fn finish_watched(&self, see: impl FnMut(&[Event])) -> Result<Searched, SearchError> {
        let store = gepa_store::open("memory:")?;
        let conditions = self.conditions.clone();
        let (evaluator, reflector) = twins(Arc::clone(&self.world), conditions);
        let run = Run::builder(self.config()?)
            .store(Arc::clone(&store))
            .evaluator(Arc::new(evaluator))
            .reflection_model(Arc::new(reflector));
        let result = watched(run, see).await?;
        let journal = store.events(&result.run.run_id, Seq(0), usize::MAX).await?;
        Ok(Searched { result, journal })
    }

    fn config(&self) -> Result<Config, SearchError> {
        let seed = Candidate::new([("instruction", self.world.seed_prompt())])?;
        let sets = ExampleSets {
            train: self.ids(Split::Train, self.train),
            pareto: self.ids(Split::Pareto, self.pareto),
            validation: self.ids(Split::Validation, self.validation),
        };
        let settings = self.settings.clone();
        Config::new(seed, PromptTemplate::default(), sets, settings).map_err(SearchError::Settings)
    }

    fn ids(&self, split: Split, count: usize) -> Vec<ExampleId> {
        let items = self.world.items(split).iter().take(count);
        items.map(|item| item.id.as_str().into()).collect()
    }
}
