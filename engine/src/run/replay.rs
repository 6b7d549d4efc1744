//! From a stored journal back to the state that wrote it.

use std::collections::VecDeque;

use super::error::RunError;
use crate::core::Core;
use crate::event::{Event, EventBody};

/// Feeds a journal to a core that has just begun, checking every decision against the journal's.
pub(crate) struct Replay {
    core: Core,
    expected: VecDeque<EventBody>,
}

impl Replay {
    pub(crate) fn new(mut core: Core) -> Self {
        let expected = core.take_decisions().into();
        Self { core, expected }
    }

    /// Takes the next stored event in.
    pub(crate) fn take_in(&mut self, event: &Event) -> Result<(), RunError> {
        if event.body.is_fact() {
            self.core.settle(&event.body);
            self.expected.extend(self.core.take_decisions());
            self.core.take_work();
            if matches!(event.body, EventBody::RunAbandoned(_)) {
                // What was decided but never stored will not be.
                self.expected.clear();
            }
            return Ok(());
        }
        let made_again = self.expected.pop_front();
        if made_again.is_some_and(|decision| is_same_decision(&decision, &event.body)) {
            Ok(())
        } else {
            Err(RunError::Diverged {
                seq: event.seq,
                kind: event.body.kind(),
            })
        }
    }

    /// The state, and the decisions that did not reach the journal before the process ended.
    pub(crate) fn finish(self) -> (Core, Vec<EventBody>) {
        (self.core, self.expected.into())
    }
}

/// The version of the program that began a run is no decision.
fn is_same_decision(made: &EventBody, stored: &EventBody) -> bool {
    match (made, stored) {
        (EventBody::RunStarted(made), EventBody::RunStarted(stored)) => made.seed == stored.seed,
        _ => made == stored,
    }
}
