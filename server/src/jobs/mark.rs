//! What is stored with a run that was submitted over HTTP, so that it is known as a job again.

use gepa_engine::record::RunRow;
use gepa_evaluation::ExampleId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::source::PreparedJob;

/// The key of a stored configuration under which the mark stands.
const KEY: &str = "job";

/// The mark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JobMark {
    /// The config as submitted, overrides applied, without secrets.
    pub(crate) config_body: Value,
    /// What the config asks for and does not get.
    pub(crate) notes: Vec<String>,
    /// The rollout budget, where there is one.
    pub(crate) rollout_budget: Option<u64>,
    /// The training examples.
    pub(crate) train_seeds: Vec<ExampleId>,
}

impl JobMark {
    /// The mark of a run; `None` if it was not submitted over HTTP.
    pub(crate) fn of(run: &RunRow) -> Option<Self> {
        let stored = run.config.get(KEY)?;
        serde_json::from_value(stored.clone()).ok()
    }

    /// The rollout budget of any run, wherever it came from.
    pub(crate) fn rollout_budget(run: &RunRow) -> Option<u64> {
        match Self::of(run) {
            Some(mark) => mark.rollout_budget,
            None => run
                .config
                .pointer("/settings/budget/max_rollouts")?
                .as_u64(),
        }
    }

    /// What is stored of a job's configuration: its description with the mark in it.
    pub(super) fn describe(job: &PreparedJob) -> Value {
        let mark = Self {
            config_body: job.config_body.clone(),
            notes: job.notes.clone(),
            rollout_budget: job.config.settings().budget.max_rollouts,
            train_seeds: job.config.sets().train.clone(),
        };
        let mut described = match &job.described {
            Value::Object(fields) => fields.clone(),
            other => serde_json::Map::from_iter([("settings".to_owned(), other.clone())]),
        };
        described.insert(KEY.to_owned(), json!(mark));
        Value::Object(described)
    }
}
