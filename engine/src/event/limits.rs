//! What the limits on model calls allowed. No decision uses it.

use gepa_evaluation::CallsClosed;
use serde::{Deserialize, Serialize};

use crate::ids::Seq;

/// The limits on model calls at one moment. A running process journals them after they changed, at
/// most once a second and at most about a thousand times for each doubling of the run's time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallLimitsNoted {
    /// One entry for each limit that the run's models use.
    pub limits: Vec<NotedLimit>,
    /// The entry of the journal that noted them before this one, so that all of them are found
    /// without a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Seq>,
}

/// The limit on calls to one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedLimit {
    /// The provider's name as configured.
    pub provider: String,
    /// Calls that might be in flight at once.
    pub allowed: u32,
    /// Calls that the provider refused because there were too many, since the note before or since
    /// the process took up the run. Runs that share the limit count together.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused: u64,
    /// What every call waited for; absent if calls went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<CallsClosed>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
