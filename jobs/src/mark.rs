//! The mark that is stored with a run that was submitted over HTTP. A restarted server recognises
//! its jobs by it.

use gepa_engine::record::RunRow;
use gepa_engine::{Config, Plan};
use gepa_evaluation::ExampleId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The key of the mark in a stored config.
const KEY: &str = "job";

/// The mark of a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobMark {
    /// The config as submitted, overrides applied, without secrets.
    pub config_body: Value,
    /// Keys of the config that have no effect, each as a sentence.
    pub notes: Vec<String>,
    /// The rollout budget; without one, the most rollouts that the other limits allow.
    pub rollout_budget: Option<u64>,
    /// The training examples.
    pub train_seeds: Vec<ExampleId>,
    /// The tenant of the key that it was submitted with; empty for a key without one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// Jobs of a greater priority begin first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl JobMark {
    /// The mark of a run; `None` if it was not submitted over HTTP.
    pub fn of(run: &RunRow) -> Option<Self> {
        let stored = run.config.get(KEY)?;
        serde_json::from_value(stored.clone()).ok()
    }

    /// The most rollouts a run may execute by its limits, submitted over HTTP or not.
    pub fn planned_rollouts(run: &RunRow) -> Option<u64> {
        match Self::of(run) {
            Some(mark) => mark.rollout_budget,
            None => run
                .config
                .pointer("/settings/budget/max_rollouts")?
                .as_u64(),
        }
    }

    /// The mark of a new job.
    pub fn new(config_body: Value, notes: Vec<String>, config: &Config) -> Self {
        let budget = config.settings().budget.max_rollouts;
        Self {
            config_body,
            notes,
            rollout_budget: budget.or_else(|| Plan::of(config, None).most.rollouts),
            train_seeds: config.sets().train.clone(),
            tenant: String::new(),
            priority: 0,
        }
    }

    /// The stored config of a job: `described` with this mark in it.
    pub fn describe(&self, described: &Value) -> Value {
        let mut described = match described {
            Value::Object(fields) => fields.clone(),
            other => serde_json::Map::from_iter([("settings".to_owned(), other.clone())]),
        };
        described.insert(KEY.to_owned(), json!(self));
        Value::Object(described)
    }
}
