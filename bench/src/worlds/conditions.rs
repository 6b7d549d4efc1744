//! The current conditions of a server: latency, capacity, faults.

use std::time::Duration;

use serde::Deserialize;

use super::model::Role;
use crate::draws::Key;

/// The settings of `POST /control`. A missing setting means zero, unlimited, or never.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// Mean latency of the policy, in milliseconds.
    pub policy_ms: f64,
    /// Standard deviation of its logarithm.
    pub policy_sigma: f64,
    /// Mean latency of the reflection model, in milliseconds.
    pub reflector_ms: f64,
    /// Standard deviation of its logarithm.
    pub reflector_sigma: f64,
    /// Calls that are served at once.
    pub capacity: Option<usize>,
    /// The treatment of calls beyond the capacity.
    pub over_capacity: OverCapacity,
    /// Requests per minute.
    pub rpm: Option<f64>,
    /// Tokens per minute.
    pub tpm: Option<f64>,
    /// Faults, as probabilities per call.
    pub faults: Faults,
}

/// The treatment of calls beyond the capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverCapacity {
    /// They wait in a queue.
    #[default]
    Queue,
    /// They are refused with status 429.
    Reject,
}

/// Probabilities of faults. A call gets at most one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Status 500.
    pub status_500: f64,
    /// Status 429 with `Retry-After`.
    pub status_429: f64,
    /// The connection is closed instead of an answer.
    pub reset: f64,
    /// The connection is closed in the middle of the answer.
    pub truncated: f64,
    /// The answer takes ten times as long.
    pub slow: f64,
    /// The answer comes without usage.
    pub missing_usage: f64,
}

/// The fault of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Status500,
    Status429,
    Reset,
    Truncated,
    Slow,
    MissingUsage,
}

const SLOWER: f64 = 10.0;

impl Conditions {
    /// The latency of a call at this attempt: log-normal, and a function of call and attempt only.
    pub(super) fn latency(&self, role: Role, call: Key, attempt: u64) -> Duration {
        let (mean, sigma) = match role {
            Role::Policy => (self.policy_ms, self.policy_sigma),
            Role::Reflector => (self.reflector_ms, self.reflector_sigma),
        };
        let place = call.with(attempt).with(1);
        let milliseconds = place.log_normal(mean, sigma);
        let slower = match self.fault(call, attempt) {
            Some(Fault::Slow) => SLOWER,
            _ => 1.0,
        };
        Duration::try_from_secs_f64(milliseconds * slower / 1e3).unwrap_or_default()
    }

    /// The fault of a call at this attempt.
    pub(super) fn fault(&self, call: Key, attempt: u64) -> Option<Fault> {
        let faults = &self.faults;
        let mut draw = call.with(attempt).with(2).unit();
        [
            (faults.status_500, Fault::Status500),
            (faults.status_429, Fault::Status429),
            (faults.reset, Fault::Reset),
            (faults.truncated, Fault::Truncated),
            (faults.slow, Fault::Slow),
            (faults.missing_usage, Fault::MissingUsage),
        ]
        .into_iter()
        .find_map(|(probability, fault)| {
            draw -= probability;
            (draw < 0.0).then_some(fault)
        })
    }
}
