//! What the limits on model calls allow at one moment.

use serde::{Deserialize, Serialize};

/// The limit on calls to one provider at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallLimit {
    /// The provider's name as configured.
    pub provider: String,
    /// Calls that may be in flight at once, at least 1.
    pub allowed: u32,
    /// Calls that the provider refused because there were too many, since the limit exists. All runs
    /// of the process that use the limit count.
    pub refused: u64,
    /// What every call waits for; `None` if calls go out.
    pub closed: Option<CallsClosed>,
}

/// Why no call to a provider goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallsClosed {
    /// The provider counts as down.
    Down,
    /// The provider requested a pause.
    Paused,
}

impl CallLimit {
    /// The limits of several parts of a run. A limit that two of them share is in it once.
    pub fn of_all(parts: impl IntoIterator<Item = Vec<Self>>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for limit in parts.into_iter().flatten() {
            if !all.contains(&limit) {
                all.push(limit);
            }
        }
        all
    }
}
