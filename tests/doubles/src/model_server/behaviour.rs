//! The current behaviour of the server.

use std::num::NonZeroU64;
use std::time::Duration;

use serde::Deserialize;

use super::fault::{Fault, FaultPlan, RetryAfter};
use super::request::ModelCall;

/// Latency, faults and the required key. `POST /control` replaces all of them.
///
/// As JSON: `{"latency_ms": 50, "every": 5, "fault": {"status": 429, "retry_after": 1},
/// "required_key": "k"}`; each key is optional. `every` is 1 by default and counts from now.
/// `models` limits the faults to calls of these models. `{}` is a server without faults.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    pub(super) latency: Duration,
    plan: FaultPlan,
    first_index: u64,
    models: Vec<String>,
    required_key: Option<String>,
    refused: Option<Fault>,
}

/// The body of `POST /control`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    latency_ms: u64,
    fault: Option<WantedFault>,
    every: Option<NonZeroU64>,
    #[serde(default)]
    models: Vec<String>,
    required_key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum WantedFault {
    Status {
        status: u16,
        retry_after: Option<u64>,
    },
    Named {
        name: WantedName,
    },
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WantedName {
    Down,
    MissingUsage,
    InvalidJson,
    NoChoices,
    TruncatedBody,
    StalledBody,
}

impl Behaviour {
    pub(super) fn with_faults(plan: FaultPlan) -> Self {
        Self {
            plan,
            ..Self::default()
        }
    }

    /// The wanted behaviour, from the call with this index on.
    pub(super) fn wanted(wanted: Wanted, first_index: u64) -> Self {
        let every = wanted.every.unwrap_or(NonZeroU64::MIN);
        let plan = wanted.fault.map_or_else(FaultPlan::none, |fault| {
            FaultPlan::none().every(every, fault.into())
        });
        Self {
            latency: Duration::from_millis(wanted.latency_ms),
            plan,
            first_index,
            models: wanted.models,
            refused: wanted.required_key.as_ref().map(|_| Fault::status(401)),
            required_key: wanted.required_key,
        }
    }

    /// Whether every path is served, because answers are given word for word.
    pub(super) fn is_raw(&self) -> bool {
        self.plan.has_raw()
    }

    pub(super) fn fault(&self, call: &ModelCall) -> Option<&Fault> {
        if let Some(key) = &self.required_key {
            let given = call.header("authorization").unwrap_or_default();
            if given.strip_prefix("Bearer ") != Some(key.as_str()) {
                return self.refused.as_ref();
            }
        }
        let concerns =
            self.models.is_empty() || self.models.iter().any(|model| model == call.model());
        let index = call.index.saturating_sub(self.first_index);
        concerns.then(|| self.plan.fault(index)).flatten()
    }
}

impl From<WantedFault> for Fault {
    fn from(wanted: WantedFault) -> Self {
        match wanted {
            WantedFault::Status {
                status,
                retry_after: Some(seconds),
            } => Self::status_with_retry_after(status, RetryAfter::Seconds(seconds)),
            WantedFault::Status { status, .. } => Self::status(status),
            WantedFault::Named { name } => match name {
                WantedName::Down => Self::ResetBeforeHeaders,
                WantedName::MissingUsage => Self::MissingUsage,
                WantedName::InvalidJson => Self::InvalidJson,
                WantedName::NoChoices => Self::NoChoices,
                WantedName::TruncatedBody => Self::TruncatedBody,
                WantedName::StalledBody => Self::StalledBody,
            },
        }
    }
}
