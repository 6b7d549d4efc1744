//! A limiter that is one of several holders of a limit; [`shares`](crate::shares) has the others.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::limiter::Limiter;
use super::shares::{Closed, Grant, Keeper, SharedDocument};
use super::terms::Needs;

impl Limiter {
    /// Lets calls out only within grants of a shared limit from now on, in addition to its own limits. A
    /// [`Keeper`] gets the grants. Returns whether it was not shared before.
    pub fn share(&self) -> bool {
        self.state.lock().share()
    }

    /// Shares the limits of this limiter with others through a document, from now on. `holder` is a name
    /// that no other process has. Does nothing if the limiter is shared already.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn share_through(self: &Arc<Self>, document: Arc<dyn SharedDocument>, holder: &str) {
        if self.share() {
            tokio::spawn(Keeper::new(document, self, holder).keep());
        }
    }

    /// Why the place of the shared limit is not reached; `None` if it is.
    pub fn share_trouble(&self) -> Option<String> {
        self.share_trouble.lock().clone()
    }

    pub(crate) fn close_share(&self) -> Closed {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let first = Needs {
            tokens: self.first.load(Ordering::Relaxed),
            micro_dollars: self.first_cost.load(Ordering::Relaxed),
        };
        self.state
            .lock()
            .close_share(waiting, first, Instant::now())
    }

    pub(crate) fn open_share(&self, number: u64, grant: &Grant, until: Instant) {
        self.state
            .lock()
            .open_share(number, grant, until, Instant::now());
        self.changed.notify_one();
    }

    pub(crate) fn note_share(&self, trouble: Option<String>) {
        *self.share_trouble.lock() = trouble;
    }

    /// Notified when a call waits for a grant.
    pub(crate) fn share_wanted(&self) -> Arc<Notify> {
        Arc::clone(&self.share_wanted)
    }
}
