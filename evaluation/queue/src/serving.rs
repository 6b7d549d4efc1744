//! What all slots of a worker share.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use gepa_evaluation::{CallLimit, Evaluator, Proposer};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::presence::{Heard, Presence};
use crate::{Offer, Queue, names};

/// Settings of a worker.
#[derive(Clone, Copy, Debug)]
pub struct WorkerSettings {
    /// Pieces of work at once.
    pub slots: NonZeroUsize,
    /// A worker that has said nothing for this long counts as lost, and its work goes to another one.
    /// The same for all workers of an offer: the one started last sets it.
    pub lost_after: Duration,
    /// How often a piece of work is given to a worker. When each of them was lost, it has failed.
    pub most_deliveries: u32,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            slots: NonZeroUsize::MIN.saturating_add(7),
            lost_after: Duration::from_secs(10),
            most_deliveries: 5,
        }
    }
}

/// What all slots of a worker share.
pub(crate) struct Serving {
    pub(crate) queue: Arc<Queue>,
    pub(crate) offer: Offer,
    pub(crate) evaluator: Arc<dyn Evaluator>,
    pub(crate) proposer: Option<Arc<dyn Proposer>>,
    pub(crate) settings: WorkerSettings,
    pub(crate) id: String,
    pub(crate) engines: Heard,
    /// Work in hand, by subject.
    pub(crate) in_hand: Mutex<HashMap<String, Arc<Notify>>>,
    pub(crate) rollouts: AtomicU64,
}

impl Serving {
    /// Is notified when the work with this subject is no longer wanted.
    pub(crate) fn withdrawals(&self, subject: &str) -> Arc<Notify> {
        let mut in_hand = self.in_hand.lock();
        Arc::clone(in_hand.entry(subject.to_owned()).or_default())
    }

    /// Says what this worker offers, and returns when to say it again.
    pub(crate) async fn say(&self) -> Instant {
        let proposer = self.proposer.as_ref();
        let presence = Presence {
            id: self.id.clone(),
            offer: self.offer.clone(),
            count: self.settings.slots.get(),
            again_in: self.engines.pace().as_millis() as u64,
            call_limits: CallLimit::of_all([
                self.evaluator.call_limits(),
                proposer.map_or_else(Vec::new, |proposer| proposer.call_limits()),
            ]),
        };
        let subject = names::offered(&self.offer.name);
        self.queue.say(subject, &presence).await;
        presence.again_at()
    }

    pub(crate) fn forget(&self, subject: &str) {
        self.in_hand.lock().remove(subject);
    }

    /// Work that was dropped goes to other workers when this one is seen to be lost.
    pub(crate) fn give_back(&self) {
        let number = self.in_hand.lock().len();
        if number > 0 {
            tracing::info!("{number} pieces of work go to other workers");
        }
    }
}
