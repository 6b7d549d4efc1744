//! The end of a run: stopping, the final scoring, the result.

use std::sync::Arc;

use gepa_archive::{Candidate, CandidateIndex};
use gepa_evaluation::Stage;
use gepa_statistics::Comparison;

use super::ledger::Reservation;
use super::state::{Core, Part};
use super::trial::{Trial, mean};
use super::work::Work;
use crate::event::{
    BestAgainstSeed, CloseReason, Decision, PolicyPoint, RunFinished, SnapshotTag, StopDecided,
    ValidationResult,
};
use crate::ids::TrialKey;
use crate::policy::{PolicySet, Question};
use crate::stop::StopReason;
use crate::verdict::CONFIDENCE;

impl Core {
    /// Ends the run at once and does not wait for calls in flight. Results already journaled stay.
    pub(super) fn stop_at_once(&mut self, reason: StopReason) {
        match &self.part {
            Part::Finished => return,
            Part::Failed => {
                self.finish();
                return;
            }
            Part::Validating(_) => {
                self.work.push(Work::DropQueued);
                if reason == StopReason::Cancelled {
                    self.decide_to_stop(reason);
                }
                self.finish();
                return;
            }
            Part::Seeding(_) | Part::Searching | Part::Draining => {}
        }
        self.work.push(Work::DropQueued);
        self.close_open();
        if self.stop.is_none() || reason == StopReason::Cancelled {
            self.decide_to_stop(reason);
        }
        self.part = Part::Draining;
    }

    /// Ends the run as failed, because every other rollout would fail in the same way.
    pub(super) fn give_up_on_rollouts(&mut self, message: &str) {
        if matches!(self.part, Part::Failed | Part::Finished) {
            return;
        }
        self.give_up(StopReason::EvaluatorFailures {
            failed: self.counters.failed_rollouts,
            of: self.counters.total_rollouts,
            message: message.to_owned(),
        });
    }

    /// Ends the search, because every other reflection would fail in the same way. The run fails if
    /// it has accepted no candidate yet.
    pub(super) fn give_up_on_reflection(&mut self, message: &str) {
        if !matches!(self.part, Part::Searching) {
            return;
        }
        let accepted = self.archive.len().saturating_sub(1) as u64;
        let reason = StopReason::ReflectionFailures {
            iterations: self.fruitless.unreflected + 1,
            accepted,
            message: message.to_owned(),
        };
        if reason.is_failure() {
            self.give_up(reason);
        } else {
            self.stop_issuing(reason);
        }
    }

    /// Records that the run was ended from outside. The core makes no further decision.
    pub(super) fn abandon(&mut self, reason: &StopReason) {
        self.open.clear();
        self.stop = Some(reason.clone());
        self.part = Part::Finished;
    }

    /// Ends the run as failed. The core decides nothing further. The end waits until everything in
    /// flight has returned, so that the final figures include it.
    pub(super) fn give_up(&mut self, reason: StopReason) {
        self.close_open();
        self.decide_to_stop(reason);
        self.part = Part::Failed;
    }

    fn decide_to_stop(&mut self, reason: StopReason) {
        self.decide(Decision::StopDecided(StopDecided {
            reason: reason.clone(),
        }));
        self.stop = Some(reason);
    }

    fn close_open(&mut self) {
        self.waiting = 0;
        for (iteration, mut proposal) in std::mem::take(&mut self.open) {
            let mut used = if proposal.gate_committed {
                Reservation::default()
            } else {
                proposal.gate_usage()
            };
            used.rollouts += proposal.pareto_executed();
            self.ledger
                .settle(std::mem::take(&mut proposal.reserved), used);
            let wasted = if proposal.is_on_its_way() {
                0
            } else {
                proposal.pareto_executed()
            };
            let unwanted = proposal.unwanted.map(|one| (one.reason, one.detail));
            let (reason, detail) = unwanted.unwrap_or((CloseReason::Stopped, String::new()));
            self.close_with_waste(iteration, reason, detail, wasted);
        }
    }

    pub(super) fn begin_validation_if_drained(&mut self) {
        if !matches!(self.part, Part::Draining) || !self.open.is_empty() {
            return;
        }
        let unvalidated =
            |reason: &StopReason| reason.is_failure() || *reason == StopReason::Cancelled;
        let ends_here = self.stop.as_ref().is_some_and(unvalidated);
        if ends_here || self.config.sets().validation.is_empty() || self.archive.is_empty() {
            self.finish();
            return;
        }
        let mut trials = Vec::new();
        let taken = self.scorings.trials_in(self.next_iteration);
        for (rank, candidate) in self.validated().into_iter().enumerate() {
            let stage = if rank == 0 {
                Stage::ValidationBaseline
            } else {
                Stage::ValidationTopK
            };
            let key = TrialKey {
                iteration: self.next_iteration,
                index: taken + rank as u32,
            };
            let Some(entry) = self.archive.get(candidate) else {
                continue;
            };
            let trial = self.scoring(key, stage, Arc::clone(&entry.candidate));
            self.order_trial(&trial);
            if trial.is_complete() {
                self.decide(trial.finished());
            }
            trials.push(trial);
        }
        self.scorings
            .add_trials(self.next_iteration, trials.len() as u32);
        self.part = Part::Validating(trials);
    }

