//! Rebuilds the state of a run from its stored journal.

use std::collections::VecDeque;

use super::error::RunError;
use crate::config::removed_values;
use crate::core::Core;
use crate::event::{Decision, Event, EventBody, Fact};

/// Feeds a journal to a core that has not begun, and compares every decision with the journal's.
///
/// A fact is held back until the next unknown decision is compared. By then the journal has shown
/// every foreign policy's answer that the fact leads to, because answers are stored before
/// decisions.
pub(crate) struct Replay {
    core: Core,
    has_begun: bool,
    facts: VecDeque<Fact>,
    expected: VecDeque<Decision>,
}

impl Replay {
    pub(crate) fn new(mut core: Core) -> Self {
        core.set_replaying(true);
        Self {
            core,
            has_begun: false,
            facts: VecDeque::new(),
            expected: VecDeque::new(),
        }
    }

    /// Adds the next stored event.
    pub(crate) fn take_in(&mut self, event: &Event) -> Result<(), RunError> {
        check_settings(&event.body)?;
        let stored = match &event.body {
            EventBody::Fact(Fact::PolicyDecided(decided)) => {
                self.core.recall(decided);
                return Ok(());
            }
            EventBody::Fact(fact) => {
                self.facts.push_back(fact.clone());
                return Ok(());
            }
            EventBody::Decision(stored) => stored,
        };
        if let Decision::RunStarted(started) = stored {
            self.core.begin_as(started);
            if started.paced {
                self.core.wait_for_requests();
            }
        }
        while self.expected.is_empty() && self.go_on() {}
        if self.expected.is_empty() && self.core.is_paced() {
            // No fact leads to this decision, so a request did.
            self.core.request_generation();
            self.expected.extend(self.core.take_decisions());
            self.core.take_work();
        }
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

    /// Returns the state, and the entries that did not reach the journal before the process ended,
    /// the answers of foreign policies first.
    pub(crate) fn finish(mut self) -> (Core, Vec<EventBody>) {
        // The journal does not say what follows from the last facts, so policies are asked again.
        self.core.set_replaying(false);
        while self.go_on() {}
        let answers = self.core.take_answers().into_iter().map(EventBody::Fact);
        let decisions = self.expected.into_iter().map(EventBody::Decision);
        let pending = answers.chain(decisions).collect();
        (self.core, pending)
    }

    /// Feeds the next fact, if there is one.
    fn go_on(&mut self) -> bool {
        if !self.has_begun {
            self.has_begun = true;
            self.core.begin();
        } else if let Some(fact) = self.facts.pop_front() {
            self.core.settle(&fact);
            self.core.take_work();
            if matches!(fact, Fact::RunAbandoned(_)) {
                // Decisions that were made but never stored will not be stored later.
                self.expected.clear();
                self.core.take_decisions();
            }
        } else {
            return false;
        }
        self.expected.extend(self.core.take_decisions());
        true
    }
}

/// Refuses settings in a journal that this version cannot follow.
fn check_settings(body: &EventBody) -> Result<(), RunError> {
    let settings = match body {
        EventBody::Decision(Decision::RunStarted(started)) => started.settings.as_deref(),
        EventBody::Fact(Fact::SettingsChanged(changed)) => Some(&changed.settings),
        _ => None,
    };
    let removed = settings.and_then(|settings| removed_values(&settings.run).into_iter().next());
    removed.map_or(Ok(()), |problem| Err(RunError::RemovedSetting(problem)))
}

/// The version of the program that began a run is not a decision, and older versions journaled less
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Settings, Speculation};
    use crate::event::SettingsChanged;

    #[test]
    fn a_shared_part_with_settings_that_were_removed_is_refused_by_name() {
        let mut settings = Settings::default();
        let changed = |settings: &Settings| {
            let settings = settings.clone();
            check_settings(&Fact::SettingsChanged(Box::new(SettingsChanged { settings })).into())
        };
        assert!(changed(&settings).is_ok());
        settings.run.speculate = Speculation::Likely;
        let refused = changed(&settings).unwrap_err().to_string();
        assert!(
            refused.contains("`run.speculate` no longer takes `likely`"),
            "{refused}"
        );
    }
}
