//! The result of a job that ran in this process or on a backend.

use serde_json::{Map, Value};

use super::history::History;

/// The only status that means success.
const SUCCEEDED: &str = "succeeded";

/// The result of a job.
#[derive(Debug)]
pub struct Outcome {
    /// The run id.
    pub job_id: String,
    /// The job's status, `succeeded` if it is a success.
    pub status: String,
    /// Why it ended, as a sentence for people.
    pub reason: Option<String>,
    /// The exit code of a failure, if it is known.
    pub failure_code: Option<u8>,
    /// When it ended, ISO 8601.
    pub ended_at: String,
    /// Every counter and score.
    pub stats: Map<String, Value>,
    /// The job's snapshots.
    pub history: History,
}

impl Outcome {
    /// Rollouts executed.
    pub fn rollouts(&self) -> u64 {
        self.stats
            .get("total_rollouts")
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }

    /// A counter or score by its name.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.stats.get(name).and_then(Value::as_f64)
    }

    /// Why the job failed; `None` if it succeeded.
    pub fn failure(&self) -> Option<String> {
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
