//! Scores of a prompt on examples, bought in a run without proposals and stored for later runs.

use std::sync::Arc;

use gepa_configs::{ConnectedTask, TaskConfig};
use gepa_engine::config::{BudgetSettings, Evaluation};
use gepa_engine::policy::{Full, Policies};
use gepa_engine::verdict::read_tables;
use gepa_engine::{Candidate, Config, ExampleId, ExampleSets, Run, RunEnd, RunId, Store};
use serde_json::{Value, json};

use crate::error::CommandError;

/// Where prompts are scored.
pub(crate) struct Scoring<'a> {
    pub(crate) store: &'a Arc<dyn Store>,
    pub(crate) task: &'a TaskConfig,
    /// The description that is stored with the runs.
    pub(crate) described: &'a Value,
    pub(crate) connected: &'a ConnectedTask,
}

/// A prompt, and what it is called.
pub(crate) struct Named<'a> {
    /// In messages.
    pub(crate) label: &'a str,
    /// In the list of runs.
    pub(crate) name: String,
    pub(crate) candidate: &'a Candidate,
}

/// What an evaluation bought.
pub(crate) struct ScoredRun {
    /// The run that holds it.
    pub(crate) run: RunId,
    /// Rollouts executed; those that a known run has are not.
    pub(crate) executed: u64,
    /// In the order of the examples.
    pub(crate) scores: Vec<Option<f64>>,
}

/// The task with the mark of runs that only evaluate.
pub(crate) fn described_as_evaluation(task: &TaskConfig) -> Value {
    let mut described = task.described.clone();
    if let Some(object) = described.as_object_mut() {
        object.insert("budget".to_owned(), json!({"max_iterations": 0}));
    }
    described
}

/// The width of the range of scores, if it is known.
pub(crate) fn width(connected: &ConnectedTask) -> Option<f64> {
    let range = connected.evaluator.score_range()?;
    Some(range.highest() - range.lowest())
}

impl Scoring<'_> {
    /// Scores a prompt on these examples. Outcomes of the `known` runs are not bought again.
    pub(crate) async fn score(
        &self,
        named: Named<'_>,
        examples: &[ExampleId],
        known: &[RunId],
    ) -> Result<ScoredRun, CommandError> {
        let label = named.label;
        let run = Run::builder(self.config(&named, examples)?)
            .described_as(self.described.clone())
            .policies(Policies::new().evaluation(Full))
            .knowing(known.iter().cloned())
            .store(Arc::clone(self.store))
            .evaluator(Arc::clone(&self.connected.evaluator))
            .proposer(Arc::clone(&self.connected.proposer))
            .start()
            .await?;
        let id = run.run_id().clone();
        let result = run.finish().await?;
        if let RunEnd::Finished(reason) = &result.end
            && reason.is_failure()
        {
            return Err(CommandError::Missing(format!(
                "`{label}` could not be scored: {reason} (`gepa show {id}`)"
            )));
        }
        if let RunEnd::Interrupted { reason, .. } = &result.end {
            return Err(CommandError::Unreachable(format!(
                "`{label}` could not be scored: {reason}"
            )));
        }
        let executed = result.run.summary.counters.total_rollouts;
        let mut scores = read_tables(&**self.store, result.run).await?.seed_scores();
        scores.resize(examples.len(), None);
        Ok(ScoredRun {
            run: id,
            executed,
            scores,
        })
    }

    fn config(&self, named: &Named<'_>, examples: &[ExampleId]) -> Result<Config, CommandError> {
        let base = &self.task.config;
        let is_scored = |example: &ExampleId| examples.contains(example);
        let train: Vec<ExampleId> = base.sets().train.clone();
        let rest = train.into_iter().filter(|example| !is_scored(example));
        let mut train: Vec<ExampleId> = rest.collect();
        if train.is_empty() {
            // No proposal is made, so the set that is left over is never used.
            let others = [&base.sets().pareto, &base.sets().validation];
            let others = others.into_iter().flatten();
            train.extend(others.filter(|example| !is_scored(example)).cloned());
        }
        let sets = ExampleSets {
            train,
            pareto: examples.to_vec(),
            validation: Vec::new(),
        };
        let mut settings = base.settings().clone();
        settings.run.name.clone_from(&named.name);
        // Every example of a block is run, also where the rows of a search would grow.
        settings.search.evaluation = Evaluation::Full;
        // A prompt is scored as it is.
        settings.texts.clear();
        settings.seeds.clear();
        settings.search.start_from = None;
        settings.search.start_best = None;
        let limits = settings.budget.clone();
        settings.budget = BudgetSettings::default();
        settings.budget.max_iterations = Some(0);
        settings.budget.max_tokens = limits.max_tokens;
        settings.budget.max_cost_usd = limits.max_cost_usd;
        settings.budget.max_seconds = limits.max_seconds;
        let config = Config::new(
            named.candidate.clone(),
            base.prompt().clone(),
            sets,
            settings,
        );
        config.map_err(|error| CommandError::Usage(error.to_string()))
    }
}