    pub(super) fn finish_if_validated(&mut self) {
        while matches!(&self.part, Part::Validating(trials) if trials.iter().all(Trial::is_complete))
        {
            if !self.score_in_place_of_vetoed() {
                self.finish();
            }
        }
    }

    /// Begins the final scoring of the result if a person vetoed the one before during the scoring, and the
    /// budget pays for it.
    fn score_in_place_of_vetoed(&mut self) -> bool {
        let scored = self.validated();
        let result = self.result().filter(|best| !scored.contains(best));
        let entry = result.and_then(|best| self.archive.get(best));
        let (Some(best), Some(entry)) = (result, entry) else {
            return false;
        };
        if !self.steered.replaces_vetoed {
            return false;
        }
        let text = Arc::clone(&entry.candidate);
        let iteration = self.next_iteration;
        let index = self.scorings.trials_in(iteration);
        let key = TrialKey { iteration, index };
        let trial = self.scoring(key, Stage::ValidationTopK, text);
        let Part::Validating(trials) = &self.part else {
            return false;
        };
        let in_search = self.ledger.rollouts(0);
        let in_scorings =
            trials.iter().map(Trial::executed).sum::<u64>() + self.scorings.executed();
        let used = in_search.used + in_search.reserved + in_scorings;
        let limit = self.limits.max_rollouts;
        if limit.is_some_and(|limit| used + trial.unknown() > limit) {
            return false;
        }
        self.order_trial(&trial);
        if trial.is_complete() {
            self.decide(trial.finished());
        }
        self.scorings.add_trials(iteration, 1);
        self.replacements.push(best);
        if let Part::Validating(trials) = &mut self.part {
            trials.push(trial);
        }
        true
    }

    /// A trial of a candidate on the held-out examples that buys no known outcome.
    fn scoring(&self, key: TrialKey, stage: Stage, text: Arc<Candidate>) -> Trial {
        let (held_out, content) = (self.config.sets().validation.clone(), text.content_id());
        Trial::new(key, stage, text, held_out, |example| {
            self.scorings.known(content, example).into()
        })
    }

    /// The candidates of the final scoring: first the baseline, then the best candidates, then those in the
    /// place of vetoed ones.
    fn validated(&mut self) -> Vec<CandidateIndex> {
        let top_k = self.config.settings().validation.top_k as usize;
        let baseline = CandidateIndex(0);
        let winners = self.winners().to_vec();
        let best = winners.into_iter().filter(|index| *index != baseline);
        let best = best.take(top_k).chain(self.replacements.iter().copied());
        std::iter::once(baseline).chain(best).collect()
    }

    /// The best candidates, the winner first. After the first call the archive no longer changes.
    fn winners(&mut self) -> &[CandidateIndex] {
        let archive = &self.archive;
        let PolicySet {
            winner, answers, ..
        } = &mut self.policies;
        let name = Question::first(PolicyPoint::Winner, self.next_iteration);
        let count = self.config.settings().validation.top_k as usize + 1;
        self.winners.get_or_insert_with(|| {
            let mut winners: Vec<CandidateIndex> = Vec::new();
            let asked = answers.ask(name, winner, |choice| choice.rank(archive, count));
            for index in asked.answer {
                let is_live = archive.get(index).is_some_and(|one| !one.evicted);
                if is_live && !winners.contains(&index) {
                    winners.push(index);
                }
            }
            winners
        })
    }

    /// The first winner that no person has vetoed since.
    fn result(&mut self) -> Option<CandidateIndex> {
        let winners = self.winners().to_vec();
        let is_live = |index: &CandidateIndex| {
            let entry = self.archive.get(*index);
            entry.is_some_and(|entry| !entry.evicted)
        };
        let first = winners.into_iter().find(is_live);
        let next = first.or_else(|| self.archive.best());
        next.or_else(|| self.seed_if_alone())
    }

    /// The seed, if people vetoed all other members of the archive. It counts also where it was evicted.
    pub(super) fn seed_if_alone(&self) -> Option<CandidateIndex> {
        let is_alone = self.archive.best().is_none() && !self.archive.is_empty();
        (self.steered.replaces_vetoed && is_alone).then_some(CandidateIndex(0))
    }

