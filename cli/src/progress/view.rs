//! What each way of showing a run does.

use gepa_engine::Event;

use super::standing::Standing;

/// A way of showing a run. Where standard error is gone, nothing is shown and the run goes on.
pub(super) trait View: Send {
    /// Shows events that have just been counted.
    fn events(&mut self, events: &[Event], standing: &Standing);

    /// Shows a line about what goes wrong or is being waited for, which no event says.
    fn trouble(&mut self, line: &str, standing: &Standing);

    /// Time has passed.
    fn tick(&mut self, _standing: &Standing) {}
}
