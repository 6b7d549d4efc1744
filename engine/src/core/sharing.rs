//! Outcomes in flight. Where known outcomes are reused, no two proposals in flight buy the outcome of
//! the same text on the same example: one of them buys it, and the others wait for it.
//!
//! Which one buys it depends on timing, and no decision may. So a proposal's purchases are counted when
//! its gate is committed: it takes over those outcomes of its own that a proposal behind it bought. From
//! then on each outcome counts as bought by the first proposal that was decided on with it. Until then
//! nothing is decided from who bought what: a reservation covers the outcomes that a trial waits for.

use std::sync::Arc;

use gepa_archive::ContentId;
use gepa_evaluation::{ExampleId, Stage};

use super::proposal::Proposal;
use super::state::Core;
use super::trial::{Found, Trial, is_lasting};
use super::work::{is_complete, rollout_at};
use crate::event::RolloutSettled;
use crate::ids::TrialKey;

impl Core {
    /// Looks for an outcome that a new trial of a gate does not know: among the trials in flight, and
    /// in `own`, the other trial of its proposal.
    pub(super) fn found_in_flight(
        &self,
        stage: Stage,
        content: ContentId,
        example: &ExampleId,
        own: Option<&Trial>,
    ) -> Found {
        if !self.memory.shares_in_flight() {
            return Found::Nothing;
        }
        let in_flight = self.open.values().flat_map(Proposal::gate_trials);
        let mut is_awaited = false;
        for trial in in_flight.chain(own) {
            if is_alike(trial, stage, content) {
                match trial.found(example) {
                    Found::InFlight => is_awaited = true,
                    Found::Nothing => {}
                    found => return found,
                }
            }
        }
        if is_awaited {
            Found::InFlight
        } else {
            Found::Nothing
        }
    }

    /// Where an outcome of a child at its gate comes from. `as_of` is the age of the memory when its
    /// proposal was issued, and `own` the trial of its parent.
    pub(super) fn found_for_child(
        &self,
        content: ContentId,
        example: &ExampleId,
        own: Option<&Trial>,
        as_of: u64,
    ) -> Found {
        if let Some(known) = self.memory.of_tried(content, example, as_of) {
            return Found::Known(known);
        }
        // Whether an outcome of an earlier gate came before or after this question depends on timing.
        if self.memory.shares_in_flight()
            && let Some(bought) = self.memory.of_tried(content, example, u64::MAX)
        {
            return Found::Bought(bought);
        }
        self.found_in_flight(Stage::MinibatchChild, content, example, own)
    }

    /// Gives an outcome to the trials that wait for it. Where the outcome may be another one next time, the
    /// first of them buys it for itself and for the others. Returns whether a trial was completed.
    pub(super) fn serve_waiting(&mut self, settled: &RolloutSettled) -> bool {
        if self.waiting == 0 {
            return false;
        }
        let mut waiting = Vec::new();
        for proposal in self.open.values() {
            let alike = proposal
                .gate_trials()
                .filter(|trial| is_alike(trial, settled.stage, settled.candidate));
            for trial in alike {
                let position = trial.waiting_for(&settled.example);
                waiting.extend(position.map(|position| (trial.key, position)));
            }
        }
        if !is_lasting(&settled.outcome) {
            if let Some(&(key, position)) = waiting.first() {
                self.buy_instead(key, position);
            }
            return false;
        }
        let mut any_complete = false;
        for (key, position) in waiting {
            self.waiting -= 1;
            let outcome = Arc::clone(&settled.outcome);
            let Some(proposal) = self.open.get_mut(&key.iteration) else {
                continue;
            };
            let (scale, work) = (&self.scale, &mut self.work);
            let is_filled = proposal.trial_mut(key.index).is_some_and(|trial| {
                trial.share(position, outcome);
                is_complete(trial, scale, work)
            });
            if is_filled {
                self.go_on_from_gate(key);
                any_complete = true;
            }
        }
        any_complete
    }

    /// Makes a proposal whose gate is being committed the buyer of each of its outcomes that an undecided
    /// proposal bought.
    pub(super) fn take_over_purchases(&mut self, proposal: &mut Proposal) {
        for trial in proposal.gate_trials_mut() {
            for position in trial.shared_positions() {
                let example = trial.examples[position].clone();
                let (stage, content) = (trial.stage, trial.candidate.content_id());
                let undecided = self.open.values_mut().filter(|one| !one.gate_committed);
                let mut alike = undecided
                    .flat_map(Proposal::gate_trials_mut)
                    .filter(|other| is_alike(other, stage, content));
                if alike.any(|other| other.hand_over(&example)) {
                    trial.take_over(position);
                }
            }
        }
    }

    fn buy_instead(&mut self, key: TrialKey, position: usize) {
        let proposal = self.open.get_mut(&key.iteration);
        if let Some(trial) = proposal.and_then(|proposal| proposal.trial_mut(key.index)) {
            trial.buy(position);
            self.work.push(rollout_at(trial, position, false));
            self.waiting -= 1;
        }
    }

    fn go_on_from_gate(&mut self, key: TrialKey) {
        let proposal = self.open.get(&key.iteration);
        if let Some(place) = proposal.and_then(|proposal| proposal.place(key.index)) {
            self.go_on_from_trial(key.iteration, place);
        }
    }
}

/// Whether a trial's outcomes are those that a trial of this stage and this content would buy. A parent
/// and a child are run for the same purpose; a merge is gated on other examples, without traces.
fn is_alike(trial: &Trial, stage: Stage, content: ContentId) -> bool {
    let is_merge = |stage| stage == Stage::MergeGate;
    trial.candidate.content_id() == content && is_merge(trial.stage) == is_merge(stage)
}
