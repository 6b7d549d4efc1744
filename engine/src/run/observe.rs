//! Watching a run: everyone sees events, and only after they are stored.

use crate::event::Event;
use crate::ids::RunId;

/// Is told of events once they are durable, in order, in batches.
///
/// **The implementor** returns quickly (it runs on the run's own task) and never panics. Views,
/// progress bars and metrics are functions of what they are told here.
pub trait Observe: Send + Sync {
    /// Called after a batch was stored.
    fn on_events(&self, run: &RunId, events: &[Event]);
}
