//! Generations that begin on request: a caller that carries out the orders itself may want to look at
//! a generation's decisions before the next one draws a parent.

use super::state::{Core, Pace};

impl Core {
    /// From here on each generation waits until it is requested.
    pub(crate) fn wait_for_requests(&mut self) {
        self.pace = Pace::Waiting;
    }

    /// Whether generations wait until they are requested.
    pub(crate) fn is_paced(&self) -> bool {
        self.pace.is_paced()
    }

    /// Requests the next generation and makes every decision that follows. Without a pace, and while
    /// a generation is open under lags of 1, nothing follows.
    pub(crate) fn request_generation(&mut self) {
        if self.is_paced() {
            self.pace = Pace::Requested;
            self.advance();
        }
    }
}
