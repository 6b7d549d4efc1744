//! Who is there: workers say what they offer, engines say what they want, every two seconds, so that
//! both can tell people when the two do not fit.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{Offer, Queue, wire};

/// Time between two messages of one process.
pub(crate) const SAID_EVERY: Duration = Duration::from_secs(2);
/// A process counts as gone when it has said nothing for this long.
const GONE_AFTER: Duration = Duration::from_secs(7);

/// What one process says about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Presence {
    /// Names the process.
    pub(crate) id: String,
    pub(crate) offer: Offer,
    /// Rollouts that a worker runs at once, or that an engine waits for.
    pub(crate) count: usize,
}

/// The processes of the other side that were heard of lately.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    by_id: Mutex<BTreeMap<String, (Presence, Instant)>>,
}

impl Heard {
    /// Takes in what a process said, and whether it was heard for the first time.
    pub(crate) fn hear(&self, payload: &[u8]) -> Option<(Presence, bool)> {
        let presence: Presence = wire::read(payload).ok()?;
        let now = Instant::now();
        let mut by_id = self.by_id.lock();
        by_id.retain(|_, (_, at)| now.saturating_duration_since(*at) < GONE_AFTER);
        let before = by_id.insert(presence.id.clone(), (presence.clone(), now));
        Some((presence, before.is_none()))
    }

    /// Those that fit this offer, and the differences of those that do not.
    pub(crate) fn sorted(&self, own: &Offer) -> (usize, Vec<String>) {
        let now = Instant::now();
        let by_id = self.by_id.lock();
        let fresh = by_id.values();
        let fresh = fresh.filter(|(_, at)| now.saturating_duration_since(*at) < GONE_AFTER);
        let mut fitting = 0;
        let mut others = Vec::new();
        for (presence, _) in fresh {
            let differences = own.differences(&presence.offer);
            if differences.is_empty() {
                fitting += 1;
            } else {
                others.push(differences);
            }
        }
        (fitting, others)
    }
}

impl Queue {
    /// Tells the other side about this process. Other processes need not listen.
    pub(crate) async fn say(&self, subject: String, presence: &Presence) {
        if let Ok(payload) = wire::write(presence) {
            let _ = self.client.publish(subject, payload.into()).await;
        }
    }
}
