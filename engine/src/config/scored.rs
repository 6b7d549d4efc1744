//! The configuration of a run that scores one prompt and proposes nothing.

use gepa_archive::Candidate;
use gepa_evaluation::ExampleId;
use serde::{Deserialize, Serialize};

use super::budget::BudgetSettings;
use super::growing::Evaluation;
use super::problem::InvalidConfig;
use super::resolved::Config;
use super::sets::ExampleSets;

/// A prompt that is scored on examples without a search. It is stored with the run, because the config of the
/// task names another prompt and other sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoredPrompt {
    /// The run's name in the list of runs.
    pub name: String,
    /// The prompt.
    pub candidate: Candidate,
    /// The examples, in the order in which they are run.
    pub examples: Vec<ExampleId>,
}

impl ScoredPrompt {
    /// The key under which a run's description has it.
    pub const KEY: &str = "scored_prompt";

    /// What the description of a run says that it scores; `None` for a search, and for an evaluation that a
    /// version before 0.2 stored.
    pub fn in_description(described: &serde_json::Value) -> Option<Self> {
        Self::deserialize(described.get(Self::KEY)?).ok()
    }
}

impl Config {
    /// The configuration of a run that scores this prompt and proposes nothing, made from that of its task.
    ///
    /// # Errors
    ///
    /// The examples and the prompt make no run.
    pub fn to_score(&self, scored: &ScoredPrompt) -> Result<Self, InvalidConfig> {
        let is_scored = |example: &ExampleId| scored.examples.contains(example);
        let rest = |set: &[ExampleId]| {
            let rest = set.iter().filter(|example| !is_scored(example));
            rest.cloned().collect::<Vec<ExampleId>>()
        };
        let sets = self.sets();
        let mut train = rest(&sets.train);
        if train.is_empty() {
            // No proposal is made, so the set that is left over is never used.
            train = rest(&sets.pareto);
            train.extend(rest(&sets.validation));
        }
        let sets = ExampleSets {
            train,
            pareto: scored.examples.clone(),
            validation: Vec::new(),
        };
        let mut settings = self.settings().clone();
        settings.run.name.clone_from(&scored.name);
        // Every example of a block is run, also where the rows of a search would grow.
        settings.search.evaluation = Evaluation::Full;
        // A prompt is scored as it is.
        settings.texts.clear();
        settings.seeds.clear();
        settings.search.start_from = None;
        settings.search.start_best = None;
        let limits = settings.budget;
        settings.budget = BudgetSettings {
            max_iterations: Some(0),
            max_tokens: limits.max_tokens,
            max_cost_usd: limits.max_cost_usd,
            max_seconds: limits.max_seconds,
            ..BudgetSettings::default()
        };
        Self::new(
            scored.candidate.clone(),
            self.prompt().clone(),
            sets,
            settings,
        )
    }
}
