//! The entrance of the core: a run begins, and facts come in.

use std::sync::Arc;

use gepa_evaluation::Outcome;

use super::ledger::Reservation;
use super::proposal::Proposal;
use super::state::{Core, Part};
use super::trial::Trial;
use super::work::{Work, is_complete, rollouts_of};
use crate::event::{Decision, Fact, JOURNAL_FORMAT, RolloutSettled, RunStarted};

impl Core {
    /// Decides to start and to evaluate the seed.
    pub(crate) fn begin(&mut self) {
        let sets = self.config.sets();
        let started = RunStarted {
            format: JOURNAL_FORMAT,
            engine_version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: (**self.config.seed()).clone(),
            train: sets.train.len() as u64,
            pareto: sets.pareto.len() as u64,
            validation: sets.validation.len() as u64,
            limits: Some(self.limits.clone()),
            scores: self.scale.to_journal(),
            origin: None,
            settings: None,
            branch_points: Vec::new(),
            paced: self.pace.is_paced(),
        };
        self.decide(Decision::RunStarted(Box::new(started)));
        let mut row = self.seed_row();
        if let Some(rung) = self.next_rung(&mut row, None) {
            row.reserved = self.reserved_for(&row, &rung);
            self.ledger.reserve(Reservation {
                rollouts: row.reserved,
                reflections: 0,
            });
            self.order_rung(&mut row, rung);
        }
        self.part = Part::Seeding(row);
    }

    /// Adds a fact and makes every decision that follows from it.
    pub(crate) fn settle(&mut self, fact: &Fact) {
        if self.take_in(fact) {
            self.advance();
        }
    }

    /// Adds a fact. Returns whether to decide now; false while the fact's trial is incomplete.
    pub(super) fn take_in(&mut self, fact: &Fact) -> bool {
        self.counters.count_fact(fact);
        match fact {
            Fact::RolloutSettled(settled) | Fact::RolloutRecalled(settled) => {
                return self.settle_rollout(settled);
            }
            Fact::RolloutSuspended(settled) => self.suspend_rollout(settled),
            Fact::RolloutsDropped(dropped) => self.drop_rollouts(dropped),
            Fact::ReflectionSettled(settled) | Fact::ReflectionRecalled(settled) => {
                self.settle_reflection(settled);
            }
            Fact::CandidateInjected(injected) => {
                self.steered.injected.push_back(injected.clone());
            }
            Fact::CandidateVetoed(vetoed) => self.veto(vetoed),
            Fact::HintGiven(given) => self.take_hint(given),
            Fact::ExampleExcluded(excluded) => self.exclude(excluded),
            Fact::StopRequested(request) => self.stop_at_once(request.reason.clone()),
            // The answer was used when it was given, or it was recalled before; limits and ablations
            // decide nothing.
            Fact::PolicyDecided(_) | Fact::CallLimitsNoted(_) | Fact::AblationNoted(_) => {
                return false;
            }
            Fact::SettingsChanged(changed) => self.change_settings(&changed.settings),
            Fact::LimitsChanged(changed) => self.change_limits(changed),
            Fact::RunAbandoned(abandoned) => self.abandon(&abandoned.reason),
            Fact::RunResumed(_) if self.has_failed() => self.finish(),
            Fact::RunResumed(_) => self.reopen_retryable(),
            _ => {}
        }
        true
    }

    /// All work that has no answer yet. A resumed run orders it again.
    pub(crate) fn outstanding(&mut self) -> Vec<Work> {
        self.work.clear();
        let mut orders: Vec<Work> = match &self.part {
            Part::Seeding(row) => row.trials().flat_map(rollouts_of).collect(),
            Part::Validating(trials) => trials.iter().flat_map(rollouts_of).collect(),
            _ => Vec::new(),
        };
        for proposal in self.open.values() {
            orders.extend(proposal.trials().flat_map(rollouts_of));
            orders.extend(self.open_reflections(proposal));
        }
        orders
    }

    fn settle_rollout(&mut self, settled: &RolloutSettled) -> bool {
        if let Outcome::Failed(failure) = &*settled.outcome
            && failure.fatal
        {
            self.give_up_on_rollouts(&failure.message);
            return true;
        }
        let position = settled.position as usize;
        let outcome = Arc::clone(&settled.outcome);
        match &mut self.part {
            Part::Seeding(row) => {
                let trial = row.trial_mut(settled.trial);
                let mut again = Vec::new();
                let filled = trial.is_some_and(|trial| {
                    let is_new = trial.settle(position, outcome);
                    is_new && is_complete(trial, &self.scale, &mut again)
                });
                self.work.extend(again);
                if filled {
                    self.go_on_with_seed();
                }
                filled
            }
            Part::Validating(trials) => {
                let trial = trials.iter_mut().find(|trial| trial.key == settled.trial);
                let Some(trial) = trial else { return false };
                if !trial.settle(position, outcome)
                    || !is_complete(trial, &self.scale, &mut self.work)
                {
                    return false;
                }
                let finished = trial.finished();
                self.decide(finished);
                true
            }
            _ => self.settle_in_proposal(settled, outcome),
        }
    }

    fn suspend_rollout(&mut self, settled: &RolloutSettled) {
        let key = settled.trial;
        let trial = match &mut self.part {
            Part::Seeding(row) => row.trial_mut(key),
            Part::Validating(trials) => trials.iter_mut().find(|trial| trial.key == key),
            _ => {
                let proposal = self.open.get_mut(&key.iteration);
                proposal.and_then(|proposal| proposal.trial_mut(key.index))
            }
        };
        if let Some(trial) = trial {
            trial.suspend(settled.position as usize);
        }
    }

    fn reopen_retryable(&mut self) {
        let of_part: Vec<&mut Trial> = match &mut self.part {
            Part::Seeding(row) => row.trials_mut().collect(),
            Part::Validating(trials) => trials.iter_mut().collect(),
            _ => Vec::new(),
        };
        for proposal in self
            .open
            .values_mut()
            .filter(|proposal| proposal.is_dropping())
        {
            // The process that should have reported the dropped rollouts has ended, and its queue
            // with it.
            proposal.trials_mut().for_each(Trial::drop_all_open);
        }
        let of_proposals = self.open.values_mut().flat_map(Proposal::trials_mut);
        for trial in of_part.into_iter().chain(of_proposals) {
            // A complete trial has been decided on, and that decision includes its failures.
            if !trial.is_complete() {
                trial.reopen_retryable();
            }
        }
    }
}