    pub(super) fn finish(&mut self) {
        let trials = match std::mem::replace(&mut self.part, Part::Finished) {
            Part::Validating(trials) => trials,
            _ => Vec::new(),
        };
        for trial in &trials {
            self.scorings.remember(trial);
        }
        let validated = self.validated();
        // A failure counts the same for all of them.
        let seen: Vec<f64> = trials.iter().flat_map(Trial::scores).flatten().collect();
        let values_of = |trial: &Trial| {
            let own = trial.scores().into_iter().flatten();
            let worst = if self.scale.is_open_below() {
                self.scale.worst_among(seen.iter().copied())
            } else {
                self.scale.worst_among(own)
            };
            trial.values(worst)
        };
        let counted: Vec<Vec<Option<f64>>> = trials.iter().map(values_of).collect();
        let validation: Vec<ValidationResult> = trials
            .iter()
            .zip(validated)
            .zip(0_u32..)
            .zip(&counted)
            .map(|(((trial, candidate), rank), values)| {
                let values = values.iter().zip(&trial.examples);
                let counting = values.filter(|(_, example)| !self.steered.is_excluded(example));
                let known: Vec<f64> = counting.filter_map(|(value, _)| *value).collect();
                ValidationResult {
                    candidate,
                    rank: (rank > 0).then_some(rank),
                    mean_score: mean(&known),
                    scores: trial.scores(),
                }
            })
            .collect();
        let best = self.result();
        let held_out = validation.iter().zip(counted).map(|(result, counted)| {
            let row = if self.scale.is_open_below() {
                counted
            } else {
                result.scores.clone()
            };
            (result.candidate, row)
        });
        let held_out: Vec<(CandidateIndex, Vec<Option<f64>>)> = held_out.collect();
        let best = best.map(|best| self.or_the_seed(best, &held_out));
        let comparison = best.and_then(|best| self.against_seed(best));
        self.admit_that_nothing_was_executed();
        let finished = RunFinished {
            stop_reason: self.stop.clone().unwrap_or(StopReason::Requested),
            best,
            validation,
            comparison,
            counters: self.counters.clone(),
        };
        self.decide(Decision::RunFinished(Box::new(finished)));
        if let Some(best) = best {
            self.snapshot(SnapshotTag::Final, best);
        }
    }

    /// The winner, or the seed if `final.keep_seed_below` asks for more certainty than the scores give.
    /// Of the held-out scores, what each counts as.
    fn or_the_seed(
        &self,
        best: CandidateIndex,
        validation: &[(CandidateIndex, Vec<Option<f64>>)],
    ) -> CandidateIndex {
        let seed = CandidateIndex(0);
        let Some(certainty) = self.config.settings().final_choice.keep_seed_below else {
            return best;
        };
        let held_out = |candidate: CandidateIndex| {
            let mut results = validation.iter();
            let found = results.find(|(validated, _)| *validated == candidate);
            found.map(|(_, counted)| counted.clone())
        };
        let on_fronts = |candidate: CandidateIndex| -> Vec<Option<f64>> {
            let instances = self.instances.iter();
            instances
                .map(|instance| self.archive.score(candidate, *instance))
                .collect()
        };
        let counting = |scores: Vec<Option<f64>>| {
            let cells = scores.into_iter().zip(&self.config.sets().validation);
            let kept = cells.filter(|(_, example)| !self.steered.is_excluded(example));
            kept.map(|(score, _)| score).collect::<Vec<_>>()
        };
        let rows = held_out(seed).zip(held_out(best));
        let rows = rows.map(|(before, after)| (counting(before), counting(after)));
        let (before, after) = rows.unwrap_or_else(|| (on_fronts(seed), on_fronts(best)));
        let pairs: Vec<(f64, f64)> = before
            .into_iter()
            .zip(after)
            .filter_map(|(before, after)| before.zip(after))
            .collect();
        let is_certain =
            Comparison::of(&pairs, CONFIDENCE).is_some_and(|found| found.p_better >= certainty);
        if is_certain { best } else { seed }
    }

    /// What is known about the best candidate and the seed; `None` unless rows grow.
    fn against_seed(&self, best: CandidateIndex) -> Option<BestAgainstSeed> {
        let growth = self.growth.as_ref()?;
        let (best, seed) = (growth.estimate(best), growth.estimate(CandidateIndex(0)));
        let better = best.beats(&seed);
        Some(BestAgainstSeed { best, seed, better })
    }

    /// A run without any executed or recalled rollout has no result. Its reason is replaced by one that says
    /// so.
    fn admit_that_nothing_was_executed(&mut self) {
        let reason = self.stop.clone().unwrap_or(StopReason::Requested);
        let is_told = reason.is_failure() || reason == StopReason::Cancelled;
        let outcomes = self.counters.total_rollouts + self.counters.recalled_rollouts;
        if outcomes == 0 && !is_told {
            let cause = reason.to_string();
            self.stop = Some(StopReason::NoRollouts { cause });
        }
    }
}
