//! The status of a run in the form that job queues store.

use gepa_engine::record::{RunRow, RunStatus};
use serde::Serialize;
use serde_json::Value;

/// One flat object with the field names that job queues read. Unknown values are left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobStatus {
    /// The policy as `provider/model`, with overrides applied.
    pub policy: String,
    /// The task app's name for the environment; the run's name if the config names no environment.
    pub environment: String,
    /// Rollouts executed.
    pub rollouts_completed: u64,
    /// Equal to `rollouts_completed`; kept for job clients.
    pub total_rollouts: u64,
    /// Candidates tried.
    pub trials_completed: u64,
    /// Equal to `trials_completed`; kept for job clients.
    pub trials_tried: u64,
    /// The best mean pareto score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_score: Option<f64>,
    /// The seed's mean pareto score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_score: Option<f64>,
    /// The best candidate's mean validation score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_validation_score: Option<f64>,
    /// The seed's mean validation score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_validation_score: Option<f64>,
    /// Remaining seconds: 0 when the run has ended, otherwise absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<f64>,
    /// 100 when the run has ended, otherwise absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_pct: Option<f64>,
    /// Tokens of all models.
    pub total_tokens: u64,
    /// Known cost in US dollars.
    pub total_cost_usd: f64,
    /// Calls whose price is unknown; `total_cost_usd` is without them.
    pub unpriced_calls: u64,
    /// Rollouts of phase optimization.
    pub optimization_rollouts_executed: u64,
    /// Rollouts of phase validation.
    pub validation_rollouts_executed: u64,
    /// Trials of phase optimization.
    pub optimization_trials_evaluated: u64,
    /// Trials of phase validation.
    pub validation_trials_evaluated: u64,
    /// Seconds in which a process ran it.
    pub total_time_seconds: f64,
    /// Validation examples scored per candidate.
    pub eval_seeds_n: u64,
    /// Equal to `eval_seeds_n`; kept for job clients.
    pub eval_n: u64,
    /// Candidates tried, without the seed.
    pub transformations_evaluated: u64,
    /// The policy's model.
    pub policy_model: String,
    /// The policy's provider.
    pub policy_provider: String,
    /// The id of the run.
    pub backend_job_id: String,
}

impl JobStatus {
    /// The status of the run in this row.
    pub fn of(run: &RunRow) -> Self {
        let (summary, counters) = (&run.summary, &run.summary.counters);
        let is_over = matches!(
            summary.status,
            RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled
        );
        Self {
            policy: format!("{}/{}", run.policy_provider, run.policy_model),
            environment: environment(run),
            rollouts_completed: counters.total_rollouts,
            total_rollouts: counters.total_rollouts,
            trials_completed: counters.trials_tried,
            trials_tried: counters.trials_tried,
            best_score: summary.best_score,
            baseline_score: summary.baseline_score,
            best_validation_score: summary.best_validation_score,
            baseline_validation_score: summary.baseline_validation_score,
            eta_seconds: is_over.then_some(0.0),
            progress_pct: is_over.then_some(100.0),
            total_tokens: counters.total_tokens,
            total_cost_usd: counters.total_cost_usd(),
            unpriced_calls: counters.unpriced_calls,
            optimization_rollouts_executed: counters.optimization_rollouts_executed,
            validation_rollouts_executed: counters.validation_rollouts_executed,
            optimization_trials_evaluated: counters.optimization_trials_evaluated,
            validation_trials_evaluated: counters.validation_trials_evaluated,
            total_time_seconds: summary.active_seconds,
            eval_seeds_n: counters.eval_n,
            eval_n: counters.eval_n,
            transformations_evaluated: counters.trials_tried.saturating_sub(1),
            policy_model: run.policy_model.clone(),
            policy_provider: run.policy_provider.clone(),
            backend_job_id: run.run_id.to_string(),
        }
    }
}

/// The places where configs of either format name the environment.
const PLACES: [&str; 3] = [
    "/settings/prompt_learning/gepa/env_name",
    "/settings/gepa/env_name",
    "/settings/evaluator/env_name",
];

fn environment(run: &RunRow) -> String {
    let named = PLACES
        .iter()
        .find_map(|place| run.config.pointer(place).and_then(Value::as_str));
    named.unwrap_or(&run.name).to_owned()
}
