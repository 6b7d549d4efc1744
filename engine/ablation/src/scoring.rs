//! Scores of a prompt on examples, bought in a run without proposals and stored for later runs.

use std::sync::Arc;

use gepa_engine::config::ScoredPrompt;
use gepa_engine::policy::{Full, Policies};
use gepa_engine::verdict::read_tables;
use gepa_engine::{
    Candidate, Config, Evaluator, ExampleId, LabelChange, Proposer, Run, RunEnd, RunId, Store,
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::error::AblationError;

/// Where prompts are scored.
#[derive(Clone)]
pub struct Scoring {
    /// Keeps the outcomes.
    pub store: Arc<dyn Store>,
    /// The config of the task.
    pub config: Config,
    /// The description that is stored with the runs, see [`as_evaluation`].
    pub described: Value,
    /// Runs prompts on examples.
    pub evaluator: Arc<dyn Evaluator>,
    /// A run has one; it is never called.
    pub proposer: Arc<dyn Proposer>,
}

impl std::fmt::Debug for Scoring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Scoring").finish_non_exhaustive()
    }
}

/// A prompt, and what it is called.
#[derive(Clone, Debug)]
pub struct Named<'a> {
    /// In messages.
    pub label: &'a str,
    /// In the list of runs.
    pub name: String,
    /// The prompt.
    pub candidate: &'a Candidate,
    /// What is written beside the run when it begins.
    pub labels: Option<LabelChange>,
}

/// What an evaluation bought.
#[derive(Clone, Debug)]
pub struct ScoredRun {
    /// The run that holds it.
    pub run: RunId,
    /// Rollouts executed; those that a known run has are not.
    pub executed: u64,
    /// In the order of the examples.
    pub scores: Vec<Option<f64>>,
}

/// The description of a task with the mark of runs that only evaluate.
pub fn as_evaluation(described: &Value) -> Value {
    let mut described = described.clone();
    if let Some(object) = described.as_object_mut() {
        object.insert("budget".to_owned(), json!({"max_iterations": 0}));
    }
    described
}

/// The width of the range of scores, if it is known.
pub fn width(evaluator: &dyn Evaluator) -> Option<f64> {
    let range = evaluator.score_range()?;
    Some(range.highest() - range.lowest())
}

/// The examples of a set in the order in which they are run.
pub fn in_order(set: &[ExampleId]) -> Vec<ExampleId> {
    let mut ordered = set.to_vec();
    // Sets may be sorted by answer. The order must not depend on the prompt, so it follows from ids.
    ordered.sort_by_key(|example| *blake3::hash(example.to_string().as_bytes()).as_bytes());
    ordered
}

impl Scoring {
    /// Scores a prompt on these examples. Outcomes of the `known` runs are not bought again. `begun` gets
    /// the run. When `cancelled` becomes true, calls in flight are finished and stored, and nothing
    /// further begins.
    ///
    /// # Errors
    ///
    /// Why there are no scores. What was bought is stored.
    pub async fn score(
        &self,
        named: Named<'_>,
        examples: &[ExampleId],
        known: &[RunId],
        begun: impl FnOnce(&RunId),
        mut cancelled: watch::Receiver<bool>,
    ) -> Result<ScoredRun, AblationError> {
        let label = named.label.to_owned();
        let prompt = ScoredPrompt {
            name: named.name.clone(),
            candidate: named.candidate.clone(),
            examples: examples.to_vec(),
        };
        let run = Run::builder(self.config.to_score(&prompt)?)
            .described_as(with_prompt(&self.described, &prompt)?)
            .policies(Policies::new().evaluation(Full))
            .knowing(known.iter().cloned())
            .store(Arc::clone(&self.store))
            .evaluator(Arc::clone(&self.evaluator))
            .proposer(Arc::clone(&self.proposer))
            .start()
            .await?;
        let id = run.run_id().clone();
        begun(&id);
        let control = run.control();
        // Beside a run that is killed half way the labels stand as well.
        if let Some(labels) = &named.labels {
            self.store.set_labels(&id, labels).await?;
        }
        let finishing = run.finish();
        tokio::pin!(finishing);
        let result = tokio::select! {
            result = &mut finishing => result?,
            true = is_cancelled(&mut cancelled) => {
                control.interrupt("the ablation was cancelled");
                finishing.await?
            }
        };
        if let RunEnd::Finished(reason) = &result.end
            && reason.is_failure()
        {
            return Err(AblationError::Unscored {
                label,
                reason: reason.to_string(),
                run: id,
            });
        }
        if let RunEnd::Interrupted { reason, .. } = &result.end {
            if *cancelled.borrow() {
                return Err(AblationError::Cancelled);
            }
            return Err(AblationError::Interrupted {
                label,
                reason: reason.clone(),
            });
        }
        let executed = result.run.summary.counters.total_rollouts;
        let mut scores = read_tables(&*self.store, result.run).await?.seed_scores();
        scores.resize(examples.len(), None);
        Ok(ScoredRun {
            run: id,
            executed,
            scores,
        })
    }
}

/// The description of an evaluation, with what it scores, so that its configuration can be made again.
fn with_prompt(described: &Value, scored: &ScoredPrompt) -> Result<Value, serde_json::Error> {
    let mut described = described.clone();
    if let Some(object) = described.as_object_mut() {
        object.insert(ScoredPrompt::KEY.to_owned(), serde_json::to_value(scored)?);
    }
    Ok(described)
}

/// Waits until it is cancelled; forever if no process can cancel it any more.
async fn is_cancelled(cancelled: &mut watch::Receiver<bool>) -> bool {
    if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
    true
}
