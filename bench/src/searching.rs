//! A run of the engine on a task in process.

use std::sync::Arc;

use gepa_archive::{Candidate, CandidateError};
use gepa_engine::{
    Config, Event, ExampleSets, InvalidConfig, Run, RunError, RunResult, Seq, Settings, StoreError,
};
use gepa_evaluation::{Evaluator, LanguageModel, PromptTemplate};

use crate::watched;

/// The component that searches rewrite.
pub const COMPONENT: &str = "instruction";

/// A task whose models answer in process. It serves one run, since its models may count calls.
pub struct TaskInProcess {
    /// The prompt with which the search begins.
    pub seed_prompt: String,
    /// The examples.
    pub sets: ExampleSets,
    /// Runs a candidate on an example.
    pub evaluator: Arc<dyn Evaluator>,
    /// Rewrites candidates.
    pub reflector: Arc<dyn LanguageModel>,
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

impl TaskInProcess {
    /// Runs the engine to the end in a new memory store; `see` gets each batch of events when it is
    /// stored.
    pub async fn search(
        self,
        settings: Settings,
        see: impl FnMut(&[Event]),
    ) -> Result<Searched, SearchError> {
        let store = gepa_store::open("memory:")?;
        let seed = Candidate::new([(COMPONENT, self.seed_prompt.as_str())])?;
        let config = Config::new(seed, PromptTemplate::default(), self.sets, settings)?;
        let run = Run::builder(config)
            .store(Arc::clone(&store))
            .evaluator(self.evaluator)
            .reflection_model(self.reflector);
        let result = watched(run, see).await?;
        let journal = store.events(&result.run.run_id, Seq(0), usize::MAX).await?;
        Ok(Searched { result, journal })
    }
}

impl std::fmt::Debug for TaskInProcess {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TaskInProcess")
            .field("seed_prompt", &self.seed_prompt)
            .finish_non_exhaustive()
    }
}
