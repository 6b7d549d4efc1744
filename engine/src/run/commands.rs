//! What a run does when it gets a command.

use super::driver::{Driver, Ending};
use super::handle::Command;
use super::steering::Awaited;
use crate::core::{Steering, SteeringRefused, Work};
use crate::event::{CandidateInjected, Fact, RunInterrupted, SteeredBy};
use crate::reflection::control_character_in;
use crate::stop::StopReason;

impl Driver {
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Pause(by) => self.pause(by),
            Command::Resume(by) => self.go_on(by),
            Command::Steer(steering, awaited) => self.steer(steering, awaited),
            Command::Stop => {
                self.go_on(SteeredBy::default());
                self.end_soon(Ending::Stop(StopReason::Requested));
            }
            Command::Cancel => {
                self.dispatcher.abort();
                self.end_soon(Ending::Stop(StopReason::Cancelled));
            }
            Command::Interrupt(reason) => {
                self.end_soon(Ending::Interrupt(from_outside(reason)));
            }
            Command::Abort(reason) => {
                self.dispatcher.abort();
                self.end_soon(Ending::Interrupt(from_outside(reason)));
            }
            Command::Inject(candidate) => {
                let same_shape = candidate.components().keys().eq(self
                    .config
                    .seed()
                    .components()
                    .keys());
                let is_plain = |text: &str| control_character_in(text).is_none();
                let all_plain = candidate.components().values().all(|text| is_plain(text));
                if same_shape && all_plain && !self.core.is_finished() {
                    self.journal
                        .push(Fact::CandidateInjected(CandidateInjected {
                            candidate,
                            gated: false,
                            parent: None,
                            taken_from: None,
                            by: SteeredBy::default(),
                        }));
                } else {
                    tracing::warn!(run = %self.run_id, "injected candidate ignored: it has other components than the seed or a control character, or the run is over");
                }
            }
        }
    }

    fn steer(&mut self, steering: Steering, mut awaited: Awaited) {
        if self.ending.is_some() {
            // The person may have gone; so below.
            let _ = awaited.answer.send(Err(SteeringRefused::ProcessEnded));
            return;
        }
        let (is_paused, seconds) = (self.clock.is_paused(), self.clock.elapsed_seconds());
        let by = awaited.by.clone();
        let fact = match self.core.act(steering.clone(), by, is_paused, seconds) {
            Ok(fact) => fact,
            Err(refused) => {
                let _ = awaited.answer.send(Err(refused));
                return;
            }
        };
        if matches!(fact, Fact::LimitsChanged(_)) && self.is_scoring() {
            for fact in self.dispatcher.close() {
                self.journal.push(fact);
            }
            self.held.push((steering, awaited));
            return;
        }
        awaited.kind = fact.kind();
        self.awaited.push(awaited);
        match fact {
            Fact::RunPaused(by) => self.pause(by),
            Fact::RunContinued(by) => self.go_on(by),
            Fact::StopRequested(request) => {
                self.go_on(SteeredBy::default());
                self.stopped_by = request.by;
                self.end_soon(Ending::Stop(request.reason));
            }
            Fact::LimitsChanged(_) => {
                self.changing_limits = true;
                self.journal.push(fact);
            }
            fact => self.journal.push(fact),
        }
    }

    /// Whether calls of the final scoring are in flight, or outcomes of it are not stored yet.
    fn is_scoring(&self) -> bool {
        self.core.is_validating() && !(self.dispatcher.is_idle() && self.journal.is_settled())
    }

    /// Takes up changes of limits once the final scoring that they may end has nothing in flight. Every
    /// rollout that was bought then counts under the new limits, and the next final scoring knows its outcome.
    pub(super) fn take_up_held(&mut self) {
        if self.held.is_empty() || (self.ending.is_none() && self.is_scoring()) {
            return;
        }
        for (steering, awaited) in std::mem::take(&mut self.held) {
            self.steer(steering, awaited);
        }
        if self.ending.is_some() || !self.held.is_empty() {
            return;
        }
        if self.core.is_validating() && !self.changing_limits {
            // The change was refused, so the scoring goes on. Rollouts that waited for another attempt have
            // left the queue.
            self.dispatcher.order(Work::DropQueued);
            let open = self.core.outstanding();
            self.order_all(open);
        }
        self.dispatcher.open();
        if self.clock.is_paused() {
            self.dispatcher.pause();
        }
    }

    fn pause(&mut self, by: SteeredBy) {
        if self.clock.is_paused() || self.ending.is_some() || self.core.is_finished() {
            return;
        }
        self.clock.pause();
        self.dispatcher.pause();
        self.journal.push(Fact::RunPaused(by));
    }

    fn go_on(&mut self, by: SteeredBy) {
        if !self.clock.is_paused() || self.ending.is_some() {
            return;
        }
        self.clock.go_on();
        self.dispatcher.open();
        self.journal.push(Fact::RunContinued(by));
    }
}

fn from_outside(reason: String) -> RunInterrupted {
    RunInterrupted {
        reason,
        provider_down: false,
        goes_on_at: None,
    }
}
