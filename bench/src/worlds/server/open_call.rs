//! A call that is being served, and how it comes into the books of its run.

use std::sync::Arc;

use tokio::time::Instant;

use super::books::Ending;
use super::state::Run;
use crate::worlds::Role;

/// A call that is being served. If it is dropped, its client has given up, and it counts as an
/// error.
pub(super) struct OpenCall {
    run: Arc<Run>,
    role: Role,
    began: Instant,
    is_closed: bool,
}

impl OpenCall {
    pub(super) fn begin(run: Arc<Run>, role: Role) -> Self {
        run.ledger.begin();
        Self {
            run,
            role,
            began: Instant::now(),
            is_closed: false,
        }
    }

    pub(super) fn end(mut self, ending: &Ending<'_>) {
        self.close(ending);
    }

    fn close(&mut self, ending: &Ending<'_>) {
        self.is_closed = true;
        self.run.ledger.end(self.role, self.began, ending);
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if !self.is_closed {
            self.close(&Ending::Failed);
        }
    }
}
