//! From a stored journal back to the state that wrote it.

use std::collections::VecDeque;

use super::error::RunError;
use crate::core::Core;
use crate::event::{Decision, Event, EventBody, Fact};

/// Feeds a journal to a core that has just begun, checking every decision against the journal's.
pub(crate) struct Replay {
    core: Core,
    expected: VecDeque<Decision>,
}

impl Replay {
    pub(crate) fn new(mut core: Core) -> Self {
        let expected = core.take_decisions().into();
        Self { core, expected }
    }

    /// Takes the next stored event in.
    pub(crate) fn take_in(&mut self, event: &Event) -> Result<(), RunError> {
        match &event.body {
            EventBody::Fact(fact) => {
                self.settle(fact);
                Ok(())
            }
            EventBody::Decision(stored) => {
                let made_again = self.expected.pop_front();
                if made_again.is_some_and(|decision| is_same_decision(&decision, stored)) {
                    Ok(())
                } else {
                    Err(RunError::Diverged {
                        seq: event.seq,
                        kind: stored.kind(),
                    })
                }
            }
        }
    }

    /// The state, and the decisions that did not reach the journal before the process ended.
    pub(crate) fn finish(self) -> (Core, Vec<Decision>) {
        (self.core, self.expected.into())
    }

    fn settle(&mut self, fact: &Fact) {
        self.core.settle(fact);
        self.expected.extend(self.core.take_decisions());
        self.core.take_work();
        if matches!(fact, Fact::RunAbandoned(_)) {
            // What was decided but never stored will not be.
            self.expected.clear();
        }
    }
}

/// The version of the program that began a run is no decision, and older versions journaled less
/// about a snapshot.
fn is_same_decision(made: &Decision, stored: &Decision) -> bool {
    match (made, stored) {
        (Decision::RunStarted(made), Decision::RunStarted(stored)) => made.seed == stored.seed,
        (Decision::SnapshotTaken(made), Decision::SnapshotTaken(stored)) => {
            made.agrees_with(stored)
        }
        _ => made == stored,
    }
}
