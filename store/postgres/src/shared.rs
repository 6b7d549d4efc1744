//! What the thread that keeps claims shares with the store, the claims and the listener.

use std::collections::BTreeMap;
use std::sync::Arc;

use gepa_engine::{ClaimNotice, ClaimToken, RunId};
use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};

/// What the thread shares with the store and the claims.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) held: Mutex<BTreeMap<RunId, (u64, ClaimNotice)>>,
    /// How many releases of each run are on their way.
    pub(crate) releasing: watch::Sender<BTreeMap<RunId, usize>>,
    /// Topics that have changed: ids of runs, and names of tables that are not journals.
    pub(crate) woken: broadcast::Sender<Arc<str>>,
    /// A topic of this process alone. It is sent over another connection than the one that listens,
    /// so its arrival shows that wake-ups of other processes arrive.
    pub(crate) hello: Arc<str>,
    /// Whether wake-ups of other processes arrive.
    pub(crate) hears: watch::Sender<bool>,
}

impl Shared {
    /// Notifies the holder of a token that `owner` owns the run now.
    pub(crate) fn tell(&self, token: &ClaimToken, owner: &str) {
        let held = self.held.lock();
        if let Some((number, notice)) = held.get(&token.run)
            && *number == token.number
        {
            notice.tell(owner);
        }
    }

    pub(crate) fn released(&self, run: &RunId) {
        self.releasing.send_modify(|runs| {
            if let Some(count) = runs.get_mut(run) {
                *count -= 1;
                if *count == 0 {
                    runs.remove(run);
                }
            }
        });
    }
}
