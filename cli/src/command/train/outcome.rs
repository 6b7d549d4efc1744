//! What a job came to, whether it ran here or on a backend.

use serde_json::{Map, Value};

use super::history::History;

/// The only status that is a success.
const SUCCEEDED: &str = "succeeded";

/// What a job came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) job_id: String,
    pub(super) status: String,
    /// Why it ended as it did, for people.
    pub(super) reason: Option<String>,
    /// The exit code of a failure, where it is known.
    pub(super) failure_code: Option<u8>,
    /// When it ended, ISO 8601.
    pub(super) ended_at: String,
    /// Every counter and score.
    pub(super) stats: Map<String, Value>,
    pub(super) history: History,
}

impl Outcome {
    pub(super) fn rollouts(&self) -> u64 {
        self.stats
            .get("total_rollouts")
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.stats.get(name).and_then(Value::as_f64)
    }

    /// Why this is no success; `None` if it is one.
    pub(super) fn failure(&self) -> Option<String> {
        let reason = || {
            self.reason
                .clone()
                .unwrap_or_else(|| "no reason was given".to_owned())
        };
        if self.status != SUCCEEDED {
            return Some(format!(
                "job {} ended as {}: {}",
                self.job_id,
                self.status,
                reason()
            ));
        }
        (self.rollouts() == 0)
            .then(|| format!("job {} executed no rollout: {}", self.job_id, reason()))
    }
}
